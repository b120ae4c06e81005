"""Tokens <-> payload: the smallest coding for each frame, and its inverse. Integers decide every byte."""

import hashlib
import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from vpcodec.container.flat import largest_flat_size, pack, smallest_flat_size, unpack
from vpcodec.container.modelled import decode_frames as decode_modelled
from vpcodec.container.modelled import encode_frame as encode_modelled
from vpcodec.container.prior import Prior
from vpcodec.container.tabled import decode_frames as decode_tabled
from vpcodec.container.tabled import encode_frames as encode_tabled
from vpcodec.container.tabled import lookups_of
from vpcodec.container.tables import MAGIC as TABLES
from vpcodec.container.tables import Tables
from vpcodec.container.weights import weights_of
from vpcodec.errors import ContainerError

FLAT, MODELLED, TABLED = 0, 1, 2
CODINGS = {FLAT: "flat", MODELLED: "modelled", TABLED: "tabled"}


def encode_tokens(
    tokens: NDArray[np.int64], levels: Sequence[int], kind: str, prior: bytes | None = None
) -> list[tuple[int, bytes]]:
    """Code frames of one shape, each by itself.

    Args:
        tokens: [frames, rows, columns] int64.
        levels: Radices of a token.
        kind: "speech" or "image".
        prior: What `train_prior` or `train_network_prior` made for such tokens, or None.

    Returns:
        Coding and payload of each frame: the shortest there is.
    """
    vocabulary = math.prod(levels)
    if prior is None:
        return [flat(frame, vocabulary) for frame in tokens]
    if version(prior) == MODELLED:
        weights = weights_of(prior)
        check_fit(weights.prior, vocabulary, kind)
        coded = [(MODELLED, encode_modelled(frame, weights)) for frame in tokens]
    else:
        lookups = lookups_of(prior)
        check_fit(lookups.tables, vocabulary, kind)
        coded = [(TABLED, payload) for payload in encode_tabled(tokens, lookups)]
    least = smallest_flat_size(vocabulary, tokens[0].size)
    return [
        found if len(found[1]) < least else min(flat(frame, vocabulary), found, key=lambda coding: len(coding[1]))
        for frame, found in zip(tokens, coded, strict=True)
    ]


def flat(frame: NDArray[np.int64], vocabulary: int) -> tuple[int, bytes]:
    return FLAT, pack(frame.reshape(-1), vocabulary)


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
        raise ContainerError(f"{CODINGS[coding]} payload found in a token file that names no prior")
    if coding != version(prior):
        raise ContainerError(f"{CODINGS[coding]} payload found, and the prior is for {CODINGS[version(prior)]} coding")
    if coding == MODELLED:
        weights = weights_of(prior)
        check_fit(weights.prior, vocabulary, kind)
        return decode_modelled(payloads, shape, weights)
    lookups = lookups_of(prior)
    check_fit(lookups.tables, vocabulary, kind)
    return decode_tabled(payloads, shape, lookups)


def version(prior: bytes) -> int:
    """The coding that a prior is for."""
    return TABLED if prior.startswith(TABLES) else MODELLED


def check_fit(prior: Prior | Tables, vocabulary: int, kind: str) -> None:
    """Raises ContainerError where a prior is for other tokens."""
    if (prior.kind, prior.vocabulary) != (kind, vocabulary):
        raise ContainerError(
            f"the prior is for {prior.kind} tokens below {prior.vocabulary}, expected {kind} tokens below {vocabulary}"
        )


def largest_payload(levels: Sequence[int], count: int) -> int:
    """Bytes that the payload of so many tokens never exceeds, whatever its coding."""
    return largest_flat_size(math.prod(levels), count)


def prior_identity(prior: bytes | None) -> bytes:
    """What the header calls a prior: the first 4 bytes of its SHA-256; empty for none."""
    return b"" if prior is None else hashlib.sha256(prior).digest()[:4]
