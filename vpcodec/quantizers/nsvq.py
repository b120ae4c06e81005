"""Non-stationary vector quantization (NSVQ): every code is pulled along while the encoder still moves.

In VQ-VAE only chosen codes learn; the encoder moves on and the others are left behind for good. Here each latent
pulls at all codes with a kernel weight that falls with distance, and the kernel narrows as training goes on until
only the nearest code is left. The codes also receive the decoder's gradient, scaled to the size of the loss's own.

Not Noise Substitution VQ (Vali and Baeckstroem, 2022), which shares the letters.

Source: Lu et al., arXiv 2602.18896, after the authors' published code.   N tokens of the batch, K codes, C channels
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from vpcodec.errors import ConfigError
from vpcodec.quantizers.base import Quantized, straight_through
from vpcodec.quantizers.codebook import commitment, distances_in_chunks, nearest, statistics
from vpcodec.quantizers.ranks import summed
from vpcodec.quantizers.vq import VQ

NARROWEST = 1e-8  # a kernel of this width reaches the nearest code only
HALVINGS = 300.0  # of the width over a training


class NSVQ(VQ):
    """Non-stationary vector quantization.

    Args:
        rates, channels, beta: As in `VQ`.
        reach: Strength of the pull on codes that are not the nearest (lambda).
        width: Kernel width (tau) when training starts, on squared distances in units of the mean squared distance to
            the nearest code: it means the same for every scale of the latents. The authors' code has no such unit.
    """

    figures = (*VQ.figures, "kernel_width")
    unit: Tensor

    def __init__(
        self,
        rates: Sequence[int] = (1024,),
        channels: int | None = None,
        *,
        beta: float = 0.25,
        reach: float = 0.01,
        width: float = 1.0,
    ) -> None:
        super().__init__(rates, channels, beta=beta)
        if reach < 0 or width <= 0:
            raise ConfigError(f"quantizer.reach must not be negative and width positive, got {reach} and {width}")
        self.reach = reach
        self.width = width
        self.register_buffer("unit", torch.tensor(math.nan))  # running mean squared distance to the nearest code

    def quantize(self, latents: Tensor, progress: float) -> Quantized:
        rows = latents.detach().flatten(0, -2)
        tokens = nearest(latents, self.codebook)
        codes = functional.embedding(tokens, self.codebook)
        width = self.kernel_width(progress)
        scaled = width * self.measure(rows, codes.detach().flatten(0, -2))
        if width > NARROWEST:
            pull = kernel_loss(rows, self.codebook, scaled, self.reach)
        else:
            pull = (latents.detach() - codes).square().mean()
        loss = pull + self.beta * commitment(latents, codes)
        share = 2 / latents.numel()  # of the decoder's gradient, for the code
        relaxed = straight_through(latents, codes) + share * (codes - codes.detach())
        stats = statistics(latents, codes, tokens, len(self.codebook))
        return Quantized(relaxed, tokens, loss, stats | {"kernel_width": latents.new_full((), width)})

    def kernel_width(self, progress: float) -> float:
        return max(self.width * math.exp2(-HALVINGS * progress), NARROWEST)

    def measure(self, latents: Tensor, codes: Tensor) -> Tensor:
        """The running mean squared distance of latents [N, C] to their codes [N, C], brought up to date; float64."""
        total = summed(torch.stack([(latents - codes).square().sum(), latents.new_full((), len(latents))]))
        now = total[0] / total[1]
        self.unit.copy_(torch.where(self.unit.isnan(), now, self.unit.lerp(now, 0.01)))
        return self.unit.double().clamp(min=torch.finfo(torch.float32).tiny)


def kernel_weights(gaps: Tensor, width: float | Tensor, reach: float) -> Tensor:
    """How strongly each latent pulls at each code: 1 for the nearest, K * reach * softmax(-gaps / width) otherwise.

    `gaps` [n, K] are how much further than the nearest code each one is, as squared distances. At most 1 is returned.
    """
    weights = (reach * gaps.shape[-1] * torch.softmax(-gaps / width, -1)).clamp(max=1.0)
    return weights.scatter(-1, gaps.argmin(-1, keepdim=True), 1.0)


def kernel_loss(latents: Tensor, codebook: Tensor, width: float | Tensor, reach: float) -> Tensor:
    """Mean over the latents of the weighted squared distances to all codes, per channel; gradient to the codes only.

    The weights are sums over the batch that do not depend on the codes' gradient, so the N x K distances are
    walked through once, in chunks, and never kept: with w the weights, sum w |z - e|^2 needs only sum w,
    sum w z and sum w |z|^2 for each code.   latents [N, C], codebook [K, C]
    """
    mass = codebook.new_zeros(len(codebook), dtype=torch.float64)
    drawn = torch.zeros_like(codebook, dtype=torch.float64)
    constant = mass.new_zeros(())
    for chunk, distances in distances_in_chunks(latents, codebook):
        weights = kernel_weights(distances - distances.amin(1, keepdim=True), width, reach)
        mass += weights.sum(0)
        drawn += weights.T @ chunk
        constant += (weights.sum(-1) * chunk.square().sum(-1)).sum()
    codes = codebook.double()
    codes = codes - codes.detach().mean(0)  # where the chunks are centred
    total = (mass * codes.square().sum(-1)).sum() - 2 * (drawn * codes).sum() + constant
    return (total / latents.numel()).float()
