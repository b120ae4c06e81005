"""Flat coding: tokens of a vocabulary K as the digits of one large number, log2 K bits each, none wasted.

The number of a long frame would be slow to divide, so it is never held whole. Encoding keeps a state, starts it
at 1 and multiplies the tokens in, last one first; whenever the state reaches 2^72 its lowest bytes leave until it
is below. Decoding takes the bytes back just before they are needed. Since a state of 2^64 and more loses nothing
worth a name by dropping its low bytes, a frame takes at most one byte more than ceil(N log2 K / 8).

Tokens go through the state in steps, as many at a time as 63 bits hold, which is what numpy can put together.
"""

import numpy as np
from numpy.typing import NDArray

from vpcodec.errors import ContainerError

KEPT_BITS = 64  # that the state never falls below while bytes are left


def step_size(vocabulary: int) -> int:
    """Tokens a step: as many as fit 63 bits together."""
    size = 1
    while vocabulary ** (size + 1) <= 1 << 63:
        size += 1
    return size


def largest_flat_size(vocabulary: int, count: int) -> int:
    """Bytes that a frame of so many tokens never exceeds: room for K^count - 1, and one more."""
    step = step_size(vocabulary)
    bits = (vocabulary**step).bit_length() * (count // step) + (vocabulary ** (count % step)).bit_length()
    return bits // 8 + 2


def smallest_flat_size(vocabulary: int, count: int) -> int:
    """Bytes that a frame of so many tokens always takes: the state, never rounded below a power of 2, starts at 1."""
    step = step_size(vocabulary)
    bits = ((vocabulary**step).bit_length() - 1) * (count // step) + (vocabulary ** (count % step)).bit_length() - 1
    return bits // 8 + 1


def pack(tokens: NDArray[np.int64], vocabulary: int) -> bytes:
    """[N] int64 below the vocabulary -> bytes."""
    step = step_size(vocabulary)
    whole = len(tokens) // step * step
    places = vocabulary ** np.arange(step)
    numbers = (tokens[:whole].reshape(-1, step) * places).sum(-1).tolist()
    state = 1
    for token in tokens[whole:][::-1].tolist():
        state = state * vocabulary + token
    radix = vocabulary**step
    left = bytearray()
    for number in reversed(numbers):
        state = state * radix + number
        spare = (state.bit_length() - KEPT_BITS - 1) // 8
        if spare > 0:
            left += (state & (1 << 8 * spare) - 1).to_bytes(spare, "little")
            state >>= 8 * spare
    left += state.to_bytes(-(-state.bit_length() // 8), "little")
    return bytes(reversed(left))


def unpack(payload: bytes, vocabulary: int, count: int) -> NDArray[np.int64]:
    """The inverse of `pack`.

    Args:
        payload: Bytes.
        vocabulary: K.
        count: Number of tokens.

    Returns:
        [count] int64.

    Raises:
        ContainerError: The bytes are not those of so many tokens.
    """
    step = step_size(vocabulary)
    radix = vocabulary**step
    bound = radix << KEPT_BITS
    state, position = 0, 0
    numbers = []
    for _ in range(count // step):
        missing = (bound.bit_length() - state.bit_length()) // 8
        if missing > 0:
            taken = payload[position : position + missing]
            state = state << 8 * len(taken) | int.from_bytes(taken, "big")
            position += len(taken)
        while state < bound and position < len(payload):
            state = state << 8 | payload[position]
            position += 1
        state, number = divmod(state, radix)
        numbers.append(number)
    rest = []
    state = state << 8 * (len(payload) - position) | int.from_bytes(payload[position:], "big")
    for _ in range(count % step):
        state, token = divmod(state, vocabulary)
        rest.append(token)
    if state != 1 or payload[:1] == b"\0":
        raise ContainerError(f"{len(payload)} bytes of flat payload do not hold {count} tokens of {vocabulary}")
    tokens = np.array(numbers, np.int64)[:, None] // vocabulary ** np.arange(step) % vocabulary
    return np.concatenate([tokens.reshape(-1), np.array(rest, np.int64)])
