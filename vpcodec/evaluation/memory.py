"""How much memory a step needs at its peak."""

import sys
from contextlib import suppress
from pathlib import Path

STATUS = Path("/proc/self/status")
RESET = Path("/proc/self/clear_refs")


def reset_peak() -> None:
    """Count from here on, where the system allows it."""
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


def gpu() -> bool:
    torch = sys.modules.get("torch")
    return torch is not None and bool(torch.cuda.is_initialized())
