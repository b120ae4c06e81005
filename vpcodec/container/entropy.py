"""Tokens <-> payload: the smallest coding for each frame, and its inverse. Integers decide every byte."""

import hashlib
import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from vpcodec.container.flat import largest_flat_size, pack, unpack
from vpcodec.container.modelled import decode_frames, encode_frame
from vpcodec.container.weights import Weights, weights_of
from vpcodec.errors import ContainerError

FLAT, MODELLED = 0, 1
CODINGS = {FLAT: "flat", MODELLED: "modelled"}


def encode_tokens(
    tokens: NDArray[np.int64], levels: Sequence[int], kind: str, prior: bytes | None = None
) -> tuple[int, bytes]:
    """Code a frame by itself.

    Args:
        tokens: [rows, columns] int64.
        levels: Radices of a token.
        kind: "speech" or "image".
        prior: What `train_prior` made for such tokens, or None.

    Returns:
        Coding and payload.
    """
    vocabulary = math.prod(levels)
    codings = [(FLAT, pack(tokens.reshape(-1), vocabulary))]
    if prior is not None:
        codings.append((MODELLED, encode_frame(tokens, fitting_weights(prior, vocabulary, kind))))
    return min(codings, key=lambda coding: len(coding[1]))


def decode_tokens(
    coding: int,
    payloads: Sequence[bytes],
    shape: tuple[int, int],
    levels: Sequence[int],
    kind: str,
    prior: bytes | None = None,
) -> NDArray[np.int64]:
    """The inverse of `encode_tokens`, for frames of one coding and shape: [frames, rows, columns] int64.

    Raises ContainerError for a payload that no such tokens make.
    """
    vocabulary, count = math.prod(levels), math.prod(shape)
    if coding == FLAT:
        return np.stack([unpack(payload, vocabulary, count).reshape(shape) for payload in payloads])
    if prior is None:
        raise ContainerError("modelled payload found in a token file that names no prior")
    return decode_frames(payloads, shape, fitting_weights(prior, vocabulary, kind))


def fitting_weights(prior: bytes, vocabulary: int, kind: str) -> Weights:
    """The weights of a prior. Raises ContainerError where it is for other tokens."""
    weights = weights_of(prior)
    if (weights.prior.kind, weights.prior.vocabulary) != (kind, vocabulary):
        raise ContainerError(
            f"the prior is for {weights.prior.kind} tokens below {weights.prior.vocabulary}, "
            f"expected {kind} tokens below {vocabulary}"
        )
    return weights


def largest_payload(levels: Sequence[int], count: int) -> int:
    """Bytes that the payload of so many tokens never exceeds, whatever its coding."""
    return largest_flat_size(math.prod(levels), count)


def prior_identity(prior: bytes | None) -> bytes:
    """What the header calls a prior: the first 4 bytes of its SHA-256; empty for none."""
    return b"" if prior is None else hashlib.sha256(prior).digest()[:4]
