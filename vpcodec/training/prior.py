"""Makes the prior of a model from its tokens: a small network learns sums, and what it says of each bin becomes a row.

    digits of neighbors ─┐                                     ┌─ training: a hidden layer ─ probabilities
    digits before ───────┴─ fields, summed, from -1 to 1 ──────┤
                                                               └─ coding: bins ─ a row of integer weights

In training the sums get uniform noise as wide as a bin, so that they do well after binning. Then the tables are rounded
to bytes, and the training tokens are counted in the bins where those bytes put them.

The ids of a codebook tell nothing, so `order_codes` gives its codes digits: codes are split in two along the direction
in which they differ most, each half again, and so on. The halves are the bits of a number, a few of which make a digit.
What is alike is told by the codes or, where only tokens are at hand, by the tokens around each code.

Floating-point numbers may differ between machines, so a prior is made once and shipped; coding sees integers only.
T tokens, N neighbors, D digits, r radix of a digit, R number of values that the digits of a part can make, K codes,
F fields of a sum, or features of a code
"""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from vpcodec.container.prior import LARGEST_PREFIX, LARGEST_SUM, TOTAL, Bytes, Digits, Prior, Scale
from vpcodec.container.tabled import Lookups, filled_grid, products

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Codebooks = Sequence[NDArray[np.floating]] | None

FEATURES = 16
LARGEST_DIGIT = 4  # bits
LARGEST_LEVEL = 64  # of a scalar method; larger ones are codebooks
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
    codebooks: Codebooks = None,
) -> bytes:
    """The bytes of a prior for tokens like these, to be given to `Writer` and `Reader`.

    Args:
        frames: [rows, columns] int64 each: windows of speech, tiles of images.
        levels: Radices of a token: of the digits of a scalar method, or of the codes a position.
        kind: "speech" or "image".
        neighbors: How many tokens before a token are looked at.
        bins: Of each field, four fields at most; their product is the number of rows of weights for a digit.
        passes: How often each token is seen.
        seed: Of the order in which they are, of the first weights and of the noise.
        codebooks: For each code a position [K, C] its codebook; without them the tokens tell which codes are alike.
    """
    digits, orders = digits_for(levels, frames, codebooks, np.random.default_rng(seed))
    prior = blank(kind, digits, orders, neighbors, tuple(bins))
    examples = examples_of(frames, Lookups(prior))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = Network(prior)
        fit(network, examples, steps=max(1, int(passes * len(examples.digits)) // BATCH))
    prior = with_tables(prior, network)
    lookups = Lookups(prior)
    below = []
    for digit, (radix, chances) in enumerate(zip(digits.flat, network.chances_of_bins(), strict=True)):
        counts = TRUST * chances[:, :radix]
        for start in range(0, len(examples.digits), CHUNK):
            chunk = Examples(*(part[start : start + CHUNK] for part in examples))
            sums = lookups.sums([chunk.near[..., part] for part in range(chunk.near.shape[-1])])
            rows = lookups.rows(digit, sums[:, digit], chunk.before[:, digit], chunk.parts)
            found = np.bincount(rows * radix + chunk.digits[:, digit], minlength=counts.size)
            counts = counts + found.reshape(counts.shape)
        weights = as_weights(counts)
        below.append((weights.cumsum(axis=1) - weights).astype(np.uint16))
    return prior._replace(below=tuple(below)).to_bytes()


class Examples(NamedTuple):
    """What each digit is learned from, int32."""

    near: NDArray[Any]  # [T, N, parts] numbers of the parts of the tokens around, R where there is none
    digits: NDArray[Any]  # [T, D]
    before: NDArray[Any]  # [T, D] the number that the digits of the same code before each digit make
    parts: NDArray[Any]  # [T, parts] numbers of the token's own parts


def examples_of(frames: Sequence[Ints], lookups: Lookups) -> Examples:
    """All tokens of frames."""
    found = []
    for frame in frames:
        filled, numbers, parts = filled_grid(frame, lookups)
        digits = lookups.digits(numbers)
        owners = lookups.prior.digits.places()
        before = [digits[:, own] @ lookups.digit_places[own] for _, own in owners]
        found.append((np.stack(filled.around(), axis=-1), digits, np.stack(before, axis=1), parts))
    return Examples(*(np.concatenate(column, dtype=np.int32) for column in zip(*found, strict=True)))


class Network(nn.Module):
    """What learns all digits at once. A prior tells kind, digits, neighbors and bins; its tables are not used."""

    def __init__(self, prior: Prior) -> None:
        super().__init__()
        self.layout, self.neighbors = prior.digits, len(prior.around)
        self.radices = prior.digits.flat
        self.bins = torch.tensor([scale.bins for scale in prior.scales[0]])
        digits, fields = len(self.radices), len(self.bins)
        # What a neighbor adds has a row for each number of its parts, and one for each of its digits.
        self.part_sizes = [size + 1 for size in prior.digits.part_sizes()]
        self.digit_sizes = [radix + 1 for radix in self.radices]
        self.digit_numbers = [torch.from_numpy(numbers) for numbers in numbers_of_digits(prior.digits)]
        # What the digits before add has a row for each number that those of the same code make, and of parts before.
        earlier = list(enumerate(prior.digits.earlier_sizes()))
        self.before_sizes = [size for _, sizes in earlier for size in sizes]
        self.before_starts = torch.tensor(np.cumsum([0, *self.before_sizes[:-1]]))
        columns = [(digit, *range(digits, digits + len(sizes) - 1)) for digit, sizes in earlier]
        self.before_columns = torch.tensor([column for group in columns for column in group])
        self.owners = torch.tensor([digit for digit, sizes in earlier for _ in sizes])
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

    def forward(self, near: Tensor, before: Tensor, parts: Tensor) -> Tensor:
        """What `Examples` holds -> scores [D, T, largest r]."""
        digits = torch.cat([numbers[near[..., part]] for part, numbers in enumerate(self.digit_numbers)], dim=-1)
        sums = nn.functional.embedding_bag(self.blocks(digits, self.digit_sizes), self.of_digits, mode="sum")
        sums = sums + nn.functional.embedding_bag(self.blocks(near, self.part_sizes), self.of_parts, mode="sum")
        rows = torch.cat([before, parts], dim=1)[:, self.before_columns] + self.before_starts
        sums = sums.unflatten(1, (len(self.radices), -1)).index_add(1, self.owners, self.earlier[rows])
        sums = sums + (torch.rand_like(sums) - 0.5) * (2 / self.bins)
        if sums.requires_grad:  # what is clipped may only come back
            sums.register_hook(lambda slope: slope * ((sums.abs() < 1) | (sums * slope > 0)))
        return self.scores_of((sums + (sums.clamp(-1, 1) - sums).detach()).transpose(0, 1))

    def blocks(self, numbers: Tensor, sizes: Sequence[int]) -> Tensor:
        """[T, N, n] numbers -> [T, N * n] rows; for each neighbor there is a block of rows for each of n."""
        first = torch.tensor(np.cumsum([0, *sizes[:-1]])) + torch.arange(self.neighbors)[:, None] * sum(sizes)
        return (numbers + first).flatten(1)

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
    def tables(self) -> tuple[list[Floats], list[list[Floats]]]:
        """For each part of each neighbor [R + 1, D, F] what it adds; for each digit what those before it add."""
        parts = iter(self.of_parts.split(self.part_sizes * self.neighbors))
        digits = iter(self.of_digits.split(self.digit_sizes * self.neighbors))
        around = []
        for _ in range(self.neighbors):
            for numbers in self.digit_numbers:
                table = next(parts).clone()
                for column in numbers.T:
                    table += next(digits)[column]
                around.append(table.unflatten(1, (len(self.radices), -1)).double().numpy())
        earlier = iter(self.earlier.split(self.before_sizes))
        return around, [[next(earlier).double().numpy() for _ in sizes] for sizes in self.layout.earlier_sizes()]


def numbers_of_digits(digits: Digits) -> list[Ints]:
    """For each part [R + 1, its digits] the digits that its numbers have; r each where there is no token."""
    found = []
    for _, part in digits.parts():
        radices = digits.flat[part]
        *places, size = products(radices)
        found.append(np.concatenate([np.arange(size)[:, None] // places % radices, [radices]]))
    return found


def fit(network: Network, examples: Examples, steps: int) -> None:
    """Train a network."""
    near, digits, before, parts = map(torch.from_numpy, examples)
    own = [parameter for name, parameter in network.named_parameters() if name != "of_parts"]
    adam = torch.optim.Adam([{"params": own, "share": 1.0}, {"params": [network.of_parts], "share": PART_SHARE}])
    for step in range(steps):
        chosen = torch.randint(len(near), (BATCH,))
        scores = network(near[chosen].long(), before[chosen].long(), parts[chosen].long()).flatten(0, 1)
        adam.zero_grad()
        (len(network.radices) * nn.functional.cross_entropy(scores, digits[chosen].long().T.flatten())).backward()
        done = step / steps
        for group in adam.param_groups:
            group["lr"] = group["share"] * PEAK_RATE * min(20 * done + 0.01, 1 - done)
        adam.step()


def with_tables(prior: Prior, network: Network) -> Prior:
    """The prior with what a network learned, rounded to bytes; its weights stay as they are."""
    around, earlier = network.tables()
    rounded = [np.zeros(table.shape, np.uint8) for table in around]
    before = [[np.zeros(table.shape, np.uint8) for table in tables] for tables in earlier]
    scales: list[list[Scale]] = [[] for _ in network.radices]
    for digit, of_digit in enumerate(scales):
        for field, bins in enumerate(network.bins.tolist()):
            targets = [table[:, digit, field] for table in rounded] + [table[:, field] for table in before[digit]]
            sources = [table[:, digit, field] for table in around] + [table[:, field] for table in earlier[digit]]
            tables, scale = as_bytes(sources, bins)
            of_digit.append(scale)
            for target, table in zip(targets, tables, strict=True):
                target[:] = table
    parts = len(network.part_sizes)
    groups = tuple(tuple(rounded[start : start + parts]) for start in range(0, len(rounded), parts))
    return prior._replace(around=groups, earlier=tuple(map(tuple, before)), scales=tuple(map(tuple, scales)))


def as_bytes(sources: Sequence[Floats], bins: int) -> tuple[list[Bytes], Scale]:
    """One field of each source, in steps as fine as sums of bytes allow."""
    ends = np.array([(source.min(), source.max()) for source in sources])
    for steps in (*range(LARGEST_SUM, 0, -1), *(0.5**power for power in range(1, 40))):
        lowest, highest = np.rint(ends * (bins * steps / 2)).astype(np.int64).T
        base = -math.floor(bins * steps / 2) - int(lowest.sum())
        lowest[-1] += min(base, 0)
        if (highest - lowest).sum() <= LARGEST_SUM:
            break
    scale = Scale(bins, max(1, int(steps)), min(max(base, 0), LARGEST_SUM))
    whole = [np.rint(source * (bins * steps / 2)).astype(np.int64) for source in sources]
    return [(table - low).astype(np.uint8) for table, low in zip(whole, lowest, strict=True)], scale


def as_weights(counts: Floats) -> Ints:
    """Integer weights in the proportions of counts [rows, r]."""
    chances = counts / counts.sum(axis=1, keepdims=True)
    weights = np.floor(chances * (TOTAL - counts.shape[1])).astype(np.int64) + 1
    weights[np.arange(len(weights)), weights.argmax(axis=1)] += TOTAL - weights.sum(axis=1)
    return weights


def blank(kind: str, digits: Digits, orders: tuple[Ints | None, ...], neighbors: int, bins: tuple[int, ...]) -> Prior:
    """A prior that knows nothing yet."""
    count, fields = len(digits.flat), len(bins)
    tables = tuple(np.zeros((size + 1, count, fields), np.uint8) for size in digits.part_sizes())
    return Prior(
        kind,
        digits,
        orders,
        scales=(tuple(Scale(number, 1, 0) for number in bins),) * count,
        around=(tables,) * neighbors,
        earlier=tuple(tuple(np.zeros((size, fields), np.uint8) for size in sizes) for sizes in digits.earlier_sizes()),
        below=tuple(np.zeros((math.prod(bins), radix), np.uint16) for radix in digits.flat),
    )


def digits_for(
    levels: Sequence[int], frames: Sequence[Ints], codebooks: Codebooks, random: np.random.Generator
) -> tuple[Digits, tuple[Ints | None, ...]]:
    """The digits of tokens, and for each code the number of each of its ids where that is not the id itself.

    The levels of a scalar method are its digits, others are codes. For the arguments see `train_prior`.
    """
    if max(levels) <= LARGEST_LEVEL:
        groups: list[tuple[int, ...]] = [()]
        for level in levels:
            if math.prod(groups[-1]) * level > LARGEST_PREFIX:
                groups.append(())
            groups[-1] += (level,)
        return Digits(tuple(map(math.prod, groups)), tuple(groups)), (None,) * len(groups)
    radices, orders, place = [], [], 1
    for code, size in enumerate(levels):
        bits = digit_bits(size)
        if codebooks is None:
            features = surroundings([frame // place % size for frame in frames], size, random)
        else:
            features = principal(codebooks[code].astype(np.float64))
        radices.append(tuple(1 << each for each in bits))
        orders.append(order_codes(features, bits))
        place *= size
    return Digits(tuple(levels), tuple(radices)), tuple(orders)


def digit_bits(vocabulary: int) -> list[int]:
    """Bits of each digit, as equal as can be, the larger ones first."""
    bits = (vocabulary - 1).bit_length()
    digits = -(-bits // LARGEST_DIGIT)
    return [(bits + place) // digits for place in reversed(range(digits))]


def order_codes(features: Floats, bits: Sequence[int]) -> Ints:
    """[K, F] -> [K] the number of each code, whose digits are those of `bits`, the first split in the lowest digit."""
    depth = sum(bits)
    paths = np.zeros(len(features), np.int64)
    groups = [np.arange(len(features))]
    for level in reversed(range(depth)):
        halves = []
        for group in groups:
            ranked = group[np.argsort(principal(features[group], 1)[:, 0], kind="stable")]
            first, second = np.split(ranked, [-(-len(ranked) // 2)])
            paths[second] += 1 << level
            halves += [half for half in (first, second) if len(half)]
        groups = halves
    numbers = np.zeros_like(paths)
    above, place = depth, 0
    for width in bits:
        above -= width
        numbers += (paths >> above & (1 << width) - 1) << place
        place += width
    return numbers


def principal(features: Floats, most: int = FEATURES) -> Floats:
    """[K, F] -> [K, at most so many] coordinates along the directions of the largest variance."""
    centred = features - features.mean(axis=0)
    return np.asarray(centred @ np.linalg.eigh(centred.T @ centred)[1][:, -most:])


def surroundings(frames: Sequence[Ints], vocabulary: int, random: np.random.Generator) -> Floats:
    """[K, FEATURES] what the tokens to the left and right (and above and below) of each code are like.

    Each code gets a random vector, then twice the mean of the vectors around it: codes in like places come to be alike.
    """
    vectors = random.normal(size=(vocabulary, 4 * FEATURES))
    for _ in range(2):
        near = np.zeros((2, vocabulary, vectors.shape[1]))
        counts = np.ones((vocabulary, 1))
        for axis in range(2):
            for tokens in frames:
                before, after = (np.delete(tokens, cut, axis=axis).reshape(-1) for cut in (-1, 0))
                np.add.at(near[0], after, vectors[before])
                np.add.at(near[1], before, vectors[after])
                np.add.at(counts, before, 1)
        around = np.concatenate(list(near / counts), axis=1)
        vectors = principal(around)
        vectors /= vectors.std() + 1e-9
    return vectors
