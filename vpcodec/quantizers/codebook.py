"""Quantizers whose codes are the rows of a table, the search for the nearest row, and k-means that makes rows.

    N n  positions        K  codes        C  latent channels        R  rows to fit codes to

The search must give one answer on every machine, for every chunking and wherever a position stands in its batch,
and must tell points apart that lie close together far from the origin. So distances are taken in float64 after
centring, and codes closer than float64 can tell apart count as a tie, which the lowest id wins. For float32
latents this is the exact nearest neighbour.
"""

import math
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from itertools import chain

import torch
from torch import Tensor
from torch.nn import functional

from vpcodec.errors import ConfigError, DataError
from vpcodec.quantizers.base import Quantized, Quantizer, only_rate, straight_through

TIE = 1e-13  # of the squared lengths involved: some hundred roundings of a float64 product
BLOCK = 128  # codes whose least distance is kept
CELLS = {"cpu": 2**19}  # distances held at a time: what a processor's cache takes
CELLS_ELSEWHERE = 2**24  # 128 MiB of a graphics card's memory

LATENTS_PER_CODE = 256  # k-means learns little from more

FIGURES = ("latent_std", "quantization_mse", "codes_in_batch")  # of a batch, for the training log


def nearest(latents: Tensor, codebook: Tensor) -> Tensor:
    """[..., C], [K, C] -> [...] int64, the id of the nearest row; the lowest one of a tie.

    Rough distances from all codes leave few blocks of codes that can hold the nearest one, nearly always a single
    block; its distances are then taken in float64. Rough means float32 in a graph for ONNX Runtime, where a float32
    product is one; in torch a setting elsewhere may lower its precision, so there all distances are exact at once.
    """
    rows = latents.detach().flatten(0, -2)
    rough = torch.float32 if torch.onnx.is_in_onnx_export() else torch.float64
    centre, codes, lengths = centred(codebook)
    size, channels = codes.shape
    longest = lengths.max()
    filled = -size % BLOCK  # places without a code, infinitely far
    codes, lengths = functional.pad(codes, (0, 0, 0, filled)), functional.pad(lengths, (0, filled), value=math.inf)
    blocks, block_lengths = codes.unflatten(0, (-1, BLOCK)), lengths.unflatten(0, (-1, BLOCK))
    doubt = TIE + 2 * (channels + 4) * torch.finfo(rough).eps  # roundings of one number times two numbers compared
    within = torch.arange(BLOCK, device=codebook.device)
    found = []
    for chunk in chunks(rows, size):
        points = chunk.double() - centre
        scale = points.square().sum(1, keepdim=True) + longest
        distances = torch.addmm(lengths.to(rough), points.to(rough), codes.to(rough).T, alpha=-2)
        least = distances.unflatten(1, (-1, BLOCK)).amin(2)
        limit = least.amin(1, keepdim=True) + (doubt * scale).to(rough)
        # Not "<=": a latent that is not a number is near every code, and gets the first.
        row, block = (~(least > limit)).nonzero().unbind(1)
        if rough == torch.float64:
            exact = distances.unflatten(1, (-1, BLOCK))[row, block]
        else:
            exact = block_lengths[block] - 2 * (blocks[block] @ points[row].unsqueeze(2)).flatten(1)
        limit = lowest(exact, row, len(points), math.inf)[:, None] + TIE * scale
        ids = torch.where(exact > limit[row], size, BLOCK * block[:, None] + within)
        found.append(lowest(ids, row, len(points), size))
    return torch.cat(found).view(latents.shape[:-1])


def lowest(numbers: Tensor, row: Tensor, rows: int, most: float) -> Tensor:
    """[P, M] numbers of the rows [P] -> [rows], the lowest number of each row, `most` at most."""
    start = numbers.new_full((rows,), most)
    return start.scatter_reduce(0, row, numbers.amin(1), "amin")


def distances_in_chunks(latents: Tensor, codebook: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Chunks of latents [n, C] of all [N, C] in bounded memory, each with its squared distances [n, K] from every code.

    The distances lack the squared length of the latent, which is the same for all codes. Both are float64, centred,
    and carry no gradient.
    """
    centre, codes, lengths = centred(codebook)
    for chunk in chunks(latents.detach(), len(codes)):
        points = chunk.double() - centre
        yield points, torch.addmm(lengths, points, codes.T, alpha=-2)


def centred(codebook: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """[K, C] -> its mean [C], the codes around it [K, C] and their squared lengths [K], in float64."""
    codes = codebook.detach().double()
    centre = codes.mean(0)
    codes = codes - centre
    return centre, codes, codes.square().sum(-1)


def chunks(rows: Tensor, codes: int) -> tuple[Tensor, ...]:
    """Rows in chunks whose distances from so many codes are not too many to hold."""
    cells = CELLS.get(rows.device.type, CELLS_ELSEWHERE)
    return torch.split(rows, max(1, cells // codes))


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
        self.frozen_codes: Tensor | None = None

    @abstractmethod
    def build(self) -> Tensor:
        """The codebook [K, C] float32 as it is now, with gradients to what it is made of."""

    def prepare(self, latents: Tensor) -> Tensor:
        """What is compared with the codes, for latents [..., C]."""
        return latents

    def unquantized(self, latents: Tensor, rate: int | None = None) -> Tensor:
        return self.prepare(latents.float())

    def vocabulary(self, rate: int | None = None) -> int:
        return self.checked_rate(rate)

    def codes(self) -> Tensor:
        """The codebook [K, C] without gradients, made from the weights as they are, unless they are frozen."""
        if self.frozen_codes is not None:
            return self.frozen_codes
        device = next(chain(self.parameters(), self.buffers())).device
        with torch.no_grad(), torch.autocast(device.type, enabled=False):
            return self.build().detach()

    def freeze(self) -> None:
        self.frozen_codes = self.codes()

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
            straight_through(prepared, codes),
            tokens,
            self.loss_weight * loss,
            statistics(prepared, codes, tokens, len(codebook)),
        )


def commitment(latents: Tensor, codes: Tensor) -> Tensor:
    """Mean squared distance of the latents from their codes, pulling at the latents only."""
    return (latents - codes.detach()).square().mean()


def statistics(latents: Tensor, codes: Tensor, tokens: Tensor, size: int) -> dict[str, Tensor]:
    """What the training log shows of a batch: `FIGURES`. The codebook has `size` codes."""
    used = torch.zeros(size, device=tokens.device).index_fill_(0, tokens.flatten(), 1.0)
    figures = (latents.detach().std(correction=0), commitment(latents, codes).detach(), used.sum())
    return dict(zip(FIGURES, figures, strict=True))


def fit_centroids(rows: Tensor, codes: int, *, seed: int = 0, iterations: int = 50) -> Tensor:
    """K-means by faiss: [R, C] -> [K, C] with a small mean squared distance from the rows; equal seeds, equal codes.

    Raises:
        DataError: There are fewer rows than codes, or some are not finite.
    """
    import faiss  # here: only training needs it

    if len(rows) < codes:
        raise DataError(f"{len(rows):,} latents are too few for {codes:,} codes", hint="fit on more of the data")
    exact = rows.detach().double().cpu()
    if not exact.isfinite().all():
        raise DataError("the latents to fit codes on are not all finite", hint="did the training diverge?")
    centre = exact.mean(0)
    spread = (exact - centre).square().mean().sqrt().clamp(min=torch.finfo(torch.float32).tiny)
    points = ((exact - centre) / spread).float().numpy()  # faiss subtracts large squares in float32
    threads = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)  # the number of threads decides how its sums are rounded
    try:
        kmeans = faiss.Kmeans(
            points.shape[1],
            codes,
            niter=iterations,
            init_method=faiss.ClusteringInitMethod_AFK_MC2,  # nearly k-means++, at a cost that K hardly raises
            seed=seed,
            min_points_per_centroid=1,
            max_points_per_centroid=LATENTS_PER_CODE,
        )
        kmeans.train(points)
    finally:
        faiss.omp_set_num_threads(threads)
    return (torch.from_numpy(kmeans.centroids).double() * spread + centre).to(rows)
