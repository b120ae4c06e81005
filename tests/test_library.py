"""The library as people import it: its public names, its front door, and the examples of its docstrings."""

import doctest
import io
from pathlib import Path

import numpy as np
import pytest
import soundfile
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
    "VpcodecError",
    "__version__",
    "load",
]


def test_public_names_are_these_and_sorted() -> None:
    assert vpcodec.__all__ == PUBLIC
    assert all(getattr(vpcodec, name) is not None for name in PUBLIC)


def test_every_public_class_and_method_says_what_it_is() -> None:
    for name in [*PUBLIC[:-2], "load"]:
        thing = getattr(vpcodec, name)
        assert thing.__doc__, name
        for method, member in vars(thing).items() if isinstance(thing, type) else ():
            assert method.startswith("_") or not callable(member) or member.__doc__, f"{name}.{method}"


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
        (np.zeros(9, np.float32), {}, "nobody knows the rate"),
        (np.zeros((1, 16_000), np.float32), {"sample_rate": 16_000}, "no recording"),
        (np.zeros((2, 3, 4), np.float32), {"sample_rate": 16_000}, "no recording"),
        (np.zeros(9, np.complex64), {"sample_rate": 16_000}, "complex64"),
        ([0.0, 0.1], {"sample_rate": 16_000}, "cannot encode a list"),
        (None, {}, "cannot encode a NoneType"),
    ],
)
def test_what_is_no_recording_is_named(speech: Codec, signal: object, options: dict, message: str) -> None:  # noqa: F811
    with pytest.raises(vpcodec.ConfigError, match=message):
        speech.encode(signal, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("shape", [(4,), (4, 4, 4), (0, 4, 3), (1, 4, 4, 3)])
def test_what_is_no_photo_is_named(image: Codec, shape: tuple[int, ...]) -> None:  # noqa: F811
    with pytest.raises(vpcodec.ConfigError, match="is no photo"):
        image.encode(np.zeros(shape, np.uint8))


def test_an_empty_recording_is_named(speech: Codec) -> None:  # noqa: F811
    with pytest.raises(vpcodec.InputError):
        speech.encode(np.zeros(0, np.float32), sample_rate=16_000)
