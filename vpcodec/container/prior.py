"""A prior: what a model's tokens are like, as the tables of a small network of integers.

`format.py` gives the bytes, `weights.py` the arithmetic, `network_training.py` makes priors.
D digits, H width, r radix of a digit
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vpcodec.container.fields import Fields, varint
from vpcodec.container.grid import NEIGHBOURS
from vpcodec.container.header import KINDS
from vpcodec.errors import ContainerError

Ints = NDArray[np.int32]

MAGIC = b"\xd6PR\x01"
LARGEST_WIDTH = 256
LARGEST_RADIX = 256
LARGEST_VOCABULARY = 1 << 16


@dataclass(frozen=True)
class Prior:
    """A prior in memory.

    Attributes:
        kind: "speech" or "image".
        vocabulary: K, of the tokens.
        radices: r of each of the D digits; the product is K or more.
        order: [K] the number that the digits of each token make; None where it is the token itself.
        neighbours: How many of `NEIGHBOURS` are looked at.
        context: [neighbours * sum(r + 1), D * H] a row for each digit of each neighbour, the last one for none.
        offset: [D * H]
        earlier: For each digit [sum of r before it, H], a row for each digit before it.
        matrix: For each digit [H, r].
        usual: For each digit [product of r before it, r].
    """

    kind: str
    vocabulary: int
    radices: tuple[int, ...]
    order: NDArray[np.int64] | None
    neighbours: int
    context: Ints
    offset: Ints
    earlier: tuple[Ints, ...]
    matrix: tuple[Ints, ...]
    usual: tuple[Ints, ...]

    @property
    def width(self) -> int:
        """H"""
        return len(self.offset) // len(self.radices)

    def to_bytes(self) -> bytes:
        """As `load_prior` reads it."""
        content = MAGIC
        facts = (KINDS.index(self.kind), self.vocabulary, len(self.radices), *self.radices, self.neighbours, self.width)
        for number in (*facts, self.order is not None):
            content += varint(int(number))
        if self.order is not None:
            content += self.order.astype("<u4").tobytes()
        for array in (self.context, self.offset, *self.earlier, *self.matrix, *self.usual):
            content += array.astype("<i2").tobytes()
        return content


def load_prior(content: bytes) -> Prior:
    """A prior from its bytes. Raises ContainerError for bytes that are none."""
    fields = Fields(content, "prior")
    magic = fields.take(len(MAGIC), "start")
    if magic != MAGIC:
        raise ContainerError(f"not a prior of version 1: it starts with {magic.hex(' ')}, expected {MAGIC.hex(' ')}")
    kind = KINDS[fields.bounded("kind", 0, len(KINDS) - 1)]
    vocabulary = fields.bounded("vocabulary", 2, LARGEST_VOCABULARY)
    radices = tuple(fields.bounded("radix", 2, LARGEST_RADIX) for _ in range(fields.bounded("digits", 1, 32)))
    numbers = math.prod(radices)
    if not vocabulary <= numbers <= 2 * LARGEST_VOCABULARY:
        raise ContainerError(f"prior: radices {list(radices)} make {numbers:,} numbers for {vocabulary:,} tokens")
    neighbours = fields.bounded("neighbours", 1, len(NEIGHBOURS[kind]))
    width = fields.bounded("width", 1, LARGEST_WIDTH)
    order = None
    if fields.bounded("order", 0, 1):
        order = np.frombuffer(fields.take(4 * vocabulary, "order"), "<u4").astype(np.int64)
        if len(np.unique(order)) < vocabulary or order.max() >= numbers:
            raise ContainerError(f"prior: order does not give each token a number of its own below {numbers}")

    def array(name: str, rows: int, columns: int) -> Ints:
        return np.frombuffer(fields.take(2 * rows * columns, name), "<i2").reshape(rows, columns).astype(np.int32)

    context = array("context", neighbours * (sum(radices) + len(radices)), len(radices) * width)
    offset = array("offset", 1, len(radices) * width)[0]
    earlier = tuple(array("earlier", sum(radices[:digit]), width) for digit in range(len(radices)))
    matrix = tuple(array("matrix", width, radix) for radix in radices)
    usual = tuple(array("usual", math.prod(radices[:digit]), radix) for digit, radix in enumerate(radices))
    if fields.left:
        raise ContainerError(f"prior: {fields.left} bytes follow its end")
    return Prior(kind, vocabulary, radices, order, neighbours, context, offset, earlier, matrix, usual)
