"""Every way to turn latents into tokens, behind one contract (`base.Quantizer`).

Importing this does not import torch: a method's module is imported when the method is built.
"""

from typing import TYPE_CHECKING, Any

from vpcodec.errors import ConfigError
from vpcodec.plugins import load_class

if TYPE_CHECKING:
    from vpcodec.quantizers.base import Quantizer

# The names of the methods. Installed packages add their own as entry points of GROUP.
QUANTIZERS: dict[str, str] = {
    "vp": "vpcodec.quantizers.vp:VP",
    "fsp": "vpcodec.quantizers.fsp:FSP",
    "fsq": "vpcodec.quantizers.fsq:FSQ",
    "vq": "vpcodec.quantizers.vq:VQ",
    "ema": "vpcodec.quantizers.vq:EMA",
    "vqgan-fc": "vpcodec.quantizers.vqgan_fc:VQGANFC",
    "simvq": "vpcodec.quantizers.simvq:SimVQ",
    "tokenbridge": "vpcodec.quantizers.tokenbridge:TokenBridge",
    "nsvq": "vpcodec.quantizers.nsvq:NSVQ",
    "transvq": "vpcodec.quantizers.simvq:TransVQ",
}
GROUP = "vpcodec.quantizers"


def build_quantizer(method: str, **options: Any) -> "Quantizer":
    """A quantizer by its name (`plugins.load_class`), grouped where a rate such as `2x1024` says so.

    Raises:
        ConfigError: There is no such method, or it lacks an option.
    """
    from vpcodec.quantizers.base import Quantizer
    from vpcodec.quantizers.grouped import Grouped

    made = load_class(method, "quantizer", QUANTIZERS, GROUP)
    if not (isinstance(made, type) and issubclass(made, Quantizer)):
        raise ConfigError(f"quantizer {method} is no subclass of vpcodec.quantizers.base.Quantizer")
    try:
        rates = options.get("rates")
        if isinstance(rates, list) and any(isinstance(rate, str) for rate in rates):
            own = {name: value for name, value in options.items() if name != "rates"}
            return Grouped(rates, lambda codes: made(rates=codes, **own))
        return made(**options)
    except TypeError as error:
        raise ConfigError(f"quantizer {method}: {error}") from error
