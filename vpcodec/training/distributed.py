"""Several processes that train one model, started by torchrun; torch's own launcher and collectives do the work."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch
import torch.distributed as dist

from vpcodec.devices import choose_device


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
