"""Tokens <-> payload: the smaller of two codings for each frame, and its inverse. Integers decide every byte.

A frame that continues the one before it is always tabled. Before its tokens come a few values: that it does, or that
none does, and its side bytes as differences.
"""

import hashlib
import math
from collections.abc import Sequence
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from vpcodec.container.flat import pack, smallest_flat_size, unpack
from vpcodec.container.plain import encode_values
from vpcodec.container.prior import TOTAL
from vpcodec.container.tabled import Decoder, Lookups, decode_frame, encode_frame, lookups_of
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
BYTES = list(range(0, TOTAL + 1, 8))


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
    tabled = encode_frame(tokens, fitting(prior, vocabulary, kind)) if prior is not None else None
    if tabled is not None and len(tabled) < smallest_flat_size(vocabulary, tokens.size):
        return TABLED, tabled
    flat = pack(tokens.reshape(-1), vocabulary)
    return (FLAT, flat) if tabled is None or len(flat) <= len(tabled) else (TABLED, tabled)


def decode_tokens(
    coding: int, payload: bytes, shape: tuple[int, int], levels: Sequence[int], kind: str, prior: bytes | None = None
) -> NDArray[np.int64]:
    """The inverse of `encode_tokens`: [rows, columns] int64. Raises ContainerError for what no such tokens make."""
    vocabulary = math.prod(levels)
    if coding == FLAT:
        return unpack(payload, vocabulary, math.prod(shape)).reshape(shape)
    if prior is None:
        raise ContainerError(f"{CODINGS[coding]} payload found in a token file that names no prior")
    return decode_frame(payload, shape, fitting(prior, vocabulary, kind))


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
    lead = [pair(FOLLOWS, WHOLE)]
    if columns != whole:
        lead = [pair(FOLLOWS, SHORT), pair(shares(whole), columns)]
    for byte, last in zip(side, side_before, strict=True):
        step = (byte - last - LOWEST_STEP) % 256
        lead.append(pair(STEPS, min(step, len(STEPS) - 2)))
        if step >= len(STEPS) - 2:
            lead.append(pair(BYTES, byte))
    return encode_frame(tokens, lookups_of(prior), before, lead)


def encode_none() -> bytes:
    """What stands where a frame could continue another and none does."""
    return encode_values([pair(FOLLOWS, NONE)])


def decode_continued(
    decoder: Decoder, before: NDArray[np.int64], side_before: bytes, prior: bytes
) -> tuple[NDArray[np.int64], bytes] | None:
    """The inverse of both: tokens, side bytes; None where no frame continues. Raises ContainerError for damage."""
    rows, columns = before.shape
    follows = decoder.value(FOLLOWS)
    if follows == NONE:
        decoder.finish()
        return None
    if follows == SHORT and not (columns <= TOTAL and (columns := decoder.value(shares(columns)))):
        raise ContainerError("it is short, of no columns")
    side = bytearray()
    for last in side_before:
        step = decoder.value(STEPS)
        side.append(decoder.value(BYTES) if step == len(STEPS) - 2 else (last + step + LOWEST_STEP) % 256)
    tokens = decoder.tokens((rows, columns), lookups_of(prior), before)
    decoder.finish()
    return tokens, bytes(side)


def pair(below: Sequence[int], value: int) -> tuple[int, int]:
    """The weight of a value, and what is below it."""
    return below[value + 1] - below[value], below[value]


def shares(count: int) -> list[int]:
    """Equal weights, up to rounding, of so many values."""
    return [value * TOTAL // count for value in range(count + 1)]


def fitting(prior: bytes, vocabulary: int, kind: str) -> Lookups:
    """The lookups of a prior. Raises ContainerError where it is for other tokens."""
    lookups = lookups_of(prior)
    found = lookups.prior
    if (found.kind, found.vocabulary) != (kind, vocabulary):
        raise ContainerError(
            f"the prior is for {found.kind} tokens below {found.vocabulary}, expected {kind} tokens below {vocabulary}"
        )
    return lookups


def prior_identity(prior: bytes | None) -> bytes:
    """What the header calls a prior: the first 4 bytes of its SHA-256; empty for none."""
    return b"" if prior is None else hashlib.sha256(prior).digest()[:4]
