"""Tabled coding of a frame: tables weigh the digits of one token after the other, `rans.py` writes them down.

Encoding knows all tokens and weighs them at once in numpy. Decoding goes from token to token in plain Python.
T tokens, N neighbors, G codes a position, D digits of all of them, r radix of a digit, F fields,
P number of values that the digits of the same code before a digit can make, R those of a part
"""

from bisect import bisect_right
from collections.abc import Sequence
from functools import cached_property, lru_cache
from itertools import accumulate
from operator import mul
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vpcodec.container.prior import MOST_FIELDS, NEIGHBORS, Prior, load_prior
from vpcodec.container.rans import (
    LOWEST,
    TOTAL,
    TOTAL_BITS,
    WORD_BITS,
    carried_number,
    encode_symbols,
    state_and_words,
)
from vpcodec.errors import ContainerError

Ints = NDArray[np.int64]
Packed = NDArray[np.uint32]

LEAST_TOKENS = 64  # that a payload byte stands for at most: a few bytes must not keep a reader busy for long


class DigitLists(NamedTuple):
    """What decoding needs of one digit, for plain Python.

    Attributes:
        earlier: [P] fields that the digits of the same code before it add.
        crossed: Parts of the codes before its own, and [R] fields that each adds.
        bins: [4][256] what each field adds to the row of weights.
        below: For each row [r + 1] summed weights of the values below each value, and of all.
        place: Of its values in the number of its code.
    """

    earlier: list[int]
    crossed: list[tuple[int, list[int]]]
    bins: list[list[int]]
    below: list[list[int]]
    place: int


class Lookups:
    """The tables of a prior laid out for speed: the fields of a digit are the bytes of one number, and added at once.

    Args:
        prior: The tables.

    Attributes:
        code_places: [G] place value of each code in a token.
        parts: For each part its code, its place value in the number of that, and R.
        near: For each part [N * (R + 1), D] fields that it adds, by neighbor and number; R for none.
        earlier: For each digit [P] fields that the digits of its code before it add, and [R] those of each part of the
            codes before.
        bins: For each digit [4, 256] what each field adds to the row of weights.
    """

    def __init__(self, prior: Prior) -> None:
        self.prior = prior
        digits = prior.digits
        self.code_places = np.array(products(digits.codes)[:-1])
        self.digit_places = np.array([place for group in digits.radices for place in products(group)[:-1]])
        self.parts = [
            (code, int(self.digit_places[part.start]), size)
            for (code, part), size in zip(digits.parts(), digits.part_sizes(), strict=True)
        ]
        self.near = [
            packed(np.concatenate([tables[part] for tables in prior.around])) for part in range(len(self.parts))
        ]
        self.earlier = [[packed(table) for table in tables] for tables in prior.earlier]
        self.bins = []
        for scales in prior.scales:
            places = products([scale.bins for scale in scales])
            rows = [scale.table() * place for scale, place in zip(scales, places, strict=False)]
            self.bins.append(np.stack(rows + [np.zeros_like(rows[0])] * (MOST_FIELDS - len(rows))))

    def numbers(self, tokens: Ints) -> Ints:
        """[...] tokens -> [..., G] the number that the prior's order gives to each code."""
        codes = tokens[..., None] // self.code_places % self.prior.digits.codes
        for code, order in enumerate(self.prior.orders):
            if order is not None:
                codes[..., code] = order[codes[..., code]]
        return codes

    def part_numbers(self, numbers: Ints) -> Ints:
        """[..., G] numbers of codes -> [..., parts] the number that the digits of each part make."""
        return np.stack([numbers[..., code] // place % size for code, place, size in self.parts], axis=-1)

    def digits(self, numbers: Ints) -> Ints:
        """[..., G] numbers of codes -> [..., D] the digits."""
        codes = [code for code, _ in self.prior.digits.places()]
        return numbers[..., codes] // self.digit_places % self.prior.digits.flat

    def tokens(self, numbers: Ints) -> Ints:
        """[..., G] numbers of codes -> [...] tokens. Raises ContainerError for a number that no code has."""
        codes = numbers.copy()
        for code, (order, size) in enumerate(zip(self.prior.orders, self.prior.digits.codes, strict=True)):
            if order is not None:
                ids = np.full(self.prior.digits.largest(code), -1)
                ids[order] = np.arange(size)
                codes[..., code] = ids[codes[..., code]]
        if codes.min() < 0:
            raise ContainerError(f"tabled payload holds digits of no token below {self.prior.vocabulary}")
        return codes @ self.code_places

    def sums(self, around: Sequence[Ints]) -> Packed:
        """For each part its numbers in the neighbors [T, N] -> what they add to the fields of each digit [T, D]."""
        total = np.zeros((len(around[0]), len(self.bins)), np.uint32)
        for near, numbers, (_, _, size) in zip(self.near, around, self.parts, strict=True):
            starts = np.arange(numbers.shape[1]) * (size + 1)
            total += np.add.reduce(near.take(numbers + starts, axis=0), axis=1, dtype=np.uint32)
        return total

    def rows(self, digit: int, sums: Packed, before: Ints, parts: Ints) -> Ints:
        """Rows of weights of a digit.

        Args:
            digit: Which.
            sums: [T] what `sums` gave for it.
            before: [T] the number that the digits of its code before it make.
            parts: [T, parts] those of the same positions.

        Returns:
            [T] rows.
        """
        own, *crossed = self.earlier[digit]
        fields = sums + own.take(before)
        for part, table in enumerate(crossed):
            fields += table.take(parts[:, part])
        rows = np.zeros(len(fields), np.int64)
        for field, bins in enumerate(self.bins[digit]):
            rows += bins.take(fields >> 8 * field & 255)
        return rows

    @cached_property
    def lists(self) -> tuple[list[list[list[int]]], list[list[DigitLists]]]:
        """The same for plain Python: for each part, for each neighbor all digits' fields in one number; the digits."""
        near = []
        for table, (_, _, size) in zip(self.near, self.parts, strict=True):
            width, content = table.shape[1] * table.itemsize, table.tobytes()
            whole = [int.from_bytes(content[at : at + width], "little") for at in range(0, len(content), width)]
            near.append([whole[start : start + size + 1] for start in range(0, len(whole), size + 1)])
        digits = []
        for digit, rows in enumerate(self.prior.below):
            own, *crossed = [table.tolist() for table in self.earlier[digit]]
            below = np.insert(rows, rows.shape[1], TOTAL, axis=1).tolist()
            bins, place = self.bins[digit].tolist(), int(self.digit_places[digit])
            digits.append(DigitLists(own, list(enumerate(crossed)), bins, below, place))
        groups = iter(digits)
        return near, [[next(groups) for _ in radices] for radices in self.prior.digits.radices]


def products(numbers: Sequence[int]) -> list[int]:
    """1, the first number, the product of the first two, ... of all."""
    return list(accumulate(numbers, mul, initial=1))


def packed(fields: NDArray[np.uint8]) -> Packed:
    """[..., F] -> [...] the fields as the bytes of a number, first one lowest."""
    filled = np.zeros((*fields.shape[:-1], MOST_FIELDS), np.uint8)
    filled[..., : fields.shape[-1]] = fields
    return filled.view("<u4")[..., 0].astype(np.uint32)


@lru_cache(maxsize=8)
def lookups_of(prior: bytes) -> Lookups:
    """The lookups of a prior given by its bytes. Raises ContainerError for bytes that are none."""
    return Lookups(load_prior(prior))


class Grid(NamedTuple):
    """A frame with a border of tokens that are not there, or are those of the frame before.

    Attributes:
        cells: For each part [cells] its number in the token of each cell, R where there is none.
        positions: [T] which cells are those of the frame, row after row.
        steps: [N] from a cell to those of its neighbors.
    """

    cells: list[Ints]
    positions: Ints
    steps: Ints

    def around(self) -> list[Ints]:
        """For each part its numbers in the neighbors [T, N]."""
        near = self.positions[:, None] + self.steps
        return [cells.take(near) for cells in self.cells]


def grid(lookups: Lookups, shape: tuple[int, int], before: Ints | None = None) -> Grid:
    """An empty frame of a shape, behind the tokens [rows, columns] of the frame that it continues."""
    prior = lookups.prior
    near = np.array(NEIGHBORS[prior.kind][: len(prior.around)])
    up, left = -near.min(axis=0)
    right = max(0, near[:, 1].max())
    cells = np.empty((len(lookups.parts), up + shape[0], left + shape[1] + right), np.int64)
    cells[:] = np.array([size for *_, size in lookups.parts])[:, None, None]
    if before is not None:
        last = before[:, -left:]
        cells[:, up:, left - last.shape[1] : left] = np.moveaxis(lookups.part_numbers(lookups.numbers(last)), -1, 0)
    inside = np.arange(cells[0].size).reshape(cells[0].shape)[up:, left : left + shape[1]]
    return Grid(list(cells.reshape(len(cells), -1)), inside.reshape(-1), near @ (cells.shape[2], 1))


def filled_grid(tokens: Ints, lookups: Lookups, before: Ints | None = None) -> tuple[Grid, Ints, Ints]:
    """A frame [rows, columns], its numbers of codes [T, G] and of parts [T, parts]; see `grid`."""
    found = grid(lookups, (tokens.shape[0], tokens.shape[1]), before)
    numbers = lookups.numbers(tokens.reshape(-1))
    parts = lookups.part_numbers(numbers)
    for cells, column in zip(found.cells, parts.T, strict=True):
        cells[found.positions] = column
    return found, numbers, parts


def encode_frame(tokens: Ints, lookups: Lookups, before: Ints | None = None, carried: int = 0) -> bytes:
    """[rows, columns] int64 -> payload.

    Args:
        tokens: Of the frame.
        lookups: Of the prior.
        before: [rows, any columns] tokens of the frame that it continues.
        carried: A number of 16 bits that decoding finds at the end.
    """
    frame, numbers, parts = filled_grid(tokens, lookups, before)
    sums, digits = lookups.sums(frame.around()), lookups.digits(numbers)
    chosen = np.empty((2, *digits.shape), np.int64)
    for digit, (_, own) in enumerate(lookups.prior.digits.places()):
        number = digits[:, own] @ lookups.digit_places[own]
        rows = lookups.rows(digit, sums[:, digit], number, parts)
        below = lookups.prior.below[digit].astype(np.int64)
        places = rows * below.shape[1] + digits[:, digit]
        chosen[:, :, digit] = np.diff(below, axis=1, append=TOTAL).take(places), below.take(places)
    weights, under = chosen.reshape(2, -1).tolist()
    return encode_symbols(weights, under, tokens.size // LEAST_TOKENS, carried)


def decode_frame(
    payload: bytes, shape: tuple[int, int], lookups: Lookups, before: Ints | None = None
) -> tuple[Ints, int]:
    """The inverse of `encode_frame`.

    Returns:
        tokens: [rows, columns] int64.
        carried: The number that the payload carries.

    Raises:
        ContainerError: No tokens make such a payload.
    """
    frame = grid(lookups, shape, before)
    least = len(frame.positions) // LEAST_TOKENS
    state, words = state_and_words(payload, least)
    words += [0] * (len(lookups.bins) * len(frame.positions) - len(words))
    used = 0
    near, codes = lookups.lists
    cells = [part.tolist() for part in frame.cells]
    neighbors = [
        (held, table, step)
        for held, tables in zip(cells, near, strict=True)
        for table, step in zip(tables, frame.steps.tolist(), strict=True)
    ]
    numbers: list[int] = []
    parts = list(enumerate(lookups.parts))
    for position in frame.positions.tolist():
        sums = 0
        for held, table, step in neighbors:
            sums += table[held[position + step]]
        for code, digits in enumerate(codes):
            number = 0
            for earlier, crossed, (first, second, third, fourth), below, place in digits:
                fields = (sums & 0xFFFFFFFF) + earlier[number]
                for part, table in crossed:
                    fields += table[cells[part][position]]
                row = below[
                    first[fields & 255] + second[fields >> 8 & 255] + third[fields >> 16 & 255] + fourth[fields >> 24]
                ]
                slot = state & TOTAL - 1
                value = bisect_right(row, slot)
                under = row[value - 1]
                state = (row[value] - under) * (state >> TOTAL_BITS) + slot - under
                if state < LOWEST:
                    state = state << WORD_BITS | words[used]
                    used += 1
                number += (value - 1) * place
                sums >>= 32
            numbers.append(number)
            for part, (owner, place, size) in parts:
                if owner == code:
                    cells[part][position] = number // place % size
    carried = carried_number(payload, state, used, least)
    return lookups.tokens(np.array(numbers).reshape(*shape, len(codes))), carried
