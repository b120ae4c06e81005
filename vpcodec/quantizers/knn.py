"""Distances to near neighbours, exact, at a cost that hardly grows with the number of rows.

On the CPU a k-d tree (scipy's) looks only at the few leaves around a point; on an accelerator the rows are
taken in blocks and the nearest so far are kept, so memory stays bounded whatever the number of rows.
Distances come from differences, never from |x|^2 - 2xy + |y|^2: that loses small distances to rounding,
TF32 would make it worse, and its rounding depends on the shape of the batch.

N points, R rows, C channels
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vpcodec.errors import DependencyError

BLOCK = 2**25  # distances held at a time: 128 MiB
LEAF_ROWS = 32


Floats = NDArray[np.float64]


class Neighbours:
    """A fixed set of rows, asked for the distances of points to their m-th nearest rows.

    Args:
        rows: [R, C] float, all finite.

    Raises:
        DependencyError: Rows are on the CPU and scipy is not installed.
    """

    def __init__(self, rows: Tensor) -> None:
        self.rows = rows
        self.tree: Any = None
        if rows.device.type == "cpu":
            exact = rows.double().numpy()
            self.tree = build_tree(exact[spatial_order(exact)])

    def distances(self, points: Tensor, ranks: Sequence[int]) -> Tensor:
        """Euclidean distances from each point to its m-th nearest row.

        Args:
            points: [N, C] float, all finite.
            ranks: The m asked for, counting from 1, none above R.

        Returns:
            [N, len(ranks)] in the float type of the points.
        """
        if self.tree is None:
            return blocked_distances(points, self.rows, ranks)
        exact = points.double().numpy()
        order = spatial_order(exact)
        found = np.empty((len(exact), len(ranks)))
        found[order] = self.tree.query(exact[order], k=list(ranks), workers=torch.get_num_threads())[0]
        return torch.from_numpy(found).to(points)


def spatial_order(points: Floats) -> NDArray[np.intp]:
    """Indices that put near points one after the other, so that what a search visits next is in the cache already.

    Measured on 1.3 million rows: a tree over rows in this order, asked for points in this order, answers three times
    as fast. The order is that of the leaves of a tree.
    """
    order: NDArray[np.intp] = build_tree(points).indices
    return order


def build_tree(rows: Floats) -> Any:
    """A k-d tree over [R, C] rows. Raises DependencyError without scipy."""
    try:
        from scipy.spatial import cKDTree
    except ImportError as error:
        raise DependencyError(
            "VP-VAE searches neighbours with scipy, which is not installed", hint="pip install 'vpcodec[full]'"
        ) from error
    # Halving space instead of the rows builds the tree in about half the time; searching takes as long.
    return cKDTree(rows, leafsize=LEAF_ROWS, balanced_tree=False)


def blocked_distances(points: Tensor, rows: Tensor, ranks: Sequence[int], block: int = BLOCK) -> Tensor:
    """What `Neighbours.distances` returns, by looking at every row, `block` distances at a time."""
    most = max(ranks)
    points_at_once = max(1, min(len(points), block // (4 * most)))
    rows_at_once = max(most, block // points_at_once)
    found = []
    for some_points in points.split(points_at_once):
        nearest = points.new_full((len(some_points), most), torch.inf)
        for some_rows in rows.split(rows_at_once):
            candidates = torch.cat([nearest, squared_distances(some_points, some_rows)], 1)
            nearest = candidates.topk(most, largest=False).values
        found.append(nearest[:, [rank - 1 for rank in ranks]].sqrt())
    return torch.cat(found) if found else points.new_zeros(0, len(ranks))


def squared_distances(points: Tensor, rows: Tensor) -> Tensor:
    """[N, C], [R, C] -> [N, R], channel by channel."""
    total = points.new_zeros(len(points), len(rows))
    for of_points, of_rows in zip(points.T, rows.T, strict=True):
        total += (of_points[:, None] - of_rows).square_()
    return total
