"""What makes both sorts of priors learn: Adam, and rows of ones and zeros."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


class Adam:
    """Adam with the usual 0.9 and 0.999 (Kingma and Ba, arXiv 1412.6980).

    Args:
        weights: What is learned, by name; changed in place.
        shares: Of the learning rate, for weights that should move by less than the whole.
    """

    def __init__(self, weights: Mapping[str, Floats], shares: Mapping[str, float] | None = None) -> None:
        self.weights = weights
        self.shares = shares or {}
        self.means = {name: np.zeros_like(weight) for name, weight in weights.items()}
        self.squares = {name: np.zeros_like(weight) for name, weight in weights.items()}
        self.steps = 0

    def step(self, slopes: Mapping[str, Floats], rate: float) -> None:
        """Move the weights against their slopes."""
        self.steps += 1
        scale = rate * (1 - 0.999**self.steps) ** 0.5 / (1 - 0.9**self.steps)
        for name, slope in slopes.items():
            mean, square = self.means[name], self.squares[name]
            mean += 0.1 * (slope - mean)
            square += 0.001 * (slope * slope - square)
            self.weights[name][...] -= self.shares.get(name, 1.0) * scale * mean / (np.sqrt(square) + 1e-8)


def one_hot(columns: NDArray[np.integer], size: int) -> Floats:
    """[T, n] -> [T, size] with a one in each column named."""
    result = np.zeros((len(columns), size), np.float32)
    result[np.arange(len(columns))[:, None], columns] = 1
    return result
