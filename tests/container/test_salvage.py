import io
from fractions import Fraction

import numpy as np
import pytest

from tests.container.test_reader import FILE, FRAMES, STARTS
from vpcodec.container.salvage import SalvageReader
from vpcodec.errors import ContainerError


def salvaged(content: bytes) -> tuple[list[int], SalvageReader]:
    """First side bytes of all frames, 0 for those replaced (and for the first one), and the reader."""
    reader = SalvageReader(io.BytesIO(content))
    reader.step = Fraction(1, 2)
    frames = list(reader.frames())
    assert {frame.tokens.shape for frame in frames} <= {(1, 40)}
    assert all((frame.tokens == FRAMES[frame.side[0]].tokens).all() for frame in frames if frame.side[0])
    return [frame.side[0] for frame in frames], reader


def test_a_sound_file_is_read_as_ever() -> None:
    sides, reader = salvaged(FILE)
    assert (sides, reader.length, reader.notes) == ([0, 1, 2, 3, 4, 5], 99, [])


def test_a_damaged_frame_is_replaced_by_zeros() -> None:
    damaged = bytearray(FILE)
    damaged[STARTS[2] + 9] ^= 1
    sides, reader = salvaged(bytes(damaged))
    assert (sides, reader.length) == ([0, 1, 0, 3, 4, 5], 99)
    assert reader.notes[0].startswith("damaged, 1 of its frames replaced: frame 2")
    assert (list(SalvageReader(io.BytesIO(damaged)).frames())[2].tokens == np.zeros((1, 40))).all()


def test_frames_lost_at_the_beginning_are_replaced_once_their_shape_is_known() -> None:
    assert salvaged(FILE[: STARTS[0]] + FILE[STARTS[2] :])[0] == [0, 0, 2, 3, 4, 5]


def test_of_a_truncated_file_what_is_there_comes_back() -> None:
    sides, reader = salvaged(FILE[: STARTS[4] + 5])
    assert (sides, reader.length) == ([0, 1, 2, 3], 4 * 40 // 2)
    assert "truncated" in reader.notes[0]


def test_a_damaged_header_cannot_be_salvaged() -> None:
    with pytest.raises(ContainerError, match="header is damaged"):
        SalvageReader(io.BytesIO(FILE[:9] + b"\0\0" + FILE[11:]))
