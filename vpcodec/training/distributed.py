"""Several processes that train one model, started by torchrun; torch's own launcher and collectives do the work."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

import torch
import torch.distributed as dist

from vpcodec.devices import choose_device
from vpcodec.quantizers.ranks import world_size

Key = TypeVar("Key")
Value = TypeVar("Value")


@contextmanager
def process_group(device: str) -> Iterator[None]:
    """The processes that torchrun started, as one group while the block runs; nothing where it started none.

    Args:
        device: "cpu", "cuda" or "auto"; on GPUs each process takes the one of its number.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield
        return
    on_gpus = choose_device(device).startswith("cuda")
    if on_gpus:
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    dist.init_process_group("nccl" if on_gpus else "gloo")
    try:
        yield
        dist.barrier()  # nobody leaves before the model is written
    finally:
        dist.destroy_process_group()


def merged(own: dict[Key, Value]) -> dict[Key, Value]:
    """The entries of all processes, on each of them; all must call this."""
    if world_size() == 1:
        return own
    found: list[dict[Key, Value]] = [{}] * world_size()
    dist.all_gather_object(found, own)
    return {key: value for each in found for key, value in each.items()}
