"""A plan carried out by several processes: by workers of this machine, or by a Ray cluster.

Workers are processes of their own that load the models once and compute on one thread each. Every file is coded
by itself, so that its bytes do not depend on how many work beside it. Of a cluster (`pip install vpcodec[ray]`),
inputs and outputs must lie where every machine finds them under the same names.
"""

import os
import pickle
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from vpcodec.corpus.coding import Coder
from vpcodec.corpus.plan import Item
from vpcodec.corpus.result import Result, Settings, fail
from vpcodec.errors import DependencyError, InputError, VpcodecError
from vpcodec.processes import Pool
from vpcodec.registry import FACTS

LOCAL = "local"  # the address of a cluster that is started here

coder: Coder | None = None  # of a worker process


def run_pool(items: Sequence[Item], settings: Settings, workers: int) -> Iterator[Result]:
    """The results of worker processes, in the order in which they arrive."""
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


class Worker:
    """An actor of a cluster: takes a row with a pickled item and returns one with its pickled result."""

    def __init__(self, settings: Settings) -> None:
        self.coder = Coder(settings, threads=1)

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        return {"result": pickle.dumps(self.coder.process(pickle.loads(row["item"])))}


def run_on_ray(items: Sequence[Item], settings: Settings, address: str) -> Iterator[Result]:
    """The result of each item as it is finished.

    Args:
        items: The plan.
        settings: What is done with each.
        address: Of the cluster; "auto" for the one around, "local" for one started here.

    Raises:
        DependencyError: Ray is not installed.
        VpcodecError: The cluster cannot be reached, or gave up.
    """
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise DependencyError("--ray needs Ray Data", hint="pip install 'vpcodec[ray]'") from error
    if not items:
        return
    try:
        ray.init(None if address == LOCAL else address, include_dashboard=False, logging_level="error")
        ray.data.DataContext.get_current().enable_progress_bars = False
        cores = int(ray.cluster_resources().get("CPU", 1))
        rows = ray.data.from_items([{"item": pickle.dumps(anywhere(item))} for item in items])
        workers = (1, max(1, min(cores, len(items))))
        arguments = (with_whole_path(settings),)
        for row in rows.map(Worker, fn_constructor_args=arguments, num_cpus=1, concurrency=workers).iter_rows():
            yield pickle.loads(row["result"])
    except (ConnectionError, ValueError, ray.exceptions.RayError) as error:
        hint = "with -r, what is complete is not done again"
        raise VpcodecError(f"Ray at {address}: {last_line(error)}", hint=hint) from error
    finally:
        ray.shutdown()


def anywhere(item: Item) -> Item:
    """An item whose names do not depend on the folder that a process works in."""
    return item._replace(source=os.path.abspath(item.source), target=os.path.abspath(item.target))


def with_whole_path(settings: Settings) -> Settings:
    """Settings whose model does not depend on it either, where they give its folder and not its name."""
    if settings.model is None or not os.path.isfile(os.path.join(settings.model, FACTS)):
        return settings
    return settings._replace(model=os.path.abspath(settings.model))


def last_line(error: Exception) -> str:
    """What an error says in the end; its sort, if it says nothing."""
    return (str(error).strip().splitlines() or [type(error).__name__])[-1]
