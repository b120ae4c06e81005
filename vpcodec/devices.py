"""Which device computes, in which number type, and how much memory a step needs at its peak."""

import os
import re
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from vpcodec.errors import ConfigError

if TYPE_CHECKING:
    import torch

DEVICES = "auto, cpu, cuda or cuda:N"
STATUS = Path("/proc/self/status")
M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -2, -3, -8  # of mallopt
MADV_HUGEPAGE = 14
HEAP_BYTES = 1 << 26
BLAS_THREADS = "OPENBLAS_NUM_THREADS"
RESET = Path("/proc/self/clear_refs")
SIDE = 256  # of the matrices that are multiplied to find out; small, for where bfloat16 is emulated
CLEARLY_FASTER = 1.5
ROUNDS = 10  # the two types in turn, so that a busy neighbor slows both


def checked_device(name: str) -> str:
    """The name of a device, or "auto". Raises ConfigError for what can be none."""
    if not re.fullmatch(r"auto|cpu|cuda(:\d+)?", name):
        raise ConfigError(f"unknown device {name!r}", hint=f"use {DEVICES}")
    return name


def choose_device(name: str) -> str:
    """The device that torch is to use; "auto" takes a GPU where there is one.

    Raises ConfigError for a device that is not there.
    """
    import torch

    present = torch.cuda.device_count()
    if checked_device(name) == "auto":
        return "cuda" if present else "cpu"
    if name.startswith("cuda") and int(name.partition(":")[2] or 0) >= present:
        raise ConfigError(f"--device {name}: no such device here", hint="use --device cpu")
    return name


def matrix_precision(device: "torch.device") -> "torch.dtype":
    """The number type for matrix products: bfloat16 where it is clearly faster than float32, as measured."""
    import torch

    if device.type == "cuda":  # GPUs before Ampere emulate bfloat16
        return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float32
    times = [(product_seconds(torch.float32), product_seconds(torch.bfloat16)) for _ in range(ROUNDS)]
    float32, bfloat16 = (min(column) for column in zip(*times, strict=True))
    return torch.bfloat16 if float32 > CLEARLY_FASTER * bfloat16 else torch.float32


def product_seconds(dtype: "torch.dtype") -> float:
    """Time of one product."""
    import torch

    matrix = torch.ones(SIDE, SIDE, dtype=dtype)
    began = time.perf_counter()
    matrix @ matrix
    return time.perf_counter() - began


def reset_peak() -> None:
    """Count `peak` from here on, where the system allows it."""
    with suppress(OSError):  # then the peak of this process is that since its start
        RESET.write_text("5")
    if gpu():
        import torch

        torch.cuda.reset_peak_memory_stats()


def peak() -> int | None:
    """Bytes on the GPU where one is in use, else bytes that this process occupied; None where that cannot be told."""
    if gpu():
        import torch

        return int(torch.cuda.max_memory_allocated())
    return resident_peak()


def resident_peak() -> int | None:
    """Bytes that this process occupied at most, as Linux counts them; None on other systems."""
    try:
        lines = STATUS.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return None
    kilobytes = [line.split()[1] for line in lines if line.startswith("VmHWM")]
    return int(kilobytes[0]) * 1024 if kilobytes else None


def use_large_pages() -> None:
    """Let this process have its memory in pages of 2 MB where Linux and glibc can: fewer page faults, a quicker start.

    The heap grows by 64 MB at once, and holds all blocks below 32 MB, of all threads. This is for programs, not for
    libraries: it changes how the C library of the whole process works.
    """
    import ctypes

    sizes = {M_TOP_PAD: HEAP_BYTES, M_MMAP_THRESHOLD: HEAP_BYTES // 2, M_TRIM_THRESHOLD: 1 << 30, M_ARENA_MAX: 1}
    with suppress(AttributeError, OSError):  # another C library, or another system
        libc = ctypes.CDLL(None)
        for option, size in sizes.items():
            libc.mallopt(option, size)
        libc.sbrk.restype = libc.malloc.restype = ctypes.c_void_p
        start = libc.sbrk(0)
        libc.free(ctypes.c_void_p(libc.malloc(HEAP_BYTES // 4)))  # so that it grows now
        start += -start % os.sysconf("SC_PAGESIZE")
        libc.madvise(ctypes.c_void_p(start), ctypes.c_size_t(libc.sbrk(0) - start), MADV_HUGEPAGE)


def import_numpy() -> None:
    """Import numpy without threads for products of matrices, which take 60 ms to start; the engines have their own."""
    asked = os.environ.get(BLAS_THREADS)
    os.environ[BLAS_THREADS] = asked or "1"
    import numpy  # noqa: F401

    if asked is None:
        del os.environ[BLAS_THREADS]  # what is imported later may need them


def gpu() -> bool:
    torch = sys.modules.get("torch")
    return torch is not None and bool(torch.cuda.is_initialized())


def core_count() -> int:
    """Cores that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
