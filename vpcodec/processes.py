"""Worker processes that compute one function: one that is killed costs its own item only, and Ctrl-C ends them at once.

Each computes on one thread, so that many of them share the cores.
"""

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import Any, Generic, Self, TypeVar

AHEAD = 4  # items that wait for each worker

Item = TypeVar("Item")
Answer = TypeVar("Answer")


class Pool(Generic[Item, Answer]):
    """Processes that start when they are needed and end with the block.

    Args:
        work: A function of a module, so that another process can import it.
        workers: Number of processes.
        prepare: What each process does first, and
        arguments: what it is given for that.
    """

    def __init__(
        self,
        work: Callable[[Item], Answer],
        workers: int,
        prepare: Callable[..., None] | None = None,
        arguments: tuple[Any, ...] = (),
    ) -> None:
        self.work = work
        self.workers = workers
        self.first = (prepare, arguments)
        self.executor: ProcessPoolExecutor | None = None

    def run(self, items: Iterable[Item]) -> Iterator[tuple[Item, Answer | None]]:
        """Each item with its answer, in the order in which they arrive; None for one that killed its process.

        A process that is killed takes the others with it. What they had been given is tried again one by one, so that
        only what kills a process by itself is lost.
        """
        upcoming = deque(items)
        while upcoming:
            suspects = yield from self.answers(upcoming, AHEAD * self.workers)
            while suspects:
                guilty = yield from self.answers(suspects, 1)
                yield from ((item, None) for item in guilty)

    def answers(self, items: deque[Item], ahead: int) -> Generator[tuple[Item, Answer], None, deque[Item]]:
        """Items with their answers, until nothing is left to do or a process is killed.

        Args:
            items: What is to be done; it is taken from there when the processes are given it.
            ahead: How many items they are given at once.

        Returns:
            What they had been given and cannot finish any more.
        """
        given: dict[Future[Answer], Item] = {}
        try:
            while items or given:
                executor = self.processes()  # starts a helper process that would let Ctrl-C through again
                with one_thread_each(), interrupts_held():
                    while items and len(given) < ahead:
                        given[executor.submit(self.work, items[0])] = items[0]
                        items.popleft()
                finished, _ = wait(given, return_when=FIRST_COMPLETED)
                for future in finished:
                    yield given[future], future.result()
                    del given[future]
            return deque()
        except BrokenProcessPool:
            self.close()
            for future in [each for each in given if each.done() and not each.exception()]:  # finished before
                yield given[future], future.result()
                del given[future]
            return deque(given.values())

    def processes(self) -> ProcessPoolExecutor:
        if self.executor is None:
            # Not forked: threads of this process may hold locks.
            context = multiprocessing.get_context("spawn")
            self.executor = ProcessPoolExecutor(self.workers, context, begin, self.first)
        return self.executor

    def close(self) -> None:
        if self.executor is not None:
            self.executor.shutdown(cancel_futures=True)
            self.executor = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        if kind is not None and self.executor is not None:
            for process in list((self.executor._processes or {}).values()):  # nobody waits for what they compute
                process.terminate()
        self.close()


def begin(prepare: Callable[..., None] | None, arguments: tuple[Any, ...]) -> None:
    """Prepare a worker process."""
    threading.Thread(target=end_with_parent, daemon=True).start()
    if prepare is not None:
        prepare(*arguments)


def end_with_parent() -> None:
    """Stop this worker when the process that started it is gone, however it died."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)


@contextmanager
def interrupts_held() -> Iterator[None]:
    """Start processes that never see Ctrl-C, which goes to the whole group; here it arrives a moment later."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def one_thread_each() -> Iterator[None]:
    """Start processes whose number crunchers use one thread."""
    before = os.environ.get("OMP_NUM_THREADS")
    os.environ["OMP_NUM_THREADS"] = "1"
    try:
        yield
    finally:
        del os.environ["OMP_NUM_THREADS"]
        if before is not None:
            os.environ["OMP_NUM_THREADS"] = before
