"""What stands for the lost frames of a damaged token file: silence in a recording, gray in a picture."""

from collections.abc import Iterator
from fractions import Fraction
from itertools import repeat

import numpy as np

from vpcodec.codec.engines import Engine
from vpcodec.codec.image import positions, tile_count, tiles
from vpcodec.codec.recordings import SAMPLE_RATE, speech_facts
from vpcodec.codec.windows import CORES
from vpcodec.container import Frame, Header, ImageFacts, Resync
from vpcodec.data.kinds import MOST_PIXELS
from vpcodec.errors import ContainerError
from vpcodec.registry import ModelFacts

SILENT = 1  # the lowest level that brings a window down, to -119.5 dBFS; level 0 leaves what its tokens say as it is


def resync_for(header: Header, engine: Engine, facts: ModelFacts) -> Resync:
    """What replaces lost frames of a token file, and how many frames there are where the header tells.

    Args:
        header: Of the token file.
        engine: Of the model that made it.
        facts: Of that model.

    Raises:
        ContainerError: The header tells more channels or pixels than there can be.
    """
    signal = header.signal
    if not isinstance(signal, ImageFacts):
        channels = speech_facts(header).channels
        silence = Frame(np.zeros((channels, CORES["speech"]), np.int64), bytes([SILENT]) * channels)
        # The last frame may be shorter than a blank one; what is too much is cut off with the footer's length.
        return Resync(repeat(silence), Fraction(facts.hop * signal.sample_rate, SAMPLE_RATE))
    if signal.width * signal.height > MOST_PIXELS:
        raise ContainerError(
            f"{signal.width:,} x {signal.height:,} pixels are more than the {MOST_PIXELS:,} that --resync fills"
        )
    grid = positions(signal.height, signal.width, facts.hop)
    return Resync(gray_tiles(engine, header.rate, facts.hop, *grid), total=tile_count(*grid))


def gray_tiles(engine: Engine, rate: int, hop: int, rows: int, columns: int) -> Iterator[Frame]:
    """A frame of the token of a gray spot for each tile of a grid of positions."""
    gray = engine.encode(np.zeros((hop, hop, 3), np.float32), rate)
    for row, column in tiles(rows, columns, 0):
        yield Frame(np.broadcast_to(gray, (row.core_stop - row.core_start, column.core_stop - column.core_start)))
