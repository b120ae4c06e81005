"""Tokens <-> payload: the smaller of two codings for each frame, and its inverse. Integers decide every byte.

A frame that continues the one before it is always tabled, and carries a byte of checksum and its last side byte.
"""

import hashlib
import math
import zlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from vpcodec.container.fields import word
from vpcodec.container.flat import pack, smallest_flat_size, unpack
from vpcodec.container.tabled import Lookups, decode_frame, encode_frame, lookups_of
from vpcodec.errors import ContainerError

FLAT, TABLED = 0, 2
CODINGS = {FLAT: "flat", TABLED: "tabled"}
CONTINUED = -1  # tabled, in a frame that continues the one before it


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
    tokens, carried = decode_frame(payload, shape, fitting(prior, vocabulary, kind))
    if carried:
        raise ContainerError(f"tabled payload carries {carried}, expected 0: it is damaged, or made with another prior")
    return tokens


def encode_continued(
    tokens: NDArray[np.int64], side: bytes, number: int, before: NDArray[np.int64], prior: bytes
) -> bytes:
    """The content of a frame that continues another.

    Args:
        tokens: [rows, columns] int64.
        side: Its side bytes.
        number: Of the frame.
        before: [rows, any columns] tokens of the frame before it.
        prior: One that fits.

    Returns:
        The side bytes but the last, then the payload.
    """
    last = side[-1] if side else 0
    carried = last << 8 | continued_check(tokens, side, number)
    return side[:-1] + encode_frame(tokens, lookups_of(prior), before, carried)


def decode_continued(
    content: bytes, shape: tuple[int, int], sides: int, number: int, before: NDArray[np.int64], prior: bytes
) -> tuple[NDArray[np.int64], bytes]:
    """The inverse of `encode_continued`: tokens, side bytes. Raises ContainerError for content that is damaged."""
    plain = max(0, sides - 1)
    tokens, carried = decode_frame(content[plain:], shape, lookups_of(prior), before)
    side = content[:plain] + bytes([carried >> 8])[: sides - plain]
    if carried & 255 != continued_check(tokens, side, number) or (not sides and carried >> 8):
        raise ContainerError("it is damaged or out of place, or continues another frame")
    return tokens, side


def continued_check(tokens: NDArray[np.int64], side: bytes, number: int) -> int:
    """Lowest byte of a CRC-32 of the number of a frame, its side bytes and its tokens."""
    return zlib.crc32(word(number) + side + tokens.astype("<i8").tobytes()) & 255


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
