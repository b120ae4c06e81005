"""A stream of bytes that can be stepped back in, as far as it was marked: pipes cannot, resyncing needs it."""

from typing import BinaryIO

from vpcodec.container.fields import Fields
from vpcodec.errors import ContainerError

PIECE = 1 << 16  # bytes asked for at a time, so that a size nobody checked allocates no more than is there


class Source:
    """Reads a stream piece by piece.

    Args:
        stream: Need not seek; may return fewer bytes than asked for.

    Attributes:
        offset: Bytes before the next one, counted from where the stream was.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self.stream = stream
        self.offset = 0
        self.held = bytearray()  # from the mark on
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

    def take(self, count: int, what: str) -> bytes:
        """The next bytes. Raises ContainerError where the stream ends before."""
        found = self.ahead(count)
        if found < count:
            raise ContainerError(
                f"token file is truncated: {what} at byte {self.offset:,} needs {count:,} bytes, {found:,} found"
            )
        start = self.offset - self.mark
        self.offset += count
        return bytes(self.held[start : start + count])

    def take_varint(self, what: str, low: int, high: int) -> int:
        """The next varint, within bounds. Raises ContainerError for any other."""
        content = self.take(1, what)
        while content[-1] > 127 and len(content) < 10:
            content += self.take(1, what)
        return Fields(content, f"byte {self.offset - len(content):,}").bounded(what, low, high)

    def peek(self, count: int) -> bytes:
        """At most `count` of the next bytes, without a step."""
        found = self.ahead(count)
        start = self.offset - self.mark
        return bytes(self.held[start : start + found])

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
