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
from vpcodec.quantizers.base import Noise, Quantized, straight_through
from vpcodec.quantizers.grid import GridQuantizer, digits_to_tokens, levels_for

MARGIN = 1e-3  # the plain form bounds numbers a little beyond the outer grid points
NOISE_SHARE = 0.5  # of the numbers, which training moves instead of rounding them; the plain form rounds all


class FSQ(GridQuantizer):
    """Finite scalar quantization.

    Args:
        rates: One nominal codebook size; the product of `levels` by default.
        levels: Grid points per channel; the published ones for `rates` by default.
        symmetric: The symmetric form, or the plain one, which needs 3 levels or more.
    """

    def __init__(
        self,
        rates: Sequence[int] = (),
        *,
        levels: Sequence[int] | None = None,
        symmetric: bool = True,
    ) -> None:
        levels = levels_for(rates, levels)
        if not symmetric and min(levels) < 3:
            raise ConfigError(f"quantizer.levels must all be 3 or more for plain fsq, got {list(levels)}")
        super().__init__(rates, levels)
        self.symmetric = symmetric
        self.noise = Noise()

    def relax(self, latents: Tensor, progress: float, rate: int) -> Quantized:
        bounded = self.bound(latents)
        digits = self.nearest(bounded)
        target = self.points(digits)
        if self.symmetric:
            moved = bounded + (2 * self.noise.uniform(bounded) - 1) * (1 / self.levels)  # nearly half a step
            target = torch.where(self.noise.uniform(bounded) < NOISE_SHARE, moved, target)
        stats = {"latent_std": latents.detach().std(correction=0)}
        tokens = digits_to_tokens(digits, self.levels)
        return Quantized(straight_through(bounded, target), tokens, latents.new_zeros(()), stats)

    def digits(self, latents: Tensor) -> Tensor:
        return self.nearest(self.bound(latents))

    def points(self, digits: Tensor) -> Tensor:
        """[..., C] int64 -> [..., C] float32, the grid points on [-1, 1]."""
        if self.symmetric:
            return digits * 2 / (self.levels - 1) - 1
        return digits / (self.levels // 2) - 1

    def unquantized(self, latents: Tensor, rate: int | None = None) -> Tensor:
        return self.bound(latents.float())

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
