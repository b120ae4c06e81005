"""Tabled coding in plain Python and numpy: what `_tabled.c` does, slower, where that was not compiled.

Encoding knows all tokens and weighs them at once. Decoding goes from token to token.
T tokens, N neighbors, G codes a position, D digits of all of them, r radix of a digit,
P number of values that the digits of the same code before a digit can make, R those of a part
"""

from bisect import bisect_right
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vpcodec.container.prior import TOTAL, TOTAL_BITS

if TYPE_CHECKING:
    from vpcodec.container.tabled import Grid, Lookups

Ints = NDArray[np.int64]

WORD_BITS = 16
LOWEST = 1 << WORD_BITS  # that the state may be


class DigitLists(NamedTuple):
    """What decoding needs of one digit, for plain Python.

    Attributes:
        earlier: [P] fields that the digits of the same code before it add.
        crossed: Parts of the codes before its own, and [R] fields that each adds.
        bins: [4][256] what each field adds to the row of weights.
        below: For each row [r + 1] summed weights of the values below each value, and of all.
        place: Of its values in the number of its code.
    """

    earlier: list[int]
    crossed: list[tuple[int, list[int]]]
    bins: list[list[int]]
    below: list[list[int]]
    place: int


def lists_of(lookups: "Lookups") -> tuple[list[list[list[int]]], list[list[DigitLists]]]:
    """For each part, for each neighbor all digits' fields in one number; the digits of each code."""
    near = []
    for table, (_, _, size) in zip(lookups.near, lookups.parts, strict=True):
        width, content = table.shape[1] * table.itemsize, table.tobytes()
        whole = [int.from_bytes(content[at : at + width], "little") for at in range(0, len(content), width)]
        near.append([whole[start : start + size + 1] for start in range(0, len(whole), size + 1)])
    digits = []
    for digit, rows in enumerate(lookups.prior.below):
        own, *crossed = [table.tolist() for table in lookups.earlier[digit]]
        below = np.insert(rows, rows.shape[1], TOTAL, axis=1).tolist()
        bins, place = lookups.bins[digit].tolist(), int(lookups.digit_places[digit])
        digits.append(DigitLists(own, list(enumerate(crossed)), bins, below, place))
    groups = iter(digits)
    return near, [[next(groups) for _ in radices] for radices in lookups.prior.digits.radices]


def encode(lookups: "Lookups", frame: "Grid", numbers: Ints, state: int) -> tuple[int, bytes]:
    """Code a frame.

    Args:
        lookups: Of the prior.
        frame: Filled.
        numbers: [T, G] of codes.
        state: To start with.

    Returns:
        state: The last one.
        words: In the order of decoding.
    """
    sums, digits, parts = lookups.sums(frame.around()), lookups.digits(numbers), lookups.part_numbers(numbers)
    chosen = np.empty((2, *digits.shape), np.int64)
    for digit, (_, own) in enumerate(lookups.prior.digits.places()):
        number = digits[:, own] @ lookups.digit_places[own]
        rows = lookups.rows(digit, sums[:, digit], number, parts)
        below = lookups.prior.below[digit].astype(np.int64)
        places = rows * below.shape[1] + digits[:, digit]
        chosen[:, :, digit] = np.diff(below, axis=1, append=TOTAL).take(places), below.take(places)
    words: list[int] = []
    weights, unders = chosen.reshape(2, -1)[:, ::-1].tolist()
    for weight, under in zip(weights, unders, strict=True):
        if state >= weight << 2 * WORD_BITS - TOTAL_BITS:
            words.append(state & LOWEST - 1)
            state >>= WORD_BITS
        state += state // weight * (TOTAL - weight) + under
    return state, np.array(words[::-1], ">u2").tobytes()


def decode(lookups: "Lookups", frame: "Grid", payload: bytes, state: int) -> tuple[int, int, Ints]:
    """The inverse of `encode`, into an empty frame.

    Args:
        lookups: Of the prior.
        frame: Whose cells of the frame itself are not looked at.
        payload: Words; zeros follow them.
        state: The last one of encoding.

    Returns:
        state: The one that encoding started with.
        used: Words that were taken, or would have been.
        numbers: [T, G] of codes.
    """
    words = np.frombuffer(payload, ">u2").tolist()
    words += [0] * (len(lookups.bins) * len(frame.positions) - len(words))
    used = 0
    near, codes = lookups.lists
    cells = [part.tolist() for part in frame.cells]
    neighbors = [
        (held, table, step)
        for held, tables in zip(cells, near, strict=True)
        for table, step in zip(tables, frame.steps.tolist(), strict=True)
    ]
    numbers: list[int] = []
    parts = list(enumerate(lookups.parts))
    for position in frame.positions.tolist():
        sums = 0
        for held, table, step in neighbors:
            sums += table[held[position + step]]
        for code, digits in enumerate(codes):
            number = 0
            for earlier, crossed, (first, second, third, fourth), below, place in digits:
                fields = (sums & 0xFFFFFFFF) + earlier[number]
                for part, table in crossed:
                    fields += table[cells[part][position]]
                row = below[
                    first[fields & 255] + second[fields >> 8 & 255] + third[fields >> 16 & 255] + fourth[fields >> 24]
                ]
                slot = state & TOTAL - 1
                value = bisect_right(row, slot)
                under = row[value - 1]
                state = (row[value] - under) * (state >> TOTAL_BITS) + slot - under
                if state < LOWEST:
                    state = state << WORD_BITS | words[used]
                    used += 1
                number += (value - 1) * place
                sums >>= 32
            numbers.append(number)
            for part, (owner, place, size) in parts:
                if owner == code:
                    cells[part][position] = number // place % size
    return state, used, np.array(numbers).reshape(-1, len(codes))
