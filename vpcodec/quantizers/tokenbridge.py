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
from vpcodec.quantizers.base import Quantized, only_rate
from vpcodec.quantizers.grid import GridQuantizer
from vpcodec.quantizers.noise import Noise
from vpcodec.quantizers.ranks import summed

LOG_VARIANCES = (-30.0, 20.0)  # beyond these a float32 standard deviation is as good as zero, or absurd


class TokenBridge(GridQuantizer):
    """TokenBridge. Takes 2 C numbers a position: C means, then C log variances.

    Args:
        rates: One codebook size K, a power of `bins`.
        bins: Bins per channel; C is the logarithm of K to this base.
        reach: Where the outer bins end, in standard deviations; their means depend on it.
        by_percentile: Whether a number belongs to the bin it lies in, or to the bin whose mean is nearest.
        kl_weight: Weight of the divergence, averaged over the numbers of the latents.
        standardize: Whether `finish` measures the means' own mean and variance and bins them accordingly. The
            divergence is weak: without it most means may lie in two bins of four.
    """

    mean: Tensor
    deviation: Tensor
    edges: Tensor
    values: Tensor

    def __init__(
        self,
        rates: Sequence[int] = (1024,),
        *,
        bins: int = 4,
        reach: float = 3.0,
        by_percentile: bool = True,
        kl_weight: float = 1e-6,
        standardize: bool = True,
    ) -> None:
        rate = only_rate(rates)
        if bins < 2:
            raise ConfigError(f"quantizer.bins must be 2 or more, got {bins}")
        channels = round(math.log(max(rate, bins), bins))
        if bins**channels != rate:
            raise ConfigError(f"tokenbridge needs a power of its {bins} bins as codebook size, got {rate}")
        super().__init__(rates, (bins,) * channels)
        self.kl_weight = kl_weight
        self.standardize = standardize
        self.noise = Noise()
        percentiles, values = normal_bins(bins, reach)
        edges = percentiles if by_percentile else (values[1:] + values[:-1]) / 2
        self.right = by_percentile  # a number on an edge goes up; between two equally near values, down
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
            "latent_std": means.detach().std(correction=0).item(),
            "mean_variance": means.detach().flatten(0, -2).var(0, correction=0).mean().item(),
            "kl": divergence.item(),
        }
        return Quantized(sample, self.encode(latents), self.kl_weight * divergence, stats)

    def digits(self, latents: Tensor) -> Tensor:
        means = latents[..., : self.channels].detach()
        standard = ((means - self.mean) / self.deviation).contiguous()
        return torch.bucketize(standard, self.edges, right=self.right)

    def points(self, digits: Tensor) -> Tensor:
        return self.values[digits] * self.deviation + self.mean

    def finish(self, latents: Iterable[Tensor]) -> None:
        """Measure the means that training arrived at, the same on every rank.

        Args:
            latents: Batches [..., 2 C]; under distributed training each rank may bring its own.
        """
        if not self.standardize:
            return
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


def normal_bins(bins: int, reach: float) -> tuple[Tensor, Tensor]:
    """The inner percentiles [bins - 1] of a standard normal law, and its mean within each bin [bins]; float64.

    The outer bins end at `reach` standard deviations.
    """
    inner = torch.special.ndtri(torch.arange(1, bins, dtype=torch.float64) / bins)
    edges = torch.cat([inner.new_tensor([-reach]), inner.clamp(-reach, reach), inner.new_tensor([reach])])
    density = torch.exp(-edges.square() / 2) / math.sqrt(2 * math.pi)
    return inner, (density[:-1] - density[1:]) / torch.special.ndtr(edges).diff()
