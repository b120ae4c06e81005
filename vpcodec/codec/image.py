"""Images tile by tile: pixels in, frames of tokens out, and back, without seams.

Only one tile at a time is held as floats; the picture itself stays where it is.
"""

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from vpcodec.codec.engines import Engine
from vpcodec.codec.windows import CORES, Window, cut
from vpcodec.container import Frame
from vpcodec.data.colors import to_pixels, to_signal
from vpcodec.errors import ContainerError
from vpcodec.registry import ModelFacts

Pixels = NDArray[np.uint8]
ReadPixels = Callable[[int, int, int, int], Pixels]  # top, left, height, width -> [height, width, 3]


def positions(height: int, width: int, hop: int) -> tuple[int, int]:
    """Rows and columns of tokens of a picture of so many pixels."""
    return -(-height // hop), -(-width // hop)


def tiles(height: int, width: int, context: int) -> list[tuple[Window, Window]]:
    """Rows and columns of every tile of a grid of positions, row by row."""
    core = CORES["image"]
    return [(row, column) for row in cut(height, core, context) for column in cut(width, core, context)]


def tile_count(rows: int, columns: int) -> int:
    """Tiles of a grid of positions."""
    core = CORES["image"]
    return -(-rows // core) * -(-columns // core)


def encode_tiles(
    engine: Engine, facts: ModelFacts, rate: int, read: ReadPixels, height: int, width: int
) -> Iterator[Frame]:
    """One frame of tokens [h, w] for each tile of a picture; the last hop repeats the picture's edge."""
    hop = facts.hop
    for row, column in tiles(*positions(height, width, hop), facts.encoder_reach):
        top, left = row.start * hop, column.start * hop
        bottom, right = row.stop * hop, column.stop * hop
        pixels = read(top, left, min(bottom, height) - top, min(right, width) - left)
        missing = ((0, max(0, bottom - height)), (0, max(0, right - width)), (0, 0))
        signal = to_signal(np.pad(pixels, missing, mode="edge"))
        tokens = engine.encode(signal, rate)[row.kept, column.kept]
        yield Frame(np.ascontiguousarray(tokens), b"")


def decode_tiles(
    engine: Engine, facts: ModelFacts, rate: int, grid: NDArray[np.int64], height: int, width: int
) -> Iterator[tuple[Pixels, int, int]]:
    """All tokens [H, W] of a picture to the pixels [h, w, 3] of its tiles, each with its top and left."""
    hop = facts.hop
    for row, column in tiles(grid.shape[0], grid.shape[1], facts.decoder_reach):
        tokens = np.ascontiguousarray(grid[row.start : row.stop, column.start : column.stop])
        kept = tuple(slice(place.kept.start * hop, place.kept.stop * hop) for place in (row, column))
        signal = engine.decode(tokens, rate)[kept]
        pixels = to_pixels(signal)
        top, left = row.core_start * hop, column.core_start * hop
        yield pixels[: height - top, : width - left], top, left


def join(frames: list[Frame], rows: int, columns: int) -> NDArray[np.int64]:
    """The tokens of all tiles as one grid [rows, columns]. Raises ContainerError where they do not fit."""
    count = tile_count(rows, columns)
    if count != len(frames):  # asked before anything as large as the header says is made
        raise ContainerError(f"a picture of {columns}x{rows} tokens has {count} tiles, the file {len(frames)}")
    grid = np.empty((rows, columns), np.int64)
    for (row, column), frame in zip(tiles(rows, columns, 0), frames, strict=True):
        core = grid[row.core_start : row.core_stop, column.core_start : column.core_stop]
        if frame.tokens.shape != core.shape:
            raise ContainerError(f"a tile holds {frame.tokens.shape} tokens instead of {core.shape}")
        core[:] = frame.tokens
    return grid
