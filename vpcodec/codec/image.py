"""Images tile by tile: pixels in, frames of tokens out, and back, without seams.

Only one tile at a time is held as floats; the picture itself stays in bytes.
"""

import numpy as np
from numpy.typing import NDArray

from vpcodec.codec.engines import Engine
from vpcodec.codec.windows import CORES, Window, cut
from vpcodec.container import Frame
from vpcodec.errors import ContainerError
from vpcodec.registry import ModelFacts

Pixels = NDArray[np.uint8]


def tiles(height: int, width: int, context: int) -> list[tuple[Window, Window]]:
    """Rows and columns of every tile of a grid of positions, row by row."""
    core = CORES["image"]
    return [(row, column) for row in cut(height, core, context) for column in cut(width, core, context)]


def encode_tiles(engine: Engine, facts: ModelFacts, rate: int, pixels: Pixels) -> list[Frame]:
    """Pixels [H, W, 3] to one frame of tokens [h, w] a tile; the last hop repeats the picture's edge."""
    hop = facts.hop
    below, beyond = -pixels.shape[0] % hop, -pixels.shape[1] % hop
    padded = np.pad(pixels, ((0, below), (0, beyond), (0, 0)), mode="edge") if below or beyond else pixels
    frames = []
    for row, column in tiles(padded.shape[0] // hop, padded.shape[1] // hop, facts.encoder_reach):
        tile = padded[row.start * hop : row.stop * hop, column.start * hop : column.stop * hop]
        signal = tile.astype(np.float32) / np.float32(127.5) - np.float32(1)
        tokens = engine.encode(signal, rate)[row.kept, column.kept]
        frames.append(Frame(np.ascontiguousarray(tokens), b""))
    return frames


def decode_tiles(engine: Engine, facts: ModelFacts, rate: int, frames: list[Frame], height: int, width: int) -> Pixels:
    """One frame of tokens a tile to pixels [height, width, 3].

    Raises:
        ContainerError: The frames are not those of a picture of this size.
    """
    hop = facts.hop
    rows, columns = -(-height // hop), -(-width // hop)
    places = tiles(rows, columns, facts.decoder_reach)
    if len(places) != len(frames):
        raise ContainerError(f"a picture of {width}x{height} has {len(places)} tiles, the file holds {len(frames)}")
    grid = np.empty((rows, columns), np.int64)
    for (row, column), frame in zip(places, frames, strict=True):
        wanted = (row.core_stop - row.core_start, column.core_stop - column.core_start)
        if frame.tokens.shape != wanted:
            raise ContainerError(f"a tile holds {frame.tokens.shape} tokens instead of {wanted}")
        grid[row.core_start : row.core_stop, column.core_start : column.core_stop] = frame.tokens
    pixels = np.empty((rows * hop, columns * hop, 3), np.uint8)
    for row, column in places:
        tokens = np.ascontiguousarray(grid[row.start : row.stop, column.start : column.stop])
        kept = tuple(slice(place.kept.start * hop, place.kept.stop * hop) for place in (row, column))
        signal = engine.decode(tokens, rate)[kept]
        tile = np.rint((signal.clip(-1, 1) + 1) * np.float32(127.5)).astype(np.uint8)
        pixels[row.core_start * hop : row.core_stop * hop, column.core_start * hop : column.core_stop * hop] = tile
    return pixels[:height, :width]
