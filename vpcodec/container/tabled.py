"""Tabled coding of a frame: tables weigh the digits of one token after the other, `rans.py` writes them down.

Encoding knows all tokens and weighs them at once in numpy. Decoding goes from token to token in plain Python.
N neighbors, D digits, K tokens, r radix of a digit, P number of values that the digits before can make
"""

from collections.abc import Sequence
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray

from vpcodec.container.prior import MOST_FIELDS, NEIGHBORS, Prior, load_prior, parts_of
from vpcodec.container.rans import LOWEST, TOTAL, TOTAL_BITS, WORD_BITS, check_end, encode_symbols, state_and_words
from vpcodec.errors import ContainerError

Ints = NDArray[np.int64]
Lists = tuple[list[int], list[int], list[int], bytes, list[int], list[int]]

LEAST_TOKENS = 64  # that a payload byte stands for at most: a few bytes must not keep a reader busy for long


class Lookups:
    """The tables of a prior laid out for speed: the fields of a digit are the bytes of one number, and added at once.

    Args:
        prior: The tables.

    Attributes:
        places: [D] place value of each digit.
        near: [N * (K + 1), D] fields that a neighbor adds, by its token; K for none.
        starts: [N] where the rows of a neighbor start.
        earlier: For each digit [P] fields that the digits before it add.
        low, high: For each digit [2^16] what the lower and upper half of a sum add to the row of weights.
        weights, below: For each digit [rows * r] weight of a value, and of those below it.
    """

    def __init__(self, prior: Prior) -> None:
        self.prior = prior
        self.radices = prior.radices
        self.vocabulary = prior.vocabulary
        self.places = np.cumprod((1, *prior.radices[:-1]))
        near = [
            sum(table[numbers] for table, numbers in zip(group, self.part_numbers().T, strict=True))
            for group in prior.around
        ]
        self.near = packed(np.concatenate(near))
        self.starts = np.arange(len(near)) * (self.vocabulary + 1)
        self.earlier = [packed(table) for table in prior.earlier]
        self.low, self.high = [], []
        for scales in prior.scales:
            places = np.cumprod((1, *(scale.bins for scale in scales)))
            bins = [scale.table() * place for scale, place in zip(scales, places, strict=False)]
            bins += [np.zeros_like(bins[0])] * (MOST_FIELDS - len(bins))
            self.low.append((bins[0] + bins[1][:, None]).reshape(-1))
            self.high.append((bins[2] + bins[3][:, None]).reshape(-1))
        self.weights = [rows.reshape(-1) for rows in prior.weights]
        self.below = [(rows.cumsum(axis=1) - rows).reshape(-1) for rows in prior.weights]

    def digits(self, tokens: Ints) -> Ints:
        """[...] tokens -> [..., D] the digits of the number that the prior's order gives to each."""
        numbers = tokens if self.prior.order is None else self.prior.order[tokens]
        return numbers[..., None] // self.places % self.radices

    @cached_property
    def tokens(self) -> Ints:
        """[product of r] the token whose digits make a number; K where there is none."""
        tokens = np.full(self.places[-1] * self.radices[-1], self.vocabulary)
        tokens[slice(self.vocabulary) if self.prior.order is None else self.prior.order] = np.arange(self.vocabulary)
        return tokens

    def part_numbers(self) -> Ints:
        """[K + 1, parts] the number that the digits of each part of a token make; that of no token comes last."""
        digits = self.digits(np.arange(self.vocabulary))
        radices = np.array(self.radices)
        columns = []
        for part in parts_of(self.radices):
            places = np.cumprod([1, *radices[part]])
            columns.append(np.append(digits[:, part] @ places[:-1], places[-1]))
        return np.stack(columns, axis=1)

    def sums(self, near: Ints) -> NDArray[np.uint32]:
        """Tokens around [T, N] -> what they add to the fields of each digit [T, D]."""
        return np.add.reduce(self.near.take(near + self.starts, axis=0), axis=1, dtype=np.uint32)

    def rows(self, digit: int, sums: NDArray[np.uint32], before: Ints) -> Ints:
        """What `sums` gave for a digit [T] and the number that the digits before it make [T] -> rows of weights [T]."""
        fields = sums + self.earlier[digit].take(before)
        return self.low[digit].take(fields & 0xFFFF) + self.high[digit].take(fields >> 16)

    @cached_property
    def lists(self) -> tuple[list[list[int]], list[Lists]]:
        """The same for plain Python: for each neighbor all digits' fields in one number; what each digit needs.

        Among them [rows * 2^11] bytes, the value that a part of a state stands for.
        """
        width = self.near.shape[1] * self.near.itemsize
        content = self.near.tobytes()
        numbers = [int.from_bytes(content[at : at + width], "little") for at in range(0, len(content), width)]
        near = [numbers[start : start + self.vocabulary + 1] for start in self.starts.tolist()]
        values = [
            np.repeat(np.tile(np.arange(rows.shape[1], dtype=np.uint8), len(rows)), rows.reshape(-1)).tobytes()
            for rows in self.prior.weights
        ]
        arrays = zip(self.earlier, self.low, self.high, values, self.weights, self.below, strict=True)
        return near, [
            (earlier.tolist(), low.tolist(), high.tolist(), value, weights.tolist(), below.tolist())
            for earlier, low, high, value, weights, below in arrays
        ]


def packed(fields: NDArray[np.uint8]) -> NDArray[np.uint32]:
    """[..., F] -> [...] the fields as the bytes of a number, first one lowest."""
    return (fields.astype(np.uint32) << 8 * np.arange(fields.shape[-1], dtype=np.uint32)).sum(-1, dtype=np.uint32)


@lru_cache(maxsize=8)
def lookups_of(prior: bytes) -> Lookups:
    """The lookups of a prior given by its bytes. Raises ContainerError for bytes that are none."""
    return Lookups(load_prior(prior))


def grid(lookups: Lookups, shape: Sequence[int]) -> tuple[Ints, Ints, Ints]:
    """A frame with a border of tokens that are not there.

    Returns:
        cells: [cells] K each, row after row.
        positions: [rows * columns] which cells are those of the frame.
        steps: [N] from a cell to those of its neighbors.
    """
    prior = lookups.prior
    near = np.array(NEIGHBORS[prior.kind][: len(prior.around)])
    up, left = -near.min(axis=0)
    right = max(0, near[:, 1].max())
    cells = np.full((up + shape[0], left + shape[1] + right), lookups.vocabulary)
    inside = np.arange(cells.size).reshape(cells.shape)[up:, left : left + shape[1]]
    return cells.reshape(-1), inside.reshape(-1), near @ (cells.shape[1], 1)


def tokens_around(tokens: Ints, lookups: Lookups) -> Ints:
    """[rows, columns] tokens -> [rows * columns, N] the neighbors of each, K for none."""
    cells, positions, steps = grid(lookups, tokens.shape)
    cells[positions] = tokens.reshape(-1)
    return cells[positions[:, None] + steps]


def encode_frame(tokens: Ints, lookups: Lookups) -> bytes:
    """[rows, columns] int64 -> payload."""
    sums = lookups.sums(tokens_around(tokens, lookups))
    digits = lookups.digits(tokens.reshape(-1))
    before = np.zeros(tokens.size, np.int64)
    chosen = np.empty((2, *digits.shape), np.int64)
    for digit, (radix, place) in enumerate(zip(lookups.radices, lookups.places, strict=True)):
        places = lookups.rows(digit, sums[:, digit], before) * radix + digits[:, digit]
        chosen[:, :, digit] = lookups.weights[digit].take(places), lookups.below[digit].take(places)
        before += digits[:, digit] * place
    weights, below = chosen.reshape(2, -1).tolist()
    return encode_symbols(weights, below, tokens.size // LEAST_TOKENS)


def decode_frame(payload: bytes, shape: tuple[int, int], lookups: Lookups) -> Ints:
    """The inverse of `encode_frame`: [rows, columns] int64. Raises ContainerError for a payload that no tokens make."""
    around, positions, steps = grid(lookups, shape)
    least = len(positions) // LEAST_TOKENS
    state, words = state_and_words(payload, least)
    words += [0] * (len(lookups.radices) * len(positions) - len(words))
    used = 0
    cells, tokens = around.tolist(), lookups.tokens.tolist()
    near, tables = lookups.lists
    neighbors = list(zip(near, steps.tolist(), strict=True))
    digits = list(zip(lookups.radices, lookups.places.tolist(), tables, strict=True))
    for position in positions.tolist():
        sums = 0
        for table, step in neighbors:
            sums += table[cells[position + step]]
        number = 0
        for radix, place, (earlier, low, high, values, weights, below) in digits:
            fields = (sums & 0xFFFFFFFF) + earlier[number]
            row = low[fields & 0xFFFF] + high[fields >> 16]
            slot = state & TOTAL - 1
            value = values[row << TOTAL_BITS | slot]
            chosen = row * radix + value
            state = weights[chosen] * (state >> TOTAL_BITS) + slot - below[chosen]
            if state < LOWEST:
                state = state << WORD_BITS | words[used]
                used += 1
            number += value * place
            sums >>= 32
        cells[position] = tokens[number]
    check_end(payload, state, used, least)
    found = np.array(cells)[positions].reshape(shape)
    if found.max() >= lookups.vocabulary:
        raise ContainerError(f"tabled payload holds digits of no token below {lookups.vocabulary}")
    return found
