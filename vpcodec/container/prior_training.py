"""Makes priors of tables from tokens: a small network learns to sum, and what it says for each bin becomes a row.

    digits of neighbours ─┐                                     ┌─ learning: a hidden layer ─ chances
    digits before ────────┴─ fields, summed, from -1 to 1 ──────┤
                                                                └─ coding: bins ─ a row of integer weights

While it learns, its sums are moved at random by up to half a bin, so that it does well on bins, too. Then its tables
are rounded to bytes, and the training tokens are counted in the bins where those bytes put them.

Floating-point numbers are at home here, because a prior is made once and shipped; what codes with it never sees any.
T tokens, N neighbours, D digits, r radix of a digit, F fields, P number of values that the digits before can make
"""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from vpcodec.container.code_order import digits_for
from vpcodec.container.learning import Adam, Floats, one_hot
from vpcodec.container.rans import TOTAL
from vpcodec.container.tabled import CHUNK, Lookups, Plane
from vpcodec.container.tables import LARGEST_SUM, Bytes, Scale, Tables, parts_of

Ints = NDArray[np.int64]
Item = TypeVar("Item")

BATCH = 1024
HIDDEN = 32
PEAK_RATE = 1e-2  # of Adam
PART_SHARE = 0.3  # of that rate, for the many rows that are seen seldom
TRUST = 30.0  # tokens in a bin that count as much as the network's word


def train_prior(
    frames: Sequence[NDArray[np.int64]],
    levels: Sequence[int],
    kind: str,
    *,
    neighbours: int = 5,
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
        neighbours: How many tokens before a token are looked at.
        bins: Of each field, four fields at most; their product is the number of rows of weights for a digit.
        passes: How often each token is seen.
        seed: Of the order in which they are.
        codes: [K, C] the codebook, where there is one; without it the tokens tell which codes are alike.

    Returns:
        The prior's bytes, to be given to `Writer` and `Reader`.
    """
    random = np.random.default_rng(seed)
    vocabulary = math.prod(levels)
    radices, order = digits_for(levels, frames, codes, random)
    prior = blank(kind, vocabulary, radices, order, neighbours, tuple(bins))
    near, tokens = examples(frames, prior)
    digits = Lookups(prior).digits.of(tokens)
    before = np.zeros(len(tokens), np.int64)
    for digit, radix in enumerate(radices):
        network = Network(prior, digit, random)
        steps = max(1, int(passes * len(tokens)) // BATCH)
        for step in range(steps):
            chosen = random.integers(0, len(tokens), BATCH)
            done = step / steps
            rate = PEAK_RATE * min(20 * done + 0.01, 1 - done)
            network.learn(near[chosen], before[chosen], digits[chosen, digit], rate)
        prior = with_digit(prior, digit, network)
        rows = rows_of(near, before, digit, Lookups(prior))
        counts = np.bincount(rows * radix + digits[:, digit], minlength=prior.weights[digit].size).reshape(-1, radix)
        prior = with_weights(prior, digit, counts + TRUST * network.chances_of_bins())
        before += digits[:, digit] * math.prod(radices[:digit])
    return prior.to_bytes()


def rows_of(near: Ints, before: Ints, digit: int, lookups: Lookups) -> Ints:
    """Tokens around [T, N], number that the digits before make [T] -> row of weights [T], some tokens at a time."""
    borders = range(CHUNK, len(near), CHUNK)
    return np.concatenate(
        [
            lookups.rows(digit, lookups.sums(around[..., None])[:, 0, digit], number)
            for around, number in zip(np.split(near, borders), np.split(before, borders), strict=True)
        ]
    )


class Network:
    """What learns one digit.

    Args:
        prior: Tells kind, digits, neighbours and bins; its tables are not used.
        digit: Which digit.
        random: Source of the first weights and of all noise.
    """

    def __init__(self, prior: Tables, digit: int, random: np.random.Generator) -> None:
        lookups = Lookups(prior)
        self.random = random
        self.bins = np.array([scale.bins for scale in prior.scales[digit]])
        self.spans = (2 / self.bins).astype(np.float32)  # of a bin
        # What a token adds has a row for each of its digits, and one for each of its parts: blocks of rows.
        digits = np.concatenate([lookups.digits.of(np.arange(prior.vocabulary)), [prior.radices]])
        self.digit_sizes = [radix + 1 for radix in prior.radices]
        self.part_sizes = [len(table) for table in prior.around[0]]
        self.digit_rows = blocks(digits, self.digit_sizes, len(prior.around))
        self.part_rows = blocks(lookups.part_numbers(), self.part_sizes, len(prior.around))
        radix, fields = prior.radices[digit], len(self.bins)
        shapes = {
            "digits": (len(prior.around) * sum(self.digit_sizes), fields),
            "parts": (len(prior.around) * sum(self.part_sizes), fields),
            "earlier": (math.prod(prior.radices[:digit]), fields),
            "hidden": (fields, HIDDEN),
            "offset": (1, HIDDEN),
            "scores": (HIDDEN, radix),
            "usual": (1, radix),
        }
        spreads = {"hidden": 1.5, "offset": 0.5, "scores": 0.05, "usual": 0.0, "parts": 0.0}
        self.weights = {
            name: random.normal(0, spreads.get(name, 0.1), shape).astype(np.float32) for name, shape in shapes.items()
        }
        self.adam = Adam(self.weights, {"parts": PART_SHARE})
        self.places = np.arange(len(prior.around))

    def chances(self, fields: Floats) -> tuple[Floats, Floats]:
        """[T, F] sums -> hidden layer [T, HIDDEN], chances of each value [T, r]."""
        hidden = np.maximum(fields @ self.weights["hidden"] + self.weights["offset"], 0)
        scores = hidden @ self.weights["scores"] + self.weights["usual"]
        chances = np.exp(scores - scores.max(axis=1, keepdims=True))
        chances /= chances.sum(axis=1, keepdims=True)
        return hidden, chances

    def chances_of_bins(self) -> Floats:
        """[product of the bins, r] chances in the middle of each, first field fastest."""
        bins = np.indices(tuple(reversed(self.bins))).reshape(len(self.bins), -1)[::-1].T
        return self.chances(((bins + 0.5) / self.bins * 2 - 1).astype(np.float32))[1]

    def around(self, prior: Tables) -> list[Floats]:
        """For each neighbour, for each of its parts [R + 1, F] what the part and its digits add together."""
        tables = np.split(self.weights["parts"].copy(), np.cumsum(self.part_sizes * len(prior.around))[:-1])
        digits = iter(np.split(self.weights["digits"], np.cumsum(self.digit_sizes * len(prior.around))[:-1]))
        for place, table in enumerate(tables):
            part = parts_of(prior.radices)[place % len(self.part_sizes)]
            size = 1
            for radix in prior.radices[part]:
                rows = next(digits)
                table[:-1] += rows[np.arange(len(table) - 1) // size % radix]
                table[-1] += rows[-1]
                size *= radix
        return tables

    def learn(self, near: Ints, before: Ints, values: Ints, rate: float) -> None:
        """One step of Adam on a batch.

        Args:
            near: [T, N] tokens around.
            before: [T] number that the digits before make.
            values: [T] of the digit.
            rate: Learning rate.
        """
        looked = one_hot(self.digit_rows[self.places, near].reshape(len(near), -1), len(self.weights["digits"]))
        parts = self.part_rows[self.places, near].reshape(len(near), -1)
        sums = looked @ self.weights["digits"] + self.weights["parts"][parts].sum(axis=1)
        sums += self.weights["earlier"][before]
        sums += (self.random.random(sums.shape, np.float32) - 0.5) * self.spans
        fields = np.clip(sums, -1, 1)
        hidden, slope = self.chances(fields)
        slope[np.arange(len(values)), values] -= 1
        slope /= len(values)  # now of the scores
        hidden_slope = slope @ self.weights["scores"].T * (hidden > 0)
        sums_slope = hidden_slope @ self.weights["hidden"].T
        sums_slope *= (np.abs(sums) < 1) | (sums * sums_slope > 0)  # what was clipped may only come back
        slopes = {
            "digits": looked.T @ sums_slope,
            "parts": scattered(parts, sums_slope, len(self.weights["parts"])),
            "earlier": scattered(before[:, None], sums_slope, len(self.weights["earlier"])),
            "hidden": fields.T @ hidden_slope,
            "offset": hidden_slope.sum(axis=0, keepdims=True),
            "scores": hidden.T @ slope,
            "usual": slope.sum(axis=0, keepdims=True),
        }
        self.adam.step(slopes, rate)


def with_digit(prior: Tables, digit: int, network: Network) -> Tables:
    """The prior with what a network learned for a digit, rounded to bytes; its weights stay as they are."""
    sources = [*network.around(prior), network.weights["earlier"]]
    columns, scales = [], []
    for field, bins in enumerate(network.bins.tolist()):
        tables, scale = as_bytes([source[:, field] for source in sources], bins)
        columns.append(tables)
        scales.append(scale)
    *merged, earlier = (np.stack(tables, axis=-1) for tables in zip(*columns, strict=True))
    around = [[table.copy() for table in group] for group in prior.around]
    for table, found in zip((table for group in around for table in group), merged, strict=True):
        table[:, digit] = found
    return replace(
        prior,
        around=tuple(map(tuple, around)),
        earlier=replaced(prior.earlier, digit, earlier),
        scales=replaced(prior.scales, digit, tuple(scales)),
    )


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


def with_weights(prior: Tables, digit: int, counts: NDArray[np.float64]) -> Tables:
    """The prior with weights of a digit in the proportions of counts [rows, r]."""
    chances = counts / counts.sum(axis=1, keepdims=True)
    weights = np.floor(chances * (TOTAL - counts.shape[1])).astype(np.int64) + 1
    weights[np.arange(len(weights)), weights.argmax(axis=1)] += TOTAL - weights.sum(axis=1)
    return replace(prior, weights=replaced(prior.weights, digit, weights))


def replaced(items: tuple[Item, ...], index: int, item: Item) -> tuple[Item, ...]:
    """Items with another one at an index."""
    return (*items[:index], item, *items[index + 1 :])


def blocks(numbers: Ints, sizes: Sequence[int], count: int) -> Ints:
    """Where rows lie if there is a block for each column of numbers, and all blocks again for each of some neighbours.

    Args:
        numbers: [K + 1, n] row within the block of each column.
        sizes: [n] rows of each block.
        count: How many neighbours.

    Returns:
        [count, K + 1, n] rows.
    """
    starts = np.cumsum([0, *sizes])
    return numbers + starts[:-1] + np.arange(count)[:, None, None] * starts[-1]


def scattered(rows: Ints, slopes: NDArray[np.floating], size: int) -> Floats:
    """[T, n] rows, [T, F] -> [size, F] the sum of the slopes of all T in each row."""
    weights = np.repeat(slopes, rows.shape[1], axis=0)
    return np.stack([np.bincount(rows.reshape(-1), column, size) for column in weights.T], axis=1).astype(np.float32)


def blank(
    kind: str, vocabulary: int, radices: tuple[int, ...], order: Ints | None, neighbours: int, bins: tuple[int, ...]
) -> Tables:
    """A prior that knows nothing yet."""
    count, fields = len(radices), len(bins)
    sizes = [math.prod(radices[part]) + 1 for part in parts_of(radices)]
    prior = Tables(
        kind,
        vocabulary,
        radices,
        order,
        scales=(tuple(Scale(number, 1, 0) for number in bins),) * count,
        around=(tuple(np.zeros((size, count, fields), np.uint8) for size in sizes),) * neighbours,
        earlier=tuple(np.zeros((math.prod(radices[:digit]), fields), np.uint8) for digit in range(count)),
        weights=tuple(np.ones((math.prod(bins), radix), np.int64) for radix in radices),
    )
    for digit, rows in enumerate(prior.weights):
        prior = with_weights(prior, digit, rows.astype(np.float64))
    return prior


def examples(frames: Sequence[NDArray[np.int64]], prior: Tables) -> tuple[Ints, Ints]:
    """All tokens [T], and the tokens around each [T, N], K for none."""
    lookups = Lookups(prior)
    near = []
    for tokens in frames:
        plane = Plane(lookups, (tokens.shape[0], tokens.shape[1]), 1)
        plane.cells[plane.grid.positions, 0] = tokens.reshape(-1)
        near.append(plane.cells[plane.grid.positions[:, None] + plane.grid.steps, 0])
    return np.concatenate(near), np.concatenate([tokens.reshape(-1) for tokens in frames])
