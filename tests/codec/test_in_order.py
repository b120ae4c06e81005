"""Windows computed side by side: results in order, a lone window for the whole engine, nobody kept waiting."""

import threading
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from vpcodec.codec import onnx_engine
from vpcodec.codec.in_order import InOrder
from vpcodec.codec.onnx_engine import OnnxEngine
from vpcodec.codec.pipeline import Codec
from vpcodec.registry import find_model

TIMEOUT = 30  # seconds


class Cores:
    """An engine that computes nothing; its crew has as many members as asked for."""

    def __init__(self, name: str, members: int) -> None:
        self.name = name
        self.members = members

    def crew(self) -> tuple["Cores", int]:
        return (Cores("member", 1), self.members) if self.members > 1 else (self, 1)


def name_of(number: int, engine: Cores) -> tuple[int, str]:
    return number, engine.name


def test_a_lone_window_gets_all_of_the_engine():
    line = InOrder(Cores("whole", 3))
    assert line.put(partial(name_of, 0)) == []
    assert line.rest() == [(0, "whole")]
    assert line.rest() == []


def test_several_windows_go_to_the_crew_and_come_back_in_order():
    line = InOrder(Cores("whole", 3))
    found = [result for number in range(50) for result in line.put(partial(name_of, number))]
    assert len(found) >= 47  # no more wait than there are members
    assert found + line.rest() == [(number, "member") for number in range(50)]


def test_a_window_that_takes_long_lets_later_ones_be_computed_but_not_overtake():
    second = threading.Event()

    def slow(engine):
        assert second.wait(TIMEOUT), "the second window waits for the first"
        return "slow"

    def quick(engine):
        second.set()
        return "quick"

    line = InOrder(Cores("whole", 2))
    assert line.put(slow) == []
    assert line.put(quick) + line.rest() == ["slow", "quick"]


def test_live_results_come_at_once():
    line = InOrder(Cores("whole", 3), live=True)
    assert line.put(partial(name_of, 0)) == [(0, "whole")]
    assert line.put(partial(name_of, 1)) == [(1, "whole")]
    assert line.rest() == []


def test_an_error_comes_out():
    here = threading.Event()

    def fail(engine):
        assert here.wait(TIMEOUT)
        raise ValueError("broken")

    line = InOrder(Cores("whole", 2))
    assert line.put(fail) + line.put(partial(name_of, 1)) == []
    here.set()
    with pytest.raises(ValueError, match="broken"):
        line.rest()


@pytest.mark.parametrize(("cores", "expected"), [(1, (1, 1)), (2, (2, 1)), (4, (4, 1)), (16, (4, 4))])
def test_the_crew_of_the_onnx_engine_shares_the_cores(cores, expected):
    engine = OnnxEngine(find_model("speech-vp"), cores)
    member, members = engine.crew()
    assert (members, member.threads) == expected
    assert (member is engine) == (cores == 1)


def test_a_long_recording_gets_the_bytes_and_sound_that_one_thread_gives(monkeypatch):
    media = Path(__file__).parents[1] / "media" / "speech.flac"
    alone = Codec.load("speech-vp", threads=1)
    samples = np.resize(alone.decode(alone.encode(media)).samples, (16_000 * 50, 2))
    content = alone.encode(samples, sample_rate=16_000)
    sound = alone.decode(content).samples
    started = []
    load = onnx_engine.load
    monkeypatch.setattr(onnx_engine, "load", lambda *given: started.append(given[2]) or load(*given))
    together = Codec.load("speech-vp", threads=3)
    assert together.encode(samples, sample_rate=16_000) == content
    np.testing.assert_array_equal(together.decode(content).samples, sound)
    assert set(started) == {1}  # all of it by members of the crew
