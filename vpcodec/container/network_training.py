"""Makes priors of a network from tokens: stochastic gradient descent on bits per token, then rounding to integers.

Files coded with them are some percent smaller than with priors of tables, and far slower to read and write.
Floating-point numbers are at home here, because a prior is made once and shipped; what codes with it never sees any.
N tokens of a batch, D digits, H width, R rows of the context table.
"""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from vpcodec.container.code_order import digits_for
from vpcodec.container.learning import Adam, Floats, one_hot
from vpcodec.container.prior import Ints, Prior
from vpcodec.container.weights import UNIT, Plane, Weights

BATCH = 1024
PEAK_RATE = 4e-3  # of Adam
FRACTION = 256  # steps per unit of context, earlier, offset and matrix
BITS = float(np.log2(np.e))  # in a natural unit


def train_network_prior(
    frames: Sequence[NDArray[np.int64]],
    levels: Sequence[int],
    kind: str,
    *,
    neighbours: int = 6,
    width: int = 64,
    passes: float = 3.0,
    seed: int = 0,
    codes: NDArray[np.floating] | None = None,
) -> bytes:
    """A prior for tokens like these.

    Args:
        frames: [rows, columns] int64 each: windows of speech, tiles of images.
        levels: Radices of a token.
        kind: "speech" or "image".
        neighbours: How many tokens before a token are looked at.
        width: H, at most 256.
        passes: How often each token is seen.
        seed: Of the order in which they are.
        codes: [K, C] the codebook, where there is one; without it the tokens tell which codes are alike.

    Returns:
        The prior's bytes, to be given to `Writer` and `Reader`.
    """
    random = np.random.default_rng(seed)
    vocabulary = math.prod(levels)
    radices, order = digits_for(levels, frames, codes, random)
    shape = replace(blank(vocabulary, radices, kind, neighbours, width), order=order)
    rows, digits = examples(frames, shape)
    network = Network(shape, random)
    network.count(digits)
    steps = max(1, int(passes * len(digits)) // BATCH)
    for step in range(steps):
        chosen = random.integers(0, len(digits), BATCH)
        done = step / steps
        network.learn(rows[chosen], digits[chosen], PEAK_RATE * min(20 * done + 0.01, 1.0 - done))
    return network.rounded().to_bytes()


class Network:
    """The prior while it learns: the same tables in floating point.

    Args:
        shape: A prior that tells kind, digits, neighbours and width; its numbers are not used.
        random: Source of the first weights.
    """

    def __init__(self, shape: Prior, random: np.random.Generator) -> None:
        self.shape = shape
        self.radices = shape.radices
        self.ends = np.cumsum((0, *self.radices))  # of the digits' rows in `earlier`

        def small(array: Ints) -> Floats:
            return random.normal(0, 0.05, array.shape).astype(np.float32)

        self.weights = {"context": small(shape.context), "offset": np.zeros(shape.offset.shape, np.float32)}
        for digit in range(len(self.radices)):
            self.weights[f"earlier{digit}"] = small(shape.earlier[digit])
            self.weights[f"matrix{digit}"] = small(shape.matrix[digit])
            self.weights[f"usual{digit}"] = np.zeros(shape.usual[digit].shape, np.float32)
        self.adam = Adam(self.weights)

    def count(self, digits: NDArray[np.int64]) -> None:
        """Start from how often each digit follows those before it in its token, [N, D] digits."""
        prefix = np.zeros(len(digits), np.int64)
        place = 1
        for digit, radix in enumerate(self.radices):
            counts = np.bincount(prefix * radix + digits[:, digit], minlength=place * radix).reshape(place, radix) + 0.5
            logarithms = np.log(counts)
            self.weights[f"usual{digit}"][:] = logarithms - logarithms.max(axis=1, keepdims=True)
            prefix += digits[:, digit] * place
            place *= radix

    def learn(self, rows: NDArray[np.int32], digits: NDArray[np.int64], rate: float) -> float:
        """One step of Adam on a batch; returns its bits per token.

        Args:
            rows: [N, neighbours * D] rows of `context`.
            digits: [N, D]
            rate: Learning rate.
        """
        looked = one_hot(rows, len(self.weights["context"]))
        own = one_hot(digits + self.ends[:-1], int(self.ends[-1]))
        count, width = len(rows), self.shape.width
        sums = (looked @ self.weights["context"] + self.weights["offset"]).reshape(count, len(self.radices), width)
        sums_slope = np.zeros_like(sums)
        slopes: dict[str, Floats] = {}
        bits = 0.0
        prefix = np.zeros(count, np.int64)
        place = 1
        for digit, radix in enumerate(self.radices):
            before = own[:, : self.ends[digit]]
            hidden = np.maximum(sums[:, digit] + before @ self.weights[f"earlier{digit}"], 0)
            scores = hidden @ self.weights[f"matrix{digit}"] + self.weights[f"usual{digit}"][prefix]
            scores -= scores.max(axis=1, keepdims=True)
            chances = np.exp(scores)
            chances /= chances.sum(axis=1, keepdims=True)
            each = np.arange(count), digits[:, digit]
            bits -= float(np.log2(np.maximum(chances[each], 1e-9)).mean())
            chances[each] -= 1
            chances /= count  # now the slope of the scores
            slopes[f"matrix{digit}"] = hidden.T @ chances
            slopes[f"usual{digit}"] = usual_slope = np.zeros((place, radix), np.float32)
            np.add.at(usual_slope, prefix, chances)
            hidden_slope = chances @ self.weights[f"matrix{digit}"].T * (hidden > 0)
            slopes[f"earlier{digit}"] = before.T @ hidden_slope
            sums_slope[:, digit] = hidden_slope
            prefix += digits[:, digit] * place
            place *= radix
        flat = sums_slope.reshape(count, -1)
        slopes["context"], slopes["offset"] = looked.T @ flat, flat.sum(axis=0)
        self.adam.step(slopes, rate)
        return bits

    def rounded(self) -> Prior:
        """The prior in integers."""
        every = range(len(self.radices))
        return replace(
            self.shape,
            context=integers(self.weights["context"], FRACTION, 32767),
            offset=integers(self.weights["offset"], FRACTION, 32767),
            earlier=tuple(integers(self.weights[f"earlier{digit}"], FRACTION, 32767) for digit in every),
            matrix=tuple(integers(self.weights[f"matrix{digit}"], FRACTION * BITS, 32767) for digit in every),
            usual=tuple(integers(self.weights[f"usual{digit}"], UNIT * BITS, 32767) for digit in every),
        )


def integers(weights: Floats, scale: float, largest: int) -> Ints:
    """Weights times a scale, rounded, with a bound on their size."""
    return np.clip(np.rint(weights * scale), -largest, largest).astype(np.int32)


def blank(vocabulary: int, radices: tuple[int, ...], kind: str, neighbours: int, width: int) -> Prior:
    """A prior of zeros."""
    digits = len(radices)

    def zeros(rows: int, columns: int) -> Ints:
        return np.zeros((rows, columns), np.int32)

    return Prior(
        kind,
        vocabulary,
        radices,
        None,
        neighbours,
        context=zeros(neighbours * (sum(radices) + digits), digits * width),
        offset=zeros(1, digits * width)[0],
        earlier=tuple(zeros(sum(radices[:digit]), width) for digit in range(digits)),
        matrix=tuple(zeros(width, radix) for radix in radices),
        usual=tuple(zeros(math.prod(radices[:digit]), radix) for digit, radix in enumerate(radices)),
    )


def examples(frames: Sequence[NDArray[np.int64]], prior: Prior) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Context rows [N, neighbours * D] and digits [N, D] of all tokens."""
    weights = Weights(prior)
    rows, digits = [], []
    for tokens in frames:
        plane = Plane(prior, (tokens.shape[0], tokens.shape[1]), 1)
        digits.append(weights.digits.of(tokens.reshape(-1)))
        plane.cells[0, plane.grid.positions] = digits[-1]
        rows.append(plane.around(plane.grid.positions).astype(np.int32))
    return np.concatenate(rows), np.concatenate(digits)
