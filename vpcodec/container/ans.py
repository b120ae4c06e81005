"""Asymmetric numeral systems: symbols of any integer weights <-> bytes.

The message is one number, the state. A symbol of weight f out of a total T, above symbols of weight c together,
multiplies the state by T / f, up to rounding: state -> state div f * T + c + state mod f. The inverse reads the
symbol from state mod T. To keep the state small its lowest bytes leave before it grows too large, at moments that
decoding can tell: it takes a byte back whenever the state is below T * 2^12. Encoding runs from the last symbol to
the first, decoding from the first to the last. That both agree on the moments needs one condition: no weight of any
symbol is above any total. Here the largest weight of a digit is always 2^15, which no other exceeds.

Source: Duda, Asymmetric numeral systems, arXiv 1311.2540; with totals that need not be powers of two.
"""

from collections.abc import Sequence

from vpcodec.errors import ContainerError

KEPT_BITS = 12  # of the state below a total; one symbol's weight is rounded to a part in 2^12
FIRST_STATE = 1 << KEPT_BITS


def encode_symbols(weights: Sequence[int], below: Sequence[int], totals: Sequence[int], least: int) -> bytes:
    """Code symbols.

    Args:
        weights: Weight of each symbol that occurs, 1 or more.
        below: Summed weight of the symbols below it.
        totals: Summed weight of all that could have occurred.
        least: Bytes to fill up to, with zeros in front.
    """
    state = FIRST_STATE
    left = bytearray()
    for weight, under, total in zip(reversed(weights), reversed(below), reversed(totals), strict=True):
        bound = weight << KEPT_BITS + 8
        while state >= bound:
            left.append(state & 255)
            state >>= 8
        quotient, remainder = divmod(state, weight)
        state = quotient * total + under + remainder
    left += state.to_bytes(-(-state.bit_length() // 8), "little")
    return bytes(max(least - len(left), 0)) + bytes(reversed(left))


class SymbolDecoder:
    """Takes symbols out of a payload, in their order.

    Args:
        payload: What `encode_symbols` made.
        least: As given there.
    """

    def __init__(self, payload: bytes, least: int) -> None:
        self.payload = payload
        self.state = 0
        self.position = 0
        if len(payload) < least or (payload[:1] == b"\0" and len(payload) > least):
            raise ContainerError(
                f"modelled payload of {len(payload)} bytes starting with {payload[:1].hex()}, expected {least} bytes, "
                "or more that start with another byte than 00"
            )

    def take(self, weights: Sequence[int]) -> int:
        """The next symbol, given the weights of all that can occur."""
        total = sum(weights)
        state = self.state
        bound = total << KEPT_BITS
        while state < bound and self.position < len(self.payload):
            state = state << 8 | self.payload[self.position]
            self.position += 1
        quotient, remainder = divmod(state, total)
        for symbol, weight in enumerate(weights):
            if remainder < weight:
                self.state = quotient * weight + remainder
                return symbol
            remainder -= weight
        raise AssertionError("a remainder is below the total")

    def finish(self) -> None:
        """Raises ContainerError where the payload does not end with its last symbol."""
        if self.position != len(self.payload) or self.state != FIRST_STATE:
            raise ContainerError(
                f"modelled payload of {len(self.payload)} bytes is damaged, or made with another prior: "
                f"{self.position} bytes used, last state {self.state}, expected {FIRST_STATE}"
            )
