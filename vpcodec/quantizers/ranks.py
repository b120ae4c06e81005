"""Several processes that train one model, started by torchrun, and what they must agree on.

Without such a run every function here is the identity. Whether a run is distributed is asked at every call: asked once
and remembered, an answer from before the process group existed would let the processes drift apart for good.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

from vpcodec.devices import choose_device

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


def world_size() -> int:
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def rank() -> int:
    return dist.get_rank() if world_size() > 1 else 0


def summed(values: Tensor) -> Tensor:
    """The element-wise sum over all ranks; the argument stays as it is."""
    if world_size() == 1:
        return values
    total = values.clone()
    dist.all_reduce(total)
    return total


def gathered(rows: Tensor) -> Tensor:
    """[n, ...] on each rank -> [sum of n, ...] on all of them, in the order of the ranks; n may differ."""
    if world_size() == 1:
        return rows
    lengths = [torch.zeros(1, dtype=torch.int64, device=rows.device) for _ in range(world_size())]
    dist.all_gather(lengths, torch.tensor([len(rows)], device=rows.device))
    counts = [int(length) for length in lengths]
    padded = rows.new_zeros(max(counts), *rows.shape[1:])
    padded[: len(rows)] = rows
    parts = [torch.empty_like(padded) for _ in counts]
    dist.all_gather(parts, padded)
    return torch.cat([part[:count] for part, count in zip(parts, counts, strict=True)])


def from_first(values: Tensor) -> Tensor:
    """Rank 0's values, on every rank."""
    if world_size() == 1:
        return values
    shared = values.clone()
    dist.broadcast(shared, src=0)
    return shared


def merged(own: dict[Key, Value]) -> dict[Key, Value]:
    """The entries of all processes, on each of them; all must call this."""
    if world_size() == 1:
        return own
    found: list[dict[Key, Value]] = [{}] * world_size()
    dist.all_gather_object(found, own)
    return {key: value for each in found for key, value in each.items()}
