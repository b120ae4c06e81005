"""What stands for the lost frames of a damaged token file: silence in a recording, grey in a picture."""

from collections.abc import Iterator
from fractions import Fraction
from itertools import repeat

import numpy as np

from vpcodec.codec.engines import Engine
from vpcodec.codec.image import positions, tile_count, tiles
from vpcodec.codec.recordings import SAMPLE_RATE, speech_facts
from vpcodec.codec.windows import CORES
from vpcodec.container import Frame, ImageFacts
from vpcodec.container.salvage import SalvageReader
from vpcodec.data.kinds import MOST_PIXELS
from vpcodec.errors import ContainerError
from vpcodec.registry import ModelFacts

SILENT = 1  # the lowest level that brings a window down, to -119.5 dBFS; level 0 leaves what its tokens say as it is


def expect_losses(reader: SalvageReader, engine: Engine, facts: ModelFacts) -> None:
    """Tell a reader what replaces lost frames, and how many frames there are where the header tells.

    Args:
        reader: Of the token file.
        engine: Of the model that made it.
        facts: Of that model.

    Raises:
        ContainerError: The header tells more channels or pixels than there can be.
    """
    signal, rate = reader.header.signal, reader.header.rate
    if not isinstance(signal, ImageFacts):
        channels = speech_facts(reader.header).channels
        silence = Frame(np.zeros((channels, CORES["speech"]), np.int64), bytes([SILENT]) * channels)
        reader.blanks = repeat(silence)  # the end of the last frame is cut off with the footer's length
        reader.step = Fraction(facts.hop * signal.sample_rate, SAMPLE_RATE)
        return
    if signal.width * signal.height > MOST_PIXELS:
        raise ContainerError(
            f"{signal.width:,} x {signal.height:,} pixels are more than the {MOST_PIXELS:,} that are salvaged"
        )
    grid = positions(signal.height, signal.width, facts.hop)
    reader.blanks = grey_tiles(engine, rate, facts.hop, *grid)
    reader.total = tile_count(*grid)


def grey_tiles(engine: Engine, rate: int, hop: int, rows: int, columns: int) -> Iterator[Frame]:
    """A frame of the token of a grey spot for each tile of a grid of positions."""
    grey = engine.encode(np.zeros((hop, hop, 3), np.float32), rate)
    for row, column in tiles(rows, columns, 0):
        yield Frame(np.broadcast_to(grey, (row.core_stop - row.core_start, column.core_stop - column.core_start)))
