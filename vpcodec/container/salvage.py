"""Reading what is left of a damaged token file: lost frames are replaced by blank ones of the same size."""

from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import BinaryIO

from vpcodec.container.format import Frame
from vpcodec.container.reader import Reader
from vpcodec.errors import ContainerError


class SalvageReader(Reader):
    """A reader that goes on behind damage.

    Frames lost at the end of a recording without a footer cannot be counted, and are missing.

    Args:
        stream: Need not seek. The header must be sound.

    Attributes:
        blanks: For each frame what replaces it if it is lost; like the next two set by who knows the model.
        total: Frames that the file must have; 0 where only its footer tells.
        step: Samples of the source that a column of tokens stands for; 0 in an image.
        problems: What was wrong and what was skipped, one line each.
        lost: Frames replaced so far.
        columns: Columns of all frames so far.
    """

    def __init__(self, stream: BinaryIO) -> None:
        super().__init__(stream)
        self.blanks: Iterable[Frame] = ()
        self.total = 0
        self.step = Fraction(0)
        self.problems: list[str] = []
        self.lost = 0
        self.columns = 0

    @property
    def length(self) -> int:
        """Samples for each channel, as many as the frames hold; see `Reader.length`."""
        held = int(self.columns * self.step)
        return min(held, self.footer.length) if self.footer else held

    @property
    def notes(self) -> list[str]:
        """What the user should know, in one line; nothing about a sound file."""
        if not self.problems:
            return []
        lost = f"{self.lost} of its frames replaced" if self.lost else "no frame replaced"
        return [f"damaged, {lost}: {self.problems[0]}"]

    def frames(self, prior: bytes | None = None, *, together: int = 1) -> Iterator[Frame]:
        """All frames in their order, decoded one by one; see `Reader.frames`.

        Raises ContainerError where nothing is left of a damaged file.
        """
        sound = self.sound_frames(self.problems.append, prior, self.total)
        for frame, blank in zip(sound, self.blanks, strict=False):
            self.lost += frame is None
            self.columns += (frame or blank).tokens.shape[1]
            yield frame or blank
        if self.problems and not self.columns:
            raise ContainerError(f"nothing is left to decode: {self.problems[0]}")
