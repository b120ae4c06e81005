"""Windows computed side by side: results in order, a lone window for the whole engine, nobody kept waiting."""

import io
import threading
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import pytest
import soundfile

from tests.conftest import MEDIA
from vpcodec.codec import windows as coded_windows
from vpcodec.codec.arrays import Recording
from vpcodec.codec.onnx_engine import OnnxEngine
from vpcodec.codec.pipeline import Codec
from vpcodec.codec.signals import Span, Writing
from vpcodec.codec.windows import Timer, in_order
from vpcodec.container import Index
from vpcodec.registry import find_model

TIMEOUT = 30  # seconds


class Cores:
    """An engine that computes nothing; it has as many workers as asked for."""

    def __init__(self, name: str, count: int) -> None:
        self.name = name
        self.count = count

    def workers(self) -> tuple["Cores", int]:
        return (Cores("worker", 1), self.count) if self.count > 1 else (self, 1)


def name_of(number: int, engine: Cores) -> tuple[int, str]:
    return number, engine.name


def windows(count: int, taken: list[int] | None = None) -> Iterator[Callable[[Cores], tuple[int, str]]]:
    for number in range(count):
        if taken is not None:
            taken.append(number)
        yield partial(name_of, number)


@pytest.mark.parametrize("cores", [1, 2, 4])
@pytest.mark.parametrize("count", [0, 1, 2, 3, 4, 5, 50])
def test_every_window_comes_out_in_order_and_a_lone_one_gets_all_of_the_engine(cores: int, count: int) -> None:
    by = "worker" if cores > 1 and count > 1 else "whole"
    assert list(in_order(Cores("whole", cores), windows(count), Timer())) == [(number, by) for number in range(count)]


def test_no_more_windows_wait_than_there_are_workers() -> None:
    taken: list[int] = []
    results = in_order(Cores("whole", 3), windows(50, taken), Timer())
    for number, _ in enumerate(results):
        assert len(taken) <= number + 1 + 3


def test_live_results_come_at_once() -> None:
    taken: list[int] = []
    results = in_order(Cores("whole", 3), windows(50, taken), Timer(), live=True)
    for number in range(5):
        assert next(results) == (number, "whole")
        assert len(taken) == number + 1


def test_a_window_that_takes_long_lets_later_ones_be_computed_but_not_overtake() -> None:
    second = threading.Event()

    def slow(engine):
        assert second.wait(TIMEOUT), "the second window waits for the first"
        return "slow"

    def quick(engine):
        second.set()
        return "quick"

    assert list(in_order(Cores("whole", 2), [slow, quick], Timer())) == ["slow", "quick"]


def test_an_error_comes_out() -> None:
    def fail(engine):
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        list(in_order(Cores("whole", 2), [fail, partial(name_of, 1)], Timer()))


def test_whoever_takes_no_more_leaves_no_thread_behind() -> None:
    before = threading.active_count()
    results = in_order(Cores("whole", 4), windows(50), Timer())
    next(results)
    results.close()
    assert threading.active_count() == before


@pytest.mark.parametrize(("cores", "expected"), [(1, (1, 1)), (2, (2, 1)), (4, (4, 1)), (16, (4, 4))])
def test_the_workers_of_the_onnx_engine_share_the_cores(cores, expected):
    engine = OnnxEngine(find_model("speech-vp"), cores)
    worker, count = engine.workers()
    assert (count, worker.threads) == expected
    assert (worker is engine) == (cores == 1)


@pytest.fixture(scope="module")
def long() -> np.ndarray:
    """[90 * 16000] float32: the clip over and over, eight windows."""
    return np.resize(soundfile.read(MEDIA / "speech.flac", dtype="float32")[0], 90 * 16_000)


def decoded(codec: Codec, content: bytes) -> np.ndarray:
    recording = codec.decode(content)
    assert isinstance(recording, Recording)
    return recording.samples


def by_pieces(codec: Codec, content: bytes) -> np.ndarray:
    decoder = codec.decoder()
    blocks = [block for start in range(0, len(content), 999) for block in decoder.push(content[start : start + 999])]
    return np.concatenate([*blocks, *decoder.finish()])


ENGINES = ["onnx", "onnx-8-bits", "torch"]


@pytest.fixture(scope="module", params=ENGINES)
def made(request: pytest.FixtureRequest, long: np.ndarray) -> tuple[str, bytes, np.ndarray]:
    """An engine, and what it makes of the recording on one core: token file and samples [n, 1]."""
    alone = Codec.load("speech-vp", engine=request.param, threads=1)
    content = alone.encode(long, sample_rate=16_000)
    sound = decoded(alone, content)
    assert sound.shape == (len(long), 1)
    return request.param, content, sound


def on_cores(engine: str, count: int, monkeypatch: pytest.MonkeyPatch) -> Codec:
    """A codec that computes so many windows at once, on any machine."""
    codec = Codec.load("speech-vp", engine=engine, threads=count)
    if engine == "torch":
        monkeypatch.setattr(codec.engine, "workers", lambda: (codec.engine, count))
    assert codec.engine.workers()[1] == count
    return codec


@pytest.mark.parametrize("cores", [1, 2, 4])
def test_every_range_of_a_long_recording_is_that_range_of_the_whole_on_any_number_of_cores(
    made: tuple[str, bytes, np.ndarray], cores: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine, content, sound = made
    codec = on_cores(engine, cores, monkeypatch)
    for span in (Span(1, 2), Span(11.5, 12.5), Span(30, 44), Span(61, 61.1), Span(75, 76), Span(88)):
        out = io.BytesIO()
        codec.decode_to(Index(io.BytesIO(content)), out, "raw", Writing(span=span))
        part = np.frombuffer(out.getvalue(), "<f4")
        np.testing.assert_array_equal(part, sound[slice(*span.samples(16_000)), 0])


@pytest.mark.parametrize("cores", [2, 4])
def test_a_long_recording_is_the_same_on_any_number_of_cores(
    made: tuple[str, bytes, np.ndarray], long: np.ndarray, cores: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine, content, sound = made
    codec = on_cores(engine, cores, monkeypatch)
    assert codec.encode(long, sample_rate=16_000) == content
    np.testing.assert_array_equal(decoded(codec, content), sound)
    np.testing.assert_array_equal(by_pieces(codec, content), sound)


def test_the_windows_of_a_long_recording_are_computed_by_threads_of_their_own(
    long: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = []
    load = OnnxEngine.session
    monkeypatch.setattr(OnnxEngine, "session", lambda *given: started.append(given[0].threads) or load(*given))
    together = Codec.load("speech-vp", threads=3)
    together.decode(together.encode(long, sample_rate=16_000))
    assert set(started) == {1}


def test_the_timer_counts_time_that_several_windows_share_once(monkeypatch: pytest.MonkeyPatch) -> None:
    now = iter([1.0, 4.0, 10.0, 12.0])  # asked only when the first begins and the last ends
    monkeypatch.setattr(coded_windows.time, "perf_counter", lambda: next(now))
    timer = Timer()
    with timer.running(), timer.running():
        pass
    assert timer.seconds == 3.0
    with pytest.raises(ValueError, match="broken"), timer.running():
        raise ValueError("broken")
    assert timer.seconds == 5.0
