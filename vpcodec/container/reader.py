"""Reading token files: front to back from any stream, or single frames where the stream can seek."""

import io
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import accumulate
from typing import TYPE_CHECKING, BinaryIO

from vpcodec.container.fields import Fields, word
from vpcodec.container.format import CHECK, FOOTER_MARK, Frame, may_continue
from vpcodec.container.parts import Coded, Footer, Parts, begun_run, marks_of, read_header, read_part
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
        self.source = Fields(stream)
        self.header = read_header(self.source)
        self.footer: Footer | None = None
        self.parts: Parts | None = None  # where damage ends the reading
        self.sizes: list[int] = []  # of the frames so far, bytes; 0 for one that was lost

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
        self.parts = parts = self.parts or Parts(self.source, self.header, prior)
        while self.footer is None:
            self.source.set_mark()
            try:
                found = parts.next(len(self.sizes))
            except BlockingIOError:
                self.source.rewind(self.source.mark)
                raise
            if not isinstance(found, Footer):
                self.count()
                yield parts.decode(found) if isinstance(found, Coded) else found
            elif wrong := self.wrong_footer(found):
                raise ContainerError(wrong)
            else:
                self.footer = found

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
        self, damaged: Callable[[str], None], prior: bytes | None = None, total: int = 0, *, blind: bool = False
    ) -> Iterator[Frame | None]:
        """All frames in their order, None for each that is damaged or lost.

        Args:
            damaged: Told what is wrong and what was skipped, one line each time.
            prior: The one that the header names.
            total: Frames that the file must have, so that those cut off at its end count; 0 where nobody knows.
            blind: Whether to do without the prior: no frame is then decoded, and None stands for all.
        """
        parts = Parts(self.source, self.header, prior, blind=blind)
        while self.footer is None:
            number, start = len(self.sizes), self.source.offset
            self.source.set_mark()
            found: Frame | Coded | Footer | None
            try:
                found = parts.next(number)
            except ContainerError as error:
                found, run = self.resume(number, parts.run)
                if not (parts.blind and run):
                    damaged(error.what)
                    damaged(f"{self.source.mark - start:,} bytes skipped from byte {start:,} on")
            if found is None:
                yield from [None] * (total - number)
                return
            if isinstance(found, Frame):
                self.count()
                yield found
                continue
            lost = (found.number if isinstance(found, Coded) else found.frames) - number
            self.sizes += [0] * lost
            yield from [None] * lost
            if isinstance(found, Coded):
                self.count()
                parts.run = begun_run(found.number)
                try:
                    frame = None if parts.blind else parts.decode(found)
                except ContainerError as error:
                    damaged(error.what)
                    frame = None
                yield frame
            else:
                self.footer = found
                if wrong := self.wrong_footer(found):
                    damaged(wrong)

    def count(self) -> None:
        """Take note of a frame that was read from the mark on."""
        self.sizes.append(self.source.offset - self.source.mark)

    def wrong_footer(self, footer: Footer) -> str:
        """What a footer tells otherwise than the frames that were read, in words; empty where there is nothing."""
        group = self.header.group
        for start, told in zip(range(0, len(self.sizes), group), footer.sizes, strict=False):  # all but the last one's
            found = self.sizes[start : start + group]
            if 0 not in found and sum(found) != told:
                return f"frame {start} has {sum(found):,} bytes, the footer tells {told:,}"
        return ""

    def resume(self, number: int, run: int) -> tuple[Coded | Footer | None, bool]:
        """The next frame that stands alone, or footer, at the mark of the source or after it, which moves to its start.

        None where none is left; the mark is then at the end of the stream. And whether the bytes before it are a run
        that its checksum, begun with `run`, belongs to.
        """
        self.source.rewind(self.source.mark)
        marks, passed = marks_of(self.header), b""
        while byte := self.source.peek(1):  # no more, so that a live stream goes on as soon as it can
            start = self.source.offset
            if byte in marks:
                with suppress(ContainerError):
                    part = read_part(self.source, self.header, number, number + FARTHEST)
                    self.source.set_mark(start)
                    return part, passed == word(run)[:CHECK]
            self.source.rewind(start + 1)
            self.source.set_mark()
            passed += byte
            run, passed = zlib.crc32(passed[:-CHECK], run), passed[-CHECK:]
        return None, False


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
        self.held: tuple[int, bytes | None, list[Frame]] = (-1, None, [])  # the group that was read last, and its prior
        stream.seek(0)
        source = Fields(stream)
        self.header = read_header(source)
        end = stream.seek(0, io.SEEK_END)
        stream.seek(max(end - 9, 0))
        tail = Fields(stream.read(9)[::-1], "end of the token file")
        size = tail.varint("size of the footer")
        start = end - tail.offset - size
        if start < source.offset:
            raise ContainerError(f"token file is truncated: no footer of {size:,} bytes at its end")
        stream.seek(start)
        found = read_part(Fields(stream), self.header, 0, end)
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
        """One frame. Raises ContainerError for a number that the file lacks, and for damage to its group."""
        if not 0 <= number < len(self):
            raise ContainerError(f"frame {number} asked for, the file has {len(self)}")
        group, place = divmod(number, self.header.group)
        if self.held[:2] != (group, prior):
            self.held = group, prior, list(self.frames(group, prior))
        return self.held[2][place]

    def frames(self, group: int, prior: bytes | None) -> Iterator[Frame]:
        """All frames of a group."""
        start, stop = self.starts[group : group + 2]
        self.stream.seek(start)
        source = Fields(self.stream)
        source.offset = source.mark = start  # so that errors count from the start of the file
        parts = Parts(source, self.header, prior)
        first = group * self.header.group
        last = min(first + self.header.group, len(self))
        for number in range(first, last):
            found = parts.next(number)
            if isinstance(found, Footer):
                break
            yield parts.decode(found) if isinstance(found, Coded) else found
        else:
            if parts.last and may_continue(self.header, last, parts.last):
                parts.continued(last, parts.last)  # says that none does
            if source.offset == stop:
                return
        raise ContainerError(f"frame {last - 1}, at byte {start:,} or behind it, is not where the footer says")


def verify(stream: BinaryIO, prior: bytes | None = None) -> list[str]:
    """What is wrong with a token file and where, one line each; empty for a sound one.

    Frames are decoded where that needs no prior, or the prior is given.
    """
    problems: list[str] = []
    try:
        reader = Reader(stream)
        for _ in reader.sound_frames(problems.append, prior, blind=prior is None):
            pass
    except ContainerError as error:
        problems.append(error.what)
    return problems
