"""Ids become token files: those of an export byte for byte, and what a language model made."""

import io
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vpcodec.codec.pipeline import Codec
from vpcodec.codec.token_files import new_header
from vpcodec.container import Frame, ImageFacts, SoundFacts, Writer
from vpcodec.data.level import bytes_of_levels
from vpcodec.errors import ConfigError, InputError, ModelError
from vpcodec.export import SUFFIXES, WRITERS, Importer, Tokens, read_ids, read_tokens
from vpcodec.registry import ModelFacts, ModelFolder, find_model, write_facts

RANDOM = np.random.default_rng(3)


def written(model: ModelFolder, signal: Any, frames: list[Frame], length: int, **metadata: bytes) -> bytes:
    out = io.BytesIO()
    rate = model.facts.rates[-1]
    writer = Writer(out, new_header(model, rate, signal, metadata), model.prior(rate))
    for frame in frames:
        writer.write(frame)
    writer.close(length)
    return out.getvalue()


def speech(model: ModelFolder) -> bytes:
    """44.1 kHz stereo of 4,500 positions in three frames: loud beyond a byte, silent, usual; with a title."""
    vocabulary = model.vocabulary(model.facts.rates[-1])
    levels = ([300, 200], [0, 0], [195, 196])
    sizes = (2048, 2048, 404)
    frames = [
        Frame(RANDOM.integers(0, vocabulary, (2, size)), bytes_of_levels(level))
        for size, level in zip(sizes, levels, strict=True)
    ]
    signal = SoundFacts(44_100, 2, 24)
    return written(model, signal, frames, (4500 * model.facts.hop - 7) * 441 // 160, title="Löwe".encode())


def live(model: ModelFolder) -> bytes:
    """Speech in windows of 60 positions, of which four at a time may continue one another."""
    out = io.BytesIO()
    rate = model.facts.rates[-1]
    header = replace(new_header(model, rate, SoundFacts(16_000), {}), columns=60, group=4)
    writer = Writer(out, header, model.prior(rate))
    for size in (60, 60, 60, 60, 60, 17):
        writer.write(Frame(RANDOM.integers(0, model.vocabulary(rate), (1, size)), b"\x96"))
    writer.close(317 * model.facts.hop)
    return out.getvalue()


def photo(model: ModelFolder) -> bytes:
    """1030 x 1100 pixels with transparency in four tiles, with a colour profile."""
    vocabulary = model.vocabulary(model.facts.rates[-1])
    shapes = ((128, 128), (128, 1), (10, 128), (10, 1))
    frames = [Frame(RANDOM.integers(0, vocabulary, shape)) for shape in shapes]
    return written(model, ImageFacts(1030, 1100, 4, 16), frames, 0, icc=bytes(range(256)))


@pytest.fixture(scope="module")
def grouped(tmp_path_factory: pytest.TempPathFactory) -> ModelFolder:
    """A model of which only the ids matter: one or two codes a position, of five values each."""
    folder = tmp_path_factory.mktemp("models") / "pairs"
    folder.mkdir()
    info = {"hop": 96, "encoder_reach": 3, "decoder_reach": 3, "parameters": 1, "weights_sha256": "ab" * 32}
    sizes: dict[str, Any] = {"rates": [5, 25], "vocabularies": [5, 25], "radices": [[5], [5, 5]]}
    quantizer = {"method": "vp", "rates": [5, "2x5"]}
    write_facts(folder, ModelFacts(name="pairs", kind="speech", quantizer=quantizer, **info, **sizes))
    return ModelFolder(folder)


def exported(content: bytes, folder: Path, form: str, model: str | None = None) -> Path:
    (folder / "a.tok").write_bytes(content)
    path = folder / f"ids{SUFFIXES[form]}"
    with path.open("wb") as out:
        WRITERS[form]([read_tokens(str(folder / "a.tok"), "deep/a", model)], out)
    return path


def imported(source: Path | io.BytesIO, importer: Importer | None = None) -> list[tuple[str, bytes]]:
    stream = source.open("rb") if isinstance(source, Path) else source
    with stream:
        return [made for tokens in read_ids(stream) for made in (importer or Importer()).token_files(tokens)]


def saved(ids: Any) -> io.BytesIO:
    out = io.BytesIO()
    np.save(out, np.asarray(ids))
    out.seek(0)
    return out


@pytest.mark.parametrize("form", WRITERS)
@pytest.mark.parametrize(("make", "name"), [(speech, "speech-vp"), (live, "speech-vp"), (photo, "image-vp")])
def test_an_export_comes_back_byte_for_byte(
    make: Callable[[ModelFolder], bytes], name: str, form: str, tmp_path: Path
) -> None:
    if form == "parquet":
        pytest.importorskip("pyarrow")
    content = make(find_model(name))
    assert imported(exported(content, tmp_path, form)) == [("deep/a", content)]


@pytest.mark.parametrize("form", ["npz", "webdataset"])
def test_several_codes_a_position_are_an_axis_of_ids_and_come_back(
    grouped: ModelFolder, form: str, tmp_path: Path
) -> None:
    content = speech(grouped)
    ids = read_tokens(
        str(exported(content, tmp_path, form, str(grouped.path)).with_name("a.tok")), "a", str(grouped.path)
    )
    assert ids.ids.shape == (2, 4500, 2)
    assert ids.info["vocabulary"] == 5
    frame = np.array([[7, 19]])  # 2 + 5 * 1, 4 + 5 * 3
    short = written(grouped, SoundFacts(16_000), [Frame(frame, b"\1")], 192)
    assert read_tokens(str(tmp_path / "a.tok"), "a", str(grouped.path)).ids.max() == 4
    (tmp_path / "b.tok").write_bytes(short)
    assert read_tokens(str(tmp_path / "b.tok"), "b", str(grouped.path)).ids.tolist() == [[[2, 1], [4, 3]]]
    assert imported(tmp_path / f"ids{SUFFIXES[form]}", Importer(str(grouped.path))) == [("deep/a", content)]
    sampled = imported(saved([[[2, 1], [4, 3]]] * 3), Importer(str(grouped.path), "2x5", level=-119.5))
    assert sampled == [("", short)] * 3


@pytest.mark.parametrize(("shape", "count"), [((40,), 1), ((3, 40), 3)])
def test_sampled_speech_is_heard_at_the_level_asked_for(shape: tuple[int, ...], count: int) -> None:
    ids = RANDOM.integers(0, 1024, shape)
    made = imported(saved(ids), Importer("speech-low", "1024", level=-26))
    codec = Codec.load("speech-low")
    assert [codec.tokens(content).tolist() for _, content in made] == ids.reshape(count, 1, 40).tolist()
    sound = codec.decode_recording(made[0][1])
    assert (sound.sample_rate, sound.samples.shape) == (16_000, (40 * 384, 1))
    louder = codec.decode_recording(imported(saved(ids), Importer("speech-low", "1024"))[0][1])
    assert np.allclose(louder.samples, sound.samples * 10 ** (6 / 20), rtol=1e-3, atol=1e-6)


def test_sampled_images_have_the_size_of_their_ids() -> None:
    ids = RANDOM.integers(0, 256, (2, 3, 5))
    made = imported(saved(ids), Importer("image-vp", "256"))
    codec = Codec.load("image-vp")
    assert [codec.tokens(content).tolist() for _, content in made] == ids.tolist()
    assert codec.decode_picture(made[1][1]).pixels.shape == (24, 40, 3)


def test_ids_of_many_lengths_need_no_more_than_those_lengths() -> None:
    out = io.BytesIO()
    np.savez(out, ids=np.arange(9), length=np.array([4, 5]))
    out.seek(0)
    codec = Codec.load("speech-low")
    found = [codec.tokens(content).tolist() for _, content in imported(out, Importer("speech-low"))]
    assert found == [[[0, 1, 2, 3]], [[4, 5, 6, 7, 8]]]


def test_a_recording_that_a_language_model_has_continued_keeps_its_levels(tmp_path: Path) -> None:
    model = find_model("speech-vp")
    first = Frame(RANDOM.integers(0, 16384, (1, 2048)), b"\x96")
    (tmp_path / "a.tok").write_bytes(written(model, SoundFacts(16_000), [first], 2048 * 96 - 5))
    tokens = read_tokens(str(tmp_path / "a.tok"), "a")
    more = np.concatenate([tokens.ids[0], tokens.ids[0, :100]])
    [(_, content)] = Importer().token_files(Tokens(more, tokens.info))
    second = Frame(first.tokens[:, :100], b"\x96")
    assert content == written(model, SoundFacts(16_000), [first, second], 2148 * 96)


@pytest.mark.parametrize(
    ("ids", "info", "problem"),
    [
        ([[5, 6], [1024, 0]], {}, r"the id 1024 at \[0, 0\] is outside the vocabulary, 0 to 1023"),
        ([5, -1], {}, r"the id -1 at \[0, 1\]"),
        ([0.5], {}, "tokens are integers, these are float64"),
        ([[[1]]], {}, r"holds an array of shape \[1, 1, 1\], expected \[T\] or \[B, T\] of speech"),
        ([], {}, "holds no ids"),
        ([1, 2, 3], {"shape": [2, 4]}, r"has 3 ids, and its shape is \[2, 4\]"),
        ([1], {"levels": "loud"}, "its info is not that of an export"),
        ([1], {"metadata": "{"}, "its info is not that of an export"),
    ],
)
def test_what_are_no_ids_of_a_model_is_an_error_that_says_where(ids: Any, info: dict[str, Any], problem: str) -> None:
    with pytest.raises(InputError, match=problem):
        list(Importer("speech-low", "1024").token_files(Tokens(np.array(ids), info)))


def test_ids_of_other_weights_or_of_no_known_model_are_refused() -> None:
    with pytest.raises(ConfigError, match="nothing says which model"):
        list(Importer().token_files(Tokens(np.array([1]), {})))
    with pytest.raises(ModelError, match=r"the ids are of speech-low \(00000000\), here is speech-low \("):
        list(Importer().token_files(Tokens(np.array([1]), {"model": "speech-low", "weights": "00000000"})))


@pytest.mark.parametrize("content", [b"", b"no arrays", b"PK\3\4 no archive", b"\x93NUMPY\1", bytes(257) + b"ustar"])
def test_what_holds_no_arrays_is_an_error(content: bytes) -> None:
    with pytest.raises(InputError, match=r"no arrays of ids|cannot be read as arrays"):
        imported(io.BytesIO(content))


def test_lengths_that_do_not_add_up_are_an_error() -> None:
    out = io.BytesIO()
    np.savez(out, ids=np.arange(9), length=np.array([4, 4]), info=np.frombuffer(json.dumps({}).encode(), np.uint8))
    out.seek(0)
    with pytest.raises(InputError, match="not as many"):
        imported(out, Importer("speech-low"))
