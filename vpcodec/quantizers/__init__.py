"""Every way to turn latents into tokens, behind one contract (`base.Quantizer`)."""

from typing import Any

from vpcodec.errors import ConfigError
from vpcodec.quantizers.base import Quantized, Quantizer
from vpcodec.quantizers.fsp import FSP

QUANTIZERS: dict[str, type[Quantizer]] = {
    "fsp": FSP,
}


def build_quantizer(method: str, **options: Any) -> Quantizer:
    """A quantizer by its name in `QUANTIZERS`. Raises ConfigError for an unknown name or option."""
    if method not in QUANTIZERS:
        raise ConfigError(f"unknown quantizer {method!r}", hint=f"use one of {', '.join(QUANTIZERS)}")
    try:
        return QUANTIZERS[method](**options)
    except TypeError as error:
        raise ConfigError(f"quantizer {method}: {error}") from error


__all__ = ["QUANTIZERS", "Quantized", "Quantizer", "build_quantizer"]
