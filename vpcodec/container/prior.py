"""A prior of tables: which weights each digit of a token has, given the tokens around it.

    tokens around ──────────────┐
    digits of this token before ┴─ a few numbers each, summed ─ bins ─ a row of weights

Every number is a byte and every sum of them is one too, which is checked once for a prior. `format.py` gives the bytes,
`tabled.py` codes with them, `training/prior.py` makes them.
D digits, r radix of a digit, F fields (sums) of a digit, P number of values that the digits before it can make,
R number of values that the digits of a part can make
"""

import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vpcodec.container.fields import Fields, varint
from vpcodec.container.header import KINDS
from vpcodec.container.rans import TOTAL
from vpcodec.errors import ContainerError

Bytes = NDArray[np.uint8]

MAGIC = b"\xd6PR\x02"
LARGEST_VOCABULARY = 1 << 16
LARGEST_DIGITS = 8
LARGEST_RADIX = 64
LARGEST_PREFIX = 1 << 14  # rows for the digits before the last one
LARGEST_SUM = 255
MOST_FIELDS = 4
MOST_ROWS = 1 << 12  # of weights, for one digit
LARGEST_PART = 1 << 10
# Neighbors (rows up, columns right) of a position, of which a prior uses the first ones.
NEIGHBORS = {
    "speech": tuple((0, -distance) for distance in range(1, 17)),
    "image": ((0, -1), (-1, 0), (-1, -1), (-1, 1), (0, -2), (-2, 0), (-1, -2), (-1, 2), (-2, -1), (-2, 1)),
}


def parts_of(radices: Sequence[int]) -> list[slice]:
    """The digits of a neighbor that are looked up together: as many at a time as make few enough numbers."""
    parts, start, size = [], 0, 1
    for digit, radix in enumerate(radices):
        if size * radix > LARGEST_PART:
            parts.append(slice(start, digit))
            start, size = digit, 1
        size *= radix
    return [*parts, slice(start, len(radices))]


@dataclass(frozen=True)
class Scale:
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
        return np.clip((np.arange(LARGEST_SUM + 1) - self.base) // self.width, 0, self.bins - 1)


@dataclass(frozen=True)
class Prior:
    """A prior in memory.

    Attributes:
        kind: "speech" or "image".
        vocabulary: K, of the tokens.
        radices: r of each of the D digits; the product is K or more.
        order: [K] the number that the digits of each token make; None where it is the token itself.
        scales: For each digit, for each of its F fields, how sums become bins.
        around: For each neighbor, for each part of it [R + 1, D, F], the last row for a neighbor that is missing.
        earlier: For each digit [P, F].
        weights: For each digit [product of its bins, r], each 1 or more, 2^11 together in each row.
    """

    kind: str
    vocabulary: int
    radices: tuple[int, ...]
    order: NDArray[np.int64] | None
    scales: tuple[tuple[Scale, ...], ...]
    around: tuple[tuple[Bytes, ...], ...]
    earlier: tuple[Bytes, ...]
    weights: tuple[NDArray[np.int64], ...]

    def to_bytes(self) -> bytes:
        """As `load_prior` reads it."""
        fields = len(self.scales[0])
        content = MAGIC
        for number in (KINDS.index(self.kind), self.vocabulary, len(self.radices), *self.radices):
            content += varint(number)
        for number in (len(self.around), fields, self.order is not None):
            content += varint(int(number))
        for scale in (scale for scales in self.scales for scale in scales):
            content += varint(scale.bins) + varint(scale.width) + varint(scale.base)
        packed = b"" if self.order is None else self.order.astype("<u4").tobytes()
        for table in (*(table for tables in self.around for table in tables), *self.earlier):
            packed += table.tobytes()
        for rows in self.weights:
            packed += rows.astype("<u2").tobytes()
        return content + zlib.compress(packed, 9)


def load_prior(content: bytes) -> Prior:
    """A prior from its bytes. Raises ContainerError for bytes that are none."""
    fields = Fields(content, "prior")
    magic = fields.take(len(MAGIC), "start")
    if magic != MAGIC:
        raise ContainerError(f"not a prior of version 2: it starts with {magic.hex(' ')}, expected {MAGIC.hex(' ')}")
    kind = KINDS[fields.bounded("kind", 0, len(KINDS) - 1)]
    vocabulary = fields.bounded("vocabulary", 2, LARGEST_VOCABULARY)
    count = fields.bounded("digits", 1, LARGEST_DIGITS)
    radices = tuple(fields.bounded("radix", 2, LARGEST_RADIX) for _ in range(count))
    numbers = math.prod(radices)
    if not vocabulary <= numbers <= 2 * LARGEST_VOCABULARY or numbers // radices[-1] > LARGEST_PREFIX:
        raise ContainerError(f"prior: radices {list(radices)} make {numbers:,} numbers for {vocabulary:,} tokens")
    neighbors = fields.bounded("neighbors", 1, len(NEIGHBORS[kind]))
    sums = fields.bounded("fields", 1, MOST_FIELDS)
    ordered = fields.bounded("order", 0, 1)
    if not ordered and numbers > vocabulary:
        raise ContainerError(f"prior: no order, and {numbers:,} numbers for {vocabulary:,} tokens")
    scales = tuple(
        tuple(
            Scale(
                fields.bounded("bins", 1, LARGEST_SUM),
                fields.bounded("width", 1, LARGEST_SUM),
                fields.bounded("base", 0, LARGEST_SUM),
            )
            for _ in range(sums)
        )
        for _ in radices
    )
    rows = [math.prod(scale.bins for scale in group) for group in scales]
    if max(rows) > MOST_ROWS:
        raise ContainerError(f"prior: {max(rows):,} rows of weights for a digit, expected {MOST_ROWS:,} or fewer")
    parts = parts_of(radices)
    shapes = [(math.prod(radices[part]) + 1, count, sums) for part in parts] * neighbors
    shapes += [(math.prod(radices[:digit]), 1, sums) for digit in range(count)]
    size = 4 * vocabulary * ordered + sum(map(math.prod, shapes)) + 2 * int(np.dot(rows, radices))
    packed = Fields(unpacked(content[fields.position :], size), "prior")
    order = None
    if ordered:
        order = np.frombuffer(packed.take(4 * vocabulary, "order"), "<u4").astype(np.int64)
        if len(np.unique(order)) < vocabulary or order.max() >= numbers:
            raise ContainerError(f"prior: order does not give each token a number of its own below {numbers}")
    tables = [np.frombuffer(packed.take(math.prod(shape), "tables"), np.uint8).reshape(shape) for shape in shapes]
    borders = range(0, neighbors * len(parts), len(parts))
    around = tuple(tuple(tables[start : start + len(parts)]) for start in borders)
    earlier = tuple(table[:, 0] for table in tables[neighbors * len(parts) :])
    weights = tuple(
        np.frombuffer(packed.take(2 * row * radix, "weights"), "<u2").reshape(row, radix).astype(np.int64)
        for row, radix in zip(rows, radices, strict=True)
    )
    prior = Prior(kind, vocabulary, radices, order, scales, around, earlier, weights)
    check(prior)
    return prior


def unpacked(content: bytes, size: int) -> bytes:
    """What zlib packed, which must be so many bytes. Raises ContainerError for any other."""
    inflater = zlib.decompressobj()
    try:
        found = inflater.decompress(content, size + 1)
    except zlib.error as error:
        raise ContainerError(f"prior: its tables are damaged ({error})") from None
    if len(found) != size or not inflater.eof or inflater.unused_data:
        raise ContainerError(f"prior: its tables do not unpack to {size:,} bytes")
    return found


def check(prior: Prior) -> None:
    """Raises ContainerError where a sum could exceed a byte, or weights are not what they must be."""
    for digit, rows in enumerate(prior.weights):
        largest = prior.earlier[digit].astype(np.int64).max(axis=0)
        largest = largest + sum(
            table[:, digit].max(axis=0).astype(np.int64) for tables in prior.around for table in tables
        )
        if largest.max() > LARGEST_SUM:
            raise ContainerError(f"prior: its sums reach {largest.max()}, expected {LARGEST_SUM} or less")
        if rows.min() < 1 or (rows.sum(axis=1) != TOTAL).any():
            raise ContainerError(f"prior: weights of digit {digit} are not all positive, {TOTAL} in each row")
