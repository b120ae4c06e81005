"""Symbols of known weights <-> bytes: asymmetric numeral systems in words of 16 bits.

A payload is one number, the state, kept from 2^16 to 2^32. A symbol of weight f, above symbols of weight b together,
all weights adding up to 2^11, makes the state 2^11 / f times as large, up to rounding; where that would leave the
range, the lower half of the state leaves first, as a word. Encoding starts with the last symbol; decoding runs the
other way: symbol out, word in. The state that encoding starts with is 2^16 and a number
of 16 bits, which decoding finds at the end.

Source: Duda, Asymmetric numeral systems, arXiv 1311.2540.
"""

from vpcodec.errors import ContainerError

TOTAL_BITS = 11
TOTAL = 1 << TOTAL_BITS  # of the weights of all symbols that can occur
WORD_BITS = 16
LOWEST = 1 << WORD_BITS  # that the state may be


def joined(state: int, words: bytes, least: int) -> bytes:
    """The payload of the last state and the words, filled up to `least` bytes with words of zeros."""
    payload = state.to_bytes(3 if state < 1 << 24 else 4, "big") + words
    return payload + bytes(max(0, least - len(payload) + 1) // 2 * 2)


def state_and_words(payload: bytes, least: int) -> tuple[int, bytes]:
    """The last state and the words of a payload of `least` bytes or more. Raises ContainerError for a shorter one."""
    if len(payload) < max(3, least):
        raise ContainerError(f"tabled payload has {len(payload)} bytes, expected {max(3, least)} or more")
    head = 4 - len(payload) % 2
    return int.from_bytes(payload[:head], "big"), payload[head:]


def carried_number(payload: bytes, state: int, words: int, least: int) -> int:
    """The number that a payload carries.

    Args:
        payload: All of it.
        state: What decoding ended with.
        words: That it used.
        least: Bytes that the payload is filled up to.

    Raises:
        ContainerError: The state is none that encoding starts with, or filling is not all that follows the words.
    """
    used = 4 - len(payload) % 2 + 2 * words
    filled = used + max(0, least - used + 1) // 2 * 2
    if not LOWEST <= state < 2 * LOWEST or len(payload) != filled or any(payload[used:]):
        raise ContainerError(
            f"tabled payload of {len(payload)} bytes is damaged, or made with another prior: "
            f"{used} bytes used, last state {state}"
        )
    return state - LOWEST
