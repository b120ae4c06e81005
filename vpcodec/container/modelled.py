"""Modelled coding of a frame: a prior weighs the digits, asymmetric numeral systems write them down.

Positions are coded in waves that do not look at each other, and digit after digit within a wave, so that a whole wave
is weighed at once: down a diagonal of an image, and across the channels and frames of speech.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from vpcodec.container.ans import SymbolDecoder, encode_symbols
from vpcodec.container.grid import LEAST_TOKENS
from vpcodec.container.weights import SHIFT, Plane, Weights, powers

CHUNK = 512  # positions weighed at a time


def encode_frame(tokens: NDArray[np.int64], weights: Weights) -> bytes:
    """[rows, columns] int64 -> payload."""
    digits = weights.digits.of(tokens.reshape(-1))
    plane = Plane(weights.prior, (tokens.shape[0], tokens.shape[1]), 1)
    plane.cells[0, plane.grid.positions] = digits
    found = np.empty((3, *digits.shape), np.int64)
    for start in range(0, len(digits), CHUNK):
        chunk = slice(start, start + CHUNK)
        weigh_chosen(weights, plane.around(plane.grid.positions[chunk]), digits[chunk], found[:, chunk])
    rows = np.repeat(np.arange(len(tokens)), tokens.shape[1])
    columns = np.arange(digits.shape[1])
    keys = np.broadcast_arrays(rows[:, None], columns, plane.waves[:, None])
    order = np.lexsort([key.reshape(-1) for key in keys])
    chosen, below, totals = found.reshape(3, -1)[:, order].tolist()
    return encode_symbols(chosen, below, totals, tokens.size // LEAST_TOKENS)


def weigh_chosen(
    weights: Weights, rows: NDArray[np.int64], digits: NDArray[np.int64], found: NDArray[np.int64]
) -> None:
    """Weight of each digit, weight below it, and total.

    Args:
        weights: What weighs.
        rows: [N, neighbours * D] as `Plane.around` gives them.
        digits: [N, D]
        found: [3, N, D], filled.
    """
    sums = weights.look(rows)
    before = np.zeros(len(digits), np.int64)
    each = np.arange(len(digits))
    for digit, values in enumerate(digits.T):
        all_weights = weights.weigh(sums, digit, before)
        ends = np.cumsum(all_weights, axis=1, dtype=np.int64)
        found[0, :, digit] = all_weights[each, values]
        found[1, :, digit] = ends[each, values] - found[0, :, digit]
        found[2, :, digit] = ends[:, -1]
        before += values * weights.digits.places[digit]


def decode_frames(payloads: Sequence[bytes], shape: tuple[int, int], weights: Weights) -> NDArray[np.int64]:
    """The inverse of `encode_frame`, for frames of one shape: [frames, rows, columns] int64.

    Raises ContainerError for a payload that no tokens make.
    """
    decoders = [SymbolDecoder(payload, shape[0] * shape[1] // LEAST_TOKENS) for payload in payloads]
    plane = Plane(weights.prior, shape, len(payloads))
    order = np.argsort(plane.waves, kind="stable")  # row after row within a wave
    borders = np.flatnonzero(np.diff(plane.waves[order])) + 1
    if len(decoders) == 1 and len(borders) == len(order) - 1:
        decode_alone(decoders[0], plane, plane.grid.positions[order], weights)
    else:
        for positions in np.split(plane.grid.positions[order], borders):
            decode_wave(decoders, plane, positions, weights)
    for decoder in decoders:
        decoder.finish()
    return weights.tokens(plane.cells[:, plane.grid.positions]).reshape(-1, *shape)


def decode_wave(
    decoders: Sequence[SymbolDecoder], plane: Plane, positions: NDArray[np.int64], weights: Weights
) -> None:
    """Fill in the digits of some cells of each lane, all weighed at once."""
    sums = weights.look(plane.around(positions))
    digits = np.empty((len(sums), len(weights.radices)), np.int64)
    before = np.zeros(len(sums), np.int64)
    takers = [decoder for decoder in decoders for _ in positions]
    for digit, place in enumerate(weights.digits.places):
        rows = weights.weigh(sums, digit, before).tolist()
        digits[:, digit] = [decoder.take(row) for decoder, row in zip(takers, rows, strict=True)]
        before += digits[:, digit] * place
    plane.cells[:, positions] = digits.reshape(len(decoders), len(positions), -1)


def decode_alone(decoder: SymbolDecoder, plane: Plane, positions: NDArray[np.int64], weights: Weights) -> None:
    """Fill in the digits of a single lane, cell after cell.

    The same arithmetic as `Weights.weigh`, on rows instead of matrices: four times as fast for one position.
    """
    cells = plane.cells[0]
    power = powers().tolist()
    farthest = len(power) - 1
    digits = list(zip(weights.digits.places.tolist(), weights.earlier, weights.matrix, weights.usual, strict=True))
    for position in positions.tolist():
        rows = (cells[plane.grid.steps + position] + plane.starts).reshape(-1)
        sums = np.add.reduce(weights.context[rows], axis=0, dtype=np.int32).reshape(len(digits), -1)
        before, values = 0, []
        for known, (place, earlier, matrix, usual) in zip(sums, digits, strict=True):
            hidden = earlier[before] + known
            np.maximum(hidden, 0, out=hidden)
            products = hidden.dot(matrix)
            products >>= SHIFT
            products += usual[before]
            scores = products.tolist()
            highest = max(scores)
            value = decoder.take([power[min(highest - score, farthest)] for score in scores])
            values.append(value)
            before += value * place
        cells[position] = values
