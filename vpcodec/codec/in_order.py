"""Windows of a long recording computed side by side, their results handed out in order."""

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

from vpcodec.codec.engines import Engine

Result = TypeVar("Result")
Computation = Callable[[Engine], Result]


class InOrder(Generic[Result]):
    """Takes computations one after the other and gives their results in the same order.

    A lone window gets all of the engine. As soon as there is a second one, the windows go to the engine's crew, as
    many at a time as it has members: each core then works for itself and waits for none.

    Args:
        engine: What computes.
        live: Whether somebody waits for each result: nothing is then put off, one window is computed at a time.
    """

    def __init__(self, engine: Engine, *, live: bool = False) -> None:
        self.engine = engine
        self.member, self.members = (engine, 1) if live else engine.crew()
        self.first: Computation[Result] | None = None  # put off until it is known whether it is alone
        self.running: deque[Future[Result]] = deque()
        self.pool: ThreadPoolExecutor | None = None

    def put(self, compute: Computation[Result]) -> list[Result]:
        """Take the next computation; returns the results that are ready, or have been waited for long enough."""
        if self.members == 1:
            return [compute(self.engine)]
        if self.pool is None:
            if self.first is None:
                self.first = compute
                return []
            self.pool = ThreadPoolExecutor(self.members)
            self.running.append(self.pool.submit(self.first, self.member))
        self.running.append(self.pool.submit(compute, self.member))
        ready = []
        while len(self.running) > self.members or (self.running and self.running[0].done()):
            ready.append(self.running.popleft().result())
        return ready

    def rest(self) -> list[Result]:
        """All results that are still to come."""
        if self.pool is None:
            first, self.first = self.first, None
            return [] if first is None else [first(self.engine)]
        with self.pool:
            return [future.result() for future in self.running]
