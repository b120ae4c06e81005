"""Tabled coding of frames: tables weigh the digits of one token after the other, `rans.py` writes them down.

Frames of one shape are coded side by side, so that each of the few operations of a digit serves many frames: lanes.
A reader that has a single frame goes through it in plain Python instead, which is then faster. Both do the same.
N neighbours, D digits, L lanes, K tokens
"""

from collections.abc import Sequence
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray

from vpcodec.container.digits import Digits
from vpcodec.container.grid import LEAST_TOKENS, grid
from vpcodec.container.rans import FEW, HEAD, LOWEST, TOTAL, TOTAL_BITS, WORD_BITS, Payloads, check_end, encode_payloads
from vpcodec.container.tables import MOST_FIELDS, Tables, load_tables, parts_of
from vpcodec.errors import ContainerError

Ints = NDArray[np.int64]
Lists = tuple[list[int], list[int], list[int], bytes, list[int], list[int]]

CHUNK = 1 << 14  # tokens weighed at a time


class Lookups:
    """The tables of a prior laid out for speed: the fields of a digit are the bytes of one number, and added at once.

    Args:
        tables: The prior.

    Attributes:
        near: [N * (K + 1), D] fields that a neighbour adds, by its token; K for none.
        starts: [N, 1] where the rows of a neighbour start.
        earlier: For each digit [P] fields that the digits before it add.
        low, high: For each digit [2^16] what the lower and upper half of a sum add to the row of weights.
        weights, below: For each digit [rows * r] weight of a value, and of those below it.
    """

    def __init__(self, tables: Tables) -> None:
        self.tables = tables
        self.radices = tables.radices
        self.vocabulary = tables.vocabulary
        self.digits = Digits(tables.radices, tables.vocabulary, tables.order)
        self.places = self.digits.places
        near = [
            sum(table[numbers] for table, numbers in zip(group, self.part_numbers().T, strict=True))
            for group in tables.around
        ]
        self.near = packed(np.concatenate(near))
        self.starts = np.arange(len(near))[:, None] * (self.vocabulary + 1)
        self.earlier = [packed(table) for table in tables.earlier]
        self.low, self.high = [], []
        for scales in tables.scales:
            places = np.cumprod((1, *(scale.bins for scale in scales)))
            bins = [scale.table() * place for scale, place in zip(scales, places, strict=False)]
            bins += [np.zeros_like(bins[0])] * (MOST_FIELDS - len(bins))
            self.low.append((bins[0] + bins[1][:, None]).reshape(-1))
            self.high.append((bins[2] + bins[3][:, None]).reshape(-1))
        self.weights = [rows.reshape(-1) for rows in tables.weights]
        self.below = [(rows.cumsum(axis=1) - rows).reshape(-1) for rows in tables.weights]

    def part_numbers(self) -> Ints:
        """[K + 1, parts] the number that the digits of each part of a token make; that of no token comes last."""
        digits = self.digits.of(np.arange(self.vocabulary))
        radices = np.array(self.radices)
        columns = []
        for part in parts_of(self.radices):
            places = np.cumprod([1, *radices[part]])
            columns.append(np.append(digits[:, part] @ places[:-1], places[-1]))
        return np.stack(columns, axis=1)

    def sums(self, near: Ints) -> NDArray[np.uint32]:
        """Tokens around [..., N, L] -> what they add to the fields of each digit [..., L, D]."""
        return np.add.reduce(self.near.take(near + self.starts, axis=0), axis=-3, dtype=np.uint32)

    def rows(self, digit: int, sums: NDArray[np.uint32], before: Ints) -> Ints:
        """What `sums` gave for a digit and the number that the digits before it make, any shape -> rows of weights."""
        fields = sums + self.earlier[digit].take(before)
        rows = self.low[digit].take(fields & 0xFFFF)
        rows += self.high[digit].take(fields >> 16)
        return rows

    @cached_property
    def values(self) -> list[NDArray[np.uint8]]:
        """For each digit [rows * 2^11] the value that a part of a state stands for."""
        return [
            np.repeat(np.tile(np.arange(rows.shape[1], dtype=np.uint8), len(rows)), rows.reshape(-1))
            for rows in self.tables.weights
        ]

    @cached_property
    def lists(self) -> tuple[list[list[int]], list[Lists]]:
        """The same for plain Python: for each neighbour all digits' fields in one number; what each digit needs."""
        width = self.near.shape[1] * self.near.itemsize
        content = self.near.tobytes()
        numbers = [int.from_bytes(content[at : at + width], "little") for at in range(0, len(content), width)]
        near = [numbers[start : start + self.vocabulary + 1] for start in self.starts[:, 0].tolist()]
        digits = zip(self.earlier, self.low, self.high, self.values, self.weights, self.below, strict=True)
        return near, [
            (earlier.tolist(), low.tolist(), high.tolist(), values.tobytes(), weights.tolist(), below.tolist())
            for earlier, low, high, values, weights, below in digits
        ]


def packed(fields: NDArray[np.uint8]) -> NDArray[np.uint32]:
    """[..., F] -> [...] the fields as the bytes of a number, first one lowest."""
    return (fields.astype(np.uint32) << 8 * np.arange(fields.shape[-1], dtype=np.uint32)).sum(-1, dtype=np.uint32)


@lru_cache(maxsize=8)
def lookups_of(prior: bytes) -> Lookups:
    """The lookups of a prior given by its bytes. Raises ContainerError for bytes that are none."""
    return Lookups(load_tables(prior))


class Plane:
    """Frames side by side, with a border of tokens that are not there.

    Args:
        lookups: Of the prior.
        shape: Rows and columns of each frame.
        lanes: Number of frames.

    Attributes:
        grid: Of each frame.
        cells: [cells of the grid, L] tokens, K where there are none.
    """

    def __init__(self, lookups: Lookups, shape: tuple[int, int], lanes: int) -> None:
        self.grid = grid(lookups.tables.kind, len(lookups.tables.around), shape)
        self.cells = np.full((self.grid.size, lanes), lookups.vocabulary)


def encode_frames(frames: NDArray[np.int64], lookups: Lookups) -> list[bytes]:
    """[frames, rows, columns] int64 -> payloads."""
    lanes, count = len(frames), frames[0].size
    plane = Plane(lookups, (frames.shape[1], frames.shape[2]), lanes)
    tokens = frames.reshape(lanes, count).T
    plane.cells[plane.grid.positions] = tokens
    weights = np.empty((count, len(lookups.radices), lanes), np.int64)
    below = np.empty_like(weights)
    step = max(1, CHUNK // lanes)
    for start in range(0, count, step):
        chunk = slice(start, start + step)
        sums = lookups.sums(plane.cells[plane.grid.positions[chunk, None] + plane.grid.steps])
        digits = lookups.digits.of(tokens[chunk])
        before = np.zeros(digits.shape[:-1], np.int64)
        for digit, (radix, place) in enumerate(zip(lookups.radices, lookups.places, strict=True)):
            chosen = lookups.rows(digit, sums[..., digit], before) * radix + digits[..., digit]
            weights[chunk, digit] = lookups.weights[digit].take(chosen)
            below[chunk, digit] = lookups.below[digit].take(chosen)
            before += digits[..., digit] * place
    return encode_payloads(weights.reshape(-1, lanes), below.reshape(-1, lanes), count // LEAST_TOKENS)


def decode_frames(payloads: Sequence[bytes], shape: tuple[int, int], lookups: Lookups) -> Ints:
    """The inverse of `encode_frames`: [frames, rows, columns] int64.

    Raises ContainerError for a payload that no tokens make.
    """
    if len(payloads) <= FEW:
        tokens = np.array([decode_alone(payload, shape, lookups) for payload in payloads])
    else:
        tokens = decode_lanes(payloads, shape, lookups)
    if tokens.max() >= lookups.vocabulary:
        raise ContainerError(f"tabled payload holds digits of no token below {lookups.vocabulary}")
    return tokens.reshape(-1, *shape)


def decode_lanes(payloads: Sequence[bytes], shape: tuple[int, int], lookups: Lookups) -> Ints:
    """Payloads of frames of one shape -> [frames, tokens of a frame], the same token of all of them at once."""
    plane = Plane(lookups, shape, len(payloads))
    coded = Payloads(payloads, shape[0] * shape[1] // LEAST_TOKENS)
    states, cells = coded.states, plane.cells
    digits = list(zip(lookups.radices, lookups.places.tolist(), lookups.values, strict=True))
    for position in plane.grid.positions.tolist():
        sums = lookups.sums(cells[position + plane.grid.steps])
        number = np.zeros(len(payloads), np.int64)
        for digit, (radix, place, values) in enumerate(digits):
            rows = lookups.rows(digit, sums[:, digit], number)
            slots = states & TOTAL - 1
            value = values.take(rows << TOTAL_BITS | slots).astype(np.int64)
            chosen = rows * radix + value
            states >>= TOTAL_BITS
            states *= lookups.weights[digit].take(chosen)
            states += slots - lookups.below[digit].take(chosen)
            coded.refill()
            number += value * place
        cells[position] = lookups.digits.tokens.take(number)
    coded.finish()
    return np.ascontiguousarray(cells[plane.grid.positions].T)


def decode_alone(payload: bytes, shape: tuple[int, int], lookups: Lookups) -> list[int]:
    """One payload -> tokens, row after row."""
    plane = Plane(lookups, shape, 1)
    coded = Payloads([payload], shape[0] * shape[1] // LEAST_TOKENS)
    [state], words, used = coded.states.tolist(), coded.words.tolist(), 0
    words += [0] * (len(lookups.radices) * len(plane.grid.positions) - len(words))
    cells, tokens = plane.cells[:, 0].tolist(), lookups.digits.tokens.tolist()
    near, tables = lookups.lists
    neighbours = list(zip(near, plane.grid.steps.tolist(), strict=True))
    digits = list(zip(lookups.radices, lookups.places.tolist(), tables, strict=True))
    for position in plane.grid.positions.tolist():
        sums = 0
        for table, step in neighbours:
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
    check_end(payload, state, HEAD + 2 * used, coded.least)
    return [cells[position] for position in plane.grid.positions.tolist()]
