"""Every way to turn latents into tokens, behind one contract (`base.Quantizer`)."""

from typing import Any

from vpcodec.errors import ConfigError
from vpcodec.quantizers.base import Quantized, Quantizer
from vpcodec.quantizers.fsp import FSP
from vpcodec.quantizers.fsq import FSQ
from vpcodec.quantizers.grouped import Grouped
from vpcodec.quantizers.nsvq import NSVQ
from vpcodec.quantizers.simvq import SimVQ
from vpcodec.quantizers.tokenbridge import TokenBridge
from vpcodec.quantizers.transvq import TransVQ
from vpcodec.quantizers.vp import VP
from vpcodec.quantizers.vq import EMA, VQ
from vpcodec.quantizers.vqgan_fc import VQGANFC

QUANTIZERS: dict[str, type[Quantizer]] = {
    "vp": VP,
    "fsp": FSP,
    "fsq": FSQ,
    "vq": VQ,
    "ema": EMA,
    "vqgan-fc": VQGANFC,
    "simvq": SimVQ,
    "tokenbridge": TokenBridge,
    "nsvq": NSVQ,
    "transvq": TransVQ,
}


def build_quantizer(method: str, **options: Any) -> Quantizer:
    """A quantizer by its name in `QUANTIZERS`, grouped where a rate such as `2x1024` says so.

    Raises ConfigError for an unknown name or option.
    """
    if method not in QUANTIZERS:
        raise ConfigError(f"unknown quantizer {method!r}", hint=f"use one of {', '.join(QUANTIZERS)}")
    try:
        rates = options.get("rates")
        if isinstance(rates, list) and any(isinstance(rate, str) for rate in rates):
            own = {name: value for name, value in options.items() if name != "rates"}
            return Grouped(rates, lambda codes: QUANTIZERS[method](rates=codes, **own))
        return QUANTIZERS[method](**options)
    except TypeError as error:
        raise ConfigError(f"quantizer {method}: {error}") from error


__all__ = ["QUANTIZERS", "Quantized", "Quantizer", "build_quantizer"]
