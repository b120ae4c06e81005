"""From a prior and the digits that are known to the weights of the next digit.

    digits of neighbours decoded before ─┐
    digits of this token decoded before ─┴─ rows of tables, summed ─ negative ones to 0 ─ matrix ─ powers of 2

Everything is an integer of 32 bits and no sum can overflow, which is checked once for a prior, so all machines agree
on every weight. The arithmetic is that of `format.py`.    N positions, D digits, H width, r radix of a digit
"""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from vpcodec.container.digits import Digits
from vpcodec.container.grid import grid
from vpcodec.container.prior import Ints, Prior, load_prior
from vpcodec.errors import ContainerError

UNIT = 64  # steps per bit of a score
FULL_BITS = 15  # the most likely digit weighs 2^15
SHIFT = 10  # from products to scores
WAVES = {"speech": 0, "image": 3}  # columns that a row waits for the row above


@lru_cache(maxsize=1)
def powers() -> Ints:
    """[961] int32: entry d is the largest integer n with n^64 <= 2^(960 - d), 2^(15 - d / 64) rounded down."""
    table, number = [], 1 << FULL_BITS
    for distance in range(FULL_BITS * UNIT + 1):
        limit, low = 1 << FULL_BITS * UNIT - distance, 1
        while low < number:
            middle = (low + number + 1) // 2
            low, number = (middle, number) if middle**UNIT <= limit else (low, middle - 1)
        table.append(number)
    return np.array(table, np.int32)


class Weights:
    """What a prior says about digits.

    Args:
        prior: Its tables.

    Raises ContainerError for a prior whose sums could reach 2^31.
    """

    def __init__(self, prior: Prior) -> None:
        self.prior = prior
        self.radices = prior.radices
        self.digits = Digits(prior.radices, prior.vocabulary, prior.order)
        self.context = prior.context.reshape(len(prior.context), -1)
        self.usual = prior.usual
        self.matrix = prior.matrix
        # Sums over the digits before, by the number that those digits make.
        self.earlier = [
            self.sum_earlier(digit, prior.offset.reshape(len(self.radices), -1)[digit])
            for digit in range(len(self.radices))
        ]
        self.check_sums()

    def sum_earlier(self, digit: int, offset: Ints) -> Ints:
        """[product of r before the digit, H]"""
        sums, start = offset[None], 0
        for radix in self.radices[:digit]:
            rows = self.prior.earlier[digit][start : start + radix]
            sums = (rows[:, None] + sums[None]).reshape(-1, sums.shape[-1])
            start += radix
        return sums

    def check_sums(self) -> None:
        """Raises ContainerError where digits exist that would overflow."""
        starts = row_starts(self.prior).reshape(-1)
        largest = np.maximum.reduceat(np.abs(self.context.astype(np.int64)), starts, axis=0).sum(axis=0)
        for digit, hidden in enumerate(largest.reshape(len(self.radices), -1)):
            bound = hidden + np.abs(self.earlier[digit].astype(np.int64)).max(axis=0)
            reach = int((bound @ np.abs(self.matrix[digit].astype(np.int64))).max())
            if max(reach, int(bound.max())) >= 1 << 31:
                raise ContainerError(f"prior: its sums reach {reach:,}, expected less than 2^31")

    def tokens(self, digits: NDArray[np.int64]) -> NDArray[np.int64]:
        """[..., D] -> [...] tokens. Raises ContainerError for digits that no token has."""
        tokens = self.digits.tokens[(digits * self.digits.places).sum(-1)]
        if tokens.max(initial=0) >= self.prior.vocabulary:
            raise ContainerError(f"modelled payload holds digits of no token below {self.prior.vocabulary}")
        return tokens

    def look(self, rows: NDArray[np.int64]) -> Ints:
        """[N, neighbours * D] rows of the context table -> their sums [N, D, H]."""
        sums = np.add.reduce(self.context[rows], axis=1, dtype=np.int32)
        return sums.reshape(len(rows), len(self.radices), -1)

    def weigh(self, sums: Ints, digit: int, before: NDArray[np.int64]) -> Ints:
        """Weights of each value of a digit.

        Args:
            sums: [N, D, H] of `look`.
            digit: Which one.
            before: [N] number that the digits before it make.

        Returns:
            [N, r] 1 to 2^15.
        """
        hidden = self.earlier[digit][before]
        hidden += sums[:, digit]
        np.maximum(hidden, 0, out=hidden)
        scores = hidden @ self.matrix[digit]
        scores >>= SHIFT
        scores += self.usual[digit][before]
        distances = np.maximum.reduce(scores, axis=1, keepdims=True) - scores
        return powers()[np.minimum(distances, FULL_BITS * UNIT)]


@lru_cache(maxsize=8)
def weights_of(prior: bytes) -> Weights:
    """The weights of a prior given by its bytes. Raises ContainerError for bytes that are none."""
    return Weights(load_prior(prior))


def row_starts(prior: Prior) -> NDArray[np.int64]:
    """[neighbours, D] the first row of each digit of each neighbour in the context table."""
    block = sum(prior.radices) + len(prior.radices)
    within = np.cumsum((0, *(radix + 1 for radix in prior.radices[:-1])))
    return np.arange(prior.neighbours)[:, None] * block + within


class Plane:
    """The digits of a frame with a border around them, where a prior looks for neighbours.

    Args:
        prior: Who looks.
        shape: Rows and columns of the frame.
        lanes: Frames side by side.

    Attributes:
        grid: Of the frame.
        cells: [lanes, cells of the grid, D] digits, the radix itself where there are none.
        waves: [rows * columns] when each position is coded; its neighbours all come in earlier waves.
    """

    def __init__(self, prior: Prior, shape: tuple[int, int], lanes: int) -> None:
        self.grid = grid(prior.kind, prior.neighbours, shape)
        self.cells = np.tile(np.array(prior.radices), (lanes, self.grid.size, 1))
        self.waves = self.grid.columns + WAVES[prior.kind] * self.grid.rows
        self.starts = row_starts(prior)

    def around(self, positions: NDArray[np.int64]) -> NDArray[np.int64]:
        """[N] cells -> [lanes * N, neighbours * D] rows of the prior's context."""
        digits = self.cells[:, positions[:, None] + self.grid.steps] + self.starts
        return digits.reshape(-1, self.starts.size)
