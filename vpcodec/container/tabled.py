"""Tabled coding of a frame: tables weigh the digits of one token after the other, a number takes them in.

That number, a fraction, lies in a span that shrinks with each value to the share that its weight has in 2^11; the first
bytes of the fraction leave as soon as the span is small enough. At the end as few bytes follow as tell the values,
whatever comes behind: a frame needs no size, and a decoder asks for a byte only when a value depends on it. Each digit
depends on those before, so nothing can be done at once: `_ranges.c` goes through them compiled, `plain.py` where
nothing was compiled.

T tokens, N neighbors, G codes a position, D digits of all of them, r radix of a digit, F fields,
P number of values that the digits of the same code before a digit can make, R those of a part
Source: Martin, Range encoding: an algorithm for removing redundancy from a digitised message, 1979.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cached_property, lru_cache
from itertools import accumulate
from operator import mul
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vpcodec.container import plain
from vpcodec.container.prior import MOST_FIELDS, NEIGHBORS, Prior, load_prior
from vpcodec.errors import ContainerError

native: Any = None
with suppress(ImportError):  # where it was not compiled: slower, the same bytes
    from vpcodec.container import _ranges

    native = _ranges

Ints = NDArray[np.int64]
Packed = NDArray[np.uint32]

LEAST_TOKENS = 64  # that a payload byte stands for at most: a few bytes must not keep a reader busy for long
DAMAGED = "its payload is damaged, or made with another prior"


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


def encode_frame(
    tokens: Ints, lookups: Lookups, before: Ints | None = None, lead: Sequence[tuple[int, int, int]] = ()
) -> bytes:
    """[rows, columns] int64 -> payload.

    Args:
        tokens: Of the frame.
        lookups: Of the prior.
        before: [rows, any columns] tokens of the frame that it continues.
        lead: Values that come first, as `plain.encode_values` takes them.
    """
    frame, numbers, _ = filled_grid(tokens, lookups, before)
    first = np.array(lead, np.int64).reshape(-1, 3)
    if native is None:
        payload = plain.encode(lookups, frame, numbers, first)
    else:
        payload = native.encode(*lookups.compiled, frame.steps, frame.positions, frame.cells, numbers, first)
    return payload.ljust(tokens.size // LEAST_TOKENS, b"\0")


def decode_frame(payload: bytes, shape: tuple[int, int], lookups: Lookups) -> Ints:
    """The inverse of `encode_frame`, of a frame that stands alone: [rows, columns] int64.

    Raises ContainerError for what no tokens make.
    """
    decoder = Decoder(payload)
    tokens = decoder.tokens(shape, lookups)
    if decoder.finish() != len(payload):
        raise ContainerError(f"{DAMAGED}: {len(payload) - decoder.finish()} bytes follow its tokens")
    return tokens


class Decoder:
    """Takes values and tokens out of bytes.

    Args:
        payload: Those that are here.
        more: Gives the next ones; None where there are none.
    """

    def __init__(self, payload: bytes = b"", more: Callable[[], bytes] | None = None) -> None:
        self.payload = payload
        self.more = more
        self.state = np.array([0, plain.SPAN, 0, 0])  # low, span, bytes done with, tokens decoded
        self.least = 0  # bytes that the payload is filled up to

    def extend(self) -> None:
        """Get the next bytes. Raises ContainerError where there are none."""
        if self.more is None:
            raise ContainerError(f"{DAMAGED}: {len(self.payload)} bytes are too few")
        self.payload += self.more()

    def value(self, below: Sequence[int] | range) -> int:
        """The next value, by the weights of all values below each, and those of all."""
        while (found := plain.decode_value(below, self.payload, *self.state[:3].tolist()))[0] < 0:
            self.extend()
        self.state[:3] = found[1:]
        return found[0]

    def equal(self, counts: Sequence[int], rows: int) -> Ints:
        """[rows, len(counts)] the next values, each one of so many that are equally likely; all bytes must be here."""
        values, self.state[:3] = plain.decode_equal(list(counts) * rows, self.payload)
        return np.array(values).reshape(rows, -1)

    def tokens(self, shape: tuple[int, int], lookups: Lookups, before: Ints | None = None) -> Ints:
        """The tokens [rows, columns] of a frame, which end the payload. Raises ContainerError for those of no code."""
        frame = grid(lookups, shape, before)
        numbers = np.empty((len(frame.positions), len(lookups.code_places)), np.int64)
        self.least = len(frame.positions) // LEAST_TOKENS
        while not self.decode(lookups, frame, numbers):
            self.extend()
        return lookups.tokens(numbers.reshape(*shape, -1))

    def decode(self, lookups: Lookups, frame: Grid, numbers: Ints) -> bool:
        """Decode as many tokens as the bytes decide; whether these are all."""
        if native is None:
            return plain.decode(lookups, frame, self.payload, numbers, self.state)
        places = frame.steps, frame.positions, frame.cells
        return bool(native.decode(*lookups.compiled, *places, self.payload, numbers, self.state))

    def finish(self) -> int:
        """The size of the payload, all of whose values are taken. Raises ContainerError where it does not end so."""
        low, span, start, _ = self.state.tolist()
        number, size = plain.closing(low, span)
        expected = (number % 256**size).to_bytes(size, "big").ljust(self.least - start, b"\0")
        while len(self.payload) < start + len(expected):
            self.extend()
        if self.payload[start : start + len(expected)] != expected:
            raise ContainerError(f"{DAMAGED}: it does not end with {expected[:size].hex(' ')}")
        return start + len(expected)
