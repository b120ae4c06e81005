import io
from pathlib import Path

import pytest

from tests.container.golden_files import FOLDER, GOLDEN
from tests.container.reference_decoder import decode
from vpcodec.container import Index, Reader, prior_identity, verify

names = pytest.mark.parametrize("name", GOLDEN)


def test_every_golden_file_is_listed() -> None:
    assert sorted(path.stem for path in Path(FOLDER).glob("*.tok")) == sorted(GOLDEN)


@names
def test_golden_files_decode(name: str) -> None:
    golden = GOLDEN[name]
    prior = golden.read_prior()
    content = (FOLDER / f"{name}.tok").read_bytes()
    reader = Reader(io.BytesIO(content))
    frames = list(reader.frames(prior))
    for found, expected in zip(frames, golden.frames, strict=True):
        assert (found.tokens == expected.tokens).all()
        assert found.side == expected.side
    assert reader.length == golden.length
    assert (reader.header.model, reader.header.signal) == (golden.header.model, golden.header.signal)
    assert (reader.header.metadata, reader.header.prior) == (golden.header.metadata, prior_identity(prior))
    assert verify(io.BytesIO(content), prior) == []
    assert len(Index(io.BytesIO(content))) == len(frames)


@names
def test_golden_tokens_are_still_written_as_the_same_bytes(name: str) -> None:
    assert GOLDEN[name].to_bytes() == (FOLDER / f"{name}.tok").read_bytes()


def test_every_coding_has_golden_files() -> None:
    contents = {name: (FOLDER / f"{name}.tok").read_bytes() for name in GOLDEN}
    starts = {name: Index(io.BytesIO(content)).starts[0] for name, content in contents.items() if name != "empty"}
    marks = {contents[name][start] for name, start in starts.items()}
    assert marks == {0xA0, 0xA2, 0xA4, 0xA6}


@names
def test_a_decoder_written_from_the_document_agrees(name: str) -> None:
    golden = GOLDEN[name]
    found = decode((FOLDER / f"{name}.tok").read_bytes(), golden.read_prior())
    assert [(tokens, side) for tokens, side in found["frames"]] == [
        (frame.tokens.tolist(), frame.side) for frame in golden.frames
    ]
    assert (found["kind"], found["length"], found["model"]) == (golden.header.kind, golden.length, golden.header.model)
    assert (found["rate"], tuple(found["levels"])) == (golden.header.rate, golden.header.levels)
    assert (found["weights"], tuple(found["metadata"])) == (golden.header.weights, golden.header.metadata)
