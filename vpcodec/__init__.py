"""vpcodec: speech and images to small token files, and back.

import vpcodec

codec = vpcodec.load("speech-fsp-1024")
content = codec.encode("speech.wav")
recording = codec.decode(content)
"""

from typing import TYPE_CHECKING

from vpcodec.errors import VpcodecError
from vpcodec.version import __version__

if TYPE_CHECKING:
    from vpcodec.codec.pipeline import Codec

__all__ = ["Codec", "VpcodecError", "__version__", "load"]


def load(model: str, *, engine: str = "auto", device: str = "auto") -> "Codec":
    """The codec of a model.

    Args:
        model: Name of an installed model, or the path of a model folder.
        engine: "auto", "onnx" or "torch".
        device: "auto", "cpu" or "cuda".

    Raises:
        ModelError: There is no such model, or it is damaged.
    """
    from vpcodec.codec.pipeline import Codec

    return Codec.load(model, engine=engine, device=device)


def __getattr__(name: str) -> object:
    """`Codec`, imported when it is first asked for."""
    if name == "Codec":
        from vpcodec.codec.pipeline import Codec

        return Codec
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
