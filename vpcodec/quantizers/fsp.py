"""Finite scalar perturbation (FSP): every latent number falls into one of a few equal bins.

Each channel is squashed onto (0, 1). In training a number is, with equal chance, either moved at random by
up to half a bin or set to the centre of its bin; both are as far from the original as quantization will be,
and the first needs no straight-through trick. There is no codebook to collapse. A token is the mixed-radix
number of the channels' bins, first channel fastest. A moment-matching loss on the numbers before squashing
keeps the squashed ones close to uniform, where equal bins are the best bins (Lloyd and Max).

Source: Zhai et al., VP-VAE, arXiv 2602.17133, equations 14 to 18.   B batch, ... positions, C channels
"""

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from vpcodec.errors import ConfigError
from vpcodec.quantizers.base import Noise, Quantized, moment_loss, straight_through
from vpcodec.quantizers.grid import GridQuantizer, digits_to_tokens, levels_for

UNIFORM_STD = 1 / math.sqrt(12)  # of a uniform variable on (0, 1)


def raised_tanh(x: Tensor) -> Tensor:
    return (torch.tanh(x) + 1) / 2


def laplace_cdf(x: Tensor) -> Tensor:
    tail = 0.5 * torch.exp(-x.abs())
    return torch.where(x < 0, tail, 1 - tail)


def cauchy_cdf(x: Tensor) -> Tensor:
    return torch.atan(x) / math.pi + 0.5


# Each squashing function with the variance of the law that it makes uniform; the Cauchy law has none.
ACTIVATIONS: dict[str, tuple[Callable[[Tensor], Tensor], float | None]] = {
    "tanh": (raised_tanh, math.pi**2 / 12),
    "sigmoid": (torch.sigmoid, math.pi**2 / 3),
    "normal": (torch.special.ndtr, 1.0),
    "laplace": (laplace_cdf, 2.0),
    "cauchy": (cauchy_cdf, None),
}


class FSP(GridQuantizer):
    """Finite scalar perturbation.

    Args:
        rates: One nominal codebook size; the product of `levels` by default.
        levels: Bins per channel; the published ones for `rates` by default.
        activation: How a channel is squashed onto (0, 1): one of `ACTIVATIONS`.
        quantize_share: Share of numbers that training rounds instead of moving.
        reach: Width of the random move, in bins (the paper's eta).
    """

    def __init__(
        self,
        rates: Sequence[int] = (),
        *,
        levels: Sequence[int] | None = None,
        activation: str = "tanh",
        quantize_share: float = 0.5,
        reach: float = 1.0,
    ) -> None:
        if activation not in ACTIVATIONS:
            raise ConfigError(f"unknown quantizer.activation {activation!r}", hint=f"use {', '.join(ACTIVATIONS)}")
        super().__init__(rates, levels_for(rates, levels))
        self.squash, self.variance = ACTIVATIONS[activation]
        self.quantize_share = quantize_share
        self.reach = reach
        self.noise = Noise()

    def relax(self, latents: Tensor, progress: float, rate: int) -> Quantized:
        unit = self.squash(latents)
        moved = unit + (self.noise.uniform(unit) - 0.5) * (self.reach / self.levels)
        inside = (moved >= 0) & (moved <= 1)  # a step out of the interval is not taken
        bins = self.bins(unit)
        rounded = self.noise.uniform(unit) < self.quantize_share
        target = torch.where(rounded, self.centres(bins), torch.where(inside, moved, unit))
        relaxed = straight_through(unit, target)
        loss = moment_loss(latents, self.variance)
        stats = {"latent_std": latents.detach().std(correction=0)}
        return Quantized(standardize(relaxed), digits_to_tokens(bins, self.levels), loss, stats)

    def digits(self, latents: Tensor) -> Tensor:
        return self.bins(self.squash(latents))

    def points(self, digits: Tensor) -> Tensor:
        return standardize(self.centres(digits))

    def unquantized(self, latents: Tensor, rate: int | None = None) -> Tensor:
        return standardize(self.squash(latents.float()))

    def bins(self, unit: Tensor) -> Tensor:
        """[..., C] numbers of [0, 1] -> [..., C] int64, the bin each falls into; 1 belongs to the last bin."""
        return (unit * self.levels).floor().long().clamp(min=0).minimum(self.levels - 1)

    def centres(self, bins: Tensor) -> Tensor:
        """[..., C] int64 bins -> [..., C] float32, their middles on (0, 1)."""
        return (bins + 0.5) / self.levels


def standardize(unit: Tensor) -> Tensor:
    """Give a uniform variable on (0, 1) zero mean and unit variance."""
    return (unit - 0.5) / UNIFORM_STD
