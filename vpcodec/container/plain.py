"""Tabled coding in plain Python and numpy: what `_ranges.c` does, slower, where that was not compiled.

Encoding knows all tokens and weighs them at once. Decoding goes from token to token.
T tokens, N neighbors, G codes a position, D digits of all of them, r radix of a digit,
P number of values that the digits of the same code before a digit can make, R those of a part
"""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from itertools import chain, repeat
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vpcodec.container.prior import TOTAL

if TYPE_CHECKING:
    from vpcodec.container.tabled import Grid, Lookups

Ints = NDArray[np.int64]

SPAN = 1 << 32  # of a coder at its start
LOWEST = 1 << 24  # that it may be between two values


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


def encode(lookups: "Lookups", frame: "Grid", numbers: Ints, lead: Ints) -> bytes:
    """Code a frame.

    Args:
        lookups: Of the prior.
        frame: Filled.
        numbers: [T, G] of codes.
        lead: [n, 3] values that come first, as `encode_values` takes them.
    """
    sums, digits, parts = lookups.sums(frame.around()), lookups.digits(numbers), lookups.part_numbers(numbers)
    chosen = np.full((*digits.shape, 3), TOTAL)
    for digit, (_, own) in enumerate(lookups.prior.digits.places()):
        number = digits[:, own] @ lookups.digit_places[own]
        rows = lookups.rows(digit, sums[:, digit], number, parts)
        below = lookups.prior.below[digit].astype(np.int64)
        places = rows * below.shape[1] + digits[:, digit]
        chosen[:, digit, 0] = below.take(places)
        chosen[:, digit, 1] = np.diff(below, axis=1, append=TOTAL).take(places)
    return encode_values([*lead.tolist(), *chosen.reshape(-1, 3).tolist()])


def encode_values(values: Iterable[Sequence[int]]) -> bytes:
    """Code values, each given by the weights of all values below it, its own, and that of all."""
    low, span = 0, SPAN
    out = bytearray()
    for below, weight, total in values:
        step = span // total
        low, span = low + step * below, step * weight
        while span < LOWEST:
            put(out, low >> 24)
            low, span = (low & 0xFFFFFF) << 8, span << 8
    number, size = closing(low, span)
    if size == 2:
        put(out, number >> 8)
    put(out, number & 255 if size == 2 else number)
    return bytes(out)


def put(out: bytearray, byte: int) -> None:
    """Append a byte; what is beyond 255 carries to those before."""
    if byte > 255:
        place = len(out) - 1
        while out[place] == 255:
            out[place] = 0
            place -= 1
        out[place] += 1
    out.append(byte & 255)


def closing(low: int, span: int) -> tuple[int, int]:
    """The number that ends the bytes of values, whatever follows, and its size: 1 or 2 bytes."""
    number = -(-low >> 24)
    if number + 1 << 24 <= low + span:
        return number, 1
    return -(-low >> 16), 2


def decode_value(
    below: Sequence[int] | range, payload: bytes, low: int, span: int, start: int
) -> tuple[int, int, int, int]:
    """Take a value out of bytes.

    Args:
        below: For each value the weights of all values below it, and those of all.
        payload: The bytes that are here.
        low: Where the span of the coder begins, modulo 2^32.
        span: Of the coder.
        start: Bytes that it is done with.

    Returns:
        The value, -1 where only the next bytes decide it; then low, span and start behind it.
    """
    code = (int.from_bytes(payload[start : start + 4].ljust(4, b"\0"), "big") - low) % SPAN
    missing = (1 << 8 * max(0, start + 4 - len(payload))) - 1  # what the bytes that are not here may add
    step = span // below[-1]
    value = bisect_right(below, min(code // step, below[-1] - 1)) - 1
    if missing and code + missing >= step * below[value + 1]:
        return -1, low, span, start
    low, span = low + step * below[value], step * (below[value + 1] - below[value])
    while span < LOWEST:
        low, span, start = low << 8, span << 8, start + 1
    return value, low % SPAN, span, start


def decode_equal(counts: Iterable[int], payload: bytes) -> tuple[list[int], tuple[int, int, int]]:
    """Values at the start of bytes, each one of so many that are equally likely; low, span and start behind them."""
    low, span, code, values = 0, SPAN, int.from_bytes(payload[:4].ljust(4, b"\0"), "big"), []
    following = chain(payload[4:], repeat(0))
    start = 0
    for count in counts:
        span //= count
        value = min(code // span, count - 1)
        values.append(value)
        low, code = low + span * value, code - span * value
        while span < LOWEST:
            low, span, code, start = low << 8 & SPAN - 1, span << 8, code << 8 & SPAN - 1 | next(following), start + 1
    return values, (low % SPAN, span, start)


def decode(lookups: "Lookups", frame: "Grid", payload: bytes, numbers: Ints, state: Ints) -> bool:
    """Decode tokens, as far as the bytes decide them.

    Args:
        lookups: Of the prior.
        frame: Filled up to the token that the state tells; to be filled on.
        payload: The bytes that are here.
        numbers: [T, G] of codes, likewise.
        state: [4] low, span, start, tokens decoded; changed.

    Returns:
        Whether all are decoded.
    """
    low, span, start, first = state.tolist()
    near, codes = lookups.lists
    cells = [part.tolist() for part in frame.cells]
    neighbors = [
        (held, table, step)
        for held, tables in zip(cells, near, strict=True)
        for table, step in zip(tables, frame.steps.tolist(), strict=True)
    ]
    parts = list(enumerate(lookups.parts))
    for token, position in enumerate(frame.positions[first:].tolist(), first):
        state[:] = low, span, start, token
        sums = 0
        for held, table, step in neighbors:
            sums += table[held[position + step]]
        for code, digits in enumerate(codes):
            number = 0
            for earlier, crossed, (first_bins, second, third, fourth), below, place in digits:
                fields = (sums & 0xFFFFFFFF) + earlier[number]
                for part, table in crossed:
                    fields += table[cells[part][position]]
                row = (
                    first_bins[fields & 255]
                    + second[fields >> 8 & 255]
                    + third[fields >> 16 & 255]
                    + fourth[fields >> 24]
                )
                value, low, span, start = decode_value(below[row], payload, low, span, start)
                if value < 0:
                    return False
                number += value * place
                sums >>= 32
            numbers[token, code] = number
            for part, (owner, place, size) in parts:
                if owner == code:
                    frame.cells[part, position] = cells[part][position] = number // place % size
    state[:] = low, span, start, len(frame.positions)
    return True
