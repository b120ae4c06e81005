"""Header, frames and footer of a token file, taken from a source of bytes one at a time.

Each size is checked before it is believed and each checksum before the content is. Whatever is wrong raises
ContainerError with what was found and what was expected.
"""

import math
import zlib
from typing import NamedTuple

from vpcodec.container.coding import CODINGS, CONTINUED, decode_continued, decode_tokens
from vpcodec.container.fields import varint
from vpcodec.container.flat import largest_flat_size
from vpcodec.container.format import (
    FOOTER_MARK,
    FRAME_MARK,
    LARGE,
    LARGEST_SIDE,
    NUMBER_FACTOR,
    SHORT,
    Frame,
    check_prior,
)
from vpcodec.container.header import LARGEST_BODY, LARGEST_FRAME, MAGIC, VERSION, Header, header_from_body
from vpcodec.container.source import Source
from vpcodec.errors import ContainerError

NUMBER_INVERSE = pow(NUMBER_FACTOR, -1, 1 << 32)


class Coded(NamedTuple):
    """A frame whose checksum is right, not yet decoded.

    Of one that continues another, shape and side bytes are known only then, and its checksum is in the payload.
    """

    number: int
    coding: int
    shape: tuple[int, int]
    side: bytes
    payload: bytes


class FrameDecoder:
    """Decodes frames one after the other, since one may continue that before it.

    Args:
        header: That of the file.
        prior: The one that the header names.

    Raises ContainerError for another prior.
    """

    def __init__(self, header: Header, prior: bytes | None) -> None:
        check_prior(header, prior)
        self.header = header
        self.prior = prior
        self.last: Frame | None = None  # the one before; None where it is damaged

    def decode(self, part: Coded) -> Frame:
        """The next frame. Raises ContainerError for what no tokens make, or where it continues a lost frame."""
        last, self.last = self.last, None
        try:
            if part.coding != CONTINUED:
                levels, kind = self.header.levels, self.header.kind
                tokens = decode_tokens(part.coding, part.payload, part.shape, levels, kind, self.prior)
                frame = Frame(tokens, part.side)
            elif last is None or self.prior is None:
                raise ContainerError("the frame that it continues is lost")
            else:
                shape = len(last.tokens), self.header.columns
                if math.prod(shape) > LARGEST_FRAME:
                    raise ContainerError(f"{shape[0]} rows of {shape[1]} columns are too many")
                held = last.tokens, self.prior
                frame = Frame(*decode_continued(part.payload, shape, len(last.side), part.number, *held))
        except ContainerError as error:
            raise ContainerError(f"frame {part.number}: {error.what}") from error
        self.last = frame
        return frame


class Footer(NamedTuple):
    """What is known only at the end.

    Attributes:
        length: Samples for each channel of the source; 0 for an image.
        frames: Number of frames.
        sizes: Bytes of each group of frames but the last.
        continued: Checksum of all frames that continue others, one after the other; 0 where there are none.
    """

    length: int
    frames: int
    sizes: tuple[int, ...]
    continued: int = 0


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
        return read_footer(source, header, first, last)
    if mark < FRAME_MARK and first % header.group:
        return read_continued(source, mark, first)
    marks = marks_of(header)
    if mark not in marks:
        raise ContainerError(f"byte {start:,} is {mark:02x}, expected frame {first} or the footer: {marks.hex(' ')}")
    name = f"frame {first}"
    coding = mark - FRAME_MARK
    if coding & SHORT:
        coding -= SHORT
        rows, columns, sides = header.frame_sizes
        if rows * columns > LARGEST_FRAME or sides > LARGEST_SIDE:
            raise ContainerError(f"{name} has {rows:,} rows of {columns:,} columns, expected {LARGEST_FRAME:,} tokens")
    else:
        rows = source.take_varint(f"rows of {name}", 1, LARGEST_FRAME)
        columns = source.take_varint(f"columns of {name}", 1, LARGEST_FRAME // rows)
        sides = source.take_varint(f"side bytes of {name}", 0, LARGEST_SIDE)
    size = source.take_varint(f"payload of {name}", 0, largest_flat_size(header.vocabulary, rows * columns))
    side, payload = source.take(sides, name), source.take(size, name)
    number = check(source, first, source.since(start), last - first, f"{name} at byte {start:,}")
    return Coded(number, coding, (rows, columns), side, payload)


def marks_of(header: Header) -> bytes:
    """First bytes of the frames that stand alone, and of the footer."""
    shapes = (0, SHORT) if header.columns else (0,)
    return bytes([*(FRAME_MARK + shape + coding for shape in shapes for coding in CODINGS), FOOTER_MARK])


def read_continued(source: Source, byte: int, number: int) -> Coded:
    """A frame that continues the one before it, from behind its first byte on."""
    name = f"frame {number}"
    size = byte
    if byte >= LARGE:
        size = byte - LARGE << 8 | source.take(1, f"size of {name}")[0]
        if size < LARGE:
            raise ContainerError(f"{name}: its size {size} is not in its shortest form")
    return Coded(number, CONTINUED, (0, 0), b"", source.take(size, name))


def read_footer(source: Source, header: Header, first: int, last: int) -> Footer:
    """The footer, from behind its mark to the end of the file."""
    start = source.offset - 1
    count = source.take_varint("number of frames in the footer", first, last)
    length = source.take_varint("length in the footer", 0, (1 << 63) - 1)
    groups = -(-count // header.group)
    sizes = tuple(source.take_varint("size of frames in the footer", 1, 1 << 32) for _ in range(groups - 1))
    continued = int.from_bytes(source.take(4, "checksum of frames"), "little") if header.group > 1 else 0
    check(source, 0, source.since(start), 0, "footer")
    expected = varint(source.offset - start)[::-1]
    found = source.take(len(expected), "size of the footer")
    if found != expected:
        raise ContainerError(f"size of the footer is {found.hex(' ')}, expected {expected.hex(' ')}")
    if source.ahead(1):
        raise ContainerError(f"bytes follow the end of the token file at byte {source.offset:,}")
    return Footer(length, count, sizes, continued)


def check(source: Source, number: int, content: bytes, reach: int, what: str) -> int:
    """Read a checksum and return the number that went into it, at most `reach` beyond the one expected."""
    found = int.from_bytes(source.take(4, "checksum"), "little")
    expected = zlib.crc32(content) + number * NUMBER_FACTOR & 0xFFFFFFFF
    beyond = (found - expected) * NUMBER_INVERSE & 0xFFFFFFFF
    if beyond > reach:
        raise ContainerError(f"{what} is damaged or out of place: checksum {found:08x} found, {expected:08x} expected")
    return number + beyond
