"""A file of compressed sound as the parts that one decoder reads each, without what stands around them."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

from vpcodec.data.streams import Piece, failure


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
    """

    form: str
    ranges: list[Piece]
    frames: int | None = None
    skip: int = 0
    order: tuple[int, ...] | None = None
    md5: bytes | None = None
    bits: int = 0

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
