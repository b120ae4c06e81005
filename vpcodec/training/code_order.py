"""Digits for the codes of a codebook, whose ids tell nothing: codes that are alike share their first digits.

Codes are split in two along the direction in which they differ most, each half again, and so on. The halves are the
bits of a number, the first split first; a few bits make a digit. What is alike is told by the codes themselves or,
where only tokens are at hand, by the tokens around each code.    K codes, F features
"""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from vpcodec.container.prior import LARGEST_PREFIX, Digits

Floats = NDArray[np.float64]

FEATURES = 16
LARGEST_DIGIT = 4  # bits
LARGEST_LEVEL = 64  # of a scalar method; larger ones are codebooks


def digits_for(
    levels: Sequence[int],
    frames: Sequence[NDArray[np.int64]],
    codebooks: Sequence[NDArray[np.floating]] | None,
    random: np.random.Generator,
) -> tuple[Digits, tuple[NDArray[np.int64] | None, ...]]:
    """The digits of tokens, and for each code the number of each of its ids where that is not the id itself.

    Args:
        levels: Radices of a token: those of a scalar method are its digits, others are codes.
        frames: Tokens, which tell which codes are alike if `codebooks` do not.
        codebooks: For each code a position [K, C] its codebook.
        random: For the first guess of what codes are like.
    """
    if max(levels) <= LARGEST_LEVEL:
        groups: list[tuple[int, ...]] = [()]
        for level in levels:
            if math.prod(groups[-1]) * level > LARGEST_PREFIX:
                groups.append(())
            groups[-1] += (level,)
        return Digits(tuple(map(math.prod, groups)), tuple(groups)), (None,) * len(groups)
    radices, orders, place = [], [], 1
    for code, size in enumerate(levels):
        bits = digit_bits(size)
        if codebooks is None:
            features = surroundings([frame // place % size for frame in frames], size, random)
        else:
            features = principal(codebooks[code].astype(np.float64))
        radices.append(tuple(1 << each for each in bits))
        orders.append(order_codes(features, bits))
        place *= size
    return Digits(tuple(levels), tuple(radices)), tuple(orders)


def digit_bits(vocabulary: int) -> list[int]:
    """Bits of each digit, as equal as can be, the larger ones first."""
    bits = (vocabulary - 1).bit_length()
    digits = -(-bits // LARGEST_DIGIT)
    return [(bits + place) // digits for place in reversed(range(digits))]


def order_codes(features: Floats, bits: Sequence[int]) -> NDArray[np.int64]:
    """[K, F] -> [K] the number of each code, whose digits are those of `bits`, the first split in the lowest digit."""
    depth = sum(bits)
    paths = np.zeros(len(features), np.int64)
    groups = [np.arange(len(features))]
    for level in reversed(range(depth)):
        halves = []
        for group in groups:
            ranked = group[np.argsort(along_spread(features[group]), kind="stable")]
            first, second = np.split(ranked, [-(-len(ranked) // 2)])
            paths[second] += 1 << level
            halves += [half for half in (first, second) if len(half)]
        groups = halves
    numbers = np.zeros_like(paths)
    above, place = depth, 0
    for width in bits:
        above -= width
        numbers += (paths >> above & (1 << width) - 1) << place
        place += width
    return numbers


def along_spread(features: Floats) -> Floats:
    """[n, F] -> [n] coordinate along the direction of the largest variance."""
    centred = features - features.mean(axis=0)
    return np.asarray(centred @ np.linalg.eigh(centred.T @ centred)[1][:, -1])


def principal(features: Floats) -> Floats:
    """[K, F] -> [K, at most FEATURES] coordinates along the directions of the largest variance."""
    centred = features - features.mean(axis=0)
    return np.asarray(centred @ np.linalg.eigh(centred.T @ centred)[1][:, -FEATURES:])


def surroundings(frames: Sequence[NDArray[np.int64]], vocabulary: int, random: np.random.Generator) -> Floats:
    """[K, FEATURES] what the tokens to the left and right (and above and below) of each code are like.

    Each code gets a random vector, then twice the mean of the vectors around it: codes in like places come to be alike.
    """
    vectors = random.normal(size=(vocabulary, 4 * FEATURES))
    for _ in range(2):
        near = np.zeros((2, vocabulary, vectors.shape[1]))
        counts = np.ones((vocabulary, 1))
        for axis in range(2):
            for tokens in frames:
                before, after = (np.delete(tokens, cut, axis=axis).reshape(-1) for cut in (-1, 0))
                np.add.at(near[0], after, vectors[before])
                np.add.at(near[1], before, vectors[after])
                np.add.at(counts, before, 1)
        around = np.concatenate(list(near / counts), axis=1)
        vectors = principal(around)
        vectors /= vectors.std() + 1e-9
    return vectors
