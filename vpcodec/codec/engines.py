"""What computes the network: one small interface, and engines behind it.

    engine.encode(windows of signal) -> tokens        engine.decode(windows of tokens) -> signal

All take windows of one size, as many as there are, and keep nothing between calls. `onnx` needs no torch and starts
quickly; it is the default on a CPU. `onnx-8-bits` is the same with a quicker decoder. `torch` is the reference, and
runs on a GPU.
"""

from importlib.util import find_spec
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from vpcodec.devices import checked_device
from vpcodec.errors import ConfigError, DependencyError, InputError
from vpcodec.registry import ModelFolder

ENGINES = ("auto", "torch", "onnx", "onnx-8-bits")
MOST_EFFORT = 2


class Engine(Protocol):
    """Computes windows of signal or tokens."""

    name: str

    def encode(self, signals: NDArray[np.float32], rate: int) -> NDArray[np.int64]:
        """Sound [B, T*hop] or [B, T*hop, 2], or images [B, H*hop, W*hop, 3] -> tokens [B, T] or [B, H, W]."""

    def decode(self, tokens: NDArray[np.int64], rate: int) -> NDArray[np.float32]:
        """The inverse of `encode`.

        Raises InputError for ids that the vocabulary lacks.
        """

    def prepare(self, rate: int, *, decode: bool) -> None:
        """Begin to load what encoding, or decoding, will need."""

    def workers(self) -> tuple["Engine", int]:
        """For many windows: an engine that may be called from as many threads at once as the number says."""


def checked_tokens(tokens: NDArray[Any], vocabulary: int, place: tuple[int, ...] = ()) -> NDArray[np.int64]:
    """Tokens as int64, all in the vocabulary. Raises InputError for the first that is not, and for fractions.

    Args:
        tokens: [...].
        vocabulary: Number of ids.
        place: Where the array stands in a batch.
    """
    if tokens.size and tokens.dtype.kind not in "iu":
        raise InputError(f"tokens are integers, these are {tokens.dtype}")
    outside = (tokens < 0) | (tokens >= vocabulary)
    if outside.any():
        first = tuple(np.argwhere(outside)[0].tolist())
        where = [*place, *first]
        raise InputError(f"the id {tokens[first]} at {where} is outside the vocabulary, 0 to {vocabulary - 1}")
    return tokens.astype(np.int64, copy=False)


def check_engine(name: str, device: str, effort: int = 0) -> None:
    """Raise ConfigError for an engine or device that there is not, and for what the engine cannot do."""
    if name not in ENGINES:
        raise ConfigError(f"unknown engine {name!r}", hint=f"use {', '.join(ENGINES)}")
    on_gpu = checked_device(device).startswith("cuda")
    if name.startswith("onnx") and on_gpu:
        raise ConfigError(f"the {name} engine runs on the CPU, not on {device}", hint="use --engine torch")
    if not 0 <= effort <= MOST_EFFORT:
        raise ConfigError(f"effort must be 0 to {MOST_EFFORT}, got {effort}")
    if name.startswith("onnx") and effort:
        raise ConfigError(f"the {name} engine has no gradients for effort {effort}", hint="use --engine torch")


def open_engine(
    model: ModelFolder, name: str = "auto", device: str = "auto", threads: int | None = None, effort: int = 0
) -> Engine:
    """The engine asked for; `auto` takes onnx where the model has its graphs, and torch for a GPU or with an effort.

    Args:
        model: Whose weights.
        name: One of `ENGINES`.
        device: "auto", "cpu", "cuda" or "cuda:N".
        threads: That ONNX Runtime may use; None for as many as there are cores.
        effort: 1 or 2 to look for better tokens of pictures by gradient descent, in 12 or 50 steps (`codec.effort`).

    Raises:
        ConfigError: There is no such engine, device or effort.
        DependencyError: The engine's package is not installed.
        ModelError: The model is damaged, or lacks what the engine needs.
    """
    check_engine(name, device, effort)
    effort = effort if model.facts.kind == "image" else 0
    if name != "torch" and not device.startswith("cuda") and not effort:
        from vpcodec.codec.onnx_engine import OnnxEngine

        if name.startswith("onnx") or model.facts.graphs:
            return OnnxEngine(model, threads, eight_bits=name == "onnx-8-bits")
    if find_spec("torch") is None:
        raise DependencyError("the torch engine needs torch", hint="pip install 'vpcodec[full]'")
    from vpcodec.codec.torch_engine import TorchEngine

    return TorchEngine(model, device, effort)
