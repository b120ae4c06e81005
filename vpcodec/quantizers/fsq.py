"""Finite scalar quantization (FSQ): round each of a few bounded numbers; the grid is the codebook.

The symmetric form spans [-1, 1] with both ends on the grid. In training about half of the numbers are not rounded
but moved by uniform noise of about half a grid step, so that the decoder hears the error without the bias of the
straight-through gradient. It is the baseline of the VP-VAE paper and the default. The plain form is the original:
for an even number of levels its grid has one more step below zero than above.

Sources: Mentzer et al., arXiv 2309.15505, section 3.1 (plain); Parker et al., arXiv 2411.19842 (symmetric,
noise), with the noise of Zhai et al., L3AC, arXiv 2504.04949.   B batch, ... positions, C channels, L levels
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from vpcodec.errors import ConfigError
from vpcodec.quantizers.base import Quantized, straight_through
from vpcodec.quantizers.grid import GridQuantizer, digits_to_tokens, levels_for
from vpcodec.quantizers.noise import Noise

MARGIN = 1e-3  # the plain form bounds numbers a little beyond the outer grid points
NOISE_WIDTHS = ("1/L", "1/(L-1)")


class FSQ(GridQuantizer):
    """Finite scalar quantization.

    Args:
        rates: One nominal codebook size; the product of `levels` by default.
        levels: Grid points per channel; the published ones for `rates` by default.
        symmetric: The symmetric form, or the plain one, which needs 3 levels or more.
        noise_share: Share of numbers that training moves instead of rounding; 0.5 by default for the symmetric
            form, 0 for the plain one.
        noise_width: Furthest move: "1/(L-1)" is half a grid step of the symmetric form, "1/L" a little less.
        clip: Whether moved numbers stay in [-1, 1]; the published form lets them leave.
    """

    def __init__(
        self,
        rates: Sequence[int] = (),
        *,
        levels: Sequence[int] | None = None,
        symmetric: bool = True,
        noise_share: float | None = None,
        noise_width: str = "1/L",
        clip: bool = False,
    ) -> None:
        levels = levels_for(rates, levels)
        if not symmetric and min(levels) < 3:
            raise ConfigError(f"quantizer.levels must all be 3 or more for plain fsq, got {list(levels)}")
        if noise_width not in NOISE_WIDTHS:
            raise ConfigError(f"unknown quantizer.noise_width {noise_width!r}", hint=f"use {' or '.join(NOISE_WIDTHS)}")
        super().__init__(rates, levels)
        self.symmetric = symmetric
        self.noise_share = (0.5 if symmetric else 0.0) if noise_share is None else noise_share
        self.noise_width = noise_width
        self.clip = clip
        self.noise = Noise()

    def relax(self, latents: Tensor, progress: float, rate: int) -> Quantized:
        bounded = self.bound(latents)
        digits = self.nearest(bounded)
        target = self.points(digits)
        if self.noise_share:
            moved = bounded + (2 * self.noise.uniform(bounded) - 1) * self.half_width()
            if self.clip:
                moved = moved.clamp(-1, 1)
            target = torch.where(self.noise.uniform(bounded) < self.noise_share, moved, target)
        stats = {"latent_std": latents.detach().std(correction=0).item()}
        tokens = digits_to_tokens(digits, self.levels)
        return Quantized(straight_through(bounded, target), tokens, latents.new_zeros(()), stats)

    def digits(self, latents: Tensor) -> Tensor:
        return self.nearest(self.bound(latents))

    def points(self, digits: Tensor) -> Tensor:
        """[..., C] int64 -> [..., C] float32, the grid points on [-1, 1]."""
        if self.symmetric:
            return digits * 2 / (self.levels - 1) - 1
        return digits / (self.levels // 2) - 1

    def bound(self, latents: Tensor) -> Tensor:
        """[..., C] -> [..., C], about [-1, 1], in the units of the grid."""
        if self.symmetric:
            return torch.tanh(latents)
        half = (self.levels - 1) * (1 + MARGIN) / 2
        offset = (1 - self.levels % 2) / 2  # even numbers of levels have no point in the middle
        return (torch.tanh(latents + torch.atanh(offset / half)) * half - offset) / (self.levels // 2)

    def nearest(self, bounded: Tensor) -> Tensor:
        """[..., C] bounded numbers -> [..., C] int64, the nearest grid points counted from below."""
        if self.symmetric:
            digits = ((bounded + 1) / 2 * (self.levels - 1) + 0.5).floor()
        else:
            digits = (bounded * (self.levels // 2)).round() + self.levels // 2
        return digits.long().clamp(min=0).minimum(self.levels - 1)

    def half_width(self) -> Tensor:
        """[C], the furthest move of the noise, in the units of the grid."""
        half_step = 1 / (self.levels - 1) if self.symmetric else 0.5 / (self.levels // 2)
        return half_step if self.noise_width == "1/(L-1)" else half_step * (self.levels - 1) / self.levels
