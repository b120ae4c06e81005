"""The library as people import it: its public names, its front door, and the examples of its docstrings."""

import doctest
import io
import pickle
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from PIL import Image

import vpcodec
from tests.codec.conftest import image, model_folders, speech  # noqa: F401 - fixtures
from tests.conftest import MEDIA, ROOT
from vpcodec.codec import pipeline
from vpcodec.codec.pipeline import Codec

PUBLIC = [
    "Codec",
    "ConfigError",
    "ContainerError",
    "DataError",
    "DependencyError",
    "InputError",
    "ModelError",
    "Picture",
    "Piece",
    "Recording",
    "StreamDecoder",
    "StreamEncoder",
    "TokenDecoder",
    "TokenEncoder",
    "Tokens",
    "VpcodecError",
    "__version__",
    "load",
]


def test_public_names_are_these_and_sorted() -> None:
    assert vpcodec.__all__ == PUBLIC
    assert all(getattr(vpcodec, name) is not None for name in PUBLIC)


def test_every_public_class_and_method_says_what_it_is() -> None:
    for name in [*PUBLIC[:-2], "load"]:
        value = getattr(vpcodec, name)
        assert value.__doc__, name
        for method, member in vars(value).items() if isinstance(value, type) else ():
            assert method.startswith("_") or not callable(member) or member.__doc__, f"{name}.{method}"


def test_the_page_of_the_library_has_every_public_name() -> None:
    page = (ROOT / "docs" / "library.md").read_text(encoding="utf-8")
    calls = [page.index(f"#### `Codec.{name}(") for name in ("encode_tokens", "decode_tokens", "encode")]
    assert calls == sorted(calls)
    assert all(f"`vpcodec.{name}" in page or f"| `{name}` |" in page for name in PUBLIC if name != "__version__")
    assert "`Codec.encode(signal, *, sample_rate=None, codebook=None, bitrate=None, bpp=None, target_size=None)" in page


@pytest.mark.parametrize("module", [vpcodec, pipeline], ids=lambda module: module.__name__)
def test_the_examples_of_the_docstrings_run(module: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.delenv("VPCODEC_MODELS", raising=False)
    results = doctest.testmod(module)  # type: ignore[arg-type]
    assert results.attempted >= 5
    assert results.failed == 0


def test_a_recording_is_the_same_as_path_stream_and_array(speech: Codec, tmp_path: Path) -> None:  # noqa: F811
    integers, rate = soundfile.read(MEDIA / "speech.flac", frames=20_000, dtype="int16")
    soundfile.write(tmp_path / "a.wav", integers, rate)
    content = speech.encode(tmp_path / "a.wav")
    assert speech.encode(str(tmp_path / "a.wav")) == content
    assert speech.encode(io.BytesIO((tmp_path / "a.wav").read_bytes())) == content
    assert speech.encode(integers, sample_rate=rate) == content


def test_a_photo_is_the_same_as_path_stream_and_array(image: Codec) -> None:  # noqa: F811
    content = image.encode(MEDIA / "cat.png")
    assert image.encode(io.BytesIO((MEDIA / "cat.png").read_bytes())) == content
    assert image.encode(np.asarray(Image.open(MEDIA / "cat.png").convert("RGB"))) == content


def test_a_token_file_is_the_same_as_bytes_path_and_stream(image: Codec, tmp_path: Path) -> None:  # noqa: F811
    content = image.encode(MEDIA / "cat.png")
    (tmp_path / "a.tok").write_bytes(content)
    pictures = [image.decode(source) for source in (content, tmp_path / "a.tok", io.BytesIO(content))]
    assert all(np.array_equal(picture.pixels, pictures[0].pixels) for picture in pictures)  # type: ignore[union-attr]
    assert np.array_equal(image.tokens(tmp_path / "a.tok"), image.tokens(content))
    assert image.tokens(content).dtype == np.int64


@pytest.mark.parametrize("jobs", [1, 3])
def test_a_batch_is_each_by_itself_in_its_order(speech: Codec, jobs: int) -> None:  # noqa: F811
    samples = soundfile.read(MEDIA / "speech.flac", dtype="float32")[0]
    signals = [samples[:length] for length in (9000, 500, 20_000)]
    contents = speech.encode_batch(signals, sample_rate=16_000, jobs=jobs)
    assert contents == [speech.encode(signal, sample_rate=16_000) for signal in signals]
    recordings = speech.decode_batch(contents, jobs=jobs)
    assert [len(recording.samples) for recording in recordings] == [9000, 500, 20_000]  # type: ignore[union-attr]


def test_a_batch_ends_with_the_first_failure(speech: Codec, tmp_path: Path) -> None:  # noqa: F811
    with pytest.raises(vpcodec.InputError, match="gone"):
        speech.encode_batch([MEDIA / "speech.flac", tmp_path / "gone.wav"])


@pytest.mark.parametrize(
    ("signal", "options", "message"),
    [
        (np.zeros(9, np.float32), {}, "the sample rate of an array is unknown"),
        (np.zeros((1, 16_000), np.float32), {"sample_rate": 16_000}, "not a recording"),
        (np.zeros((2, 3, 4), np.float32), {"sample_rate": 16_000}, "not a recording"),
        (np.zeros(9, np.complex64), {"sample_rate": 16_000}, "complex64"),
        (np.zeros(9, np.float32), {"sample_rate": 44_100.5}, "whole number of Hz, got 44100.5"),
        (np.zeros(9, np.float32), {"sample_rate": "16000"}, "whole number of Hz, got '16000'"),
        (np.zeros(9, np.float32), {"sample_rate": np.nan}, "whole number of Hz, got nan"),
        (MEDIA / "speech.flac", {"sample_rate": 16_000}, "sample_rate applies to arrays only"),
        ([[0.0, 0.1], [0.2]], {"sample_rate": 16_000}, "a list is not an array of numbers"),
        (["loud", "quiet"], {"sample_rate": 16_000}, "samples of type str"),
        (None, {}, "a NoneType is neither a path nor a binary stream"),
    ],
)
def test_what_is_no_recording_is_named(speech: Codec, signal: object, options: dict, message: str) -> None:  # noqa: F811
    with pytest.raises(vpcodec.ConfigError, match=message):
        speech.encode(signal, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("shape", [(4,), (4, 4, 4), (0, 4, 3), (1, 4, 4, 3)])
def test_what_is_no_photo_is_named(image: Codec, shape: tuple[int, ...]) -> None:  # noqa: F811
    with pytest.raises(vpcodec.ConfigError, match="is not a photo"):
        image.encode(np.zeros(shape, np.uint8))


def test_an_empty_recording_is_named(speech: Codec) -> None:  # noqa: F811
    with pytest.raises(vpcodec.InputError):
        speech.encode(np.zeros(0, np.float32), sample_rate=16_000)


@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf, 1e10])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_what_is_no_sample_is_refused_with_its_place(speech: Codec, number: float, dtype: type) -> None:  # noqa: F811
    samples = np.zeros((2000, 2), dtype)
    samples[1234, 1] = number
    with pytest.raises(vpcodec.InputError, match=r"sample 1,234 of channel 1 is "):
        speech.encode(samples, sample_rate=16_000)
    with pytest.raises(vpcodec.InputError, match=r"sample 1,234 of channel 1 is "):
        speech.encoder(16_000, 2, dtype=dtype).push(samples)


def test_what_is_said_of_a_file_is_a_warning_and_the_results_note(speech: Codec, tmp_path: Path) -> None:  # noqa: F811
    samples = np.full(2000, 0.1, np.float32)
    samples[[7, 99]] = np.nan
    soundfile.write(tmp_path / "a.wav", samples, 16_000, "FLOAT")
    said = "2 samples were infinite or not a number and are read as silence"
    with pytest.warns(UserWarning, match=said):
        content = speech.encode(tmp_path / "a.wav")
    out = io.BytesIO()
    coded = speech.encode_to(tmp_path / "a.wav", out)
    assert (coded.notes, coded.length, coded.amount) == ((said,), 2000, 0.125)
    assert coded.network_seconds > 0
    assert out.getvalue() == content


def test_what_can_be_meant_is_taken(speech: Codec) -> None:  # noqa: F811
    samples = np.linspace(-0.5, 0.5, 2000)
    content = speech.encode(samples, sample_rate=44_100)
    size = speech.codebooks[0]
    for meant in (44_100.0, np.int64(44_100), np.float32(44_100)):
        assert speech.encode(samples, sample_rate=meant) == content
    assert speech.encode(samples.tolist(), sample_rate=44_100) == content
    assert speech.encode(torch.from_numpy(samples), sample_rate=44_100) == content
    for chosen in (size, str(size), np.int64(size), float(size)):
        assert speech.encode(samples, sample_rate=44_100, codebook=chosen) == content
    with pytest.raises(vpcodec.ConfigError, match=f"no codebook 257\n.*its codebooks: {size}"):
        speech.encode(samples, sample_rate=44_100, codebook="257")
    assert (
        Codec.load(str(speech.model.path), device=torch.device("cpu"), engine="torch").encode(
            samples, sample_rate=44_100
        )
        == content
    )


def test_a_list_is_pushed_where_its_numbers_fit_the_type_of_the_stream(speech: Codec) -> None:  # noqa: F811
    floats, integers = (speech.encoder(16_000.0, dtype=dtype) for dtype in (np.float32, np.int16))
    floats.push([0.5, -0.25, 0])
    integers.push([16_384, -8_192, 0])
    with pytest.raises(vpcodec.ConfigError, match="float64 in 1 channels were pushed into a stream of int16"):
        integers.push([0.5])
    with pytest.raises(vpcodec.ConfigError, match="is not an array of numbers"):
        integers.push([40_000])
    first, second = floats.finish(), integers.finish()
    assert np.array_equal(first.tokens, second.tokens)


def test_tokens_are_no_token_file(speech: Codec) -> None:  # noqa: F811
    with pytest.raises(vpcodec.ConfigError, match="a ndarray is neither a path nor a binary stream"):
        speech.decode(np.zeros((1, 20), np.int64))  # type: ignore[arg-type]


def test_a_recording_is_no_picture(speech: Codec, image: Codec) -> None:  # noqa: F811
    with pytest.raises(vpcodec.InputError, match="holds a recording, not a picture"):
        speech.decode_picture(speech.encode(np.zeros(500, np.float32), sample_rate=16_000))
    with pytest.raises(vpcodec.InputError, match="holds a picture, not a recording"):
        image.decode_recording(image.encode(MEDIA / "cat.png"))


def test_a_codec_goes_to_other_processes(speech: Codec, image: Codec) -> None:  # noqa: F811
    signals = {"speech": np.linspace(-0.5, 0.5, 2000), "image": np.zeros((9, 9, 3), np.uint8)}
    for codec in (speech, image):
        options = {"sample_rate": 16_000} if codec.kind == "speech" else {}
        copied = pickle.loads(pickle.dumps(codec))
        assert copied.engine.name == codec.engine.name
        assert copied.encode(signals[codec.kind], **options) == codec.encode(signals[codec.kind], **options)
