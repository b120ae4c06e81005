"""Reading what is left of a damaged token file: lost frames are replaced by silence or grey of the same size."""

from collections.abc import Iterator
from fractions import Fraction
from typing import BinaryIO

import numpy as np

from vpcodec.container.format import Frame
from vpcodec.container.reader import Reader


class SalvageReader(Reader):
    """A reader that goes on behind damage.

    A lost frame comes back with token 0 everywhere and side bytes of 0, which is the lowest level there is. It has the
    shape of the frame before it; where there was none, of the one behind it. Frames lost at the end of a file without
    a footer cannot be counted, and are missing.

    Args:
        stream: Need not seek. The header must be sound.

    Attributes:
        step: Samples of the source that a column of tokens stands for, set by who knows the model.
        problems: What was wrong and what was skipped, one line each.
        lost: Frames replaced so far.
        columns: Columns of all frames so far.
    """

    def __init__(self, stream: BinaryIO) -> None:
        super().__init__(stream)
        self.step = Fraction(1)
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
        """All frames in their order; see `Reader.frames`. They are decoded one by one."""
        pattern: Frame | None = None
        waiting = 0
        for frame in self.sound_frames(self.problems.append, prior):
            self.lost += frame is None
            waiting += frame is None
            pattern = frame or pattern
            if pattern is None:
                continue
            for _ in range(waiting):
                yield self.counted(Frame(np.zeros_like(pattern.tokens), bytes(len(pattern.side))))
            waiting = 0
            if frame:
                yield self.counted(frame)

    def counted(self, frame: Frame) -> Frame:
        self.columns += frame.tokens.shape[1]
        return frame
