"""Which number type the matrix products should use on this machine: measured, never assumed."""

import time

import torch

SIDE = 256  # of the matrices that are multiplied to find out; small, for where bfloat16 is emulated
CLEARLY_FASTER = 1.5
ROUNDS = 10  # the two types in turn, so that a busy neighbour slows both


def matrix_precision(device: torch.device) -> torch.dtype:
    """bfloat16 where it is clearly faster than float32, which some processors only emulate."""
    if device.type == "cuda":  # GPUs before Ampere emulate bfloat16 as well
        return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float32
    times = [(seconds(torch.float32), seconds(torch.bfloat16)) for _ in range(ROUNDS)]
    float32, bfloat16 = (min(column) for column in zip(*times, strict=True))
    return torch.bfloat16 if float32 > CLEARLY_FASTER * bfloat16 else torch.float32


def seconds(dtype: torch.dtype) -> float:
    """Time of one product."""
    matrix = torch.ones(SIDE, SIDE, dtype=dtype)
    began = time.perf_counter()
    matrix @ matrix
    return time.perf_counter() - began
