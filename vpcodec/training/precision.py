"""Which number type the matrix products should use on this machine: measured, never assumed."""

import time

import torch

SIDE = 512  # of the matrices that are multiplied to find out
CLEARLY_FASTER = 1.5


def matrix_precision(device: torch.device) -> torch.dtype:
    """bfloat16 where it is clearly faster than float32, which some processors only emulate."""
    if device.type == "cuda":
        return torch.bfloat16
    return torch.bfloat16 if seconds(torch.float32) > CLEARLY_FASTER * seconds(torch.bfloat16) else torch.float32


def seconds(dtype: torch.dtype) -> float:
    """Shortest of a few timed products."""
    matrix = torch.ones(SIDE, SIDE, dtype=dtype)
    times = []
    for _ in range(3):
        began = time.perf_counter()
        matrix @ matrix
        times.append(time.perf_counter() - began)
    return min(times)
