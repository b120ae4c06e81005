"""A plan carried out, in this process or in several.

Workers are processes of their own that load the models once and compute on one thread each. Every file is coded
by itself, so that its bytes do not depend on how many work beside it.
"""

import multiprocessing
import os
import signal
import sys
import threading
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager

from vpcodec.corpus.coding import Coder
from vpcodec.corpus.outcome import Outcome, Settings, fail
from vpcodec.corpus.plan import Item
from vpcodec.data.streams import STANDARD
from vpcodec.errors import InputError

AHEAD = 4  # items that wait for each worker
coder: Coder | None = None  # of a worker process


def run(items: Sequence[Item], coder: Coder, jobs: int = 1) -> Iterator[Outcome]:
    """The outcome of each item as it is finished.

    Args:
        items: The plan.
        coder: What works on them if there is one job.
        jobs: Number of processes; 0 for one per core. Standard input reaches none but this one.
    """
    workers = min(jobs or os.cpu_count() or 1, len(items))
    if workers <= 1 or any(item.source == STANDARD for item in items):
        yield from map(coder.process, items)
    else:
        yield from run_pool(items, coder.settings, workers)


def run_pool(items: Sequence[Item], settings: Settings, workers: int) -> Iterator[Outcome]:
    """The outcomes of worker processes, in the order in which they arrive.

    A worker that is killed takes the others with it. What they had been given is tried again one by one, so that
    only what kills a worker by itself fails.
    """
    upcoming = deque(items)
    while upcoming:
        suspects = yield from use_pool(upcoming, settings, workers, AHEAD * workers)
        while suspects:
            guilty = yield from use_pool(suspects, settings, 1, 1)
            yield from map(killed, guilty)


def use_pool(items: deque[Item], settings: Settings, workers: int, ahead: int) -> Generator[Outcome, None, deque[Item]]:
    """The outcomes of one pool of worker processes, until nothing is left to do or one of them is killed.

    Args:
        items: What is to be done; it is taken from there when the pool is given it.
        settings: What is done with each.
        workers: Number of processes.
        ahead: How many items the pool is given at once.

    Returns:
        What the pool had been given and cannot finish any more.
    """
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, context, start_worker, (settings,))
    given: dict[Future[Outcome], Item] = {}
    try:
        while items or given:
            with one_thread_each(), interrupts_held():
                while items and len(given) < ahead:
                    given[pool.submit(work, items[0])] = items[0]
                    items.popleft()
            finished, _ = wait(given, return_when=FIRST_COMPLETED)
            for future in finished:
                yield future.result()
                del given[future]
        return deque()
    except BrokenProcessPool:
        for future in [each for each in given if each.done() and not each.exception()]:  # finished before
            yield future.result()
            del given[future]
        return deque(given.values())
    except BaseException:
        for process in multiprocessing.active_children():
            process.terminate()
        raise
    finally:
        pool.shutdown(cancel_futures=True)


def killed(item: Item) -> Outcome:
    """The outcome of an item that has killed its worker process."""
    outcome = Outcome(item.number, item.source, item.target)
    what = "the process that worked on it was killed, perhaps for want of memory"
    fail(outcome, InputError(what, hint="use a machine with more memory"))
    return outcome


def start_worker(settings: Settings) -> None:
    """Prepare a worker process."""
    global coder
    threading.Thread(target=end_with_parent, daemon=True).start()
    coder = Coder(settings, threads=1)


def work(item: Item) -> Outcome:
    """Work on one item in a worker process. SIGTERM ends it here, once the half-written output is removed."""
    assert coder is not None
    try:
        with stopped_gently():
            return coder.process(item)
    except SystemExit as stop:
        os._exit(int(stop.code or 0))


@contextmanager
def stopped_gently() -> Iterator[None]:
    """Let SIGTERM and SIGHUP end this process through every `finally` in here, and elsewhere at once.

    Elsewhere is the pool's own code: an exception there could leave a lock behind that its queues wait for.
    """
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    for number, handler in before.items():
        if handler != signal.SIG_IGN:
            signal.signal(number, lambda number, _: sys.exit(128 + number))
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


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
