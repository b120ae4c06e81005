"""Vector quantization (VQ-VAE): the nearest row of a learned table, by gradient or by moving averages.

"vq" moves the codes by the gradient of their distance to the latents they stand for. "ema" keeps, for each code,
moving averages of how many latents chose it and of their sum, and sets the code to sum over count: an on-line
k-means, which needs no learning rate. A code that no latent chooses any more can be restarted on a latent.

Sources: van den Oord et al., arXiv 1711.00937, equations 1 to 3 and appendix A.1 (moving averages); Razavi et
al., arXiv 1906.00446, for the smoothed counts; Dhariwal et al., arXiv 2005.00341, for the restarts.
K codes, C channels, N tokens of the batch
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from vpcodec.errors import ConfigError
from vpcodec.quantizers.base import Quantized, straight_through
from vpcodec.quantizers.codebook import commitment, nearest, statistics
from vpcodec.quantizers.ranks import gathered, summed
from vpcodec.quantizers.seeding import SeededCodebook


class VQ(SeededCodebook):
    """VQ-VAE with a codebook learned by gradient.

    Args:
        rates: One codebook size K.
        channels: Size C of the latents; 3, 4 or 5 by the codebook size if not given.
        beta: Weight of the commitment of the latents, beside 1 for the codes.
        start: "kmeans" or "uniform", see `SeededCodebook`.
        start_tokens: Latents that the k-means waits for; 10 K by default.
    """

    def __init__(
        self,
        rates: Sequence[int] = (1024,),
        channels: int | None = None,
        *,
        beta: float = 0.25,
        start: str = "kmeans",
        start_tokens: int | None = None,
    ) -> None:
        super().__init__(rates, channels, beta=beta, start=start, start_tokens=start_tokens)
        self.codebook = nn.Parameter(self.first_codebook())


class EMA(SeededCodebook):
    """VQ-VAE with a codebook of exponential moving averages; it has no parameter.

    Args:
        rates: One codebook size K.
        channels: Size C of the latents; 3, 4 or 5 by the codebook size if not given.
        beta: Weight of the commitment of the latents, the only loss.
        decay: Share of the old averages that a step keeps.
        smoothing: Added to each count, so that an empty one divides nothing.
        restart: Whether to move dead codes to latents of the batch.
        restart_below: A code is dead below this many tokens a step, by moving average; or below a quarter of an
            even share, where that is less: with few tokens for many codes all would be dead.
        restart_until: Share of the training after which codes are left to settle.
        start: "kmeans" or "uniform", see `SeededCodebook`.
        start_tokens: Latents that the k-means waits for; 10 K by default.
    """

    figures = (*SeededCodebook.figures, "restarts")
    counts: Tensor
    sums: Tensor

    def __init__(
        self,
        rates: Sequence[int] = (1024,),
        channels: int | None = None,
        *,
        beta: float = 0.25,
        decay: float = 0.99,
        smoothing: float = 1e-5,
        restart: bool = False,
        restart_below: float = 2.0,
        restart_until: float = 0.9,
        start: str = "kmeans",
        start_tokens: int | None = None,
    ) -> None:
        super().__init__(rates, channels, beta=beta, start=start, start_tokens=start_tokens)
        if not 0 <= decay < 1:
            raise ConfigError(f"quantizer.decay must be at least 0 and less than 1, got {decay}")
        self.decay = decay
        self.smoothing = smoothing
        self.restart = restart
        self.restart_below = restart_below
        self.restart_until = restart_until
        first = self.first_codebook()
        self.register_buffer("codebook", first)
        self.register_buffer("counts", torch.ones(self.rates[0]))  # [K], tokens a step
        self.register_buffer("sums", first.clone())  # [K, C], of the latents of a step

    def begin(self) -> None:
        """Each code counts one token a step; the averages find the true counts within about 1 / (1 - decay) steps."""
        super().begin()
        self.counts.fill_(1.0)
        self.sums.copy_(self.codebook)

    def quantize(self, latents: Tensor, progress: float) -> Quantized:
        tokens = nearest(latents, self.codebook)
        codes = functional.embedding(tokens, self.codebook)
        loss = self.beta * commitment(latents, codes)
        stats = statistics(latents, codes, tokens)
        relaxed = straight_through(latents, codes)
        rows = latents.detach().flatten(0, -2)
        self.follow(rows, tokens.flatten())
        due = self.restart and progress < self.restart_until
        stats["restarts"] = float(self.revive(rows)) if due else 0.0
        return Quantized(relaxed, tokens, loss, stats)

    def follow(self, latents: Tensor, tokens: Tensor) -> None:
        """One step of the averages, towards latents [N, C] and their tokens [N] on all ranks."""
        counts = torch.bincount(tokens, minlength=len(self.counts)).to(self.counts)
        sums = torch.zeros_like(self.sums).index_add_(0, tokens, latents)
        self.counts.lerp_(summed(counts), 1 - self.decay)
        self.sums.lerp_(summed(sums), 1 - self.decay)
        total = self.counts.sum()
        smoothed = (self.counts + self.smoothing) / (total + len(self.counts) * self.smoothing) * total
        self.codebook.copy_(self.sums / smoothed.unsqueeze(-1))

    def revive(self, latents: Tensor) -> int:
        """Move dead codes to distinct latents [N, C] of the batch, drawn alike on all ranks; says how many.

        Sum and count move with the code: a code written alone would be back at its old place a step later.
        """
        threshold = min(self.restart_below, self.counts.mean().item() / 4)
        dead = (self.counts < threshold).nonzero().squeeze(-1)
        if not len(dead):
            return 0
        candidates = torch.unique(gathered(latents), dim=0)
        generator = self.noise.generator("cpu", same_on_all_ranks=True)
        drawn = torch.randperm(len(candidates), generator=generator)[: len(dead)]
        self.place(dead[: len(drawn)], candidates[drawn.to(candidates.device)], threshold)
        return len(drawn)

    def place(self, codes: Tensor, latents: Tensor, count: float) -> None:
        """Put the codes of these ids [n] on latents [n, C], as if each had been chosen `count` times a step."""
        self.counts[codes] = count
        self.sums[codes] = latents * count
        self.codebook[codes] = latents
