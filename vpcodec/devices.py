"""Which device computes."""

import re

from vpcodec.errors import ConfigError

DEVICES = "auto, cpu, cuda or cuda:N"


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
