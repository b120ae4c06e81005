"""Quantizers whose codes are the rows of a table, and the search for the nearest row.

    N n  positions        K  codes        C  latent channels

The search must give one answer on every machine, for every chunking and wherever a position stands in its batch,
and must tell points apart that lie close together far from the origin. So distances are taken in float64 after
centring, and codes closer than float64 can tell apart count as a tie, which the lowest id wins. For float32
latents this is the exact nearest neighbour.
"""

import math
from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from typing import Any, Self

import torch
from torch import Tensor
from torch.nn import functional

from vpcodec.errors import ConfigError
from vpcodec.quantizers.base import Quantized, Quantizer, only_rate, straight_through

TIE = 1e-13  # of the squared lengths involved: some hundred roundings of a float64 product
BLOCK = 128  # codes whose least distance is kept
CELLS = {"cpu": 2**19}  # distances held at a time: what a processor's cache takes
CELLS_ELSEWHERE = 2**24  # 128 MiB of a graphics card's memory

FIGURES = ("latent_std", "quantization_mse", "codes_in_batch")  # of a batch, for the training log


def nearest(latents: Tensor, codebook: Tensor) -> Tensor:
    """[..., C], [K, C] -> [...] int64, the id of the nearest row; the lowest one of a tie.

    First the block of codes that holds it is found, by the least distance of every block, then the code in it.
    """
    filled = -len(codebook) % BLOCK  # positions without a code, infinitely far
    within = torch.arange(BLOCK, device=codebook.device)
    found = []
    for centred, distances, longest in distances_in_chunks(latents.flatten(0, -2), codebook):
        if filled:
            distances = functional.pad(distances, (0, filled), value=math.inf)
        least = distances.unflatten(1, (-1, BLOCK)).amin(2)
        limit = least.amin(1, keepdim=True) + TIE * (centred.square().sum(1, keepdim=True) + longest)
        codes = BLOCK * first(least <= limit)[:, None] + within
        place = first(distances.gather(1, codes) <= limit)
        found.append(codes.gather(1, place[:, None]).squeeze(1))
    return torch.cat(found).view(latents.shape[:-1])


def first(truths: Tensor) -> Tensor:
    """[N, M] -> [N], the place of the first one that is true; 0 where none is."""
    return truths.to(torch.uint8).argmax(1)


def distances_in_chunks(latents: Tensor, codebook: Tensor) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Walk over the latents in chunks of bounded memory.

    Args:
        latents: [N, C].
        codebook: [K, C].

    Yields:
        Centred latents [n, C]; their squared distances from every code, without the squared length of the latent
        itself, which is the same for all, [n, K]; and the largest squared length of a centred code. All are float64
        and carry no gradient.
    """
    codes = codebook.detach().double()
    centre = codes.mean(0)
    codes = codes - centre
    lengths = codes.square().sum(-1)
    longest = lengths.max()
    cells = CELLS.get(codebook.device.type, CELLS_ELSEWHERE)
    for chunk in torch.split(latents.detach(), max(1, cells // len(codes))):
        centred = chunk.double() - centre
        yield centred, torch.addmm(lengths, centred, codes.T, alpha=-2), longest


def default_channels(codes: int) -> int:
    """Latent channels for a codebook size: as many as the scalar methods use (VP-VAE, appendix A.1)."""
    return 3 if codes <= 256 else 4 if codes <= 1024 else 5


class CodebookQuantizer(Quantizer):
    """Nearest-row lookup, the gradient copied past it.

    In training a latent z is replaced by its code q, and the loss draws the two together:
    `loss_weight * (mean((sg z - q)^2) + beta * mean((z - sg q)^2))`, sg stopping the gradient (van den Oord et
    al., Neural Discrete Representation Learning, arXiv 1711.00937, equation 3, with means for sums). Both terms
    see the codes themselves, before the gradient is copied past them.

    Args:
        rates: One codebook size K.
        channels: Size C of the latents; `default_channels` by default.
        beta: Weight of the commitment of the latents, beside 1 for the codes.
        loss_weight: Weight of the whole loss.
    """

    def __init__(
        self, rates: Sequence[int], channels: int | None = None, *, beta: float = 0.25, loss_weight: float = 1.0
    ) -> None:
        codes = only_rate(rates)
        super().__init__((codes,), default_channels(codes) if channels is None else channels)
        if beta < 0 or loss_weight < 0:
            raise ConfigError(f"quantizer.beta and loss_weight must not be negative, got {beta} and {loss_weight}")
        self.beta = beta
        self.loss_weight = loss_weight
        self.held: Tensor | None = None

    @abstractmethod
    def build(self) -> Tensor:
        """The codebook [K, C] float32 as it is now, with gradients to what it is made of."""

    def prepare(self, latents: Tensor) -> Tensor:
        """What is compared with the codes, for latents [..., C]."""
        return latents

    def vocabulary(self, rate: int | None = None) -> int:
        return self.checked_rate(rate)

    def codes(self) -> Tensor:
        """The codebook [K, C] without gradients; computed once for as long as evaluation lasts."""
        if self.held is not None:
            return self.held
        device = next(chain(self.parameters(), self.buffers())).device
        with torch.no_grad(), torch.autocast(device.type, enabled=False):
            codes = self.build().detach()
        if not self.training:
            self.held = codes
        return codes

    def encode(self, latents: Tensor, rate: int | None = None) -> Tensor:
        self.checked_rate(rate)
        return nearest(self.prepare(latents.float()), self.codes())

    def decode(self, tokens: Tensor, rate: int | None = None) -> Tensor:
        self.checked_rate(rate)
        return functional.embedding(tokens, self.codes())

    def relax(self, latents: Tensor, progress: float, rate: int) -> Quantized:
        return self.quantize(latents, progress)

    def quantize(self, latents: Tensor, progress: float) -> Quantized:
        """`relax` once there is a codebook."""
        prepared = self.prepare(latents)
        codebook = self.build()
        tokens = nearest(prepared, codebook)
        codes = functional.embedding(tokens, codebook)
        loss = (prepared.detach() - codes).square().mean() + self.beta * commitment(prepared, codes)
        return Quantized(
            straight_through(prepared, codes), tokens, self.loss_weight * loss, statistics(prepared, codes, tokens)
        )

    # What is held is a function of the weights: it goes whenever they may change.

    def train(self, mode: bool = True) -> Self:
        self.held = None
        return super().train(mode)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        self.held = None
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        return self

    def _load_from_state_dict(self, *args: Any) -> None:
        self.held = None
        super()._load_from_state_dict(*args)


def commitment(latents: Tensor, codes: Tensor) -> Tensor:
    """Mean squared distance of the latents from their codes, pulling at the latents only."""
    return (latents - codes.detach()).square().mean()


def statistics(latents: Tensor, codes: Tensor, tokens: Tensor) -> dict[str, float]:
    """What the training log shows of a batch: `FIGURES`."""
    spread = latents.detach().std(correction=0).item()
    return dict(
        zip(FIGURES, (spread, commitment(latents, codes).item(), float(len(torch.unique(tokens)))), strict=True)
    )
