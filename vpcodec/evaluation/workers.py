"""A function over many arguments in other processes, one of which may crash without taking the run with it."""

import signal
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import active_children, get_context
from types import TracebackType
from typing import Any, Self


class Workers:
    """Processes that all compute one function.

    Args:
        function: A function of a module, so that another process can import it.
        jobs: Number of processes; 0 computes here, where a crash is a crash.
    """

    def __init__(self, function: Callable[..., Any], jobs: int) -> None:
        self.function = function
        self.jobs = jobs
        self.pool: ProcessPoolExecutor | None = None

    def run(self, calls: Sequence[tuple[Any, ...]]) -> list[Any]:
        """The function's value for each call, in order; None for a call that its process did not survive."""
        if not self.jobs:
            return [self.function(*call) for call in calls]
        results = [self.collect(future) for future in [self.submit(call) for call in calls]]
        # When a process dies, calls of the others are lost with it: each is tried again, alone.
        return [
            self.collect(self.submit(call)) if result is None else result
            for call, result in zip(calls, results, strict=True)
        ]

    def submit(self, call: tuple[Any, ...]) -> "Future[Any]":
        try:
            return self.processes().submit(self.function, *call)
        except BrokenProcessPool as error:
            lost: Future[Any] = Future()
            lost.set_exception(error)
            return lost

    def collect(self, future: "Future[Any]") -> Any:
        try:
            return future.result()
        except BrokenProcessPool:
            self.close()  # the next call starts new processes
            return None

    def processes(self) -> ProcessPoolExecutor:
        if self.pool is None:
            # Not forked: threads of this process may hold locks.
            self.pool = ProcessPoolExecutor(self.jobs, get_context("spawn"), initializer=ignore_interrupts)
        return self.pool

    def close(self) -> None:
        if self.pool is not None:
            for process in active_children():  # after Ctrl-C, nobody waits for what they compute
                process.terminate()
            self.pool.shutdown(cancel_futures=True)
            self.pool = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def ignore_interrupts() -> None:
    """Ctrl-C reaches every process of a terminal; the one that asked for the work deals with it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
