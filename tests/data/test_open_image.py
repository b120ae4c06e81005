import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms, ImageOps

from vpcodec.data.colors import is_srgb
from vpcodec.data.image import Photo, open_image
from vpcodec.data.kinds import MOST_PIXELS
from vpcodec.errors import InputError

MEDIA = Path(__file__).resolve().parents[1] / "media"


def photo_of(picture: Image.Image, form: str = "PNG", **options) -> Photo:
    stream = io.BytesIO()
    picture.save(stream, form, **options)
    return open_image(io.BytesIO(stream.getvalue()))


def png(width: int, height: int, bits: int, color: int, rows: bytes, extra: bytes = b"") -> bytes:
    """A PNG with any header: color 0 is gray, 2 RGB, 3 palette, 4 gray and alpha, 6 RGB and alpha."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, color, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + extra + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


@pytest.fixture(scope="module")
def cat() -> Image.Image:
    picture = Image.open(MEDIA / "cat.png").convert("RGB")
    picture.info.clear()  # no color profile, unless a test gives one
    return picture


def test_a_photo_is_its_pixels_as_stored(cat):
    photo = open_image(MEDIA / "cat.png")
    assert np.array_equal(photo.pixels, np.asarray(cat))
    assert (photo.info.width, photo.info.height, photo.info.channels, photo.notes) == (319, 257, 3, ())


@pytest.mark.parametrize("form", ["PNG", "TIFF", "BMP", "PPM"])
def test_lossless_formats_give_the_same_pixels(cat, form):
    assert np.array_equal(photo_of(cat, form).pixels, np.asarray(cat))


@pytest.mark.parametrize("form", ["JPEG", "WEBP", "AVIF"])
def test_lossy_formats_give_what_pillow_gives(cat, form):
    stream = io.BytesIO()
    cat.save(stream, form)
    theirs = np.asarray(Image.open(io.BytesIO(stream.getvalue())).convert("RGB"))
    assert np.array_equal(open_image(io.BytesIO(stream.getvalue())).pixels, theirs)


@pytest.mark.parametrize("name", ["cat.png", "coffee.jpg"])
def test_a_pipe_gives_the_same_photo_as_a_file(pipe, name):
    piped, filed = open_image(pipe((MEDIA / name).read_bytes())), open_image(MEDIA / name)
    assert np.array_equal(piped.pixels, filed.pixels)
    assert piped.info == filed.info


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_exif_orientation_is_applied_to_windows_and_to_the_whole(cat, orientation):
    exif = Image.Exif()
    exif[274] = orientation
    photo = photo_of(cat, exif=exif)
    upright = Image.open(io.BytesIO(saved(cat, exif=exif)))
    expected = np.asarray(ImageOps.exif_transpose(upright).convert("RGB"))
    assert photo.info.orientation == orientation
    assert (photo.info.height, photo.info.width) == expected.shape[:2]
    assert np.array_equal(photo.pixels, expected)
    assert np.array_equal(photo.window(30, 50, 77, 101), expected[30:107, 50:151])


def saved(picture: Image.Image, form: str = "PNG", **options) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, form, **options)
    return stream.getvalue()


@pytest.mark.parametrize("form", ["JPEG", "WEBP", "TIFF"])
def test_orientation_counts_in_other_formats_too(cat, form):
    exif = Image.Exif()
    exif[274] = 6
    photo = photo_of(cat, form, exif=exif)
    assert photo.pixels.shape == (319, 257, 3)
    expected = np.asarray(cat.transpose(Image.Transpose.ROTATE_270)).astype(int)
    assert np.abs(photo.pixels.astype(int) - expected).mean() < 12


def test_an_orientation_that_does_not_exist_turns_nothing(cat):
    exif = Image.Exif()
    exif[274] = 77
    assert photo_of(cat, exif=exif).info.orientation == 1


def test_damaged_exif_does_not_cost_the_photo(cat):
    assert photo_of(cat, "JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff").info.width == 319


@pytest.mark.parametrize("mode", ["L", "1"])
def test_gray_is_spread_to_three_equal_channels(cat, mode):
    photo = photo_of(cat.convert(mode))
    assert photo.info.gray
    assert photo.info.bit_depth == (8 if mode == "L" else 1)
    assert np.array_equal(photo.pixels, np.asarray(cat.convert(mode).convert("RGB")))
    assert photo.notes == ()


def test_a_palette_becomes_its_colors(cat):
    palette = cat.quantize(50)
    photo = photo_of(palette)
    assert np.array_equal(photo.pixels, np.asarray(palette.convert("RGB")))
    assert (photo.info.channels, photo.notes) == (3, ())


def test_transparency_is_laid_on_white_and_said():
    picture = Image.new("RGBA", (3, 1), (200, 0, 0, 0))
    picture.putpixel((1, 0), (200, 0, 0, 255))
    picture.putpixel((2, 0), (0, 0, 0, 128))
    photo = photo_of(picture)
    assert photo.pixels[0].tolist() == [[255, 255, 255], [200, 0, 0], [127, 127, 127]]
    assert photo.notes == ("transparency is laid on white",)
    assert photo.info.channels == 4


def test_gray_with_transparency_is_laid_on_white():
    photo = photo_of(Image.new("LA", (2, 2), (10, 0)))
    assert (photo.pixels == 255).all()
    assert photo.info.channels == 2


@pytest.mark.parametrize("mode", ["P", "RGB", "L"])
def test_a_color_declared_transparent_is_laid_on_white(mode):
    key = {"P": 0, "RGB": (0, 0, 0), "L": 0}[mode]
    photo = photo_of(Image.new(mode, (4, 4), key), transparency=key)
    assert (photo.pixels == 255).all()
    assert photo.notes == ("transparency is laid on white",)


def test_an_alpha_channel_that_hides_nothing_is_not_mentioned(cat):
    photo = photo_of(cat.convert("RGBA"))
    assert np.array_equal(photo.pixels, np.asarray(cat))
    assert photo.notes == ()


def test_sixteen_bit_gray_is_rounded_to_eight_and_said():
    values = np.uint16([[0, 128, 129, 257, 65_535, 32_896]])
    photo = photo_of(Image.fromarray(values))
    assert photo.pixels[0, :, 0].tolist() == [0, 0, 1, 1, 255, 128]
    assert photo.notes == ("16 bits per channel become 8",)
    assert (photo.info.bit_depth, photo.info.gray) == (16, True)


def test_sixteen_bit_color_is_known_though_pillow_hides_it():
    row = b"\0" + struct.pack(">6H", 0, 0x8000, 0xFFFF, 0x1234, 0x5678, 0x9ABC)
    photo = open_image(io.BytesIO(png(2, 1, 16, 2, row)))
    assert photo.info.bit_depth == 16
    assert photo.notes == ("16 bits per channel become 8",)
    assert np.abs(photo.pixels[0].astype(int) - [[0, 128, 255], [18, 86, 154]]).max() <= 1


def test_cmyk_becomes_rgb_and_is_said(cat):
    photo = photo_of(cat.convert("CMYK"), "JPEG", quality=95)
    assert photo.notes == ("CMYK becomes RGB",)
    assert np.abs(photo.pixels.astype(int) - np.asarray(cat).astype(int)).mean() < 4


def test_a_color_profile_is_kept(cat):
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert photo_of(cat, icc_profile=profile).info.icc == profile


@pytest.mark.parametrize(
    ("name", "same"), [("sRGB built-in", True), ("sRGB-elle-g10", False), ("a wider gamut", False)]
)
def test_only_srgb_itself_goes_without_saying(name, same):
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert is_srgb(profile.replace("sRGB built-in".encode("utf-16-be"), name.encode("utf-16-be"))) == same


def test_a_profile_of_other_channels_is_left_out_and_said(cat):
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    photo = photo_of(cat, icc_profile=profile[:16] + b"CMYK" + profile[20:])
    assert photo.info.icc == b""
    assert photo.notes == ("the color profile does not fit its pixels and is left out",)


@pytest.mark.parametrize("form", ["GIF", "PNG", "WEBP", "TIFF"])
def test_of_several_pictures_the_first_is_used_and_that_is_said(form):
    frames = [Image.new("RGB", (8, 8), (250 - 100 * i, 10, 10)) for i in range(3)]
    photo = photo_of(frames[0], form, save_all=True, append_images=frames[1:])
    assert photo.notes == ("only the first of 3 pictures is used",)
    assert photo.pixels[0, 0, 0] > 200


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (300, 1), (7, 501)])
def test_a_photo_may_have_any_size(size):
    assert photo_of(Image.new("RGB", size, (1, 2, 3))).pixels.shape == (size[1], size[0], 3)


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP", "TIFF", "GIF", "BMP", "PPM", "AVIF"])
@pytest.mark.parametrize("share", [0.01, 0.3, 0.9])
def test_a_photo_cut_short_is_refused(cat, form, share):
    data = saved(cat, form)
    with pytest.raises(InputError) as refusal:
        open_image(io.BytesIO(data[: max(12, int(share * len(data)))]))
    assert "\n" not in refusal.value.what


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP", "TIFF", "GIF", "BMP", "AVIF"])
def test_noise_behind_a_true_beginning_never_raises_anything_unexpected(cat, form):
    data = saved(cat, form)
    generator = np.random.default_rng(5)
    for kept in (12, 40, 100, 700, 5000):
        noise = generator.integers(0, 256, 3_000, dtype=np.uint8).tobytes()
        try:
            photo = open_image(io.BytesIO(data[:kept] + noise))
        except InputError:
            continue
        assert photo.pixels.shape == (photo.info.height, photo.info.width, 3)


@pytest.mark.parametrize("sides", [(1 << 20, 1 << 20), (MOST_PIXELS, 2), (0x7FFFFFFF, 0x7FFFFFFF)])
def test_a_photo_that_claims_too_many_pixels_is_refused_before_it_is_decoded(sides):
    with pytest.raises(InputError, match="pixels are more than"):
        open_image(io.BytesIO(png(*sides, 8, 2, b"")))


def test_a_small_file_that_claims_a_large_picture_is_refused():
    with pytest.raises(InputError, match=r"states 15,000 x 15,000 pixels"):
        open_image(io.BytesIO(png(15_000, 15_000, 8, 2, b"")))


def test_a_picture_above_the_limit_of_pillow_is_read(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    assert open_image(MEDIA / "cat.png").pixels.shape == (257, 319, 3)
    assert Image.MAX_IMAGE_PIXELS == 1000


def test_a_recording_is_not_looked_at():
    with pytest.raises(InputError, match="is a recording"):
        open_image(MEDIA / "speech.flac")


@pytest.mark.slow
def test_two_hundred_megapixels_are_read_by_windows():
    rows = zlib.compressobj(1)
    data = b"".join(rows.compress(bytes([0]) + bytes([row % 251]) * 20_000) for row in range(10_000)) + rows.flush()
    head = png(20_000, 10_000, 8, 0, b"")
    begin = head.index(b"IDAT") - 4
    body = struct.pack(">I", len(data)) + b"IDAT" + data + struct.pack(">I", zlib.crc32(b"IDAT" + data))
    photo = open_image(io.BytesIO(head[:begin] + body + head[-12:]))
    assert photo.window(9_999, 19_000, 1, 1000)[0, 0].tolist() == [9_999 % 251] * 3
