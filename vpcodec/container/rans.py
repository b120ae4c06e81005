"""Symbols of known weights <-> bytes: asymmetric numeral systems in words of 16 bits.

A payload is one number, the state, kept from 2^16 to 2^32. A symbol of weight f, above symbols of weight b together,
all weights adding up to 2^11, makes the state 2^11 / f times as large, up to rounding; where that would leave the
range, the lower half of the state leaves first, as a word. Encoding starts with the last symbol; decoding, which
`tabled.py` does, runs the other way: symbol out, word in.

Source: Duda, Asymmetric numeral systems, arXiv 1311.2540.
"""

from collections.abc import Sequence

import numpy as np

from vpcodec.errors import ContainerError

TOTAL_BITS = 11
TOTAL = 1 << TOTAL_BITS  # of the weights of all symbols that can occur
WORD_BITS = 16
LOWEST = 1 << WORD_BITS  # that the state may be, and what it is before the first symbol is encoded
HEAD = 4  # bytes of the last state, in front of the words


def encode_symbols(weights: Sequence[int], below: Sequence[int], least: int) -> bytes:
    """Code symbols.

    Args:
        weights: Weight of each symbol, 1 or more.
        below: Summed weight of the symbols below it.
        least: Bytes to fill the payload up to, with zeros.
    """
    state = LOWEST
    words: list[int] = []
    for weight, under in zip(reversed(weights), reversed(below), strict=True):
        if state >= weight << 2 * WORD_BITS - TOTAL_BITS:
            words.append(state & LOWEST - 1)
            state >>= WORD_BITS
        state += state // weight * (TOTAL - weight) + under
    return (state.to_bytes(HEAD, "big") + np.array(words[::-1], ">u2").tobytes()).ljust(least, b"\0")


def state_and_words(payload: bytes, least: int) -> tuple[int, list[int]]:
    """The last state and the words of a payload of `least` bytes or more. Raises ContainerError for a shorter one."""
    if len(payload) < max(HEAD, least):
        raise ContainerError(f"tabled payload has {len(payload)} bytes, expected {max(HEAD, least)} or more")
    words = np.frombuffer(payload, ">u2", count=(len(payload) - HEAD) // 2, offset=HEAD)
    return int.from_bytes(payload[:HEAD], "big"), words.tolist()


def check_end(payload: bytes, state: int, words: int, least: int) -> None:
    """Raises ContainerError unless a state is the first one, and filling is all that follows the words used."""
    used = HEAD + 2 * words
    if state != LOWEST or len(payload) != max(used, least) or any(payload[used:]):
        raise ContainerError(
            f"tabled payload of {len(payload)} bytes is damaged, or made with another prior: "
            f"{used} bytes used, last state {state}, expected {LOWEST}"
        )
