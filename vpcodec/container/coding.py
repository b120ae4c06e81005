"""Tokens <-> payload: the smaller of two codings for each frame, and its inverse. Integers decide every byte.

A frame that continues the one before it is always tabled. Before its tokens come a few values: that it does, or that
none does, and its side bytes as differences.
"""

import hashlib
import math
from collections.abc import Sequence
from itertools import accumulate, chain

import numpy as np
from numpy.typing import NDArray

from vpcodec.container.plain import encode_values
from vpcodec.container.tabled import DAMAGED, Decoder, Lookups, decode_frame, encode_frame, lookups_of
from vpcodec.errors import ContainerError

FLAT, TABLED = 0, 2
CODINGS = {FLAT: "flat", TABLED: "tabled"}


def summed(weights: Sequence[int]) -> list[int]:
    """What is below each value, and the weights of all."""
    return list(accumulate(weights, initial=0))


WHOLE, SHORT, NONE = range(3)  # what follows: a frame of all columns, one of fewer, nothing that continues
FOLLOWS = summed((2016, 16, 16))
LOWEST_STEP = -3  # of a side byte; the last value of the table stands for all steps beyond the others
STEPS = summed((16, 48, 416, 1280, 96, 32, 24, 16, 16, 12, 8, 8, 8, 8, 8, 52))
MOST_EQUAL = 1 << 16  # values that are equally likely


def encode_tokens(
    tokens: NDArray[np.int64], levels: Sequence[int], kind: str, prior: bytes | None = None
) -> tuple[int, bytes]:
    """Code a frame.

    Args:
        tokens: [rows, columns] int64.
        levels: Radices of a token.
        kind: "speech", "audio" or "image".
        prior: What `train_prior` made for such tokens, or None.

    Returns:
        The coding and the payload, the shortest there is.
    """
    vocabulary = math.prod(levels)
    tabled = encode_frame(tokens, fitting(lookups_of(prior), vocabulary, kind)) if prior is not None else None
    if tabled is not None and len(tabled) <= smallest_flat_size(vocabulary, tokens.size):
        return TABLED, tabled
    flat = encode_flat(tokens, levels)
    return (FLAT, flat) if tabled is None or len(flat) < len(tabled) else (TABLED, tabled)


def decode_tokens(
    coding: int, payload: bytes, shape: tuple[int, int], levels: Sequence[int], kind: str, prior: bytes | None = None
) -> NDArray[np.int64]:
    """The inverse of `encode_tokens`: [rows, columns] int64. Raises ContainerError for what no such tokens make."""
    if coding == FLAT:
        return decode_flat(payload, shape, levels)
    if prior is None:
        raise ContainerError(f"{CODINGS[coding]} payload found in a token file that names no prior")
    return decode_frame(payload, shape, fitting(lookups_of(prior), math.prod(levels), kind))


def smallest_flat_size(vocabulary: int, count: int) -> int:
    """Bytes that so many tokens always take in flat coding."""
    return -(-((vocabulary**count).bit_length() - 1) // 8)


def largest_flat_size(levels: Sequence[int], count: int) -> int:
    """Bytes that so many tokens never exceed."""
    return count * sum(level.bit_length() + 1 for level in levels) // 8 + 3


def flat_radices(levels: Sequence[int]) -> list[list[int]]:
    """For each level the bases of its digits: 65,536, and as many as are left for the last one."""
    radices = []
    for level in levels:
        group = []
        while level > MOST_EQUAL:
            group.append(MOST_EQUAL)
            level = -(-level // MOST_EQUAL)
        radices.append([*group, level])
    return radices


def encode_flat(tokens: NDArray[np.int64], levels: Sequence[int]) -> bytes:
    """Code digits all of whose values are equally likely."""
    left, columns = tokens.reshape(-1), []
    for level, radices in zip(levels, flat_radices(levels), strict=True):
        left, number = np.divmod(left, level)
        for radix in radices:
            number, digit = np.divmod(number, radix)
            columns.append([(value, 1, radix) for value in digit.tolist()])
    return encode_values(chain.from_iterable(zip(*columns, strict=True)))


def decode_flat(payload: bytes, shape: tuple[int, int], levels: Sequence[int]) -> NDArray[np.int64]:
    """The inverse of `encode_flat`: [rows, columns] int64. Raises ContainerError for bytes of no such tokens."""
    groups = flat_radices(levels)
    decoder = Decoder(payload)
    digits = iter(decoder.equal([radix for group in groups for radix in group], math.prod(shape)).T)
    fits = decoder.finish() == len(payload)
    tokens, place = np.zeros(math.prod(shape), np.int64), 1
    for level, group in zip(levels, groups, strict=True):
        number = np.sum([next(digits) * MOST_EQUAL**power for power in range(len(group))], axis=0)
        fits = fits and number.max() < level
        tokens += place * number
        place *= level
    if not fits:
        raise ContainerError(f"{DAMAGED}: its {len(payload)} bytes do not hold {len(tokens)} tokens")
    return tokens.reshape(shape)


def encode_continued(
    tokens: NDArray[np.int64], side: bytes, before: NDArray[np.int64], side_before: bytes, prior: bytes
) -> bytes:
    """Code a frame that continues another.

    Args:
        tokens: [rows, columns] int64; fewer columns than `before` has make a short frame.
        side: As many bytes as the frame before it has.
        before: [rows, columns] tokens of that.
        side_before: Side bytes of that.
        prior: One that fits.
    """
    columns, whole = tokens.shape[1], before.shape[1]
    lead = [weighed(FOLLOWS, WHOLE)]
    if columns != whole:
        lead = [weighed(FOLLOWS, SHORT), (columns, 1, whole)]
    for byte, last in zip(side, side_before, strict=True):
        step = (byte - last - LOWEST_STEP) % 256
        lead.append(weighed(STEPS, min(step, len(STEPS) - 2)))
        if step >= len(STEPS) - 2:
            lead.append((byte, 1, 256))
    return encode_frame(tokens, lookups_of(prior), before, lead)


def encode_none() -> bytes:
    """What stands where a frame could continue another and none does."""
    return encode_values([weighed(FOLLOWS, NONE)])


def decode_continued(
    decoder: Decoder, before: NDArray[np.int64], side_before: bytes, prior: bytes
) -> tuple[NDArray[np.int64], bytes] | None:
    """The inverse of both: tokens, side bytes; None where no frame continues. Raises ContainerError for damage."""
    rows, columns = before.shape
    follows = decoder.value(FOLLOWS)
    if follows == NONE:
        decoder.finish()
        return None
    if follows == SHORT and not (columns := decoder.value(range(columns + 1))):
        raise ContainerError("it is short, of no columns")
    side = bytearray()
    for last in side_before:
        step = decoder.value(STEPS)
        side.append(decoder.value(range(257)) if step == len(STEPS) - 2 else (last + step + LOWEST_STEP) % 256)
    tokens = decoder.tokens((rows, columns), lookups_of(prior), before)
    decoder.finish()
    return tokens, bytes(side)


def weighed(below: Sequence[int], value: int) -> tuple[int, int, int]:
    """A value as it is coded: what is below it, its weight, and that of all."""
    return below[value], below[value + 1] - below[value], below[-1]


def fitting(lookups: Lookups, vocabulary: int, kind: str) -> Lookups:
    """The lookups of a prior. Raises ContainerError where it is for other tokens."""
    found = lookups.prior
    if (found.kind, found.vocabulary) != (kind, vocabulary):
        raise ContainerError(
            f"the prior is for {found.kind} tokens below {found.vocabulary}, expected {kind} tokens below {vocabulary}"
        )
    return lookups


def prior_identity(prior: bytes | None) -> bytes:
    """What the header calls a prior: the first 4 bytes of its SHA-256; empty for none."""
    return b"" if prior is None else hashlib.sha256(prior).digest()[:4]
