"""TokenBridge: a variational autoencoder whose numbers are cut into bins of equal chance afterwards.

Training knows no tokens: the network gives each number a mean and a log variance, a sample goes to the decoder,
and the Kullback-Leibler divergence draws all of them towards a standard normal law. Encoding takes the mean and
finds its bin among the percentiles of that law; decoding gives the law's mean within the bin. Nothing is learned
about the bins. A token is the mixed-radix number of the C bins, first channel fastest.

Source: Wang et al., Bridging Continuous and Discrete Tokens for Autoregressive Visual Generation, arXiv 2503.16430;
four bins per channel, as the baseline of VP-VAE has.   B batch, ... positions, C channels
"""

import math
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from vpcodec.errors import ConfigError
from vpcodec.quantizers.base import Noise, Quantized, only_rate
from vpcodec.quantizers.grid import GridQuantizer
from vpcodec.quantizers.ranks import summed

BINS = 4  # a channel
LIMIT = 3.0  # standard deviations, where the outer bins end; the numbers that they decode to depend on it
LOG_VARIANCES = (-30.0, 20.0)  # beyond these a float32 standard deviation is as good as zero, or absurd


class TokenBridge(GridQuantizer):
    """TokenBridge. Takes 2 C numbers a position: C means, then C log variances.

    Args:
        rates: One codebook size K, a power of 4; C is the logarithm of K to this base.
        kl_weight: Weight of the divergence, averaged over the numbers of the latents.
    """

    mean: Tensor
    deviation: Tensor
    edges: Tensor
    values: Tensor

    def __init__(self, rates: Sequence[int] = (1024,), *, kl_weight: float = 1e-6) -> None:
        rate = only_rate(rates)
        channels = round(math.log(max(rate, BINS), BINS))
        if BINS**channels != rate:
            raise ConfigError(f"tokenbridge needs a power of its {BINS} bins as codebook size, got {rate}")
        super().__init__(rates, (BINS,) * channels)
        self.kl_weight = kl_weight
        self.noise = Noise()
        edges, values = normal_bins(BINS, LIMIT)
        self.register_buffer("edges", edges.float(), persistent=False)
        self.register_buffer("values", values.float(), persistent=False)
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("deviation", torch.ones(channels))

    @property
    def input_channels(self) -> int:
        return 2 * self.channels

    def relax(self, latents: Tensor, progress: float, rate: int) -> Quantized:
        means, log_variances = latents.chunk(2, -1)
        log_variances = log_variances.clamp(*LOG_VARIANCES)
        sample = means + (log_variances / 2).exp() * self.noise.normal(means)
        divergence = (means.square() + log_variances.exp() - 1 - log_variances).mean() / 2
        stats = {
            "latent_std": means.detach().std(correction=0),
            "mean_variance": means.detach().flatten(0, -2).var(0, correction=0).mean(),
            "kl": divergence.detach(),
        }
        return Quantized(sample, self.encode(latents), self.kl_weight * divergence, stats)

    def digits(self, latents: Tensor) -> Tensor:
        means = latents[..., : self.channels].detach()
        standard = ((means - self.mean) / self.deviation).contiguous()
        return torch.bucketize(standard, self.edges, right=True)  # a number on an edge goes up

    def points(self, digits: Tensor) -> Tensor:
        return self.values[digits] * self.deviation + self.mean

    def unquantized(self, latents: Tensor, rate: int | None = None) -> Tensor:
        return latents[..., : self.channels].float()

    def finish(self, latents: Iterable[Tensor]) -> None:
        """Measure the means that training arrived at: their bins follow from it.

        The divergence is weak: most means may lie in two bins of four of the standard normal law.
        """
        moments = self.mean.new_zeros(3, self.channels, dtype=torch.float64)  # counts, sums and sums of squares
        for batch in latents:
            means = batch[..., : self.channels].detach().flatten(0, -2).to(moments)
            moments[0] += len(means)
            moments[1] += means.sum(0)
            moments[2] += means.square().sum(0)
        count, total, squares = summed(moments)
        if count.all():
            mean = total / count
            variance = squares / count - mean.square()
            self.mean.copy_(mean)
            self.deviation.copy_(variance.clamp_min(1e-12).sqrt())


def normal_bins(bins: int, limit: float) -> tuple[Tensor, Tensor]:
    """The inner percentiles [bins - 1] of a standard normal law, and its mean within each bin [bins]; float64.

    The outer bins end at `limit` standard deviations.
    """
    inner = torch.special.ndtri(torch.arange(1, bins, dtype=torch.float64) / bins)
    edges = torch.cat([inner.new_tensor([-limit]), inner.clamp(-limit, limit), inner.new_tensor([limit])])
    density = torch.exp(-edges.square() / 2) / math.sqrt(2 * math.pi)
    return inner, (density[:-1] - density[1:]) / torch.special.ndtr(edges).diff()
