"""A file of compressed sound as the parts that one decoder reads each, without what stands around them."""

import io
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import BinaryIO

from vpcodec.data.streams import failure

BEYOND = 1 << 40  # added to the size of a stream whose decoder would take the size for its length


@dataclass
class Part:
    """One recording within a file.

    Attributes:
        form: What decodes it: "flac", "ogg", "mp3", "aiff" and so on.
        ranges: Where its bytes are, as first position and the one after the last; or bytes themselves.
        frames: Samples a channel that come out; None where the decoder knows.
        skip: Samples a channel that the decoder puts before the first.
        order: For every channel of ours (in the order of WAV) the number of the decoder's; None for the same order.
        md5: Checksum of the samples, of `bits` bits each; None where there is none.
        bits: Bits a sample; 0 where it does not matter.
        tail: A tag that stands behind it.
    """

    form: str
    ranges: list[tuple[int, int] | bytes]
    frames: int | None = None
    skip: int = 0
    order: tuple[int, ...] | None = None
    md5: bytes | None = None
    bits: int = 0
    tail: bytes = b""

    def add(self, start: int, stop: int) -> None:
        """Append a range of bytes, as one with the last where they touch."""
        last = self.ranges[-1] if self.ranges else b""
        if isinstance(last, tuple) and last[1] == start:
            self.ranges[-1] = (last[0], stop)
        else:
            self.ranges.append((start, stop))


@dataclass
class Survey:
    """What was found in a file before anything is decoded.

    Attributes:
        parts: To be decoded one after the other.
        notes: What the user should know.
        damage: Why the file is not whole; empty for a sound one.
    """

    parts: list[Part] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    damage: list[str] = field(default_factory=list)


class Pieces(io.RawIOBase):
    """Ranges of a seekable stream as one stream.

    Args:
        stream: Stays open.
        ranges: First position and the one after the last of each piece, or its bytes.
        beyond: Bytes that the end seems to be farther away than it is; all zero but for the tail.
        tail: What stands there.
    """

    def __init__(
        self, stream: BinaryIO, ranges: Sequence[tuple[int, int] | bytes], beyond: int = 0, tail: bytes = b""
    ) -> None:
        self.stream = stream
        self.ranges = ranges
        self.sizes = [len(piece) if isinstance(piece, bytes) else piece[1] - piece[0] for piece in ranges]
        self.size = sum(self.sizes)
        self.beyond = beyond
        self.tail = tail
        self.position = 0
        self.current, self.current_from = 0, 0  # number of a piece, and where it begins in ours

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self.position

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self.position, os.SEEK_END: self.size + self.beyond}[whence]
        if start + offset < 0:
            raise ValueError("a position before the beginning")
        self.position = start + offset
        return self.position

    def read(self, size: int = -1, /) -> bytes:
        found = []
        left = self.size if size < 0 else size
        if self.position > self.size:  # a decoder looks for a tag at the end that it was told of
            return (bytes(128) + self.tail)[self.position - self.size - self.beyond :][:left]
        while left > 0 and self.position < self.size:
            if self.position < self.current_from:
                self.current, self.current_from = 0, 0
            piece, length = self.ranges[self.current], self.sizes[self.current]
            inside = self.position - self.current_from
            if inside >= length:
                self.current, self.current_from = self.current + 1, self.current_from + length
                continue
            if isinstance(piece, bytes):
                data = piece[inside : inside + left]
            else:
                self.stream.seek(piece[0] + inside)
                data = self.stream.read(min(left, length - inside))
            if not data:
                break
            found.append(data)
            self.position += len(data)
            left -= len(data)
        return b"".join(found)


def positions_of(stream: BinaryIO, signature: bytes) -> Iterator[int]:
    """Where some bytes stand in a seekable stream. Raises InputError where reading fails."""
    base, tail = 0, b""
    stream.seek(0)
    try:
        while data := stream.read(1 << 20):
            data = tail + data
            at = data.find(signature)
            while at >= 0:
                yield base + at
                stream.seek(base + len(data))
                at = data.find(signature, at + 1)
            tail = data[-(len(signature) - 1) :]
            base += len(data) - len(tail)
    except OSError as error:
        raise failure(stream, error) from None
