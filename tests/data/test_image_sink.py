import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vpcodec.data.image import ImageInfo, ImageSink, open_image
from vpcodec.errors import ConfigError, InputError

MEDIA = Path(__file__).resolve().parents[1] / "media"


def save_image(pixels, info, stream, form="png"):
    sink = ImageSink(info._replace(height=pixels.shape[0], width=pixels.shape[1]), form)
    sink.paste(pixels, 0, 0)
    sink.save(stream)


def written(pixels, info, form):
    stream = io.BytesIO()
    save_image(pixels, info, stream, form)
    return open_image(io.BytesIO(stream.getvalue()))


@pytest.mark.parametrize("form", ["png", "webp"])
def test_png_and_webp_keep_every_pixel_and_the_profile(form):
    photo = open_image(MEDIA / "cat.png")
    assert photo.info.icc
    back = written(photo.pixels, photo.info, form)
    assert np.array_equal(back.pixels, photo.pixels)
    assert back.info.icc == photo.info.icc


def test_jpeg_comes_close_and_keeps_the_profile():
    photo = open_image(MEDIA / "cat.png")
    back = written(photo.pixels, photo.info, "jpeg")
    assert back.info.icc == photo.info.icc
    assert np.abs(back.pixels.astype(int) - photo.pixels).mean() < 2


@pytest.mark.parametrize("form", ["png", "jpeg", "webp"])
def test_a_gray_photo_stays_gray(form):
    gray = np.arange(64, dtype=np.uint8).reshape(8, 8)[:, :, None].repeat(3, axis=2)
    back = written(gray, ImageInfo(8, 8, channels=1), form)
    assert (back.pixels[..., 0] == back.pixels[..., 2]).all()
    assert np.abs(back.pixels.astype(int) - gray).max() <= 2
    assert back.info.channels == (3 if form == "webp" else 1)


def test_what_a_format_does_not_keep_is_said():
    assert ImageSink(ImageInfo(8, 8, channels=1, icc=b"profile"), "png").notes == ()
    assert ImageSink(ImageInfo(8, 8, channels=3, icc=b"profile"), "webp").notes == ()
    (note,) = ImageSink(ImageInfo(8, 8, channels=1), "webp").notes
    assert note == "webp has no gray; the photo is written as color"
    assert ImageSink(ImageInfo(8, 8, channels=1, icc=b"profile"), "webp").notes == (f"{note}, without its profile",)


def test_a_turned_photo_is_written_upright():
    exif = Image.Exif()
    exif[274] = 8
    stream = io.BytesIO()
    Image.open(MEDIA / "coffee.jpg").save(stream, "JPEG", exif=exif)
    photo = open_image(io.BytesIO(stream.getvalue()))
    back = written(photo.pixels, photo.info, "png")
    assert (back.info.width, back.info.height, back.info.orientation) == (400, 600, 1)


def test_a_photo_painted_in_windows_is_the_photo_painted_at_once():
    photo = open_image(MEDIA / "coffee.jpg")
    sink, stream, whole = ImageSink(photo.info), io.BytesIO(), io.BytesIO()
    for top in range(0, 400, 150):
        for left in range(0, 600, 256):
            size = min(150, 400 - top), min(256, 600 - left)
            sink.paste(photo.window(top, left, *size), top, left)
    sink.save(stream)
    save_image(photo.pixels, photo.info, whole)
    assert stream.getvalue() == whole.getvalue()


def test_a_pipe_takes_every_format():
    class WriteOnly(io.RawIOBase):
        def __init__(self):
            self.data = bytearray()

        def writable(self):
            return True

        def write(self, data):
            self.data += data
            return len(data)

    for form in ("png", "webp", "jpeg"):
        pipe = WriteOnly()
        save_image(np.zeros((3, 5, 3), np.uint8), ImageInfo(5, 3), pipe, form)
        assert open_image(io.BytesIO(bytes(pipe.data))).info.width == 5


def test_a_format_too_small_for_the_photo_is_refused_before_any_work():
    with pytest.raises(InputError, match="webp cannot hold 16,384 x 1 pixels"):
        ImageSink(ImageInfo(16_384, 1), "webp")


def test_an_unknown_format_is_a_usage_error():
    with pytest.raises(ConfigError, match="gif"):
        ImageSink(ImageInfo(1, 1), "gif")


def test_a_full_disk_is_an_error_of_the_system():
    if not Path("/dev/full").exists():
        pytest.skip("needs a device that is always full")
    photo = open_image(MEDIA / "coffee.jpg")
    with open("/dev/full", "wb", buffering=0) as full, pytest.raises(OSError, match="No space left"):
        save_image(photo.pixels, photo.info, full)
