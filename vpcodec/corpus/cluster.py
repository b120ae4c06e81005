"""A plan carried out by a Ray cluster: `pip install vpcodec[ray]`.

Ray Data hands the items to actors that load the models once, one to a core, wherever the cluster has room. Inputs and
outputs must lie where every machine finds them under the same names. What is complete is skipped, as everywhere.
"""

import os
import pickle
from collections.abc import Iterator, Sequence
from typing import Any

from vpcodec.corpus.coding import Coder
from vpcodec.corpus.plan import Item
from vpcodec.corpus.result import Result, Settings
from vpcodec.errors import DependencyError, VpcodecError
from vpcodec.registry import FACTS

LOCAL = "local"


class Worker:
    """An actor: takes a row with a pickled item and returns one with its pickled result."""

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
