"""Photos to frames of a token file and back, tile by tile; what `recordings.py` is for sound."""

from collections.abc import Iterator
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from vpcodec.codec.engines import Engine
from vpcodec.codec.image import decode_tiles, encode_tiles
from vpcodec.codec.tokens import tokens_of
from vpcodec.container import Header, Reader, Resync, Writer
from vpcodec.container import ImageFacts as ImageHeader
from vpcodec.container.header import fitting
from vpcodec.data.colors import is_srgb
from vpcodec.data.image import ImageInfo, Photo
from vpcodec.registry import ModelFolder

PROFILE = "icc"  # name of a color profile among the metadata


def photo_header(info: ImageInfo) -> tuple[ImageHeader, dict[str, bytes], tuple[str, ...]]:
    """What the header of a token file says of a photo, its metadata, and notes on what is left out of them."""
    signal = ImageHeader(info.width, info.height, info.channels, 8 if info.bit_depth <= 8 else 16)
    return signal, *fitting({} if is_srgb(info.icc) else {PROFILE: info.icc})


def photo_info(header: Header) -> ImageInfo:
    """What is known of the photo that a token file was made of."""
    signal = header.signal
    assert isinstance(signal, ImageHeader)
    return ImageInfo(signal.width, signal.height, signal.channels, icc=dict(header.metadata).get(PROFILE, b""))


def encode_photo(engine: Engine, model: ModelFolder, header: Header, photo: Photo, out: BinaryIO) -> None:
    """Write the token file of a photo."""
    writer = Writer(out, header, model.prior(header.rate))
    size = (photo.info.height, photo.info.width)
    for tile in encode_tiles(engine, model.facts, header.rate, photo.window, *size):
        writer.write(tile)
    writer.close()


def decode_pixels(engine: Engine, model: ModelFolder, reader: Reader) -> NDArray[np.uint8]:
    """The pixels [height, width, 3] of a photo; raises as `decode_photo`."""
    tiles = decode_photo(engine, model, reader)
    info = photo_info(reader.header)
    pixels = np.empty((info.height, info.width, 3), np.uint8)
    for tile, top, left in tiles:
        pixels[top : top + tile.shape[0], left : left + tile.shape[1]] = tile
    return pixels


def decode_photo(
    engine: Engine, model: ModelFolder, reader: Reader, *, on_damage: Resync | None = None
) -> Iterator[tuple[NDArray[np.uint8], int, int]]:
    """The tiles of a photo with their places: [h, w, 3], top, left. For `on_damage` see `Reader.frames`.

    All tokens are read at once, so that whoever goes on can believe the size in the header.

    Raises:
        ContainerError: The token file is damaged, or its frames are not those of a photo of this size.
    """
    signal = reader.header.signal
    assert isinstance(signal, ImageHeader)
    grid = tokens_of(reader, model, on_damage=on_damage)
    return decode_tiles(engine, model.facts, reader.header.rate, grid, signal.height, signal.width)
