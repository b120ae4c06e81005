"""Where a signal is cut, so that it gets the same tokens however it comes, and how its windows are computed.

Along each axis a signal of `length` positions falls into cores of a fixed size, the last one shorter. A core
is computed together with as much context on either side as the network can see, then the context is dropped.
The cuts depend on the length alone, and each window is computed by itself: how a signal is read, batched or
spread over processes changes neither.

            0         core      2*core     length
            ├──────────┼──────────┼─────┤
    window 0 ██████████░░
    window 1         ░░██████████░░
    window 2                   ░░██████            ░ context
"""

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import chain, islice
from threading import Lock
from typing import TYPE_CHECKING, NamedTuple, TypeAlias, TypeVar

from vpcodec.codec.engines import Engine

if TYPE_CHECKING:
    from concurrent.futures import Future

Result = TypeVar("Result")
Computation: TypeAlias = Callable[[Engine], Result]

# Positions of a core along each axis: 12.3 s of sound in hops of 6 ms, 1024 pixels.
CORES = {"speech": 2048, "audio": 2048, "image": 128}


class Window(NamedTuple):
    """A stretch of positions: the core, and the core with its context."""

    core_start: int
    core_stop: int
    start: int
    stop: int

    @property
    def kept(self) -> slice:
        """The core within the window."""
        return slice(self.core_start - self.start, self.core_stop - self.start)


def window(index: int, length: int, core: int, context: int) -> Window:
    """The window of a given index along one axis.

    Args:
        index: 0 for the first.
        length: Positions of the whole axis; a stream that does not know it yet may pass what it has so far,
            once that reaches past the window's context.
        core: Positions of a core.
        context: Positions that the network sees to either side.
    """
    core_start = index * core
    core_stop = min(core_start + core, length)
    return Window(core_start, core_stop, max(0, core_start - context), min(length, core_stop + context))


def cut(length: int, core: int, context: int) -> list[Window]:
    """All windows along an axis of `length` positions, 1 or more."""
    return [window(index, length, core, context) for index in range(-(-length // core))]


class Timer:
    """Counts the time during which at least one thread is `running`."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.threads = 0
        self.began = 0.0
        self.changing = Lock()

    @contextmanager
    def running(self) -> Iterator[None]:
        with self.changing:
            if not self.threads:
                self.began = time.perf_counter()
            self.threads += 1
        try:
            yield
        finally:
            with self.changing:
                self.threads -= 1
                if not self.threads:
                    self.seconds += time.perf_counter() - self.began


def in_order(
    engine: Engine, computations: Iterable[Computation[Result]], timer: Timer, *, live: bool = False
) -> Iterator[Result]:
    """The results of all computations, in their order.

    A lone window gets all of the engine. As soon as there is a second one, the windows go to the engine's workers, as
    many at a time as there are: each core then works for itself and waits for none.

    Args:
        engine: What computes.
        computations: Taken one after the other, no more of them ahead than there are workers.
        timer: Runs while one of them is computed.
        live: Whether somebody waits for each result: one window is then computed at a time, as soon as it is there.
    """
    worker, count = (engine, 1) if live else engine.workers()
    computations = iter(computations)
    first = list(islice(computations, 2)) if count > 1 else []
    if len(first) < 2:
        for compute in chain(first, computations):
            with timer.running():
                result = compute(engine)
            yield result
        return
    from concurrent.futures import ThreadPoolExecutor

    def timed(compute: Computation[Result]) -> Result:
        with timer.running():
            return compute(worker)

    running: deque[Future[Result]] = deque()
    with ThreadPoolExecutor(count) as pool:
        for compute in chain(first, computations):
            running.append(pool.submit(timed, compute))
            while len(running) > count or (running and running[0].done()):
                yield running.popleft().result()
        while running:
            yield running.popleft().result()
