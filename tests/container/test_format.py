import io
import math
import zlib
from pathlib import Path

import numpy as np
import pytest

from tests.container.conftest import LEVELS, speech_header, wandering, written
from vpcodec.container import Frame, Index, Reader, Writer, verify
from vpcodec.container import format as container_format
from vpcodec.container.coding import encode_tokens
from vpcodec.container.fields import varint, word
from vpcodec.errors import ContainerError

ROOT = Path(__file__).resolve().parents[2]
HEADER = speech_header().to_bytes()
PAYLOAD = encode_tokens(np.array([[1, 2]]), LEVELS, "speech")[1]  # three bytes


def read(content: bytes) -> list[Frame]:
    return list(Reader(io.BytesIO(content)).frames())


def frame_bytes(
    mark: int = 0xA0, rows: int = 1, columns: int = 2, sides: int = 0, payload: bytes = PAYLOAD, number: int = 0
) -> bytes:
    content = bytes([mark]) + varint(rows) + varint(columns) + varint(sides) + varint(len(payload)) + payload
    return content + word(zlib.crc32(content) + number * 0x9E3779B1)


def test_the_document_is_made_from_the_specification() -> None:
    document = (ROOT / "docs/format.md").read_text(encoding="utf-8")
    assert document == container_format.__doc__, "run: make docs"


def test_frames_and_length_come_back() -> None:
    frames = [Frame(wandering((2, 300), seed=1), b"\x01\x02"), Frame(wandering((1, 1), seed=2))]
    reader = Reader(io.BytesIO(written(speech_header(), frames, length=57_600)))
    for expected, found in zip(frames, reader.frames(), strict=True):
        assert (found.tokens == expected.tokens).all()
        assert found.side == expected.side
    assert reader.length == 57_600


@pytest.mark.parametrize("levels", [(16384, 16384), (16384,) * 4, (1 << 62,)])
def test_ids_of_several_codes_a_position_come_back(levels: tuple[int, ...]) -> None:
    header = speech_header(levels=levels, rate=math.prod(levels))
    tokens = np.random.default_rng(0).integers(0, header.vocabulary, (1, 1667))
    tokens[0, :2] = 0, header.vocabulary - 1
    content = written(header, [Frame(tokens)])
    assert Reader(io.BytesIO(content)).header == header
    assert (read(content)[0].tokens == tokens).all()
    assert len(content) < header.vocabulary.bit_length() * 1667 / 8 + 100
    with pytest.raises(ContainerError, match="tokens from 1 to"):
        written(header, [Frame(tokens + 1)])


def test_a_file_may_have_no_frames() -> None:
    content = written(speech_header(), [])
    assert read(content) == []
    assert verify(io.BytesIO(content)) == []
    assert len(Index(io.BytesIO(content))) == 0


def test_every_flipped_bit_is_noticed(small_file: bytes) -> None:
    for bit in range(8 * len(small_file)):
        damaged = bytearray(small_file)
        damaged[bit // 8] ^= 1 << bit % 8
        with pytest.raises(ContainerError):
            read(bytes(damaged))
        assert verify(io.BytesIO(damaged))


def test_every_truncation_is_noticed(small_file: bytes) -> None:
    for length in range(len(small_file)):
        with pytest.raises(ContainerError):
            read(small_file[:length])
        with pytest.raises(ContainerError):
            Index(io.BytesIO(small_file[:length]))
        assert verify(io.BytesIO(small_file[:length]))


def test_every_byte_too_many_is_noticed(small_file: bytes) -> None:
    for content in (small_file + b"\0", small_file + small_file):
        with pytest.raises(ContainerError, match="bytes follow the end"):
            read(content)
        with pytest.raises(ContainerError):
            Index(io.BytesIO(content)).read(2)


def test_frames_out_of_order_are_noticed() -> None:
    first, second = frame_bytes(number=0), frame_bytes(columns=2, number=1)
    for swapped in (second + first, first + first, second):
        with pytest.raises(ContainerError, match="damaged or out of place"):
            read(HEADER + swapped)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "truncated: start of the header at byte 0 needs 1 bytes, 0 found"),
        (b"RIFF....", "not a token file: it starts with 52 49 46, expected d6 56 50"),
        (b"\xd6V", "truncated"),
        (b"\xd6VP\x02", "format version 2 found, this program reads version 1"),
        (b"\xd6VP\x01\x81\x80\x04" + bytes(99), "size of the header is 65537, expected 1 to 65536"),
        (b"\xd6VP\x01\x80\x00" + bytes(99), "not in its shortest form"),
        (b"\xd6VP\x01\x05" + bytes(99), "header is damaged"),
        (HEADER, "frame 0 or the footer at byte 44 needs 1 bytes"),
        (HEADER + frame_bytes()[:-4], "token file is truncated: checksum at byte 52 needs 4 bytes, 0 found"),
        (HEADER + frame_bytes()[:-6], "token file is truncated: frame 0 at byte 49 needs 3 bytes, 1 found"),
        (HEADER + b"\x07", "byte 44 is 07, expected frame 0 or the footer"),
        (HEADER + frame_bytes(rows=0), "byte 45: rows of frame 0 is 0"),
        (HEADER + frame_bytes(rows=1 << 17), "byte 45: rows of frame 0 is 131072, expected 1 to 65536"),
        (HEADER + frame_bytes(rows=256, columns=257), "byte 47: columns of frame 0 is 257, expected 1 to 256"),
        (HEADER + frame_bytes(sides=5000), "byte 47: side bytes of frame 0 is 5000, expected 0 to 4096"),
        (HEADER + frame_bytes(payload=bytes(99)), "byte 48: payload of frame 0 is 99, expected 0 to"),
        (HEADER + frame_bytes(mark=0xA3), "byte 44 is a3"),
        (HEADER + frame_bytes(payload=b"\x01\x02\x03"), "frame 0: its payload is damaged"),
        (HEADER + frame_bytes(mark=0xA1), "byte 44 is a1, expected frame 0 or the footer: a0 a2 e5"),
        (HEADER + frame_bytes(mark=0xA2), "frame 0: tabled payload found in a token file that names no prior"),
        (HEADER + frame_bytes() + b"\xe5\x02", "number of frames in the footer is 2, expected 1 to 1"),
        (HEADER + frame_bytes() + b"\xe5\x01\x00\x01\x02\x03\x04", "footer is damaged"),
        (HEADER + frame_bytes() + b"\xe5\x01\x00" + word(zlib.crc32(b"\xe5\x01\x00")) + b"\x08", "size of the footer"),
    ],
)
def test_each_malformation_has_its_own_error(content: bytes, message: str) -> None:
    with pytest.raises(ContainerError, match=message):
        read(content)
    assert any(message.split(",")[0] in problem for problem in verify(io.BytesIO(content)))


@pytest.mark.parametrize(
    ("tokens", "message"),
    [
        (np.zeros((1, 0), np.int64), "1 to 65,536 tokens"),
        (np.zeros((2, 40_000), np.int64), "1 to 65,536 tokens"),
        (np.zeros(5, np.int64), "two axes"),
        (np.zeros((1, 5), np.int32), "int32 tokens"),
        (np.array([[1000]]), "tokens from 1000 to 1000, expected 0 to 999"),
        (np.array([[3, -1]]), "tokens from -1 to 3"),
    ],
)
def test_frames_that_the_file_cannot_hold_are_refused(tokens: np.ndarray, message: str) -> None:
    with pytest.raises(ContainerError, match=message):
        Writer(io.BytesIO(), speech_header()).write(Frame(tokens))


def test_too_many_side_bytes_are_refused() -> None:
    with pytest.raises(ContainerError, match="5000 side bytes, expected 4096"):
        Writer(io.BytesIO(), speech_header()).write(Frame(np.zeros((1, 1), np.int64), bytes(5000)))


def test_a_claimed_size_allocates_no_more_than_is_there() -> None:
    asked: list[int] = []

    class Watched(io.BytesIO):
        def read(self, count: int | None = -1, /) -> bytes:
            asked.append(count or 0)
            return super().read(count)

    claim = bytes([0xA0]) + varint(1) + varint(65536) + varint(0) + varint(81_000)
    with pytest.raises(ContainerError, match="truncated"):
        list(Reader(Watched(HEADER + claim + bytes(1000))).frames())
    assert 0 < max(asked) <= 65536
