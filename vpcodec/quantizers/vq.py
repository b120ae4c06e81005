"""Vector quantization (VQ-VAE): the nearest row of a learned table, by gradient or by moving averages.

The table starts as the k-means centers of the first latents: drawn at random it lies where no latent is, and most of
its rows never learn. The latents of the first training batches are gathered and pass through unquantized. Evaluation
never starts a table, which would be made from the test set.

"vq" moves the codes by the gradient of their distance to the latents they stand for. "ema" keeps, for each code,
moving averages of how many latents chose it and of their sum, and sets the code to sum over count: an on-line
k-means, which needs no learning rate. A code that no latent chooses any more can be restarted on a latent.

Sources: van den Oord et al., arXiv 1711.00937, equations 1 to 3 and appendix A.1 (moving averages); Razavi et
al., arXiv 1906.00446, for the smoothed counts; Dhariwal et al., arXiv 2005.00341, for the restarts.
K codes, C channels, N tokens of the batch
"""

from collections.abc import Iterable, Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from vpcodec.errors import ConfigError, DataError, ModelError
from vpcodec.quantizers.base import Noise, Quantized, straight_through
from vpcodec.quantizers.codebook import FIGURES, CodebookQuantizer, commitment, fit_centroids, nearest, statistics
from vpcodec.quantizers.ranks import from_first, gathered, summed

START_ITERATIONS = 10  # of the k-means; training goes on from there
SMOOTHING = 1e-5  # added to each moving count, so that an empty one divides nothing
DEAD_BELOW = 2.0  # tokens a step
RESTART_UNTIL = 0.9  # share of the training after which codes are left to settle


class VQ(CodebookQuantizer):
    """VQ-VAE with a codebook learned by gradient; it starts from data.

    Args:
        rates: One codebook size K.
        channels: Size C of the latents; 3, 4 or 5 by the codebook size if not given.
        beta: Weight of the commitment of the latents, beside 1 for the codes.
    """

    figures: ClassVar[tuple[str, ...]] = FIGURES  # names of the log's figures, the same before and after the start
    packages = ("faiss",)
    on_host = ("started",)
    started: Tensor
    codebook: Tensor

    def __init__(self, rates: Sequence[int] = (1024,), channels: int | None = None, *, beta: float = 0.25) -> None:
        super().__init__(rates, channels, beta=beta)
        self.start_tokens = 10 * self.rates[0]  # latents that the k-means waits for, over all ranks
        self.noise = Noise()
        self.register_buffer("started", torch.tensor(False))
        self.waiting = torch.empty(0, self.channels)  # latents [n, C] gathered so far
        codes = self.rates[0]
        self.codebook = nn.Parameter(torch.empty(codes, self.channels).uniform_(-1 / codes, 1 / codes))

    @property
    def ready(self) -> bool:
        return bool(self.started)

    def build(self) -> Tensor:
        if not self.ready:
            raise ModelError(
                "the codebook of this model is not initialized yet",
                hint=f"train on at least {self.start_tokens} tokens, or call finish with latents of the training set",
            )
        return self.codebook

    def relax(self, latents: Tensor, progress: float, rate: int) -> Quantized:
        if self.ready:
            return super().relax(latents, progress, rate)
        if torch.is_grad_enabled():  # else it is no training step, whatever the mode of the module
            self.wait(gathered(latents.detach().flatten(0, -2)))
            if len(self.waiting) >= self.start_tokens:
                self.begin()
                return super().relax(latents, progress, rate)
        stats = dict.fromkeys(self.figures, latents.new_zeros(())) | {"latent_std": latents.detach().std(correction=0)}
        # The codebook takes part without effect: distributed training wants every parameter in the graph.
        return Quantized(latents, None, self.codebook.sum() * 0.0, stats)

    def wait(self, rows: Tensor) -> None:
        self.waiting = torch.cat([self.waiting.to(rows), rows])

    def begin(self) -> None:
        """Set the codes to the k-means centers of the latents that wait; the same on all ranks."""
        codes = self.rates[0]
        seed = self.noise.generator("cpu", same_on_all_ranks=True).initial_seed() % 2**31
        rows = torch.unique(self.waiting, dim=0)  # silence, however long, gets one code
        if len(rows) < codes:
            rows = rows.repeat(-(-codes // len(rows)), 1)[:codes]
        with torch.no_grad():
            self.codebook.copy_(from_first(fit_centroids(rows, codes, seed=seed, iterations=START_ITERATIONS)))
            self.started.fill_(True)
        self.waiting = self.waiting[:0].clone()

    def finish(self, latents: Iterable[Tensor]) -> None:
        """Start the codebook of a run too short to have done so; latents gathered in training count, too."""
        if self.ready:
            return
        fresh = self.codebook.new_zeros(0, self.channels)
        for batch in latents:
            fresh = torch.cat([fresh, batch.detach().flatten(0, -2).to(fresh)])
            if len(self.waiting) + len(fresh) >= self.start_tokens:
                break
        self.wait(gathered(fresh))  # at once: one rank may bring more batches than another
        if len(self.waiting) < self.rates[0]:
            raise DataError(
                f"{len(self.waiting)} latents cannot start a codebook of {self.rates[0]} codes",
                hint="give more training data, or choose a smaller rate",
            )
        self.begin()

    # Latents that wait are part of the state, but no buffer: their number changes, and only training needs them.

    def training_state(self) -> set[str]:
        return super().training_state() | {"_extra_state"}

    def get_extra_state(self) -> Tensor:
        return self.waiting

    def set_extra_state(self, state: Tensor) -> None:
        self.waiting = state.to(self.codebook)


class EMA(VQ):
    """VQ-VAE with a codebook of exponential moving averages; it has no parameter, and no loss but the commitment.

    Args:
        rates, channels, beta: As in `VQ`.
        decay: Share of the old averages that a step keeps.
        restart: Whether to move dead codes to latents of the batch. A code is dead below `DEAD_BELOW` tokens a step, by
            moving average; or below a quarter of an even share, where that is less: with few tokens for many codes
            all would be dead.
    """

    figures = (*VQ.figures, "restarts")
    counts: Tensor
    sums: Tensor

    def __init__(
        self,
        rates: Sequence[int] = (1024,),
        channels: int | None = None,
        *,
        beta: float = 0.25,
        decay: float = 0.99,
        restart: bool = False,
    ) -> None:
        super().__init__(rates, channels, beta=beta)
        if not 0 <= decay < 1:
            raise ConfigError(f"quantizer.decay must be at least 0 and less than 1, got {decay}")
        self.decay = decay
        self.restart = restart
        first = self.codebook.detach()
        del self.codebook
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
        stats = statistics(latents, codes, tokens, len(self.codebook))
        relaxed = straight_through(latents, codes)
        rows = latents.detach().flatten(0, -2)
        self.follow(rows, tokens.flatten())
        due = self.restart and progress < RESTART_UNTIL
        stats["restarts"] = latents.new_full((), self.revive(rows) if due else 0)
        return Quantized(relaxed, tokens, loss, stats)

    def follow(self, latents: Tensor, tokens: Tensor) -> None:
        """One step of the averages, toward latents [N, C] and their tokens [N] on all ranks."""
        counts = torch.bincount(tokens, minlength=len(self.counts)).to(self.counts)
        sums = torch.zeros_like(self.sums).index_add_(0, tokens, latents)
        self.counts.lerp_(summed(counts), 1 - self.decay)
        self.sums.lerp_(summed(sums), 1 - self.decay)
        total = self.counts.sum()
        smoothed = (self.counts + SMOOTHING) / (total + len(self.counts) * SMOOTHING) * total
        self.codebook.copy_(self.sums / smoothed.unsqueeze(-1))

    def revive(self, latents: Tensor) -> int:
        """Move dead codes to distinct latents [N, C] of the batch, drawn alike on all ranks; says how many.

        Sum and count move with the code: a code written alone would be back at its old place a step later.
        """
        threshold = min(DEAD_BELOW, self.counts.mean().item() / 4)
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
