"""Quantizers whose codes are the points of a grid: a few levels a channel, every combination of them a code.

There is no codebook to learn and none to search. A point is known by its digits, one a channel, and a token is the
mixed-radix number of the digits, first channel fastest.   B batch, ... positions, C channels
"""

import math
from abc import abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor

from vpcodec.errors import ConfigError
from vpcodec.quantizers.base import Quantizer, only_rate

# Levels per channel for a nominal codebook size; their products are 240, 1000, 4375 and 15360.
LEVELS: dict[int, tuple[int, ...]] = {
    256: (8, 6, 5),
    1024: (8, 5, 5, 5),
    4096: (7, 5, 5, 5, 5),
    16384: (8, 8, 8, 6, 5),
}


class GridQuantizer(Quantizer):
    """A grid of some levels per channel; the rate is one nominal codebook size, or the product of the levels."""

    levels: Tensor

    def __init__(self, rates: Sequence[int], levels: Sequence[int]) -> None:
        super().__init__(rates or (math.prod(levels),), len(levels))
        self.shape = tuple(levels)  # known without asking the device that `levels` is on
        self.register_buffer("levels", torch.tensor(levels), persistent=False)

    def radices(self, rate: int | None = None) -> tuple[int, ...]:
        self.checked_rate(rate)
        return self.shape

    def vocabulary(self, rate: int | None = None) -> int:
        return math.prod(self.radices(rate))

    @abstractmethod
    def digits(self, latents: Tensor) -> Tensor:
        """[..., input_channels] float32 -> [..., C] int64, which point each position goes to."""

    @abstractmethod
    def points(self, digits: Tensor) -> Tensor:
        """[..., C] int64 -> [..., C] float32, where the points lie."""

    def encode(self, latents: Tensor, rate: int | None = None) -> Tensor:
        self.checked_rate(rate)
        return digits_to_tokens(self.digits(latents.float()), self.levels)

    def decode(self, tokens: Tensor, rate: int | None = None) -> Tensor:
        self.checked_rate(rate)
        return self.points(tokens_to_digits(tokens, self.levels))


def levels_for(rates: Sequence[int], levels: Sequence[int] | None) -> tuple[int, ...]:
    """The levels given, or the published ones for a nominal codebook size.

    Raises:
        ConfigError: There are several rates, none published for this one, or levels below 2.
    """
    if len(rates) > 1:
        only_rate(rates)
    if levels is None:
        if not rates or rates[0] not in LEVELS:
            raise ConfigError(
                f"no published levels for quantizer.rates = {list(rates)}",
                hint=f"use one of {', '.join(map(str, LEVELS))}, or set quantizer.levels",
            )
        return LEVELS[rates[0]]
    if not levels or min(levels) < 2:
        raise ConfigError(f"quantizer.levels must all be 2 or more, got {list(levels)}")
    return tuple(levels)


def digits_to_tokens(digits: Tensor, levels: Tensor) -> Tensor:
    """[..., C] int64 digits -> [...] int64, first channel fastest."""
    return (digits * (levels.cumprod(0) // levels)).sum(-1)


def tokens_to_digits(tokens: Tensor, levels: Tensor) -> Tensor:
    """[...] int64 -> [..., C] int64 digits, the inverse of `digits_to_tokens`."""
    return tokens.unsqueeze(-1) // (levels.cumprod(0) // levels) % levels
