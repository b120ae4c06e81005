"""The two engines: they agree on real recordings and photos, and nobody can tell which one wrote a file."""

import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from PIL import Image

from vpcodec.codec.engines import open_engine
from vpcodec.codec.onnx_engine import OnnxEngine, thread_limit
from vpcodec.codec.pipeline import Codec
from vpcodec.codec.torch_engine import TorchEngine
from vpcodec.errors import ConfigError, InputError
from vpcodec.graphs import write_graphs
from vpcodec.metrics.speech import pesq_wb, stoi
from vpcodec.registry import ModelFolder, list_models

MEDIA = Path(__file__).resolve().parents[1] / "media"
FILES = {"speech": ("speech.flac",), "image": ("cat.png", "coffee.jpg")}
KINDS = tuple(FILES)


@pytest.fixture(scope="module")
def models(model_folders: dict[str, Path]) -> dict[str, ModelFolder]:
    """Tiny models with graphs."""
    for folder in model_folders.values():
        write_graphs(folder)
    return {kind: ModelFolder(folder) for kind, folder in model_folders.items()}


def released() -> list[ModelFolder]:
    """The models of the checkout that have graphs, where it has any."""
    return [model for model in list_models() if model.facts.graphs]


def signal_of(path: Path, hop: int) -> np.ndarray:
    """A recording or photo as an engine takes it, [1, ...]: whole hops, full scale 1."""
    if path.suffix in (".flac", ".wav"):
        samples, _ = soundfile.read(path, dtype="float32")
        return samples[None, : min(2000, len(samples) // hop) * hop]
    pixels = np.asarray(Image.open(path).convert("RGB"))[:512, :512]
    height, width = (size // hop * hop for size in pixels.shape[:2])
    return pixels[None, :height, :width].astype(np.float32) / np.float32(127.5) - np.float32(1)


def compare(model: ModelFolder, paths: list[Path]) -> tuple[int, int, float]:
    """Tokens, how many of them differ between the engines, and the furthest difference of the decoded signals."""
    onnx, torch = OnnxEngine(model), TorchEngine(model, "cpu")
    rate = model.checked_codebook(None)
    tokens, different, furthest = 0, 0, 0.0
    for path in paths:
        signal = signal_of(path, model.facts.hop)
        reference = torch.encode(signal, rate)
        tokens += reference.size
        different += int(np.count_nonzero(onnx.encode(signal, rate) != reference))
        gap = np.abs(onnx.decode(reference, rate) - torch.decode(reference, rate)).max()
        furthest = max(furthest, float(gap))
    return tokens, different, furthest


@pytest.mark.parametrize("kind", KINDS)
def test_the_engines_agree_on_a_real_recording_and_on_photos(models: dict[str, ModelFolder], kind: str) -> None:
    tokens, different, furthest = compare(models[kind], [MEDIA / name for name in FILES[kind]])
    assert different <= tokens // 10_000
    assert furthest <= 1e-4


@pytest.mark.slow
@pytest.mark.parametrize("model", released(), ids=lambda model: model.name)
def test_the_engines_agree_on_a_fifth_of_the_test_split_with_every_released_model(
    model: ModelFolder, shared: Path
) -> None:
    split = shared / "data" / ("speech" if model.facts.kind == "speech" else "images") / "test"
    paths = [path for path in sorted(split.iterdir()) if path.suffix in (".flac", ".webp")]
    tokens, different, furthest = compare(model, paths[::5])
    assert tokens > 0
    assert different <= tokens / 10_000
    assert furthest <= 1e-4


@pytest.mark.slow
@pytest.mark.parametrize("model", released(), ids=lambda model: model.name)
def test_8_bits_cost_a_released_model_hardly_any_quality(model: ModelFolder) -> None:
    path = MEDIA / FILES[model.facts.kind][-1]
    signal = signal_of(path, model.facts.hop)
    rate = model.checked_codebook(None)
    engine, quicker = OnnxEngine(model), OnnxEngine(model, eight_bits=True)
    tokens = engine.encode(signal, rate)
    exact, quick = (one.decode(tokens, rate) for one in (engine, quicker))
    if model.facts.kind == "speech":
        assert pesq_wb(quick[0], signal[0]) > pesq_wb(exact[0], signal[0]) - 0.05
        assert stoi(quick[0], signal[0]) > stoi(exact[0], signal[0]) - 0.005
    else:
        assert decibels(quick, signal) > decibels(exact, signal) - 0.1


def decibels(ours: np.ndarray, theirs: np.ndarray) -> float:
    """PSNR of signals from -1 to 1."""
    return float(10 * np.log10(4 / np.square(ours - theirs).mean()))


@pytest.mark.parametrize("kind", KINDS)
def test_the_onnx_engine_computes_the_same_bytes_with_any_number_of_threads(
    models: dict[str, ModelFolder], kind: str
) -> None:
    model = models[kind]
    rate = model.checked_codebook(None)
    signal = signal_of(MEDIA / FILES[kind][0], model.facts.hop)
    alone, *others = [OnnxEngine(model, threads) for threads in (1, 2, 3)]
    latents = alone.run("encoder.onnx", signal)
    tokens = alone.encode(signal, rate)
    decoded = alone.decode(tokens, rate)
    for other in others:
        assert other.run("encoder.onnx", signal).tobytes() == latents.tobytes()
        assert other.decode(tokens, rate).tobytes() == decoded.tobytes()


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_written_by_one_engine_is_decoded_by_the_other(models: dict[str, ModelFolder], kind: str) -> None:
    path = MEDIA / FILES[kind][0]
    onnx, torch = (Codec.load(models[kind], engine=engine) for engine in ("onnx", "torch"))
    content = onnx.encode(path)
    heard, reference = (codec.decode(content) for codec in (onnx, torch))
    if kind == "speech":
        np.testing.assert_allclose(heard.samples, reference.samples, rtol=0, atol=1e-4)
    else:
        np.testing.assert_allclose(heard.pixels.astype(int), reference.pixels, rtol=0, atol=1)


def test_a_model_with_graphs_runs_without_torch_unless_asked(models: dict[str, ModelFolder]) -> None:
    assert open_engine(models["speech"]).name == "onnx on cpu"
    assert open_engine(models["speech"], "torch").name == "torch on cpu"
    code = (
        "import sys\nfrom vpcodec.codec.pipeline import Codec\n"
        f"codec = Codec.load({str(models['speech'].path)!r})\n"
        f"codec.decode(codec.encode({str(MEDIA / 'speech.flac')!r}))\n"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_onnx_engine_refuses_a_graphics_card(models: dict[str, ModelFolder]) -> None:
    with pytest.raises(ConfigError, match="runs on the CPU, not on cuda"):
        open_engine(models["speech"], "onnx", "cuda")


@pytest.mark.parametrize(("said", "limit"), [("3", 3), ("", 0), ("all", 0), ("-1", 0)])
def test_threads_are_limited_by_the_variable_that_torch_heeds(
    monkeypatch: pytest.MonkeyPatch, said: str, limit: int
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", said)
    assert thread_limit() == limit


def test_no_position_is_searched_twice_or_left_out_when_rows_do_not_fill_the_quantizer(
    models: dict[str, ModelFolder],
) -> None:
    engine, reference = OnnxEngine(models["image"]), TorchEngine(models["image"], "cpu")
    signal = np.random.default_rng(0).uniform(-1, 1, (1, 8 * 47, 8 * 53, 3)).astype(np.float32)
    rate = models["image"].checked_codebook(None)
    np.testing.assert_array_equal(engine.encode(signal, rate), reference.encode(signal, rate))


@pytest.mark.parametrize("engine", ["onnx", "onnx-8-bits", "torch"])
@pytest.mark.parametrize("kind", KINDS)
def test_an_id_that_the_vocabulary_lacks_is_named_with_its_place(
    models: dict[str, ModelFolder], kind: str, engine: str
) -> None:
    model = models[kind]
    rate = model.checked_codebook(None)
    vocabulary = model.vocabulary(rate)
    computes = open_engine(model, engine)
    shape, place = ((2, 7), (1, 3)) if kind == "speech" else ((1, 2, 3), (0, 1, 2))
    for dtype in (np.int64, np.uint16):
        tokens = np.full(shape, vocabulary - 1, dtype)
        assert computes.decode(tokens, rate).shape[1] == shape[1] * model.facts.hop
        for stray in (vocabulary, -1)[: 2 if dtype is np.int64 else 1]:
            tokens[place] = stray
            message = (
                rf"the id {stray} at \[{', '.join(map(str, place))}\] is outside the vocabulary, 0 to {vocabulary - 1}"
            )
            with pytest.raises(InputError, match=message):
                computes.decode(tokens, rate)
    with pytest.raises(InputError, match="tokens are integers, these are float32"):
        computes.decode(np.zeros(shape, np.float32), rate)


@pytest.mark.parametrize("engine", ["onnx", "torch"])
def test_a_codec_is_pickled_by_what_makes_it_anew(
    models: dict[str, ModelFolder], monkeypatch: pytest.MonkeyPatch, engine: str
) -> None:
    codec = Codec.load(models["speech"], engine=engine, threads=3)
    content = codec.encode(MEDIA / "speech.flac")
    copied = pickle.loads(pickle.dumps(codec))
    assert copied.encode(MEDIA / "speech.flac") == content
    assert (copied.engine.name, copied.model.path) == (codec.engine.name, models["speech"].path)
    monkeypatch.setenv("VPCODEC_MODELS", str(models["speech"].path.parent))
    assert str(models["speech"].path).encode() not in pickle.dumps(codec)  # by name: it may lie elsewhere there
