import io
from collections.abc import Iterable
from fractions import Fraction
from itertools import repeat

import numpy as np
import pytest

from tests.container.test_reader import FILE, FRAMES, STARTS
from vpcodec.container import Frame, Reader, Resync
from vpcodec.errors import ContainerError

BLANK = Frame(np.zeros((1, 40), np.int64), b"\xff")


def repaired(
    content: bytes, blanks: Iterable[Frame] = repeat(BLANK), total: int = 0
) -> tuple[list[Frame], Reader, Resync]:
    """All frames, the reader, and what it says of the damage."""
    reader, resync = Reader(io.BytesIO(content)), Resync(blanks, Fraction(1, 2), total)
    return list(reader.frames(on_damage=resync)), reader, resync


def sides(frames: list[Frame]) -> list[int | None]:
    """First side bytes of all frames, None for those replaced; the others hold the tokens they should."""
    assert all(frame is BLANK or (frame.tokens == FRAMES[frame.side[0]].tokens).all() for frame in frames)
    return [None if frame is BLANK else frame.side[0] for frame in frames]


def test_a_sound_file_is_read_as_ever() -> None:
    frames, reader, resync = repaired(FILE)
    assert (sides(frames), reader.length, resync.notes) == ([0, 1, 2, 3, 4, 5], 99, ())


def test_a_damaged_frame_is_replaced_by_a_blank_one() -> None:
    damaged = bytearray(FILE)
    damaged[STARTS[2] + 9] ^= 1
    frames, reader, resync = repaired(bytes(damaged))
    assert (sides(frames), reader.length) == ([0, 1, None, 3, 4, 5], 99)
    assert resync.notes[0].startswith("damaged, 1 of its frames replaced: frame 2")


def test_frames_lost_at_either_end_are_replaced() -> None:
    assert sides(repaired(FILE[: STARTS[0]] + FILE[STARTS[2] :])[0]) == [None, None, 2, 3, 4, 5]
    assert sides(repaired(FILE[: STARTS[4]] + FILE[STARTS[6] :])[0]) == [0, 1, 2, 3, None, None]


def test_each_blank_frame_is_the_one_of_its_place() -> None:
    blanks = [Frame(np.zeros((1, number + 1), np.int64), b"") for number in range(6)]
    frames, _, resync = repaired(FILE[: STARTS[1]] + FILE[STARTS[2] : STARTS[4]], blanks, total=6)
    assert [frame.tokens.shape[1] for frame in frames] == [40, 2, 40, 40, 5, 6]
    assert resync.notes[0].startswith("damaged, 3 of its frames replaced")


def test_of_a_truncated_file_what_is_there_comes_back() -> None:
    frames, reader, resync = repaired(FILE[: STARTS[4] + 5])
    assert (sides(frames), reader.length) == ([0, 1, 2, 3], 4 * 40 // 2)
    assert "truncated" in resync.notes[0]


def test_a_recording_is_no_longer_than_the_frames_that_are_left() -> None:
    short = FILE[: STARTS[0]] + FILE[STARTS[6] :]
    frames, reader, _ = repaired(short, repeat(Frame(np.zeros((1, 10), np.int64))))
    assert (len(frames), reader.length) == (6, 6 * 10 // 2)


def test_a_file_of_which_nothing_is_left_is_refused() -> None:
    with pytest.raises(ContainerError, match="nothing is left to decode: token file is truncated"):
        repaired(FILE[: STARTS[0] + 5])


def test_a_damaged_header_cannot_be_stepped_over() -> None:
    with pytest.raises(ContainerError, match="header is damaged"):
        Reader(io.BytesIO(FILE[:9] + b"\0\0" + FILE[11:]))
