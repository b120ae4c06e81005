"""Symbols of known weights <-> bytes, for many payloads side by side: asymmetric numeral systems in words of 16 bits.

A payload is one number, the state, kept from 2^16 to 2^32. A symbol of weight f, above symbols of weight b together,
all weights adding up to 2^11, makes the state 2^11 / f times as large, up to rounding; where that would leave the
range, the lower half of the state leaves first, as a word. Decoding runs the other way: symbol out, word in. Encoding
starts with the last symbol.

Numpy takes the same step for all payloads at once, which pays from some dozens on. Fewer are done one by one in plain
Python. Both give the same bytes.    S symbols of a payload, L payloads
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from vpcodec.errors import ContainerError

Ints = NDArray[np.int64]

TOTAL_BITS = 11
TOTAL = 1 << TOTAL_BITS  # of the weights of all symbols that can occur
WORD_BITS = 16
LOWEST = 1 << WORD_BITS  # that the state may be, and what it is before the first symbol is encoded
HEAD = 4  # bytes of the last state, in front of the words
FEW = 32  # payloads up to which plain Python is faster than numpy


def encode_payloads(weights: Ints, below: Ints, least: int) -> list[bytes]:
    """Code the symbols of L payloads.

    Args:
        weights: [S, L] weight of each symbol, 1 or more.
        below: [S, L] summed weight of the symbols below it.
        least: Bytes to fill each payload up to, with zeros.
    """
    if weights.shape[1] <= FEW:
        return [encode_alone(*lane, least) for lane in zip(weights.T.tolist(), below.T.tolist(), strict=True)]
    symbols, lanes = weights.shape
    states = np.full(lanes, LOWEST)
    words = np.empty((lanes, symbols), ">u2")
    firsts = np.full(lanes, symbols)
    for weight, under in zip(weights[::-1], below[::-1], strict=True):
        full = np.flatnonzero(states >= weight << 2 * WORD_BITS - TOTAL_BITS)
        firsts[full] -= 1
        words[full, firsts[full]] = states[full] & LOWEST - 1
        states[full] >>= WORD_BITS
        states += states // weight * (TOTAL - weight) + under
    return [
        finished(int(state), row[first:].tobytes(), least)
        for state, row, first in zip(states, words, firsts, strict=True)
    ]


def encode_alone(weights: Sequence[int], below: Sequence[int], least: int) -> bytes:
    """The same for one payload."""
    state = LOWEST
    words: list[int] = []
    for weight, under in zip(reversed(weights), reversed(below), strict=True):
        if state >= weight << 2 * WORD_BITS - TOTAL_BITS:
            words.append(state & LOWEST - 1)
            state >>= WORD_BITS
        state += state // weight * (TOTAL - weight) + under
    return finished(state, np.array(words[::-1], ">u2").tobytes(), least)


def finished(state: int, words: bytes, least: int) -> bytes:
    """A payload from the state after the last symbol."""
    return (state.to_bytes(HEAD, "big") + words).ljust(least, b"\0")


class Payloads:
    """Payloads being decoded side by side.

    Args:
        payloads: What `encode_payloads` made.
        least: As given there.

    Attributes:
        states: [L]
        nexts: [L] index of the next word of each payload in `words`.
        words: The words of all payloads, one after the other.

    Raises ContainerError for a payload that is too short.
    """

    def __init__(self, payloads: Sequence[bytes], least: int) -> None:
        for payload in payloads:
            if len(payload) < max(HEAD, least):
                raise ContainerError(f"tabled payload has {len(payload)} bytes, expected {max(HEAD, least)} or more")
        self.payloads = payloads
        self.least = least
        self.states = np.array([int.from_bytes(payload[:HEAD], "big") for payload in payloads])
        counts = [len(payload) // 2 - HEAD // 2 for payload in payloads]
        self.starts = np.cumsum([0, *counts])
        self.nexts = self.starts[:-1].copy()
        content = b"".join(payload[HEAD:][: 2 * count] for payload, count in zip(payloads, counts, strict=True))
        self.words = np.frombuffer(content, ">u2").astype(np.int64)

    def refill(self) -> None:
        """Take in a word wherever the state is too small. Beyond the last word of all come zeros."""
        empty = np.flatnonzero(self.states < LOWEST)
        places = self.nexts[empty]
        inside = places < len(self.words)
        self.states[empty] <<= WORD_BITS
        self.states[empty[inside]] |= self.words[places[inside]]
        self.nexts[empty] += 1

    def finish(self) -> None:
        """Raises ContainerError where a payload does not end with its last symbol."""
        for payload, state, used in zip(
            self.payloads, self.states.tolist(), (self.nexts - self.starts[:-1]).tolist(), strict=True
        ):
            check_end(payload, state, HEAD + 2 * used, self.least)


def check_end(payload: bytes, state: int, used: int, least: int) -> None:
    """Raises ContainerError unless all symbols are out and nothing but filling follows."""
    if state != LOWEST or len(payload) != max(used, least) or any(payload[used:]):
        raise ContainerError(
            f"tabled payload of {len(payload)} bytes is damaged, or made with another prior: "
            f"{used} bytes used, last state {state}, expected {LOWEST}"
        )
