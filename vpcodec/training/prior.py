"""Makes the prior of a model from its tokens: a small network learns sums, and what it says of each bin becomes a row.

    digits of neighbors ─┐                                     ┌─ training: a hidden layer ─ probabilities
    digits before ───────┴─ fields, summed, from -1 to 1 ──────┤
                                                               └─ coding: bins ─ a row of integer weights

In training the sums get uniform noise as wide as a bin, so that they do well after binning. Then the tables are rounded
to bytes, and the training tokens are counted in the bins where those bytes put them.

Floating-point numbers may differ between machines, so a prior is made once and shipped; coding sees integers only.
T tokens, N neighbors, D digits, r radix of a digit, F fields, P number of values that the digits before can make
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from vpcodec.container.prior import LARGEST_SUM, Bytes, Prior, Scale, parts_of
from vpcodec.container.rans import TOTAL
from vpcodec.container.tabled import Lookups, tokens_around
from vpcodec.training.code_order import digits_for

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

BATCH = 1024
CHUNK = 1 << 16  # tokens whose sums are held at once
HIDDEN = 64
PEAK_RATE = 1e-2  # of Adam
PART_SHARE = 0.3  # of that rate, for the many rows that are seen seldom
TRUST = 30.0  # tokens in a bin that count as much as the network's word


def train_prior(
    frames: Sequence[Ints],
    levels: Sequence[int],
    kind: str,
    *,
    neighbors: int = 5,
    bins: Sequence[int] = (8, 6, 5, 5),
    passes: float = 2.0,
    seed: int = 0,
    codes: NDArray[np.floating] | None = None,
) -> bytes:
    """A prior for tokens like these.

    Args:
        frames: [rows, columns] int64 each: windows of speech, tiles of images.
        levels: Radices of a token.
        kind: "speech" or "image".
        neighbors: How many tokens before a token are looked at.
        bins: Of each field, four fields at most; their product is the number of rows of weights for a digit.
        passes: How often each token is seen.
        seed: Of the order in which they are, of the first weights and of the noise.
        codes: [K, C] the codebook, where there is one; without it the tokens tell which codes are alike.

    Returns:
        The prior's bytes, to be given to `Writer` and `Reader`.
    """
    radices, order = digits_for(levels, frames, codes, np.random.default_rng(seed))
    prior = blank(kind, math.prod(levels), radices, order, neighbors, tuple(bins))
    lookups = Lookups(prior)
    near = np.concatenate([tokens_around(frame, lookups) for frame in frames])
    digits = lookups.digits(np.concatenate([frame.reshape(-1) for frame in frames]))
    before = np.cumsum(digits * lookups.places, axis=1) - digits * lookups.places
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = Network(prior)
        examples = torch.from_numpy(near), torch.from_numpy(before), torch.from_numpy(digits)
        fit(network, *examples, steps=max(1, int(passes * len(near)) // BATCH))
    prior = with_tables(prior, network)
    lookups = Lookups(prior)
    weights = []
    for digit, (radix, chances) in enumerate(zip(radices, network.chances_of_bins(), strict=True)):
        rows = np.concatenate(list(rows_of(near, before[:, digit], digit, lookups)))
        counts = np.bincount(rows * radix + digits[:, digit], minlength=len(chances) * radix).reshape(-1, radix)
        weights.append(as_weights(counts + TRUST * chances[:, :radix]))
    return replace(prior, weights=tuple(weights)).to_bytes()


def rows_of(near: Ints, before: Ints, digit: int, lookups: Lookups) -> Iterator[Ints]:
    """Tokens around [T, N], number that the digits before make [T] -> row of weights [T], some tokens at a time."""
    for start in range(0, len(near), CHUNK):
        chunk = slice(start, start + CHUNK)
        yield lookups.rows(digit, lookups.sums(near[chunk])[:, digit], before[chunk])


class Network(nn.Module):
    """What learns all digits at once.

    Args:
        prior: Tells kind, digits, neighbors and bins; its tables are not used.
    """

    def __init__(self, prior: Prior) -> None:
        super().__init__()
        lookups = Lookups(prior)
        self.radices, self.neighbors = prior.radices, len(prior.around)
        self.bins = torch.tensor([scale.bins for scale in prior.scales[0]])
        digits, fields = len(self.radices), len(self.bins)
        # What a neighbor adds has a row for each of its digits, and one for each of its parts.
        numbers = np.concatenate([lookups.digits(np.arange(prior.vocabulary)), [self.radices]])
        self.digit_sizes = [radix + 1 for radix in self.radices]
        self.part_sizes = [len(table) for table in prior.around[0]]
        self.digit_rows = blocks(numbers, self.digit_sizes, self.neighbors)
        self.part_rows = blocks(lookups.part_numbers(), self.part_sizes, self.neighbors)
        self.before_sizes = [math.prod(self.radices[:digit]) for digit in range(digits)]
        self.starts = torch.tensor(np.cumsum([0, *self.before_sizes[:-1]]))
        width = digits * fields
        self.of_digits = nn.Parameter(0.1 * torch.randn(self.neighbors * sum(self.digit_sizes), width))
        self.of_parts = nn.Parameter(torch.zeros(self.neighbors * sum(self.part_sizes), width))
        self.earlier = nn.Parameter(0.1 * torch.randn(sum(self.before_sizes), fields))
        self.hidden = nn.Parameter(1.5 * torch.randn(digits, fields, HIDDEN))
        self.offset = nn.Parameter(0.5 * torch.randn(digits, 1, HIDDEN))
        self.scores = nn.Parameter(0.05 * torch.randn(digits, HIDDEN, max(self.radices)))
        absent = torch.arange(max(self.radices)) >= torch.tensor(self.radices)[:, None]
        self.usual = nn.Parameter(torch.zeros(digits, 1, max(self.radices)))
        self.absent = torch.where(absent, -torch.inf, 0.0)[:, None]

    def forward(self, near: Tensor, before: Tensor) -> Tensor:
        """Tokens around [T, N], number that the digits before each digit make [T, D] -> scores [D, T, largest r]."""
        places = torch.arange(self.neighbors)
        sums = nn.functional.embedding_bag(self.digit_rows[places, near].flatten(1), self.of_digits, mode="sum")
        sums = sums + nn.functional.embedding_bag(self.part_rows[places, near].flatten(1), self.of_parts, mode="sum")
        sums = sums.unflatten(1, (len(self.radices), -1)) + self.earlier[before + self.starts]
        sums = sums + (torch.rand_like(sums) - 0.5) * (2 / self.bins)
        if sums.requires_grad:  # what is clipped may only come back
            sums.register_hook(lambda slope: slope * ((sums.abs() < 1) | (sums * slope > 0)))
        return self.scores_of((sums + (sums.clamp(-1, 1) - sums).detach()).transpose(0, 1))

    def scores_of(self, fields: Tensor) -> Tensor:
        """[D, T, F] from -1 to 1 -> [D, T, largest r], -inf beyond the radix of a digit."""
        return (fields @ self.hidden + self.offset).relu() @ self.scores + self.usual + self.absent

    @torch.no_grad()
    def chances_of_bins(self) -> Floats:
        """[D, product of the bins, largest r] probabilities in the middle of each, first field fastest."""
        bins = torch.cartesian_prod(*map(torch.arange, self.bins.flip(0).tolist())).reshape(-1, len(self.bins)).flip(1)
        fields = (bins + 0.5) / self.bins * 2 - 1
        return self.scores_of(fields.expand(len(self.radices), -1, -1)).softmax(-1).double().numpy()

    @torch.no_grad()
    def tables(self) -> tuple[list[Floats], list[Floats]]:
        """For each part of each neighbor [R + 1, D, F] what it and its digits add; for each digit [P, F]."""
        parts = self.of_parts.split(self.part_sizes * self.neighbors)
        digits = iter(self.of_digits.split(self.digit_sizes * self.neighbors))
        around = []
        for place, table in enumerate(parts):
            table, size = table.clone(), 1
            for radix in self.radices[parts_of(self.radices)[place % len(self.part_sizes)]]:
                rows = next(digits)
                table[:-1] += rows[torch.arange(len(table) - 1) // size % radix]
                table[-1] += rows[-1]
                size *= radix
            around.append(table.unflatten(1, (len(self.radices), -1)).double().numpy())
        return around, [table.double().numpy() for table in self.earlier.split(self.before_sizes)]


def fit(network: Network, near: Tensor, before: Tensor, digits: Tensor, steps: int) -> None:
    """Train a network on tokens around [T, N], numbers of the digits before [T, D], and digits [T, D]."""
    own = [parameter for name, parameter in network.named_parameters() if name != "of_parts"]
    adam = torch.optim.Adam([{"params": own, "share": 1.0}, {"params": [network.of_parts], "share": PART_SHARE}])
    for step in range(steps):
        chosen = torch.randint(len(near), (BATCH,))
        scores = network(near[chosen], before[chosen]).flatten(0, 1)
        adam.zero_grad()
        (len(network.radices) * nn.functional.cross_entropy(scores, digits[chosen].T.flatten())).backward()
        done = step / steps
        for group in adam.param_groups:
            group["lr"] = group["share"] * PEAK_RATE * min(20 * done + 0.01, 1 - done)
        adam.step()


def with_tables(prior: Prior, network: Network) -> Prior:
    """The prior with what a network learned, rounded to bytes; its weights stay as they are."""
    around, earlier = network.tables()
    rounded = [np.zeros(table.shape, np.uint8) for table in around]
    before = [np.zeros(table.shape, np.uint8) for table in earlier]
    scales: list[list[Scale]] = [[] for _ in network.radices]
    for digit, of_digit in enumerate(scales):
        for field, bins in enumerate(network.bins.tolist()):
            sources = [table[:, digit, field] for table in around] + [earlier[digit][:, field]]
            tables, scale = as_bytes(sources, bins)
            of_digit.append(scale)
            before[digit][:, field] = tables.pop()
            for table, column in zip(rounded, tables, strict=True):
                table[:, digit, field] = column
    parts = len(network.part_sizes)
    groups = tuple(tuple(rounded[start : start + parts]) for start in range(0, len(rounded), parts))
    return replace(prior, around=groups, earlier=tuple(before), scales=tuple(map(tuple, scales)))


def as_bytes(sources: Sequence[Floats], bins: int) -> tuple[list[Bytes], Scale]:
    """One field of each source, in steps as fine as sums of bytes allow."""
    for steps in (*range(LARGEST_SUM, 0, -1), *(0.5**power for power in range(1, 40))):
        whole = [np.rint(source * (bins * steps / 2)).astype(np.int64) for source in sources]
        lowest = [int(table.min()) for table in whole]
        base = -math.floor(bins * steps / 2) - sum(lowest)
        lowest[-1] += min(base, 0)
        tables = [table - low for table, low in zip(whole, lowest, strict=True)]
        if sum(int(table.max()) for table in tables) <= LARGEST_SUM:
            break
    scale = Scale(bins, max(1, int(steps)), min(max(base, 0), LARGEST_SUM))
    return [table.astype(np.uint8) for table in tables], scale


def as_weights(counts: Floats) -> Ints:
    """Integer weights in the proportions of counts [rows, r]."""
    chances = counts / counts.sum(axis=1, keepdims=True)
    weights = np.floor(chances * (TOTAL - counts.shape[1])).astype(np.int64) + 1
    weights[np.arange(len(weights)), weights.argmax(axis=1)] += TOTAL - weights.sum(axis=1)
    return weights


def blocks(numbers: Ints, sizes: Sequence[int], count: int) -> Tensor:
    """Where rows lie if there is a block for each column of numbers, and all blocks again for each of some neighbors.

    Args:
        numbers: [K + 1, n] row within the block of each column.
        sizes: [n] rows of each block.
        count: How many neighbors.

    Returns:
        [count, K + 1, n] rows.
    """
    starts = np.cumsum([0, *sizes])
    return torch.from_numpy(numbers + starts[:-1] + np.arange(count)[:, None, None] * starts[-1])


def blank(
    kind: str, vocabulary: int, radices: tuple[int, ...], order: Ints | None, neighbors: int, bins: tuple[int, ...]
) -> Prior:
    """A prior that knows nothing yet."""
    count, fields = len(radices), len(bins)
    sizes = [math.prod(radices[part]) + 1 for part in parts_of(radices)]
    return Prior(
        kind,
        vocabulary,
        radices,
        order,
        scales=(tuple(Scale(number, 1, 0) for number in bins),) * count,
        around=(tuple(np.zeros((size, count, fields), np.uint8) for size in sizes),) * neighbors,
        earlier=tuple(np.zeros((math.prod(radices[:digit]), fields), np.uint8) for digit in range(count)),
        weights=tuple(as_weights(np.ones((math.prod(bins), radix))) for radix in radices),
    )
