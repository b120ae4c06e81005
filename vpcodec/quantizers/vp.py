"""VP-VAE: training without a codebook; a random move stands in for quantization.

Training moves each latent vector about as far as its quantization error will be, and in such a way that
the distribution of the latents stays what it is (`perturbation.walk`). How far depends on a queue of earlier
latents: a code will serve M = rows / K of them, so the distance to the M-th nearest row is the radius.
Codebooks are fitted afterwards, by k-means on latents.

K enters training through M alone, so one network serves several K. Rate K looks at the newest
`rows_per_code * K` rows of the one queue: exactly those of a queue of its own.

Both densities of a move are measured on one fixed set of rows, so the balance holds exactly on a set that
is slightly old too. The set is therefore renewed (and its search tree built) only after the share `REFRESH`
of it has been pushed; the queue keeps as many rows longer, so that a resumed run finds the same set.

Source: Zhai et al., VP-VAE, arXiv 2602.17133, equations 3 to 11.   B batch, ... positions, C channels, N vectors
"""

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vpcodec.errors import ConfigError, ModelError
from vpcodec.quantizers.base import Noise, Quantized, Quantizer, moment_loss
from vpcodec.quantizers.codebook import default_channels, fit_centroids, nearest
from vpcodec.quantizers.perturbation import Neighbours, SampleQueue, walk
from vpcodec.quantizers.ranks import from_first, gathered, world_size

REFRESH = 0.1  # share of a set of rows that is pushed before the set is renewed
TURNOVER = 0.1  # share of the training in which the queue is renewed once
PUSH_SHARE = 0.01  # of the tokens that is pushed, at least; more where the turnover takes more
REACHES = (0.5, 0.6, 0.7, 0.85, 1.0, 1.2, 1.4, 1.7, 2.0)  # that calibration chooses between, and in between


class VP(Quantizer):
    """Vector perturbation.

    Args:
        rates: Codebook sizes K; training draws one a batch, each gets a codebook of its own.
        channels: Size C of the latents; `default_channels` of the highest rate by default.
        reach: Radius of the move as a multiple of D_M (the paper's eta).
        calibrate: Choose `reach` anew with every turn of the queue, so that the moves of all tokens, the rejected
            ones included, carry as much energy as real quantization errors; see `calibrated_reach`.
        moves: Metropolis-Hastings steps a token; the published method takes one.
        metropolis: Accept by the ratio above; False accepts every proposal (an ablation).
        density_rank: Neighbour k whose distance measures the density.
        rows_per_code: Rows that a rate looks at, for each of its codes; 16 C by default.
        search_share: Share of these rows that is searched, evenly spread. M shrinks alike.
        perturbed_tokens: At most so many tokens a step are moved, drawn at random; None for all.
        mean_weight: Weight of the squared mean of each channel in the loss.
        variance_weight: Weight of its squared distance from unit variance.
    """

    packages = ("faiss", "scipy")
    on_host = ("seen", "taken", "reach", "calibrated", "fitted")
    fitted: Tensor
    seen: Tensor
    taken: Tensor
    reach: Tensor
    calibrated: Tensor

    def __init__(
        self,
        rates: Sequence[int] = (256, 1024, 4096, 16384),
        channels: int | None = None,
        *,
        reach: float = 1.0,
        calibrate: bool = False,
        moves: int = 1,
        metropolis: bool = True,
        density_rank: int = 8,
        rows_per_code: int | None = None,
        search_share: float = 1.0,
        perturbed_tokens: int | None = None,
        mean_weight: float = 0.1,
        variance_weight: float = 0.07,
    ) -> None:
        super().__init__(rates, default_channels(max(rates, default=0)) if channels is None else channels)
        self.rows_per_code = 16 * self.channels if rows_per_code is None else rows_per_code
        if reach < 0 or moves < 1 or not 0 < search_share <= 1:
            raise ConfigError(
                "quantizer vp needs reach >= 0, moves >= 1 and search_share above 0 and at most 1, "
                f"got {reach}, {moves} and {search_share}"
            )
        if not 1 <= density_rank <= self.rows_per_code * search_share:
            raise ConfigError(
                f"quantizer.density_rank {density_rank} must lie between 1 and the rows searched for a code, "
                f"{self.rows_per_code * search_share:g}",
                hint="raise quantizer.rows_per_code or quantizer.search_share",
            )
        self.calibrate = calibrate
        self.moves = moves
        self.metropolis = metropolis
        self.density_rank = density_rank
        self.search_share = search_share
        self.perturbed_tokens = perturbed_tokens
        self.mean_weight = mean_weight
        self.variance_weight = variance_weight
        self.window = self.rates[-1] * self.rows_per_code  # of the highest rate, the longest
        self.queue = SampleQueue(self.window + int(REFRESH * self.window), self.channels)
        self.noise = Noise()
        self.register_buffer("seen", torch.zeros((), dtype=torch.float64))  # progress at the last push
        self.register_buffer("taken", torch.zeros(len(self.rates), dtype=torch.int64))  # `pushed` when last renewed
        self.register_buffer("reach", torch.tensor(float(reach)))
        self.register_buffer("calibrated", torch.tensor(0))  # `pushed` when the reach was last chosen
        self.register_buffer("fitted", torch.tensor(False))
        for rate in self.rates:
            self.register_buffer(f"codebook_{rate}", torch.zeros(rate, self.channels))
        self.searched: dict[int, tuple[int, Neighbours]] = {}  # by rate, with its `taken`; follows from `queue`

    @property
    def ready(self) -> bool:
        return bool(self.fitted)

    def vocabulary(self, rate: int | None = None) -> int:
        return self.checked_rate(rate)

    def codebook(self, rate: int | None = None) -> Tensor:
        """[K, C] float32. Raises ModelError before `finish`."""
        chosen = self.checked_rate(rate)
        if not self.ready:
            raise ModelError(
                f"this VP-VAE has no codebook for rate {chosen} yet",
                hint="it is fitted at the end of training, from latents of the training set",
            )
        codes: Tensor = getattr(self, f"codebook_{chosen}")
        return codes.float()

    def encode(self, latents: Tensor, rate: int | None = None) -> Tensor:
        return nearest(latents.float(), self.codebook(rate))

    def decode(self, tokens: Tensor, rate: int | None = None) -> Tensor:
        return self.codebook(rate)[tokens]

    def relax(self, latents: Tensor, progress: float, rate: int) -> Quantized:
        """Moved at random, the gradient passed on as if they were not; no tokens exist before `finish`."""
        loss = moment_loss(latents, 1.0, self.mean_weight, self.variance_weight)
        points = latents.detach().flatten(0, -2)
        if self.calibrate and int(self.queue.pushed) - int(self.calibrated) >= self.window:
            self.reach.fill_(self.calibrated_reach())
            self.calibrated.copy_(self.queue.pushed)
        moved, stats = self.perturb(points, rate)
        self.remember(points, progress)  # afterwards, or each vector would be a neighbour of its own
        return Quantized(latents + (moved - points).view_as(latents), None, loss, stats)

    @torch.no_grad()
    def perturb(self, points: Tensor, rate: int) -> tuple[Tensor, dict[str, Tensor]]:
        """Move [N, C] vectors as quantization at a rate will; returns them and figures for the log.

        The figures are counts of tokens (`warmup`: the queue is too short, `unperturbed`: beyond
        `perturbed_tokens` or not finite, `degenerate`: on duplicates, where the density has no estimate), shares of
        the proposals (`accepted`, `reversible`), and the mean `radius`.
        """
        names = ("warmup", "unperturbed", "degenerate", "accepted", "reversible", "radius")
        stats = dict.fromkeys(names, points.new_zeros(()))
        rows = self.rows_for(rate)
        if rows is None:
            return points, stats | {"warmup": points.new_full((), len(points))}
        if not len(points):
            return points, stats
        chosen, some = None, points
        if self.perturbed_tokens is not None and len(points) > self.perturbed_tokens:
            generator = self.noise.generator(points.device)
            chosen = torch.randperm(len(points), generator=generator, device=points.device)[: self.perturbed_tokens]
            some = points[chosen]
        finite = some.isfinite().all(-1)  # what is not is passed on as it is
        moved, seen = self.walk(torch.where(finite[:, None], some, 0.0), rows, rate, float(self.reach))
        moved = torch.where(finite[:, None], moved, some)
        stats |= seen | {"unperturbed": len(points) - finite.float().sum()}
        return moved if chosen is None else points.index_copy(0, chosen, moved), stats

    def walk(self, points: Tensor, rows: Neighbours, codes: int, reach: float) -> tuple[Tensor, dict[str, Tensor]]:
        """Move [N, C] vectors as so many codes fitted to the rows would."""
        ranks = (self.density_rank, math.ceil(len(rows.rows) / codes))
        return walk(points, rows, ranks, reach, self.noise, moves=self.moves, metropolis=self.metropolis)

    def rows_for(self, rate: int) -> Neighbours | None:
        """The rows that a rate looks at, renewed when they have grown old; None while they are too few."""
        place, longest = self.rates.index(rate), rate * self.rows_per_code
        pushed, taken = int(self.queue.pushed), int(self.taken[place])
        fewest = self.density_rank * rate  # with fewer, M would fall below k
        held = min(taken, longest)
        if pushed - taken > REFRESH * held or round(held * self.search_share) < fewest:
            taken, held = pushed, min(pushed, longest)
            self.taken[place] = taken
        searched = round(held * self.search_share)
        if searched < fewest:
            return None
        if rate not in self.searched or self.searched[rate][0] != taken:  # an average copies `taken` of the model
            rows = self.queue.newest(held, taken)
            spread = torch.arange(searched, device=rows.device) * held // searched
            self.searched[rate] = (taken, Neighbours(rows[spread]))
        return self.searched[rate][1]

    @torch.no_grad()
    def remember(self, points: Tensor, progress: float) -> None:
        """Push a random share of [N, C] vectors, the same rows on every rank.

        The share makes the queue turn over once in `TURNOVER` of the training: it lets the rows pushed keep pace
        with the progress, which starts anew where a training is extended. The rows are drawn on the CPU, so that
        their number is known there; vectors that are not finite are pushed as zeros.
        """
        due = self.window * (progress - float(self.seen)) / TURNOVER
        self.seen.fill_(progress)
        share = min(1.0, max(PUSH_SHARE, due / max(1, len(points) * world_size())))
        drawn = torch.rand(len(points), generator=self.noise.generator("cpu")) < share
        rows = points[drawn.nonzero().squeeze(-1).to(points.device, non_blocking=True)]
        self.queue.push(gathered(torch.where(rows.isfinite(), rows, 0.0)))

    @torch.no_grad()
    def calibrated_reach(self) -> float:
        """The reach whose moves are as large, in mean square, as quantization errors; the same on every rank.

        Measured on the queue with a small codebook (the lowest rate's, 256 codes at most). One vector in 8 is held
        out, moved and quantized, the others are the queue and train the codes.
        """
        codes = min(self.rates[0], 256)
        rows = self.queue.newest(codes * self.rows_per_code, int(self.queue.pushed))
        held_out = torch.arange(len(rows), device=rows.device) % 8 == 0
        points, others = rows[held_out], rows[~held_out]
        centroids = fit_centroids(others, codes)
        error = (points - centroids[nearest(points, centroids)]).square().sum(-1).mean()
        neighbors = Neighbours(others)
        walks = (self.walk(points, neighbors, codes, reach)[0] for reach in REACHES)
        energies = [float((moved - points).square().sum(-1).mean()) for moved in walks]
        matched = np.interp(float(error), np.maximum.accumulate(energies), REACHES)
        return float(from_first(points.new_tensor(matched)))

    @torch.no_grad()
    def finish(self, latents: Iterable[Tensor]) -> None:
        """Fit one codebook a rate by k-means and let the queue go."""
        none = self.queue.rows.new_zeros(0, self.channels)
        rows = gathered(torch.cat([none, *(batch.float().flatten(0, -2) for batch in latents)]))
        codebooks = [from_first(fit_centroids(rows, rate)) for rate in self.rates]
        for rate, codes in zip(self.rates, codebooks, strict=True):
            getattr(self, f"codebook_{rate}").copy_(codes)
        self.fitted.fill_(True)
        self.queue.release()
        self.seen.zero_()
        self.taken.zero_()
        self.calibrated.zero_()
        self.searched.clear()

    def unfinish(self) -> None:
        self.fitted.fill_(False)

    def training_state(self) -> set[str]:
        return super().training_state() | {"reach", "seen", "taken", "calibrated"}

    # What is searched is a function of the queue: it goes whenever that may change from outside.

    def _apply(self, *args: Any, **kwargs: Any) -> "VP":
        self.searched.clear()
        return super()._apply(*args, **kwargs)

    def _load_from_state_dict(self, *args: Any) -> None:
        self.searched.clear()
        super()._load_from_state_dict(*args)
