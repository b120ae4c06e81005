"""vpcodec: speech and images to small token files, and back.

>>> import vpcodec
>>> codec = vpcodec.load("speech-vp")
>>> content = codec.encode("tests/media/speech.flac")
>>> codec.tokens(content).shape
(1, 714)
>>> recording = codec.decode(content)
>>> recording.samples.shape, recording.sample_rate
((68480, 1), 16000)
"""

import os
from importlib import import_module

from vpcodec.errors import (
    ConfigError,
    ContainerError,
    DataError,
    DependencyError,
    InputError,
    ModelError,
    VpcodecError,
)
from vpcodec.version import __version__

TYPE_CHECKING = False  # type checkers take it for true; the module typing takes as long as Python itself
if TYPE_CHECKING:
    import torch

    from vpcodec.codec.arrays import Picture, Recording, Tokens
    from vpcodec.codec.pipeline import Codec
    from vpcodec.codec.streaming import Piece, StreamDecoder, StreamEncoder, TokenDecoder, TokenEncoder

__all__ = [
    "Codec",
    "ConfigError",
    "ContainerError",
    "DataError",
    "DependencyError",
    "InputError",
    "ModelError",
    "Picture",
    "Piece",
    "Recording",
    "StreamDecoder",
    "StreamEncoder",
    "TokenDecoder",
    "TokenEncoder",
    "Tokens",
    "VpcodecError",
    "__version__",
    "load",
]

# ONNX Runtime would leave files in the user's home and send what it is used for to its makers. It asks this variable
# once, when it is imported, whoever imports it: so it is set here, before all other modules.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

# Names whose modules need numpy and more: imported when they are first asked for.
LATER = {
    "Codec": "vpcodec.codec.pipeline",
    "Picture": "vpcodec.codec.arrays",
    "Recording": "vpcodec.codec.arrays",
    "Piece": "vpcodec.codec.streaming",
    "StreamDecoder": "vpcodec.codec.streaming",
    "StreamEncoder": "vpcodec.codec.streaming",
    "TokenDecoder": "vpcodec.codec.streaming",
    "TokenEncoder": "vpcodec.codec.streaming",
    "Tokens": "vpcodec.codec.arrays",
}


def load(
    model: str,
    *,
    engine: str = "auto",
    device: "str | torch.device" = "auto",
    threads: int | None = None,
    effort: int = 0,
) -> "Codec":
    """The codec of a model.

    Args:
        model: Name of an installed model, or the path of a model folder.
        engine: One of `ENGINES`: "auto", "onnx", "onnx-8-bits" or "torch".
        device: "auto", "cpu", "cuda", or a `torch.device`.
        threads: That ONNX Runtime may use; None for as many as there are cores.
        effort: 1 or 2 to look for better tokens of pictures; much slower, needs torch.

    Raises:
        ModelError: There is no such model, or it is damaged.
    """
    from vpcodec.codec.pipeline import Codec

    return Codec.load(model, engine=engine, device=device, threads=threads, effort=effort)


def __getattr__(name: str) -> object:
    if name in LATER:
        return getattr(import_module(LATER[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
