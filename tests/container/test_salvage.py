import io
from fractions import Fraction
from itertools import repeat

import numpy as np
import pytest

from tests.container.test_reader import FILE, FRAMES, STARTS
from vpcodec.container import Frame
from vpcodec.container.salvage import SalvageReader
from vpcodec.errors import ContainerError

BLANK = Frame(np.zeros((1, 40), np.int64), b"\xff")


def reader_of(content: bytes) -> SalvageReader:
    """A reader that knows what it needs to know of the model."""
    reader = SalvageReader(io.BytesIO(content))
    reader.step = Fraction(1, 2)
    reader.blanks = repeat(BLANK)
    return reader


def salvaged(content: bytes) -> tuple[list[int | None], SalvageReader]:
    """First side bytes of all frames, None for those replaced, and the reader."""
    reader = reader_of(content)
    frames = list(reader.frames())
    assert all(frame is BLANK or (frame.tokens == FRAMES[frame.side[0]].tokens).all() for frame in frames)
    return [None if frame is BLANK else frame.side[0] for frame in frames], reader


def test_a_sound_file_is_read_as_ever() -> None:
    sides, reader = salvaged(FILE)
    assert (sides, reader.length, reader.notes) == ([0, 1, 2, 3, 4, 5], 99, [])


def test_a_damaged_frame_is_replaced_by_a_blank_one() -> None:
    damaged = bytearray(FILE)
    damaged[STARTS[2] + 9] ^= 1
    sides, reader = salvaged(bytes(damaged))
    assert (sides, reader.length) == ([0, 1, None, 3, 4, 5], 99)
    assert reader.notes[0].startswith("damaged, 1 of its frames replaced: frame 2")


def test_frames_lost_at_either_end_are_replaced() -> None:
    assert salvaged(FILE[: STARTS[0]] + FILE[STARTS[2] :])[0] == [None, None, 2, 3, 4, 5]
    assert salvaged(FILE[: STARTS[4]] + FILE[STARTS[6] :])[0] == [0, 1, 2, 3, None, None]


def test_each_blank_frame_is_the_one_of_its_place() -> None:
    reader = reader_of(FILE[: STARTS[1]] + FILE[STARTS[2] : STARTS[4]])
    reader.blanks = [Frame(np.zeros((1, number + 1), np.int64), b"") for number in range(6)]
    reader.total = 6
    assert [frame.tokens.shape[1] for frame in reader.frames()] == [40, 2, 40, 40, 5, 6]
    assert reader.notes[0].startswith("damaged, 3 of its frames replaced")


def test_of_a_truncated_file_what_is_there_comes_back() -> None:
    sides, reader = salvaged(FILE[: STARTS[4] + 5])
    assert (sides, reader.length) == ([0, 1, 2, 3], 4 * 40 // 2)
    assert "truncated" in reader.notes[0]


def test_a_file_of_which_nothing_is_left_is_refused() -> None:
    with pytest.raises(ContainerError, match="nothing is left to decode: token file is truncated"):
        salvaged(FILE[: STARTS[0] + 5])


def test_a_damaged_header_cannot_be_salvaged() -> None:
    with pytest.raises(ContainerError, match="header is damaged"):
        SalvageReader(io.BytesIO(FILE[:9] + b"\0\0" + FILE[11:]))
