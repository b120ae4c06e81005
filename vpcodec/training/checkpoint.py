"""Checkpoints: all that decides the rest of a run, in one safetensors file that executes nothing."""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from vpcodec.data.output import open_output
from vpcodec.errors import ModelError


def save_checkpoint(
    path: Path, modules: dict[str, nn.Module], optimizers: list[torch.optim.Optimizer], facts: dict[str, Any]
) -> None:
    """Write modules, optimizers' states and facts that JSON can hold; the file appears whole or not at all.

    The first module owns the parameters that the optimizers move; their states are filed under its names.

    Raises:
        InputError: The disk is full, or the folder cannot be written to.
    """
    tensors: dict[str, Tensor] = {}
    for name, module in modules.items():
        tensors.update({f"{name}/{key}": value.contiguous() for key, value in module.state_dict().items()})
    for parameter_name, parameter in next(iter(modules.values())).named_parameters():
        for optimizer in optimizers:
            kept = optimizer.state.get(parameter, {})
            tensors |= {f"optimizer/{parameter_name}/{key}": value.contiguous() for key, value in kept.items()}
    copies = {key: value.detach().cpu().clone() for key, value in tensors.items()}
    with open_output(path, force=True) as file:
        file.write(save(copies, {"facts": json.dumps(facts)}))


def load_checkpoint(
    path: Path, modules: dict[str, nn.Module], optimizers: list[torch.optim.Optimizer]
) -> dict[str, Any]:
    """Put everything back where `save_checkpoint` found it; returns the facts.

    Raises:
        ModelError: The file is missing, damaged, or of a run with another recipe.
    """
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 - not a dict
            facts: dict[str, Any] = json.loads(file.metadata()["facts"])
        for name, module in modules.items():
            module.load_state_dict(under(tensors, name))
    except (OSError, SafetensorError, KeyError, ValueError, RuntimeError) as error:
        raise ModelError(f"{path}: not a checkpoint of this recipe ({str(error).splitlines()[0]})") from error
    for parameter_name, parameter in next(iter(modules.values())).named_parameters():
        saved = under(tensors, f"optimizer/{parameter_name}")
        for optimizer in optimizers:
            if saved and any(parameter is owned for group in optimizer.param_groups for owned in group["params"]):
                device = {key: value if key == "step" else value.to(parameter.device) for key, value in saved.items()}
                optimizer.state[parameter] = device
    return facts


def under(tensors: dict[str, Tensor], name: str) -> dict[str, Tensor]:
    """The tensors filed under a name, without it."""
    return {key[len(name) + 1 :]: value for key, value in tensors.items() if key.startswith(name + "/")}
