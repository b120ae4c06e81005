"""A plan carried out, in this process or in several.

Workers are processes of their own that load the models once and compute on one thread each. Every file is coded
by itself, so that its bytes do not depend on how many work beside it.
"""

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager

from vpcodec.corpus.coding import Coder
from vpcodec.corpus.outcome import Outcome, Settings
from vpcodec.corpus.plan import Item
from vpcodec.data.output import stop_on_terminate
from vpcodec.errors import VpcodecError

AHEAD = 4  # items that wait for each worker
coder: Coder | None = None  # of a worker process


def run(items: Sequence[Item], coder: Coder, jobs: int = 1) -> Iterator[Outcome]:
    """The outcome of each item as it is finished.

    Args:
        items: The plan.
        coder: What works on them if there is one job.
        jobs: Number of processes; 0 for one per core.

    Raises:
        VpcodecError: A worker process died.
    """
    workers = min(jobs or os.cpu_count() or 1, len(items))
    if workers <= 1:
        yield from map(coder.process, items)
    else:
        yield from run_pool(items, coder.settings, workers)


def run_pool(items: Sequence[Item], settings: Settings, workers: int) -> Iterator[Outcome]:
    """The outcomes of worker processes, in the order in which they arrive."""
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, context, start_worker, (settings,))
    upcoming = iter(items)
    waiting: set[Future[Outcome]] = set()
    try:
        while True:
            with one_thread_each(), interrupts_held():
                for item in upcoming:
                    waiting.add(pool.submit(work, item))
                    if len(waiting) >= AHEAD * workers:
                        break
            if not waiting:
                break
            finished, waiting = wait(waiting, return_when=FIRST_COMPLETED)
            for future in finished:
                yield future.result()
    except BrokenProcessPool:
        raise VpcodecError(
            "a worker process was killed, perhaps for want of memory",
            hint="use fewer --jobs; with -r, what is complete is not done again",
        ) from None
    except BaseException:
        for process in multiprocessing.active_children():
            process.terminate()
        raise
    finally:
        pool.shutdown(cancel_futures=True)


def start_worker(settings: Settings) -> None:
    """Prepare a worker process."""
    global coder
    stop_on_terminate()
    try:
        threading.Thread(target=end_with_parent, daemon=True).start()
        coder = Coder(settings, threads=1)
    except SystemExit as stop:  # the parent died meanwhile; the pool would print it as a failure
        os._exit(int(stop.code or 0))


def work(item: Item) -> Outcome:
    """Work on one item in a worker process. SIGTERM ends it here, once the half-written output is removed."""
    assert coder is not None
    try:
        return coder.process(item)
    except SystemExit as stop:
        os._exit(int(stop.code or 0))


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
