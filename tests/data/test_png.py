"""PNG beyond what Pillow does by itself: text, transparent colors, gamma, color spaces."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from tests.data.test_open_image import png, saved
from vpcodec.data.image import Photo, open_image
from vpcodec.errors import InputError

LEFT_OUT = "damaged or very long text is dropped"


def chunk(name: bytes, data: bytes, damage: int = 0) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data) ^ damage)


def read(width: int, bits: int, color: int, row: bytes, extra: bytes = b"") -> Photo:
    """One row of pixels."""
    return open_image(io.BytesIO(png(width, 1, bits, color, b"\0" + row, extra)))


def test_a_transparent_gray_of_sixteen_bits_is_laid_on_white():
    row = struct.pack(">4H", 1000, 1001, 0, 65535)
    photo = read(4, 16, 0, row, chunk(b"tRNS", struct.pack(">H", 1000)))
    assert photo.pixels[0, :, 1].tolist() == [255, 4, 0, 255]
    assert "transparency is laid on white" in photo.notes


def test_a_transparent_color_of_sixteen_bits_is_laid_on_white_and_no_near_one_is():
    row = struct.pack(">9H", 1000, 2000, 3000, 1000, 2000, 3001, 0x8000, 0x8000, 0x8000)
    photo = read(3, 16, 2, row, chunk(b"tRNS", struct.pack(">3H", 1000, 2000, 3000)))
    assert np.abs(photo.pixels[0].astype(int) - [[255] * 3, [3, 7, 11], [128] * 3]).max() <= 1
    assert photo.notes == ("transparency is laid on white", "16 bits per channel become 8")


@pytest.mark.parametrize(("bits", "row"), [(2, b"\x1b"), (4, b"\x01\x23")])
def test_a_transparent_gray_of_few_bits_is_laid_on_white(bits, row):
    photo = read(4, bits, 0, row, chunk(b"tRNS", struct.pack(">H", 1)))
    step = 255 // ((1 << bits) - 1)
    assert photo.pixels[0, :, 0].tolist() == [0, 255, 2 * step, 3 * step]


@pytest.mark.parametrize("after", [False, True], ids=["before the pixels", "after the pixels"])
def test_text_however_long_does_not_cost_the_picture(after):
    text = PngImagePlugin.PngInfo()
    text.add(b"zTXt", b"Comment\0\0" + zlib.compress(bytes([65]) * 3_000_000), after)
    photo = open_image(io.BytesIO(saved(Image.new("RGB", (4, 2), (9, 8, 7)), pnginfo=text)))
    assert photo.pixels[1, 3].tolist() == [9, 8, 7]
    assert photo.notes == (LEFT_OUT,)


@pytest.mark.parametrize("name", [b"tEXt", b"zTXt", b"iTXt", b"tIME"])
def test_a_damaged_text_does_not_cost_the_picture(name):
    photo = read(1, 8, 0, b"\x55", chunk(name, b"Comment\0\0\0\0words", damage=1))
    assert (photo.pixels[0, 0].tolist(), photo.notes) == ([0x55] * 3, (LEFT_OUT,))


def test_damage_that_may_touch_the_pixels_is_still_refused():
    with pytest.raises(InputError, match="damaged or truncated"):
        read(1, 8, 0, b"\x55", chunk(b"tEXt", b"Comment\0words", damage=1) + chunk(b"tRNS", b"\0\x55", damage=1))


def test_a_stated_gamma_becomes_that_of_srgb():
    photo = read(3, 8, 0, bytes([0, 55, 255]), chunk(b"gAMA", struct.pack(">I", 100_000)))
    assert photo.pixels[0, :, 0].tolist() == [0, 128, 255]  # linear light: 55 / 255 is level 128 of sRGB
    assert photo.notes == ("its gamma of 1 becomes that of sRGB",)


@pytest.mark.parametrize("extra", [b"", chunk(b"sRGB", b"\0")], ids=["alone", "sRGB said as well"])
def test_the_gamma_of_srgb_changes_nothing(extra):
    gamma = 45_455 if not extra else 100_000
    photo = read(1, 8, 0, b"\x37", extra + chunk(b"gAMA", struct.pack(">I", gamma)))
    assert (photo.pixels[0, 0, 0], photo.notes) == (0x37, ())


def test_a_color_space_given_by_numbers_is_named():
    photo = read(1, 8, 2, b"\1\2\3", chunk(b"cICP", bytes([9, 16, 0, 1])))
    assert photo.notes == ("its color space (H.273: primaries 9, transfer 16) is taken for sRGB",)
    assert read(1, 8, 2, b"\1\2\3", chunk(b"cICP", bytes([1, 13, 0, 1]))).notes == ()
