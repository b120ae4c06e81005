"""Header, frames and footer of a token file, taken from a source of bytes one at a time.

Each size is checked before it is believed and each checksum before the content is. Whatever is wrong raises
ContainerError with what was found and what was expected.
"""

import zlib
from typing import NamedTuple

from vpcodec.container.coding import CODINGS, decode_tokens
from vpcodec.container.fields import varint
from vpcodec.container.flat import largest_flat_size
from vpcodec.container.format import FOOTER_MARK, FRAME_MARK, LARGEST_FRAME, LARGEST_SIDE, NUMBER_FACTOR, Frame
from vpcodec.container.header import LARGEST_BODY, MAGIC, VERSION, Header, header_from_body
from vpcodec.container.source import Source
from vpcodec.errors import ContainerError

MARKS = bytes([*(FRAME_MARK + coding for coding in CODINGS), FOOTER_MARK])
NUMBER_INVERSE = pow(NUMBER_FACTOR, -1, 1 << 32)


class Coded(NamedTuple):
    """A frame whose checksum is right, not yet decoded."""

    number: int
    coding: int
    shape: tuple[int, int]
    side: bytes
    payload: bytes


def decode_part(part: Coded, header: Header, prior: bytes | None) -> Frame:
    """The frame of a part. Raises ContainerError for what no tokens make."""
    try:
        tokens = decode_tokens(part.coding, part.payload, part.shape, header.levels, header.kind, prior)
    except ContainerError as error:
        raise ContainerError(f"frame {part.number}: {error.what}") from error
    return Frame(tokens, part.side)


class Footer(NamedTuple):
    """What is known only at the end.

    Attributes:
        length: Samples for each channel of the source; 0 for an image.
        frames: Number of frames.
        sizes: Bytes of each frame but the last.
    """

    length: int
    frames: int
    sizes: tuple[int, ...]


def read_header(source: Source) -> Header:
    """The header, from the first byte of the file on."""
    found = source.take(min(len(MAGIC), max(source.ahead(len(MAGIC)), 1)), "start of the header")
    if found != MAGIC[: len(found)]:
        raise ContainerError(f"not a token file: it starts with {found.hex(' ')}, expected {MAGIC.hex(' ')}")
    source.take(len(MAGIC) - len(found), "start of the header")
    version = source.take(1, "version")[0]
    if version != VERSION:
        raise ContainerError(
            f"format version {version} found, this program reads version {VERSION}", hint="install a newer vpcodec"
        )
    body = source.take(source.take_varint("size of the header", 1, LARGEST_BODY), "header")
    check(source, 0, source.since(0), 0, "header")
    return header_from_body(body)


def read_part(source: Source, header: Header, first: int, last: int) -> Coded | Footer:
    """The frame or footer that starts at the next byte.

    Args:
        source: Marked at or before its next byte.
        header: That of the file.
        first: Smallest number that a frame may have; the footer must count as many or more.
        last: Largest number that a frame may have.
    """
    start = source.offset
    mark = source.take(1, f"frame {first} or the footer")[0]
    if mark == FOOTER_MARK:
        return read_footer(source, first, last)
    coding = mark - FRAME_MARK
    if coding not in CODINGS:
        raise ContainerError(f"byte {start:,} is {mark:02x}, expected frame {first} or the footer: {MARKS.hex(' ')}")
    name = f"frame {first}"
    rows = source.take_varint(f"rows of {name}", 1, LARGEST_FRAME)
    columns = source.take_varint(f"columns of {name}", 1, LARGEST_FRAME // rows)
    sides = source.take_varint(f"side bytes of {name}", 0, LARGEST_SIDE)
    size = source.take_varint(f"payload of {name}", 0, largest_flat_size(header.vocabulary, rows * columns))
    side, payload = source.take(sides, name), source.take(size, name)
    number = check(source, first, source.since(start), last - first, f"{name} at byte {start:,}")
    return Coded(number, coding, (rows, columns), side, payload)


def read_footer(source: Source, first: int, last: int) -> Footer:
    """The footer, from behind its mark to the end of the file."""
    start = source.offset - 1
    count = source.take_varint("number of frames in the footer", first, last)
    length = source.take_varint("length in the footer", 0, (1 << 63) - 1)
    sizes = tuple(source.take_varint("size of a frame in the footer", 1, 1 << 32) for _ in range(count - 1))
    check(source, 0, source.since(start), 0, "footer")
    expected = varint(source.offset - start)[::-1]
    found = source.take(len(expected), "size of the footer")
    if found != expected:
        raise ContainerError(f"size of the footer is {found.hex(' ')}, expected {expected.hex(' ')}")
    if source.ahead(1):
        raise ContainerError(f"bytes follow the end of the token file at byte {source.offset:,}")
    return Footer(length, count, sizes)


def check(source: Source, number: int, content: bytes, reach: int, what: str) -> int:
    """Read a checksum and return the number that went into it, at most `reach` beyond the one expected."""
    found = int.from_bytes(source.take(4, "checksum"), "little")
    expected = zlib.crc32(content) + number * NUMBER_FACTOR & 0xFFFFFFFF
    beyond = (found - expected) * NUMBER_INVERSE & 0xFFFFFFFF
    if beyond > reach:
        raise ContainerError(f"{what} is damaged or out of place: checksum {found:08x} found, {expected:08x} expected")
    return number + beyond
