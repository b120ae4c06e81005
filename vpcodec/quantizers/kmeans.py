"""K-means for big codebooks: 16,384 codes from a million latents in minutes on two cores.

Seeding takes a few passes instead of one a code: each round draws a share of the codes at once, every row
with a probability in proportion to its squared distance from the codes so far (the idea of k-means||,
Bahmani et al., arXiv 1203.6402, with as many draws as codes, so that nothing is left to merge). Lloyd's
iterations then assign rows through a k-d tree over the codes, first on a sample: what the codes must learn
of the coarse shape, a quarter of the rows teaches four times as fast. A code that loses all its rows moves to
the row that is farthest from its own code. Everything is float64 and follows from the seed.

R rows, K codes, C channels
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from vpcodec.errors import DataError
from vpcodec.quantizers.knn import Floats, build_tree, spatial_order

SEEDING_ROUNDS = 8
SAMPLE_ROWS = 16  # a code; at least so many are left in the sample that the iterations begin with


@dataclass(frozen=True)
class Clustering:
    """A fitted codebook.

    Attributes:
        centroids: [K, C] float64.
        error: Mean squared distance of the rows from their centroids.
        iterations: Lloyd's iterations over all rows that were needed.
    """

    centroids: Floats
    error: float
    iterations: int


def fit_centroids(
    rows: NDArray[Any],
    codes: int,
    *,
    seed: int = 0,
    start: NDArray[Any] | None = None,
    tolerance: float = 3e-4,
    iterations: int = 100,
) -> Clustering:
    """K centroids with a small mean squared distance from the rows.

    Args:
        rows: [R, C] of any float type, R >= K.
        codes: K.
        seed: Of the seeding; the same seed and rows give the same centroids.
        start: [K, C] centroids to start from instead of the seeding.
        tolerance: Stop when an iteration lowers the error by less than this share of it.
        iterations: Stop after so many at the latest.

    Raises:
        DataError: There are fewer rows than codes, or some are not finite.
    """
    exact = np.ascontiguousarray(rows, dtype=np.float64)
    if len(exact) < codes:
        raise DataError(f"{len(exact):,} latents are too few for {codes:,} codes", hint="fit on more of the data")
    if not np.isfinite(exact).all():
        raise DataError("the latents to fit codes on are not all finite", hint="did the training diverge?")
    exact = exact[spatial_order(exact)]
    if start is not None:
        centroids = np.array(start, dtype=np.float64)
    elif len(exact) >= 4 * SAMPLE_ROWS * codes:
        sample = np.random.default_rng(seed).choice(exact, len(exact) // 4, replace=False, shuffle=False)
        centroids = fit_centroids(sample, codes, seed=seed, tolerance=tolerance, iterations=iterations).centroids
    else:
        centroids = seed_centroids(exact, codes, seed)
    labels, distances = assign(exact, centroids)
    error = float(np.square(distances).mean())
    done = 0
    for done in range(1, iterations + 1):  # noqa: B007 - reported
        centroids = update(exact, centroids, labels, distances)
        labels, distances = assign(exact, centroids)
        before, error = error, float(np.square(distances).mean())
        if error == 0 or (before - error <= tolerance * before and len(np.unique(labels)) == codes):
            break
    return Clustering(centroids, error, done)


def seed_centroids(rows: Floats, codes: int, seed: int) -> Floats:
    """[K, C] rows to start from, far apart where rows are sparse and close where they are dense."""
    generator = np.random.default_rng(seed)
    chosen = generator.choice(len(rows), -(-codes // SEEDING_ROUNDS), replace=False)
    distances = assign(rows, rows[chosen])[1]
    while len(chosen) < codes:
        count = min(-(-codes // SEEDING_ROUNDS), codes - len(chosen))
        # The rows with the largest logarithms of weight plus Gumbel noise are a weighted draw without replacement.
        with np.errstate(divide="ignore"):
            keys = 2 * np.log(distances) + generator.gumbel(size=len(rows))
        keys[chosen] = -np.inf
        drawn = np.argpartition(-keys, count - 1)[:count]
        chosen = np.concatenate([chosen, np.sort(drawn)])
        distances = np.minimum(distances, assign(rows, rows[drawn])[1])
    return rows[chosen]


def assign(rows: Floats, centroids: Floats) -> tuple[NDArray[np.int64], Floats]:
    """Label of the nearest centroid, [R], and the distance from it, [R]."""
    distances, labels = build_tree(centroids).query(rows, workers=torch.get_num_threads())
    return labels, distances


def update(rows: Floats, centroids: Floats, labels: NDArray[np.int64], distances: Floats) -> Floats:
    """[K, C], the means of the clusters; those of empty clusters go to the farthest rows, first row of equals."""
    counts = np.bincount(labels, minlength=len(centroids))
    sums = np.stack([np.bincount(labels, column, len(centroids)) for column in rows.T], axis=1)
    means = sums / np.maximum(counts, 1)[:, None]
    empty = np.flatnonzero(counts == 0)
    if len(empty):
        means[empty] = rows[farthest(rows, distances, len(empty))]
    return means


def farthest(rows: Floats, distances: Floats, count: int) -> NDArray[np.int64]:
    """Indices of the `count` rows farthest from their centroids, no two of them equal while others remain."""
    order = np.argsort(-distances, kind="stable")[: max(64, 4 * count)]
    _, firsts = np.unique(rows[order], axis=0, return_index=True)
    different = np.sort(firsts)
    same = np.setdiff1d(np.arange(len(order)), different)
    return order[np.concatenate([different, same])[:count]]
