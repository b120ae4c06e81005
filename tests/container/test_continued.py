"""Short frames that continue the one before them, as live recordings have."""

import io
import itertools
import os
import threading
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from tests.container.conftest import speech_header, wandering, written
from vpcodec.container import Frame, Index, Reader, SoundFacts, Writer, verify
from vpcodec.errors import ContainerError

WHOLE = wandering((1, 620), seed=5)
FRAMES = [Frame(WHOLE[:, start : start + 50], bytes([start // 10])) for start in range(0, 620, 50)]  # the last has 20
GROUP = 5


@pytest.fixture(scope="module")
def live_file(speech_prior: bytes) -> bytes:
    return written(speech_header(speech_prior, columns=50, group=GROUP), FRAMES, speech_prior, 59_520)


def numbers(frames: Sequence[Frame | None]) -> list[int | None]:
    """Which frames were found, None for those lost; they hold what they should."""
    expected = {frame.side: number for number, frame in enumerate(FRAMES)}
    found = [None if frame is None else expected[frame.side] for frame in frames]
    assert all(
        number is None or (frame.tokens == FRAMES[number].tokens).all()
        for number, frame in zip(found, frames, strict=True)
        if frame
    )
    return found


def sound(content: bytes, prior: bytes) -> tuple[list[int | None], list[str]]:
    problems: list[str] = []
    return numbers(list(Reader(io.BytesIO(content)).sound_frames(problems.append, prior))), problems


def test_frames_come_back_in_order_and_by_their_number(live_file: bytes, speech_prior: bytes) -> None:
    reader = Reader(io.BytesIO(live_file))
    assert numbers(list(reader.frames(speech_prior))) == list(range(13))
    assert (reader.header.columns, reader.header.group, reader.length) == (50, GROUP, 59_520)
    index = Index(io.BytesIO(live_file))
    assert (len(index), len(index.starts)) == (13, 4)
    for number in (12, 0, 9, 5, 4, 11):
        assert numbers([index.read(number, speech_prior)]) == [number]
    assert verify(io.BytesIO(live_file), speech_prior) == verify(io.BytesIO(live_file)) == []


def test_a_frame_that_continues_another_costs_a_byte_or_less(live_file: bytes, speech_prior: bytes) -> None:
    header = speech_header(speech_prior, columns=50, group=64)
    live = written(header, [Frame(WHOLE[:, n : n + 50], b"\x40") for n in range(0, 600, 50)], speech_prior)
    whole = written(speech_header(speech_prior), [Frame(WHOLE[:, :600], b"\x40")], speech_prior)
    assert len(live) - len(whole) <= 11
    alone = written(speech_header(speech_prior), FRAMES, speech_prior)
    assert len(live_file) < len(alone) - 90


def test_a_frame_is_never_much_larger_than_one_that_stands_alone(speech_prior: bytes) -> None:
    random = np.random.default_rng(1).integers(0, 1000, (8, 1, 50))
    frames = [Frame(tokens, b"\x40") for tokens in random]
    alone = written(speech_header(speech_prior, columns=50), frames, speech_prior)
    mixed = written(speech_header(speech_prior, columns=50, group=8), frames, speech_prior)
    assert len(mixed) <= len(alone) + 3 * 7  # that none continues the one before, and a checksum
    assert [frame.tokens.tolist() for frame in Reader(io.BytesIO(mixed)).frames(speech_prior)] == random.tolist()
    without = written(speech_header(columns=50, group=8), FRAMES)
    assert numbers(list(Reader(io.BytesIO(without)).frames())) == list(range(13))


def test_frames_of_other_shapes_stand_alone_between_those_that_continue(speech_prior: bytes) -> None:
    cuts = [0, 60, 120, 150, 210, 250, 300]
    frames = [Frame(WHOLE[:, a:b], bytes([b // 10])) for a, b in itertools.pairwise(cuts)]
    frames[2:2] = [Frame(WHOLE[:, :60], b"ab"), Frame(WHOLE[:, :60], b"")]
    content = written(speech_header(speech_prior, columns=60, group=16), frames, speech_prior, 42)
    assert verify(io.BytesIO(content), speech_prior) == verify(io.BytesIO(content)) == []
    index = Index(io.BytesIO(content))
    for number, (found, frame) in enumerate(zip(Reader(io.BytesIO(content)).frames(speech_prior), frames, strict=True)):
        assert found.tokens.tolist() == index.read(number, speech_prior).tokens.tolist() == frame.tokens.tolist()
        assert found.side == frame.side


@pytest.mark.parametrize("sides", [0, 1, 2, 5])
def test_any_number_of_side_bytes_comes_back(speech_prior: bytes, sides: int) -> None:
    tokens = wandering((3, 300), seed=8)
    frames = [Frame(tokens[:, start : start + 60], bytes(range(start, start + sides))) for start in range(0, 240, 60)]
    header = replace(speech_header(speech_prior, columns=60, group=9), signal=SoundFacts(16_000, 3))
    content = written(header, frames, speech_prior)
    found = list(Reader(io.BytesIO(content)).frames(speech_prior))
    assert [frame.side for frame in found] == [frame.side for frame in frames]
    assert (np.concatenate([frame.tokens for frame in found], axis=1) == tokens[:, :240]).all()


def test_damage_costs_the_frames_up_to_the_next_that_stands_alone(live_file: bytes, speech_prior: bytes) -> None:
    first, second, third, _ = Index(io.BytesIO(live_file)).starts
    undetected = 0
    for offset in range(second, third):
        damaged = bytearray(live_file)
        damaged[offset] ^= 0x41
        problems: list[str] = []
        found = list(Reader(io.BytesIO(damaged)).sound_frames(problems.append, speech_prior))
        assert numbers(found[:5] + found[10:]) == [0, 1, 2, 3, 4, 10, 11, 12]
        assert problems
        undetected += sum(
            frame is not None and frame.tokens.tolist() != right.tokens.tolist()
            for frame, right in zip(found[5:10], FRAMES[5:10], strict=True)
        )
        with pytest.raises(ContainerError, match=r"frame [5-9]"):
            Index(io.BytesIO(damaged)).read(5, speech_prior)
        assert verify(io.BytesIO(damaged))
    assert undetected < (third - second) / 2  # a frame ends where it must, so that most damage is found at once
    hole = live_file[: first + 90] + live_file[second + 90 :]
    assert sound(hole, speech_prior)[0][-3:] == [10, 11, 12]


def test_a_run_of_another_group_is_out_of_place(live_file: bytes, speech_prior: bytes) -> None:
    frames = [Frame(WHOLE[:, :50], b"\x40")] * 10
    content = written(speech_header(speech_prior, columns=50, group=5), frames, speech_prior)
    first, second, end = Index(io.BytesIO(content)).starts
    alone = len(written(speech_header(speech_prior, columns=50), frames[:1], speech_prior)) - len(
        written(speech_header(speech_prior, columns=50), [], speech_prior)
    )
    swapped = content[: first + alone] + content[second + alone : end] + content[second:]
    with pytest.raises(ContainerError, match=r"frame 4 at byte .* ends a run that is damaged or out of place"):
        list(Reader(io.BytesIO(swapped)).frames(speech_prior))


def test_every_flipped_bit_is_noticed(live_file: bytes, speech_prior: bytes) -> None:
    for bit in range(0, 8 * len(live_file), 3):
        damaged = bytearray(live_file)
        damaged[bit // 8] ^= 1 << bit % 8
        with pytest.raises(ContainerError):
            list(Reader(io.BytesIO(damaged)).frames(speech_prior))


def test_damage_is_noticed_and_located_without_a_prior(live_file: bytes) -> None:
    damaged = bytearray(live_file)
    start = Index(io.BytesIO(live_file)).starts[1]
    damaged[start - 9] ^= 1
    problem, skipped = verify(io.BytesIO(damaged))
    assert problem.startswith("byte ")
    assert problem.endswith("expected frame 1 or the footer: a0 a2 a4 a6 e5")
    assert skipped.endswith(" on")


def test_a_frame_leaves_the_writer_at_once(speech_prior: bytes) -> None:
    stream = io.BytesIO()
    writer = Writer(stream, speech_header(speech_prior, columns=50, group=GROUP), speech_prior)
    for number, frame in enumerate(FRAMES):
        writer.write(frame)
        reader = Reader(io.BytesIO(stream.getvalue()))
        assert sum(1 for _ in zip(range(number + 1), reader.frames(speech_prior), strict=False)) == number + 1


def test_a_live_stream_goes_on_behind_damage_as_soon_as_it_can(live_file: bytes, speech_prior: bytes) -> None:
    _, second, third, _ = Index(io.BytesIO(live_file)).starts
    damaged = live_file[: second + 60] + b"\xff" + live_file[second + 61 :]
    alone = len(written(speech_header(speech_prior), FRAMES[10:11], speech_prior)) + third
    taken, given = os.pipe()
    seen = threading.Event()

    def write() -> None:
        with open(given, "wb", buffering=0) as pipe:
            pipe.write(damaged[:alone])
            assert seen.wait(10)  # frame 10 came out before anything behind it was there
            pipe.write(damaged[alone:])

    thread = threading.Thread(target=write)
    thread.start()
    with open(taken, "rb") as pipe:
        found = []
        for frame in Reader(pipe).sound_frames(lambda _: None, speech_prior):
            found.append(frame)
            if len(found) == 11:
                seen.set()
    thread.join()
    assert numbers(found[:5] + found[10:]) == [0, 1, 2, 3, 4, 10, 11, 12]


def test_reading_goes_on_where_a_stream_had_nothing_more_yet(live_file: bytes, speech_prior: bytes) -> None:
    class Slow(io.BytesIO):
        there = 60

        def read(self, count: int | None = -1, /) -> bytes:
            if self.tell() >= self.there:
                raise BlockingIOError
            return super().read(min(count or 0, self.there - self.tell()))

    stream, found = Slow(live_file), []
    reader = Reader(stream)
    while reader.footer is None:
        try:
            for frame in reader.frames(speech_prior):
                found.append(frame)
        except BlockingIOError:
            stream.there += 17
    assert numbers(found) == list(range(13))


@pytest.mark.parametrize("change", [{"columns": 0, "group": 2}, {"columns": 50, "group": 0}, {"columns": 1 << 17}])
def test_frames_that_no_header_can_promise_are_refused(change: dict[str, int]) -> None:
    with pytest.raises(ContainerError, match="columns in groups"):
        speech_header(**change)


@pytest.mark.parametrize("shape", [(2, 50), (1, 51)])
def test_a_frame_of_more_rows_or_columns_than_the_header_gives_is_refused(shape: tuple[int, int]) -> None:
    with pytest.raises(ContainerError, match="frame 0 has shape"):
        written(speech_header(columns=50), [Frame(np.zeros(shape, np.int64))])
    content = written(speech_header(columns=50), []).partition(b"\xe5")[0]
    with pytest.raises(ContainerError, match=r"(rows|columns) of frame 0 is (2|51), expected 1 to (1|50)$"):
        list(Reader(io.BytesIO(content + b"\xa0" + bytes([*shape, 0, 1, 0]) + bytes(4))).frames())
