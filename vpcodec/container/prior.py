"""A prior of tables: which weights each digit of a token has, given the tokens around it.

    tokens around ──────────────┐
    digits of this token before ┴─ a few numbers each, summed ─ bins ─ a row of weights

Every number is a byte and every sum of them is one too, which is checked once for a prior. `format.py` gives the bytes,
`tabled.py` codes with them, `training/prior.py` makes them.
G codes a position, D digits of all of them, r radix of a digit, F fields (sums) of a digit,
P number of values that the digits of the same code before a digit can make, R those of a part
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vpcodec.container.fields import Fields, varint
from vpcodec.errors import ContainerError

Bytes = NDArray[np.uint8]

MAGIC = b"\xd6PR\x03"
TOTAL_BITS = 11
TOTAL = 1 << TOTAL_BITS  # of the weights of all values that a digit can have
MOST_CODES = 8  # of a position
LARGEST_CODE = 1 << 16  # codes of one codebook, and numbers that the digits of a code make
MOST_DIGITS = 16  # of a position
LARGEST_RADIX = 64
LARGEST_PREFIX = 1 << 14  # rows for the digits of a code before its last one
LARGEST_SUM = 255
MOST_FIELDS = 4
MOST_ROWS = 1 << 12  # of weights, for one digit
LARGEST_PART = 1 << 10
ALIGNMENT = 4  # bytes, of the first table in its file
# Neighbors (rows up, columns right) of a position, of which a prior uses the first ones.
NEIGHBORS = {
    "speech": tuple((0, -distance) for distance in range(1, 17)),
    "image": ((0, -1), (-1, 0), (-1, -1), (-1, 1), (0, -2), (-2, 0), (-1, -2), (-1, 2), (-2, -1), (-2, 1)),
    "audio": tuple((0, -distance) for distance in range(1, 17)),
}
KINDS = tuple(NEIGHBORS)


@dataclass(frozen=True)
class Digits:
    """The digits of a position: those of its first code, then those of the next.

    Attributes:
        codes: [G] size of each codebook; a token is the number that the codes make in these bases, lowest first.
        radices: For each code r of each of its digits; their product is the size of the codebook or more.
    """

    codes: tuple[int, ...]
    radices: tuple[tuple[int, ...], ...]

    @cached_property
    def flat(self) -> tuple[int, ...]:
        """[D] the radices of all digits."""
        return tuple(radix for group in self.radices for radix in group)

    def largest(self, code: int) -> int:
        """How many numbers the digits of a code make."""
        return math.prod(self.radices[code])

    def places(self) -> Iterator[tuple[int, slice]]:
        """For each digit the code it belongs to, and which digits that has before it."""
        start = 0
        for code, group in enumerate(self.radices):
            for digit in range(start, start + len(group)):
                yield code, slice(start, digit)
            start += len(group)

    def parts(self) -> list[tuple[int, slice]]:
        """The digits that are looked up together, and their code: as many of a code as make few enough numbers."""
        parts: list[tuple[int, slice]] = []
        digit = 0
        for code, group in enumerate(self.radices):
            start, size = digit, 1
            for radix in group:
                if size * radix > LARGEST_PART:
                    parts.append((code, slice(start, digit)))
                    start, size = digit, 1
                size *= radix
                digit += 1
            parts.append((code, slice(start, digit)))
        return parts

    def part_sizes(self) -> list[int]:
        """R of each part."""
        return [math.prod(self.flat[part]) for _, part in self.parts()]

    def earlier_sizes(self) -> list[list[int]]:
        """For each digit P, and R of each part of the codes before its own."""
        parts = list(zip(self.parts(), self.part_sizes(), strict=True))
        return [
            [math.prod(self.flat[before]), *(size for (other, _), size in parts if other < code)]
            for code, before in self.places()
        ]


class Scale(NamedTuple):
    """How a sum becomes a bin: (sum - base) div width, but at least 0 and at most bins - 1.

    Attributes:
        bins: Number of bins.
        width: Sums a bin, 1 or more.
        base: Where bin 0 would start; smaller sums are in it, too.
    """

    bins: int
    width: int
    base: int

    def table(self) -> NDArray[np.int64]:
        """[256] the bin of every sum."""
        return np.minimum(np.maximum(np.arange(LARGEST_SUM + 1) - self.base, 0) // self.width, self.bins - 1)


class Prior(NamedTuple):
    """A prior in memory.

    Attributes:
        kind: "speech", "audio" or "image".
        digits: Of a position.
        orders: For each code [its size] the number that the digits of each id make; None where it is the id itself.
        scales: For each digit, for each of its F fields, how sums become bins.
        around: For each neighbor, for each part of it [R + 1, D, F], the last row for a neighbor that is missing.
        earlier: For each digit [P, F], and [R, F] for each part of the codes before its own.
        below: For each digit [product of its bins, r] summed weights of the values below each value, starting with 0;
            the weights of a row, 1 or more each, are 2^11 together.
    """

    kind: str
    digits: Digits
    orders: tuple[NDArray[np.int64] | None, ...]
    scales: tuple[tuple[Scale, ...], ...]
    around: tuple[tuple[Bytes, ...], ...]
    earlier: tuple[tuple[Bytes, ...], ...]
    below: tuple[NDArray[np.uint16], ...]

    @property
    def vocabulary(self) -> int:
        """Number of ids that a position can have."""
        return math.prod(self.digits.codes)

    def to_bytes(self) -> bytes:
        """As `load_prior` reads it."""
        numbers = [KINDS.index(self.kind), len(self.digits.codes)]
        for size, radices, order in zip(self.digits.codes, self.digits.radices, self.orders, strict=True):
            numbers += [size, len(radices), *radices, order is not None]
        numbers += [len(self.around), len(self.scales[0])]
        for scale in (scale for scales in self.scales for scale in scales):
            numbers += [scale.bins, scale.width, scale.base]
        content = MAGIC + b"".join(varint(int(number)) for number in numbers)
        content += bytes(-len(content) % ALIGNMENT)
        tables: list[NDArray[Any]] = [order.astype("<u2") for order in self.orders if order is not None]
        tables += [rows.astype("<u2") for rows in self.below]
        tables += [table for group in (*self.around, *self.earlier) for table in group]
        return content + b"".join(table.tobytes() for table in tables)


def load_prior(content: bytes) -> Prior:
    """A prior from its bytes. Raises ContainerError for bytes that are none."""
    fields = Fields(content, "prior")
    magic = fields.take(len(MAGIC), "start")
    if magic != MAGIC:
        raise ContainerError(f"not a prior of version 3: it starts with {magic.hex(' ')}, expected {MAGIC.hex(' ')}")
    kind = KINDS[fields.varint("kind", 0, len(KINDS) - 1)]
    digits, ordered = read_digits(fields)
    neighbors = fields.varint("neighbors", 1, len(NEIGHBORS[kind]))
    sums = fields.varint("fields", 1, MOST_FIELDS)
    scales = read_scales(fields, len(digits.flat), sums)
    rows = [math.prod(scale.bins for scale in group) for group in scales]
    if max(rows) > MOST_ROWS:
        raise ContainerError(f"prior: {max(rows):,} rows of weights for a digit, expected {MOST_ROWS:,} or fewer")
    if any(fields.take(-fields.offset % ALIGNMENT, "filling")):
        raise ContainerError("prior: bytes before its tables are not 0")
    orders, below, around, earlier = [], [], [], []
    for size, radices, follows in zip(digits.codes, digits.radices, ordered, strict=True):
        orders.append(read_order(fields, size, math.prod(radices)) if follows else None)
    for row, radix in zip(rows, digits.flat, strict=True):
        below.append(table(fields, (row, radix), "<u2"))
    part_sizes = digits.part_sizes()
    for _ in range(neighbors):
        around.append(tuple([table(fields, (size + 1, len(digits.flat), sums)) for size in part_sizes]))
    for sizes in digits.earlier_sizes():
        earlier.append(tuple([table(fields, (size, sums)) for size in sizes]))
    if fields.ahead(1):
        raise ContainerError("prior: bytes follow its tables")
    prior = Prior(kind, digits, tuple(orders), scales, tuple(around), tuple(earlier), tuple(below))
    check(prior)
    return prior


def read_digits(fields: Fields) -> tuple[Digits, list[int]]:
    """The digits of a position, and for each code whether an order follows."""
    codes, groups, ordered = [], [], []
    for _ in range(fields.varint("codes", 1, MOST_CODES)):
        size = fields.varint("size of a codebook", 2, LARGEST_CODE)
        count = fields.varint("digits", 1, MOST_DIGITS)
        radices: tuple[int, ...] = ()
        for _ in range(count):
            radices += (fields.varint("radix", 2, LARGEST_RADIX),)
        numbers = math.prod(radices)
        if not size <= numbers <= LARGEST_CODE or numbers // radices[-1] > LARGEST_PREFIX:
            raise ContainerError(f"prior: radices {list(radices)} make {numbers:,} numbers for {size:,} codes")
        follows = fields.varint("order", 0, 1)
        if not follows and numbers > size:
            raise ContainerError(f"prior: no order, and {numbers:,} numbers for {size:,} codes")
        codes.append(size)
        groups.append(radices)
        ordered.append(follows)
    digits = Digits(tuple(codes), tuple(groups))
    if len(digits.flat) > MOST_DIGITS or math.prod(codes) > 1 << 62:
        raise ContainerError(f"prior: {len(digits.flat)} digits of {math.prod(codes):,} ids are too many")
    return digits, ordered


def read_scales(fields: Fields, digits: int, sums: int) -> tuple[tuple[Scale, ...], ...]:
    """How the sums of each field become bins, for each digit."""
    scales = []
    for _ in range(digits):
        group = []
        for _ in range(sums):
            bins, width = fields.varint("bins", 1, LARGEST_SUM), fields.varint("width", 1, LARGEST_SUM)
            group.append(Scale(bins, width, fields.varint("base", 0, LARGEST_SUM)))
        scales.append(tuple(group))
    return tuple(scales)


def read_order(fields: Fields, size: int, numbers: int) -> NDArray[np.int64]:
    """[size] a number of its own for each code."""
    order = table(fields, (size,), "<u2").astype(np.int64)
    if np.bincount(order, minlength=1).max() > 1 or order.max() >= numbers:
        raise ContainerError(f"prior: order does not give each code a number of its own below {numbers}")
    return order


def table(fields: Fields, shape: Sequence[int], dtype: str = "u1") -> NDArray[Any]:
    """The next numbers."""
    content = fields.take(math.prod(shape) * np.dtype(dtype).itemsize, "its tables")
    return np.frombuffer(content, dtype).reshape(tuple(shape))


def check(prior: Prior) -> None:
    """Raises ContainerError where a sum could exceed a byte, or weights are not what they must be."""
    # [D, F], as wide as a sum of the largest bytes needs.
    largest = sum(table.max(axis=0).astype(np.int64) for tables in prior.around for table in tables)
    for digit, rows in enumerate(prior.below):
        reached = largest[digit] + sum(table.max(axis=0).astype(np.int64) for table in prior.earlier[digit])
        if reached.max() > LARGEST_SUM:
            raise ContainerError(f"prior: its sums reach {reached.max()}, expected {LARGEST_SUM} or less")
        if rows[:, 0].any() or (rows[:, 1:] <= rows[:, :-1]).any() or (rows[:, -1] >= TOTAL).any():
            raise ContainerError(f"prior: weights of digit {digit} are not all positive, {TOTAL} in each row")
