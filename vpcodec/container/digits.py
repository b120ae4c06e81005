"""The digits of tokens: those of the number that an order gives to each token, or of the token itself."""

from collections.abc import Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]


class Digits:
    """Tokens to digits and back.

    Args:
        radices: r of each of the D digits, first digit lowest.
        vocabulary: K, of the tokens; not above the product of the radices.
        order: [K] the number that the digits of each token make; None where it is the token itself.

    Attributes:
        places: [D] place value of each digit.
    """

    def __init__(self, radices: Sequence[int], vocabulary: int, order: Ints | None) -> None:
        self.radices = np.array(radices)
        self.vocabulary = vocabulary
        self.order = order
        self.places = np.cumprod((1, *radices[:-1]))

    def of(self, tokens: Ints) -> Ints:
        """[...] tokens -> [..., D]"""
        numbers = tokens if self.order is None else self.order[tokens]
        return numbers[..., None] // self.places % self.radices

    @cached_property
    def tokens(self) -> Ints:
        """[product of r] the token whose digits make a number; K where there is none."""
        tokens = np.full(self.places[-1] * self.radices[-1], self.vocabulary)
        tokens[slice(None, self.vocabulary) if self.order is None else self.order] = np.arange(self.vocabulary)
        return tokens
