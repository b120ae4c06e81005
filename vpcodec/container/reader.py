"""Reading token files: front to back from any stream, or single frames where the stream can seek."""

import io
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import accumulate
from typing import TYPE_CHECKING, BinaryIO

from vpcodec.container.coding import CONTINUED
from vpcodec.container.fields import Fields
from vpcodec.container.format import FOOTER_MARK, Frame
from vpcodec.container.parts import Coded, Footer, FrameDecoder, marks_of, read_header, read_part
from vpcodec.container.source import PIECE, Source
from vpcodec.errors import ContainerError

if TYPE_CHECKING:
    from fractions import Fraction

FARTHEST = 1 << 12  # frames in a row that resyncing believes to be lost


@dataclass
class Resync:
    """What stands for the lost frames of a damaged token file, and what became of them.

    Attributes:
        blanks: For each frame of the file what replaces it if it is lost.
        step: Samples of the source for each column of tokens; 0 for an image.
        total: Frames that the file must have, so that those cut off at its end count; 0 where only the footer tells.
        problems: What was wrong and what was skipped so far, one line each.
        lost: Frames replaced so far.
    """

    blanks: Iterable[Frame]
    step: "Fraction | int" = 0
    total: int = 0
    problems: list[str] = field(default_factory=list)
    lost: int = 0

    @property
    def notes(self) -> tuple[str, ...]:
        """What the user should know, in one line; nothing about a sound file."""
        if not self.problems:
            return ()
        lost = f"{self.lost} of its frames replaced" if self.lost else "no frame replaced"
        return (f"damaged, {lost}: {self.problems[0]}",)


class Reader:
    """Reads a token file from front to back.

    Args:
        stream: Need not seek. The header is read at once.

    Attributes:
        header: What the tokens are tokens of.
        footer: None until all frames were read.

    A stream may raise BlockingIOError where its next bytes are yet to come. Once they are there, `frames` goes on
    with the first frame that was not whole.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self.source = Source(stream)
        self.header = read_header(self.source)
        self.footer: Footer | None = None
        self.decoder: FrameDecoder | None = None  # of the frames so far, where damage ends the reading
        self.sizes: list[int] = []  # of the frames so far, bytes; 0 for one that was lost
        self.continued = 0  # checksum of those that continue others

    @property
    def length(self) -> int:
        """Samples for each channel of the source. Raises ContainerError before the last frame was read."""
        if self.footer is None:
            raise ContainerError("the length of a token file is known only after its last frame")
        return self.footer.length

    def frames(self, prior: bytes | None = None, *, on_damage: Resync | None = None) -> Iterator[Frame]:
        """All frames in their order.

        Args:
            prior: The one that the header names.
            on_damage: What stands for lost frames; None where the first damage is to raise ContainerError. Of a
                recording without a footer, frames lost at the end cannot be counted: it then ends before, and so does
                `length`.

        Raises:
            ContainerError: The file is damaged, or nothing is left of it.
        """
        if on_damage:
            yield from self.repaired_frames(prior, on_damage)
            return
        self.decoder = self.decoder or FrameDecoder(self.header, prior)
        for part in self.coded_frames():
            yield self.decoder.decode(part)

    def repaired_frames(self, prior: bytes | None, on_damage: Resync) -> Iterator[Frame]:
        """All frames, blank ones for those lost; see `frames`."""
        columns = 0
        sound = self.sound_frames(on_damage.problems.append, prior, on_damage.total)
        for frame, blank in zip(sound, on_damage.blanks, strict=False):
            on_damage.lost += frame is None
            columns += (frame or blank).tokens.shape[1]
            yield frame or blank
        if on_damage.problems and not columns:
            raise ContainerError(f"nothing is left to decode: {on_damage.problems[0]}")
        held = int(columns * on_damage.step)
        self.footer = Footer(min(held, self.footer.length) if self.footer else held, len(self.sizes), ())

    def sound_frames(
        self, damaged: Callable[[str], None], prior: bytes | None = None, total: int = 0
    ) -> Iterator[Frame | None]:
        """All frames in their order, None for each that is damaged or lost.

        Args:
            damaged: Told what is wrong and what was skipped, one line each time.
            prior: The one that the header names.
            total: Frames that the file must have, so that those cut off at its end count; 0 where nobody knows.
        """
        yield from self.sound_parts(damaged, total, FrameDecoder(self.header, prior))

    def coded_frames(self) -> Iterator[Coded]:
        """The frames, checked but not decoded; see `frames`."""
        while self.footer is None:
            self.source.set_mark()
            try:
                found = read_part(self.source, self.header, len(self.sizes), len(self.sizes))
            except BlockingIOError:
                self.source.rewind(self.source.mark)
                raise
            if isinstance(found, Coded):
                self.count(found)
                yield found
            elif wrong := self.wrong_footer(found):
                raise ContainerError(wrong)
            else:
                self.footer = found

    def count(self, part: Coded) -> None:
        """Take note of a frame that was read from the mark on."""
        content = self.source.since(self.source.mark)
        self.sizes.append(len(content))
        if part.coding == CONTINUED:
            self.continued = zlib.crc32(content, self.continued)

    def wrong_footer(self, footer: Footer) -> str:
        """What a footer tells otherwise than the frames that were read, in words; empty where there is nothing."""
        group = self.header.group
        for start, told in zip(range(0, len(self.sizes), group), footer.sizes, strict=False):  # all but the last one's
            found = self.sizes[start : start + group]
            if 0 not in found and sum(found) != told:
                return f"frame {start} has {sum(found):,} bytes, the footer tells {told:,}"
        if 0 not in self.sizes and footer.continued != self.continued:
            return "a frame that continues another is damaged"
        return ""

    def sound_parts(
        self, damaged: Callable[[str], None], total: int = 0, decoder: FrameDecoder | None = None
    ) -> Iterator[Frame | None]:
        """All frames as `sound_frames`; without a decoder none is decoded, and None stands for all."""
        while self.footer is None:
            number = len(self.sizes)
            self.source.set_mark()
            start = self.source.offset
            try:
                found = read_part(self.source, self.header, number, number)
                if decoder and isinstance(found, Coded) and found.coding == CONTINUED:
                    frame = decoder.decode(found)  # its checksum is in its payload
                    self.count(found)
                    yield frame
                    continue
            except ContainerError as error:
                damaged(error.what)
                resumed = self.resume(number)
                damaged(f"{self.source.mark - start:,} bytes skipped from byte {start:,} on")
                if resumed is None:
                    yield from [None] * (total - number)
                    return
                found = resumed
            lost = (found.number if isinstance(found, Coded) else found.frames) - number
            self.sizes += [0] * lost
            yield from [None] * lost
            if isinstance(found, Coded):
                self.count(found)
                yield decoded(found, decoder, damaged)
            else:
                self.footer = found
                if wrong := self.wrong_footer(found):
                    damaged(wrong)

    def resume(self, number: int) -> Coded | Footer | None:
        """The next part that is sound, at the mark of the source or after it, which moves to its start.

        None where none is left; the mark is then at the end of the stream.
        """
        self.source.rewind(self.source.mark)
        marks = marks_of(self.header)
        while ahead := self.source.peek(PIECE):
            start = self.source.offset
            for step, byte in enumerate(ahead):
                if byte in marks:
                    self.source.rewind(start + step)
                    try:
                        part = read_part(self.source, self.header, number, number + FARTHEST)
                    except ContainerError:
                        continue
                    self.source.set_mark(start + step)
                    return part
            self.source.rewind(start + len(ahead))
            self.source.set_mark()
        return None


def decoded(part: Coded, decoder: FrameDecoder | None, damaged: Callable[[str], None]) -> Frame | None:
    """The frame of a part; None where no tokens make it, which `damaged` is told, or there is no decoder."""
    try:
        return decoder.decode(part) if decoder else None
    except ContainerError as error:
        damaged(error.what)
        return None


class Index:
    """Reads single frames of a token file.

    Args:
        stream: Must seek. Header and footer are read at once.

    Attributes:
        header: What the tokens are tokens of.
        footer: What the end of the file says.
        starts: Where each group of frames starts, and where the footer does; bytes. A group is one frame, or what
            the header says.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self.stream = stream
        stream.seek(0)
        source = Source(stream)
        self.header = read_header(source)
        end = stream.seek(0, io.SEEK_END)
        stream.seek(max(end - 9, 0))
        tail = Fields(stream.read(9)[::-1], "end of the token file")
        size = tail.varint("size of the footer")
        start = end - tail.position - size
        if start < source.offset:
            raise ContainerError(f"token file is truncated: no footer of {size:,} bytes at its end")
        stream.seek(start)
        found = read_part(Source(stream), self.header, 0, end)
        if not isinstance(found, Footer):
            raise ContainerError(f"token file is truncated: byte {start:,} is no footer ({FOOTER_MARK:02x})")
        self.footer = found
        self.starts = [*accumulate(found.sizes, initial=source.offset), start]
        if not found.frames:
            del self.starts[0]
        if not source.offset <= self.starts[-2:][0] <= start:
            raise ContainerError(f"footer at byte {start:,} tells frames up to byte {self.starts[-2]:,}")

    def __len__(self) -> int:
        return self.footer.frames

    @property
    def length(self) -> int:
        """Samples for each channel of the source; 0 for an image."""
        return self.footer.length

    def read(self, number: int, prior: bytes | None = None) -> Frame:
        """One frame. Raises ContainerError for a number that the file lacks."""
        if not 0 <= number < len(self):
            raise ContainerError(f"frame {number} asked for, the file has {len(self)}")
        group = number // self.header.group
        first, start = group * self.header.group, self.starts[group]
        last = min(first + self.header.group, len(self)) - 1
        self.stream.seek(start)
        source = Source(self.stream)
        decoder = FrameDecoder(self.header, prior)
        for each in range(first, number + 1):
            found = read_part(source, self.header, each, each)
            if not isinstance(found, Coded) or (each == last and source.offset != self.starts[group + 1] - start):
                raise ContainerError(f"frame {each} at byte {start:,} is not where the footer says")
            frame = decoder.decode(found)
        return frame


def verify(stream: BinaryIO, prior: bytes | None = None) -> list[str]:
    """What is wrong with a token file and where, one line each; empty for a sound one.

    Frames are decoded where that needs no prior, or the prior is given.
    """
    problems: list[str] = []
    try:
        reader = Reader(stream)
        if prior is None and reader.header.prior:
            for _ in reader.sound_parts(problems.append):
                pass
        else:
            for _ in reader.sound_frames(problems.append, prior):
                pass
    except ContainerError as error:
        problems.append(error.what)
    return problems
