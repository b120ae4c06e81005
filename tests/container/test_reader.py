import io
import os
import threading
import zlib

import pytest

from tests.container.conftest import speech_header, wandering, written
from vpcodec.container import Frame, Index, Reader, Writer, verify
from vpcodec.container.fields import varint, word
from vpcodec.errors import ContainerError

FRAMES = [Frame(wandering((1, 40), seed=number), bytes([number])) for number in range(6)]
FILE = written(speech_header(), FRAMES, length=99)
STARTS = Index(io.BytesIO(FILE)).starts


def sound(content: bytes) -> tuple[list[int | None], list[str]]:
    """First side bytes of the frames that could be read, None for the others; and what was wrong."""
    problems: list[str] = []
    frames = Reader(io.BytesIO(content)).sound_frames(problems.append)
    return [frame and frame.side[0] for frame in frames], problems


def test_a_sound_file_has_no_problems() -> None:
    assert sound(FILE) == ([0, 1, 2, 3, 4, 5], [])
    assert verify(io.BytesIO(FILE)) == []


def test_any_frame_can_be_read_without_the_others() -> None:
    index = Index(io.BytesIO(FILE))
    assert (len(index), index.length, index.header) == (6, 99, speech_header())
    for number in (5, 0, 3):
        assert (index.read(number).tokens == FRAMES[number].tokens).all()
    for number in (-1, 6):
        with pytest.raises(ContainerError, match="the file has 6"):
            index.read(number)


def test_a_damaged_frame_does_not_keep_others_from_being_read() -> None:
    damaged = bytearray(FILE)
    damaged[STARTS[2] + 9] ^= 1
    index = Index(io.BytesIO(damaged))
    with pytest.raises(ContainerError, match="frame 2"):
        index.read(2)
    assert index.read(3).side == b"\x03"


def test_each_damaged_byte_costs_its_own_frame_only() -> None:
    for offset in range(STARTS[2], STARTS[3]):
        damaged = bytearray(FILE)
        damaged[offset] ^= 0x41
        sides, problems = sound(bytes(damaged))
        assert sides == [0, 1, None, 3, 4, 5]
        assert "frame 2" in problems[0]
        assert problems[1:] == [f"{STARTS[3] - STARTS[2]:,} bytes skipped from byte {STARTS[2]:,} on"]


def test_resyncing_tells_how_many_frames_a_hole_swallowed() -> None:
    assert sound(FILE[: STARTS[1] + 7] + FILE[STARTS[4] - 3 :])[0] == [0, None, None, None, 4, 5]
    assert sound(FILE[: STARTS[1]] + FILE[STARTS[4] :])[0] == [0, None, None, None, 4, 5]
    assert sound(FILE[: STARTS[4] + 2] + FILE[STARTS[6] :])[0] == [0, 1, 2, 3, None, None]


def test_resyncing_steps_over_inserted_bytes() -> None:
    assert sound(FILE[: STARTS[3]] + b"\xa0\xa1\xe5" * 500 + FILE[STARTS[3] :])[0] == [0, 1, 2, 3, 4, 5]


def test_resyncing_reads_a_truncated_file_up_to_its_end() -> None:
    sides, problems = sound(FILE[: STARTS[4] + 5])
    assert sides == [0, 1, 2, 3]
    assert "truncated" in problems[0]


def test_frames_that_were_cut_off_count_as_lost_where_their_number_is_known() -> None:
    frames = Reader(io.BytesIO(FILE[: STARTS[4] + 5])).sound_frames(lambda _: None, total=6)
    assert [frame and frame.side[0] for frame in frames] == [0, 1, 2, 3, None, None]


def test_without_resyncing_the_first_damage_ends_reading() -> None:
    damaged = bytearray(FILE)
    damaged[STARTS[2] + 9] ^= 1
    frames = Reader(io.BytesIO(damaged)).frames()
    assert [next(frames).side[0], next(frames).side[0]] == [0, 1]
    with pytest.raises(ContainerError, match="frame 2 at byte"):
        next(frames)


def test_the_length_is_unknown_before_the_end() -> None:
    with pytest.raises(ContainerError, match="only after its last frame"):
        _ = Reader(io.BytesIO(FILE)).length


def test_frames_pass_through_a_pipe_one_by_one() -> None:
    taken, given = os.pipe()
    seen = threading.Event()

    def write() -> None:
        with open(given, "wb", buffering=0) as pipe:
            writer = Writer(pipe, speech_header())
            writer.write(FRAMES[0])
            assert seen.wait(10)  # the reader got the first frame before the second was written
            writer.write(FRAMES[1])
            writer.close(7)

    thread = threading.Thread(target=write)
    thread.start()
    with open(taken, "rb", buffering=0) as pipe:
        reader = Reader(pipe)
        frames = reader.frames()
        assert next(frames).side == b"\x00"
        seen.set()
        assert [frame.side for frame in frames] == [b"\x01"]
        assert reader.length == 7
    thread.join()


def test_a_footer_that_points_elsewhere_is_refused() -> None:
    body = FILE[: STARTS[6]]
    for sizes in ([1, 1, 1, 1, 1], [999, 1, 1, 1, 1]):
        footer = b"\xe5" + varint(6) + varint(99) + b"".join(map(varint, sizes))
        footer += word(zlib.crc32(footer))
        content = body + footer + varint(len(footer))[::-1]
        with pytest.raises(ContainerError, match=f"frame 0 has 60 bytes, the footer tells {sizes[0]}"):
            list(Reader(io.BytesIO(content)).frames())
        assert verify(io.BytesIO(content)) == [f"frame 0 has 60 bytes, the footer tells {sizes[0]}"]
        with pytest.raises(ContainerError):
            Index(io.BytesIO(content)).read(1)
