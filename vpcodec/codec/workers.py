"""Windows computed in order or side by side, their results given in order, and the time that this takes."""

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import chain, islice
from threading import Lock
from typing import TYPE_CHECKING, TypeAlias, TypeVar

from vpcodec.codec.engines import Engine

if TYPE_CHECKING:
    from concurrent.futures import Future

Result = TypeVar("Result")
Computation: TypeAlias = Callable[[Engine], Result]


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

    def timed(compute: Computation[Result], engine: Engine) -> Result:
        with timer.running():
            return compute(engine)

    worker, count = (engine, 1) if live else engine.workers()
    computations = iter(computations)
    if count > 1:
        first = list(islice(computations, 2))
        computations = chain(first, computations)
        if len(first) == 2:
            from concurrent.futures import ThreadPoolExecutor

            running: deque[Future[Result]] = deque()
            with ThreadPoolExecutor(count) as pool:
                for compute in computations:
                    running.append(pool.submit(timed, compute, worker))
                    while len(running) > count or (running and running[0].done()):
                        yield running.popleft().result()
                while running:
                    yield running.popleft().result()
            return
    for compute in computations:
        yield timed(compute, engine)
