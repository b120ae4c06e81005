"""Codebooks that start as the k-means centres of the first latents they see.

A codebook drawn at random lies where no latent is; most of its rows are never nearest to anything and so never
learn. Starting from the data avoids it. The latents are gathered over the first training batches, which pass
through unquantized; evaluation never starts a codebook, it would be made from the test set.
"""

from collections.abc import Iterable, Sequence
from typing import ClassVar

import torch
from torch import Tensor

from vpcodec.errors import ConfigError, DataError, ModelError
from vpcodec.quantizers.base import Quantized
from vpcodec.quantizers.codebook import FIGURES, CodebookQuantizer, nearest
from vpcodec.quantizers.noise import Noise
from vpcodec.quantizers.ranks import from_first, gathered

STARTS = ("kmeans", "uniform")
ITERATIONS = 10  # of the k-means; training goes on from there


class SeededCodebook(CodebookQuantizer):
    """A table of codes with a start.

    Args:
        rates: One codebook size K.
        channels: Size C of the latents.
        beta: Weight of the commitment of the latents.
        start: "kmeans" on the first latents, or "uniform" on (-1/K, 1/K) as in the first implementations.
        start_tokens: Latents that the k-means waits for, over all ranks; 10 K by default.
    """

    figures: ClassVar[tuple[str, ...]] = FIGURES  # names of the log's figures, the same before and after the start
    codebook: Tensor  # made by the subclass, a parameter or a buffer
    started: Tensor

    def __init__(
        self,
        rates: Sequence[int],
        channels: int | None = None,
        *,
        beta: float = 0.25,
        start: str = "kmeans",
        start_tokens: int | None = None,
    ) -> None:
        super().__init__(rates, channels, beta=beta)
        if start not in STARTS:
            raise ConfigError(f"unknown quantizer.start {start!r}", hint=f"use {' or '.join(STARTS)}")
        self.start_tokens = 10 * self.rates[0] if start_tokens is None else start_tokens
        if self.start_tokens < self.rates[0]:
            raise ConfigError(f"quantizer.start_tokens must be {self.rates[0]} or more, got {self.start_tokens}")
        self.noise = Noise()
        self.register_buffer("started", torch.tensor(start == "uniform"))
        self.waiting = torch.empty(0, self.channels)  # latents [n, C] gathered so far

    @property
    def ready(self) -> bool:
        return bool(self.started)

    def first_codebook(self) -> Tensor:
        """[K, C], what the table holds before any latent was seen."""
        codes = self.rates[0]
        return torch.empty(codes, self.channels).uniform_(-1 / codes, 1 / codes)

    def build(self) -> Tensor:
        if not self.ready:
            raise ModelError(
                "the codebook of this model is not initialised yet",
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
        stats = dict.fromkeys(self.figures, 0.0) | {"latent_std": latents.detach().std(correction=0).item()}
        # The codebook takes part without effect: distributed training wants every parameter in the graph.
        return Quantized(latents, None, self.codebook.sum() * 0.0, stats)

    def wait(self, rows: Tensor) -> None:
        self.waiting = torch.cat([self.waiting.to(rows), rows])

    def begin(self) -> None:
        """Set the codes to the k-means centres of the latents that wait; the same on all ranks."""
        generator = self.noise.generator("cpu", same_on_all_ranks=True)
        rows = torch.unique(self.waiting, dim=0)  # silence, however long, gets one code
        order = torch.randperm(len(rows), generator=generator).to(rows.device)
        first = rows[order].repeat(-(-self.rates[0] // len(rows)), 1)[: self.rates[0]]
        with torch.no_grad():
            self.codebook.copy_(from_first(lloyd(rows, first, ITERATIONS)))
            self.started.fill_(True)
        self.waiting = self.waiting[:0].clone()
        self.held = None

    def finish(self, latents: Iterable[Tensor]) -> None:
        """Start the codebook of a run too short to have done so, the same on every rank.

        Args:
            latents: Batches [..., C]; under distributed training each rank may bring its own.

        Raises:
            DataError: The latents of all ranks, those gathered in training included, are fewer than K.
        """
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


def lloyd(rows: Tensor, centres: Tensor, iterations: int) -> Tensor:
    """Steps of k-means from given centres; one that loses all its rows moves to the row farthest from its own.

    A few steps on the device at hand, for latents of any width: enough to start from. `kmeans.fit_centroids`
    finds better centres, where no training comes after.

    Args:
        rows: [R, C].
        centres: [K, C].
        iterations: Number of steps.
    """
    for _ in range(iterations):
        ids = nearest(rows, centres)
        counts = torch.bincount(ids, minlength=len(centres))
        distances = (rows - centres[ids]).square().sum(-1)
        centres = torch.zeros_like(centres).index_add_(0, ids, rows) / counts.clamp(min=1).unsqueeze(-1)
        empty = (counts == 0).nonzero().squeeze(-1)
        farthest = rows[distances.argsort(descending=True, stable=True)[: len(empty)]]
        centres[empty[: len(farthest)]] = farthest
    return centres
