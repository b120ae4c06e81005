"""Frames as coding walks them: cells of a frame with a border around them, and where the neighbours of a cell lie."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

LEAST_TOKENS = 64  # that a payload byte stands for at most: a few bytes must not keep a reader busy for long
# Neighbours (rows up, columns right) of a position, of which a prior uses the first ones.
NEIGHBOURS = {
    "speech": tuple((0, -distance) for distance in range(1, 17)),
    "image": ((0, -1), (-1, 0), (-1, -1), (-1, 1), (0, -2), (-2, 0), (-1, -2), (-1, 2), (-2, -1), (-2, 1)),
}


@dataclass(frozen=True)
class Grid:
    """Cells of a frame and of the border around it, counted row after row.

    Attributes:
        size: Number of cells.
        rows: [n] row of each of the n positions of the frame.
        columns: [n] and its column.
        positions: [n] its cell.
        steps: [N] from a cell to those of its neighbours.
    """

    size: int
    rows: NDArray[np.int64]
    columns: NDArray[np.int64]
    positions: NDArray[np.int64]
    steps: NDArray[np.int64]


def grid(kind: str, neighbours: int, shape: tuple[int, int]) -> Grid:
    """The grid of a frame.

    Args:
        kind: "speech" or "image".
        neighbours: How many of `NEIGHBOURS` are looked at.
        shape: Rows and columns of the frame.
    """
    near = NEIGHBOURS[kind][:neighbours]
    up = max(-row for row, _ in near)
    left = max(-column for _, column in near)
    right = max(0, *(column for _, column in near))
    wide = left + shape[1] + right
    rows, columns = (axis.reshape(-1) for axis in np.indices(shape))
    steps = np.array([row * wide + column for row, column in near])
    return Grid((up + shape[0]) * wide, rows, columns, (rows + up) * wide + columns + left, steps)
