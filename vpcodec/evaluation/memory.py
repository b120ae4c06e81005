"""How much memory a step needs at its peak."""

import sys
from pathlib import Path

STATUS = Path("/proc/self/status")
RESET = Path("/proc/self/clear_refs")


def reset_peak() -> None:
    """Count from here on, where the system allows it."""
    try:
        RESET.write_text("5")
    except OSError:
        return  # then the peak is that of the whole process
    if gpu():
        import torch

        torch.cuda.reset_peak_memory_stats()


def peak() -> int | None:
    """Bytes on the GPU where one is in use, else bytes that this process occupied; None where that cannot be told."""
    if gpu():
        import torch

        return int(torch.cuda.max_memory_allocated())
    try:
        lines = STATUS.read_text().splitlines()
    except OSError:
        return None
    kilobytes = [line.split()[1] for line in lines if line.startswith("VmHWM")]
    return int(kilobytes[0]) * 1024 if kilobytes else None


def gpu() -> bool:
    torch = sys.modules.get("torch")
    return torch is not None and bool(torch.cuda.is_initialized())
