"""How sure a mean is: confidence intervals from samples drawn out of the sample."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vpcodec.errors import DataError

RESAMPLES = 1000
CONFIDENCE = 0.95


@dataclass(frozen=True)
class Estimate:
    """A mean with the interval that holds it with 95 percent confidence, over so many items."""

    mean: float
    low: float
    high: float
    items: int


def estimate(values: Sequence[float], weights: Sequence[float] | None = None, seed: int = 0) -> Estimate:
    """The mean of values, and its percentile bootstrap interval.

    Equal lists of items are resampled equally, so that codecs measured on the same items can be compared.

    Args:
        values: One number an item.
        weights: Of the items, such as seconds for a rate over all recordings; equal by default.
        seed: Of the draws.

    Raises:
        DataError: There are no values.
    """
    if not values:
        raise DataError("nothing was measured")
    numbers = np.asarray(values, np.float64)
    shares = np.ones_like(numbers) if weights is None else np.asarray(weights, np.float64)
    count = len(numbers)
    random = np.random.default_rng(seed)
    means = np.empty(RESAMPLES)
    for index in range(RESAMPLES):
        drawn = random.integers(0, count, count)
        means[index] = numbers[drawn] @ shares[drawn] / shares[drawn].sum()
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(means, (tail, 1 - tail))
    mean = numbers @ shares / shares.sum()
    return Estimate(round(float(mean), 6), round(float(low), 6), round(float(high), 6), count)
