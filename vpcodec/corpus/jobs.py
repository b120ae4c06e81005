"""A plan carried out, in this process or in several.

Workers are processes of their own that load the models once and compute on one thread each. Every file is coded
by itself, so that its bytes do not depend on how many work beside it.
"""

import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from vpcodec.corpus.coding import Coder
from vpcodec.corpus.plan import Item
from vpcodec.corpus.result import Result, Settings, fail
from vpcodec.data.streams import STANDARD
from vpcodec.errors import InputError

coder: Coder | None = None  # of a worker process


def run(items: Sequence[Item], coder: Coder, jobs: int = 1, ray: str | None = None) -> Iterator[Result]:
    """The result of each item as it is finished.

    Args:
        items: The plan.
        coder: What works on them if there is one job.
        jobs: Number of processes; 0 for one per core. Standard input reaches none but this one.
        ray: Address of a Ray cluster that works on them instead; None for this machine.
    """
    if ray is not None:
        from vpcodec.corpus.cluster import run_on_ray

        return run_on_ray(items, coder.settings, ray)
    workers = min(jobs or os.cpu_count() or 1, len(items))
    if workers <= 1 or any(item.source == STANDARD for item in items):
        return map(coder.process, items)
    return run_pool(items, coder.settings, workers)


def run_pool(items: Sequence[Item], settings: Settings, workers: int) -> Iterator[Result]:
    """The results of worker processes, in the order in which they arrive."""
    from vpcodec.processes import Pool

    with Pool(work, workers, prepare, (settings,)) as pool:
        for item, result in pool.run(items):
            yield result or killed(item)


def killed(item: Item) -> Result:
    """The result of an item that has killed its worker process."""
    result = Result(item.number, item.source, item.target)
    what = "the process that worked on it was killed, perhaps for want of memory"
    fail(result, InputError(what, hint="use a machine with more memory"))
    return result


def prepare(settings: Settings) -> None:
    """Load what a worker process needs."""
    global coder
    coder = Coder(settings, threads=1)


def work(item: Item) -> Result:
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
