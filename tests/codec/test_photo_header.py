"""What a token file remembers of the photo that it was made from."""

import io

import numpy as np
import pytest
from PIL import Image

from vpcodec.codec.pipeline import Codec
from vpcodec.container import Reader

GREY = np.arange(20 * 24).reshape(20, 24)


@pytest.mark.parametrize(
    ("pixels", "channels", "bits"),
    [
        (GREY.astype(np.uint8), 1, 8),
        ((GREY * 100).astype(np.uint16), 1, 16),
        (np.zeros((20, 24, 3), np.uint8), 3, 8),
        (np.full((20, 24, 4), 255, np.uint8), 4, 8),
    ],
)
def test_size_channels_and_bits_are_those_of_the_photo(
    image: Codec, pixels: np.ndarray, channels: int, bits: int
) -> None:
    photo = io.BytesIO()
    Image.fromarray(pixels).save(photo, "PNG")
    signal = Reader(io.BytesIO(image.encode(io.BytesIO(photo.getvalue())))).header.signal
    assert (signal.width, signal.height, signal.channels, signal.bit_depth) == (24, 20, channels, bits)
