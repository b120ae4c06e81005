"""Numbers and bytes as a token file holds them, written, and read out of a stream or of bytes.

A varint holds seven bits a byte, lowest first; the top bit says that more follow. Each number has one spelling
only: a varint that ends in a zero byte is refused, as are numbers of 2^63 and more.
"""

import io
from typing import BinaryIO, cast

from vpcodec.errors import ContainerError

LONGEST = 9  # bytes of a varint below 2^63
PIECE = 1 << 16  # bytes asked for at a time, so that a size nobody checked allocates no more than is there


def varint(number: int) -> bytes:
    """0 <= number < 2^63 -> 1 to 9 bytes."""
    if not 0 <= number < 1 << 63:
        raise ContainerError(f"cannot write {number}: a token file holds numbers from 0 to 2^63 - 1")
    written = bytearray()
    while number > 127:
        written.append(number & 127 | 128)
        number >>= 7
    written.append(number)
    return bytes(written)


def word(number: int) -> bytes:
    """The lowest 32 bits of a number, four bytes, lowest first."""
    return (number & 0xFFFFFFFF).to_bytes(4, "little")


class Fields:
    """Reads fields one after the other; steps back as far as the mark: pipes cannot, resyncing needs it.

    Args:
        stream: Need not seek; may return fewer bytes than asked for. Or bytes.
        what: Its name in errors.

    Attributes:
        offset: Bytes before the next one, counted from where the stream was.
    """

    def __init__(self, stream: BinaryIO | bytes, what: str = "token file") -> None:
        whole = isinstance(stream, bytes)
        self.stream: BinaryIO = io.BytesIO() if whole else cast(BinaryIO, stream)
        self.held = bytearray(cast(bytes, stream) if whole else b"")  # from the mark on
        self.what = what
        self.offset = 0
        self.mark = 0

    def ahead(self, count: int) -> int:
        """How many of the next `count` bytes there are; they are held from now on."""
        wanted = self.offset - self.mark + count
        while len(self.held) < wanted:
            piece = self.stream.read(min(PIECE, wanted - len(self.held)))
            if not piece:
                break
            self.held += piece
        return min(count, len(self.held) - (self.offset - self.mark))

    def peek(self, count: int) -> bytes:
        """At most `count` of the next bytes, without a step."""
        start, found = self.offset - self.mark, self.ahead(count)
        return bytes(self.held[start : start + found])

    def take(self, count: int, field: str) -> bytes:
        """The next bytes. Raises ContainerError where fewer are left."""
        start = self.offset - self.mark
        if len(self.held) < start + count and (found := self.ahead(count)) < count:
            raise ContainerError(
                f"{self.what} is truncated: {field} at byte {self.offset:,} needs {count:,} bytes, {found:,} found"
            )
        self.offset += count
        return bytes(self.held[start : start + count])

    def varint(self, field: str, low: int = 0, high: int = (1 << 63) - 1) -> int:
        """The next varint, `low` to `high`. Raises ContainerError for any other, or one not in its shortest form."""
        start, number = self.offset, 0
        for index in range(LONGEST):
            byte = self.take(1, field)[0]
            number |= (byte & 127) << 7 * index
            if byte < 128:
                break
        else:
            raise ContainerError(f"{self.what}, byte {start:,}: {field} is longer than {LONGEST} bytes")
        if index and not byte:
            raise ContainerError(f"{self.what}, byte {start:,}: {field} {number} is not in its shortest form")
        if not low <= number <= high:
            raise ContainerError(f"{self.what}, byte {start:,}: {field} is {number}, expected {low} to {high}")
        return number

    def text(self, field: str, longest: int) -> str:
        """A varint, the number of bytes, and as many bytes of UTF-8."""
        content = self.take(self.varint(f"length of {field}", 0, longest), field)
        try:
            return content.decode()
        except UnicodeDecodeError as error:
            raise ContainerError(f"{self.what}: {field} is not UTF-8 at its byte {error.start}") from error

    def since(self, offset: int) -> bytes:
        """The bytes from an offset not before the mark up to here."""
        return bytes(self.held[offset - self.mark : self.offset - self.mark])

    def set_mark(self, offset: int | None = None) -> None:
        """Let go of everything before an offset; before the next byte if none is given."""
        offset = self.offset if offset is None else offset
        del self.held[: offset - self.mark]
        self.mark = offset

    def rewind(self, offset: int) -> None:
        """Make the byte at an offset not before the mark the next one."""
        self.offset = offset
