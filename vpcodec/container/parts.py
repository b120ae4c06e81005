"""Header, frames and footer of a token file, taken from a source of bytes one at a time.

Each size is checked before it is believed and each checksum before the content is. Whatever is wrong raises
ContainerError with what was found and what was expected.
"""

import zlib
from typing import NamedTuple

from vpcodec.container.coding import CODINGS, decode_continued, decode_tokens, largest_flat_size
from vpcodec.container.fields import Fields, varint, word
from vpcodec.container.format import (
    CHECK,
    FOOTER_MARK,
    FRAME_MARK,
    LARGEST_SIDE,
    NUMBER_FACTOR,
    PROMISED,
    Frame,
    check_prior,
    may_continue,
)
from vpcodec.container.header import LARGEST_BODY, LARGEST_FRAME, MAGIC, VERSION, Header, header_from_body
from vpcodec.container.tabled import Decoder
from vpcodec.errors import ContainerError

NUMBER_INVERSE = pow(NUMBER_FACTOR, -1, 1 << 32)


class Coded(NamedTuple):
    """A frame that stands alone, whose checksum is right, not yet decoded."""

    number: int
    coding: int
    shape: tuple[int, int]
    side: bytes
    payload: bytes


def begun_run(number: int) -> int:
    """The checksum of a run before its first frame, behind the frame of that number, which stands alone."""
    return zlib.crc32(word(number))


class Footer(NamedTuple):
    """What is known only at the end.

    Attributes:
        length: Samples for each channel of the source; 0 for an image.
        frames: Number of frames.
        sizes: Bytes of each group of frames but the last.
    """

    length: int
    frames: int
    sizes: tuple[int, ...]


class Parts:
    """Takes frames and footer from a source one after the other, since a frame may continue the one before it.

    Args:
        source: Behind its header; the caller sets its mark.
        header: That of the file.
        prior: The one that the header names.
        blind: Whether to do without: no frame is then decoded, and runs are for the caller to step over.

    Raises ContainerError for another prior.
    """

    def __init__(self, source: Fields, header: Header, prior: bytes | None, *, blind: bool = False) -> None:
        self.blind = blind and header.prior != b""
        if not self.blind:
            check_prior(header, prior)
        self.source = source
        self.header = header
        self.prior = prior
        self.last: Frame | None = None  # the one before; None where what follows does not continue it
        self.run = 0  # checksum of the frames since the last that stands alone, and its number

    def next(self, number: int) -> Frame | Coded | Footer:
        """The frame of that number, still to be decoded where it stands alone, or the footer.

        Raises:
            ContainerError: It is damaged, or continues a lost frame.
            BlockingIOError: It is not here whole; nothing has changed but the place of the source.
        """
        try:
            if self.last is not None and may_continue(self.header, number, self.last):
                frame = self.continued(number, self.last)
                if frame is not None:
                    self.last = frame
                    return frame
            return read_part(self.source, self.header, number, number)
        except ContainerError:
            self.last = None
            raise

    def continued(self, number: int, last: Frame) -> Frame | None:
        """The frame that continues the last one; None where none does."""
        assert self.prior is not None
        start = self.source.offset
        decoder = Decoder(more=lambda: self.source.take(1, f"frame {number}"))
        try:
            found = decode_continued(decoder, last.tokens, last.side, self.prior)
        except ContainerError as error:
            raise ContainerError(f"frame {number}: {error.what}") from error
        run = zlib.crc32(self.source.since(start), self.run)
        frame = Frame(*found) if found else None
        if frame is None or not may_continue(self.header, number + 1, frame):
            if self.source.take(CHECK, f"end of frame {number}") != word(run)[:CHECK]:
                raise ContainerError(f"frame {number} at byte {start:,} ends a run that is damaged or out of place")
        else:
            self.run = run
        return frame

    def decode(self, part: Coded) -> Frame:
        """The frame of a part. Raises ContainerError for what no tokens make."""
        self.last, self.run = None, begun_run(part.number)
        try:
            levels, kind = self.header.levels, self.header.kind
            tokens = decode_tokens(part.coding, part.payload, part.shape, levels, kind, self.prior)
        except ContainerError as error:
            raise ContainerError(f"frame {part.number}: {error.what}") from error
        self.last = Frame(tokens, part.side)
        return self.last


def read_header(source: Fields) -> Header:
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
    body = source.take(source.varint("size of the header", 1, LARGEST_BODY), "header")
    check(source, 0, source.since(0), 0, "header")
    return header_from_body(body)


def read_part(source: Fields, header: Header, first: int, last: int) -> Coded | Footer:
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
    marks = marks_of(header)
    if mark not in marks:
        raise ContainerError(f"byte {start:,} is {mark:02x}, expected frame {first} or the footer: {marks.hex(' ')}")
    name = f"frame {first}"
    coding = mark - FRAME_MARK
    if coding & PROMISED:
        coding -= PROMISED
        rows, columns, sides = header.frame_sizes
        if rows * columns > LARGEST_FRAME or sides > LARGEST_SIDE:
            raise ContainerError(f"{name} has {rows:,} rows of {columns:,} columns, expected {LARGEST_FRAME:,} tokens")
    else:
        rows, most, _ = header.frame_sizes
        rows = source.varint(f"rows of {name}", rows or 1, rows or LARGEST_FRAME)
        columns = source.varint(f"columns of {name}", 1, min(most or LARGEST_FRAME, LARGEST_FRAME // rows))
        sides = source.varint(f"side bytes of {name}", 0, LARGEST_SIDE)
    size = source.varint(f"payload of {name}", 0, largest_flat_size(header.levels, rows * columns))
    side, payload = source.take(sides, name), source.take(size, name)
    number = check(source, first, source.since(start), last - first, f"{name} at byte {start:,}")
    return Coded(number, coding, (rows, columns), side, payload)


def marks_of(header: Header) -> bytes:
    """First bytes of the frames that stand alone, and of the footer."""
    shapes = (0, PROMISED) if header.columns else (0,)
    return bytes([*(FRAME_MARK + shape + coding for shape in shapes for coding in CODINGS), FOOTER_MARK])


def read_footer(source: Fields, header: Header, first: int, last: int) -> Footer:
    """The footer, from behind its mark to the end of the file."""
    start = source.offset - 1
    count = source.varint("number of frames in the footer", first, last)
    length = source.varint("length in the footer")
    groups = -(-count // header.group)
    sizes = tuple(source.varint("size of frames in the footer", 1, 1 << 32) for _ in range(groups - 1))
    check(source, 0, source.since(start), 0, "footer")
    expected = varint(source.offset - start)[::-1]
    found = source.take(len(expected), "size of the footer")
    if found != expected:
        raise ContainerError(f"size of the footer is {found.hex(' ')}, expected {expected.hex(' ')}")
    if source.ahead(1):
        raise ContainerError(f"bytes follow the end of the token file at byte {source.offset:,}")
    return Footer(length, count, sizes)


def check(source: Fields, number: int, content: bytes, reach: int, what: str) -> int:
    """Read a checksum and return the number that went into it, at most `reach` beyond the one expected."""
    found = int.from_bytes(source.take(4, "checksum"), "little")
    expected = zlib.crc32(content) + number * NUMBER_FACTOR & 0xFFFFFFFF
    beyond = (found - expected) * NUMBER_INVERSE & 0xFFFFFFFF
    if beyond > reach:
        raise ContainerError(f"{what} is damaged or out of place: checksum {found:08x} found, {expected:08x} expected")
    return number + beyond
