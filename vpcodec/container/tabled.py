"""Tabled coding of a frame: tables weigh the digits of one token after the other, a number takes them in.

That number, the state of an asymmetric numeral system, is kept from 2^16 to 2^32. A digit of weight f, above values of
weight b together, all weights adding up to 2^11, makes it 2^11 / f times as large, up to rounding; where that would
leave the range, its lower half leaves first, as a word. Encoding starts with the last digit; decoding runs the other
way: digit out, word in. The state that encoding starts with is 2^16 and a number of 16 bits, which decoding finds at
the end. Each digit depends on those before, so nothing can be done at once: `_tabled.c` goes through them compiled,
`plain.py` where nothing was compiled.

T tokens, N neighbors, G codes a position, D digits of all of them, r radix of a digit, F fields,
P number of values that the digits of the same code before a digit can make, R those of a part
Source: Duda, Asymmetric numeral systems, arXiv 1311.2540.
"""

from collections.abc import Sequence
from contextlib import suppress
from functools import cached_property, lru_cache
from itertools import accumulate
from operator import mul
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vpcodec.container import plain
from vpcodec.container.plain import LOWEST
from vpcodec.container.prior import MOST_FIELDS, NEIGHBORS, Prior, load_prior
from vpcodec.errors import ContainerError

native: Any = None
with suppress(ImportError):  # where it was not compiled: slower, the same bytes
    from vpcodec.container import _tabled

    native = _tabled

Ints = NDArray[np.int64]
Packed = NDArray[np.uint32]

LEAST_TOKENS = 64  # that a payload byte stands for at most: a few bytes must not keep a reader busy for long


class Lookups:
    """The tables of a prior laid out for speed: the fields of a digit are the bytes of one number, and added at once.

    Args:
        prior: The tables.

    Attributes:
        code_places: [G] place value of each code in a token.
        parts: For each part its code, its place value in the number of that, and R.
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

    @cached_property
    def near(self) -> list[Packed]:
        """For each part [N * (R + 1), D] fields that it adds, by neighbor and number; R for none."""
        around = self.prior.around
        return [packed(np.concatenate([tables[part] for tables in around])) for part in range(len(self.parts))]

    @cached_property
    def earlier(self) -> list[list[Packed]]:
        """For each digit [P] fields that those of its code before it add, [R] those of each part of codes before."""
        return [[packed(table) for table in tables] for tables in self.prior.earlier]

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
    def lists(self) -> tuple[list[list[list[int]]], list[list[plain.DigitLists]]]:
        """The tables for plain Python."""
        return plain.lists_of(self)

    @cached_property
    def compiled(self) -> tuple[Ints, NDArray[np.uint16], NDArray[np.uint16], bytes]:
        """The tables for the compiled coder.

        Returns:
            layout: Numbers of neighbors, fields, digits, parts and codes; for each digit its code, radix, place value,
                P and rows; for each part its code, place value and R.
            bins: [D, F, 256] what each field adds to the row of weights.
            below: [rows, r] of each digit.
            tables: All of around and earlier.
        """
        prior, fields = self.prior, len(self.prior.scales[0])
        counts = len(prior.around), fields, len(self.bins), len(self.parts), len(prior.digits.codes)
        layout = [*counts]
        for digit, (code, _) in enumerate(prior.digits.places()):
            rows, radix = prior.below[digit].shape
            layout += [code, radix, int(self.digit_places[digit]), len(prior.earlier[digit][0]), rows]
        layout += [number for part in self.parts for number in part]
        bins = np.stack(self.bins)[:, :fields].astype(np.uint16)
        below = np.concatenate([rows.reshape(-1) for rows in prior.below]).astype(np.uint16)
        tables = b"".join(table.tobytes() for group in (*prior.around, *prior.earlier) for table in group)
        return np.array(layout), bins, below, tables


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
        cells: [parts, cells] int32 the number of each part in the token of each cell, R where there is none.
        positions: [T] which cells are those of the frame, row after row.
        steps: [N] from a cell to those of its neighbors.
    """

    cells: NDArray[np.int32]
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
    cells = np.empty((len(lookups.parts), up + shape[0], left + shape[1] + right), np.int32)
    cells[:] = np.array([size for *_, size in lookups.parts])[:, None, None]
    if before is not None:
        last = before[:, -left:]
        cells[:, up:, left - last.shape[1] : left] = np.moveaxis(lookups.part_numbers(lookups.numbers(last)), -1, 0)
    inside = np.arange(cells[0].size).reshape(cells[0].shape)[up:, left : left + shape[1]]
    return Grid(cells.reshape(len(cells), -1), inside.flatten(), near @ (cells.shape[2], 1))


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
    frame, numbers, _ = filled_grid(tokens, lookups, before)
    state = LOWEST | carried
    if native is None:
        state, words = plain.encode(lookups, frame, numbers, state)
    else:
        state, words = native.encode(*lookups.compiled, frame.steps, frame.positions, frame.cells, numbers, state)
    return joined(state, words, tokens.size // LEAST_TOKENS)


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
    if native is None:
        state, used, numbers = plain.decode(lookups, frame, words, state)
    else:
        numbers = np.empty((len(frame.positions), len(lookups.code_places)), np.int64)
        tables, places = lookups.compiled, (frame.steps, frame.positions, frame.cells)
        state, used = native.decode(*tables, *places, words, numbers, state)
    carried = carried_number(payload, state, used, least)
    return lookups.tokens(numbers.reshape(*shape, -1)), carried


def joined(state: int, words: bytes, least: int) -> bytes:
    """The payload of the last state and the words, filled up to `least` bytes with words of zeros."""
    payload = state.to_bytes(3 if state < 1 << 24 else 4, "big") + words
    return payload + bytes(max(0, least - len(payload) + 1) // 2 * 2)


def state_and_words(payload: bytes, least: int) -> tuple[int, bytes]:
    """The last state and the words of a payload of `least` bytes or more. Raises ContainerError for a shorter one."""
    if len(payload) < max(3, least):
        raise ContainerError(f"tabled payload has {len(payload)} bytes, expected {max(3, least)} or more")
    head = 4 - len(payload) % 2
    return int.from_bytes(payload[:head], "big"), payload[head:]


def carried_number(payload: bytes, state: int, words: int, least: int) -> int:
    """The number that a payload carries.

    Args:
        payload: All of it.
        state: What decoding ended with.
        words: That it used.
        least: Bytes that the payload is filled up to.

    Raises:
        ContainerError: The state is none that encoding starts with, or filling is not all that follows the words.
    """
    used = 4 - len(payload) % 2 + 2 * words
    filled = used + max(0, least - used + 1) // 2 * 2
    if not LOWEST <= state < 2 * LOWEST or len(payload) != filled or any(payload[used:]):
        raise ContainerError(
            f"tabled payload of {len(payload)} bytes is damaged, or made with another prior: "
            f"{used} bytes used, last state {state}"
        )
    return state - LOWEST
