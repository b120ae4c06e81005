"""Tokens <-> payload: choose a coding for each frame, and undo it. Integers decide every byte."""

import hashlib
import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from vpcodec.container.flat import largest_flat_size, pack, unpack
from vpcodec.errors import ContainerError

FLAT, ADAPTIVE = 0, 1
CODINGS = {FLAT: "flat", ADAPTIVE: "adaptive"}


def encode_tokens(
    frames: Sequence[NDArray[np.int64]], levels: Sequence[int], kind: str, prior: bytes | None = None
) -> list[tuple[int, bytes]]:
    """Code frames, each without the others.

    Args:
        frames: [rows, columns] int64 each.
        levels: Radices of a token.
        kind: "speech" or "image".
        prior: What `train_prior` made, or None.

    Returns:
        Coding and payload of each frame.
    """
    return [(FLAT, pack(tokens.reshape(-1), math.prod(levels))) for tokens in frames]


def decode_tokens(
    coding: int,
    payload: bytes,
    shape: tuple[int, int],
    levels: Sequence[int],
    kind: str,
    prior: bytes | None = None,
) -> NDArray[np.int64]:
    """The inverse of `encode_tokens` for one frame: [rows, columns] int64.

    Raises ContainerError for a payload that no such tokens make.
    """
    if coding == FLAT:
        return unpack(payload, math.prod(levels), math.prod(shape)).reshape(shape)
    raise ContainerError(f"coding {coding} is unknown, expected one of {', '.join(map(str, CODINGS))}")


def largest_payload(levels: Sequence[int], count: int) -> int:
    """Bytes that the payload of so many tokens never exceeds, whatever its coding."""
    return largest_flat_size(math.prod(levels), count)


def prior_identity(prior: bytes | None) -> bytes:
    """What the header calls a prior: the first 4 bytes of its SHA-256; empty for none."""
    return b"" if prior is None else hashlib.sha256(prior).digest()[:4]
