"""Colors that pictures state in other ways than as RGB of 8 bits, and what `info` says of them."""

import base64
import io
import struct
import sys

import numpy as np
import pytest
from PIL import Image, features

from tests.data.test_open_image import saved
from vpcodec.data.image import Photo, open_image
from vpcodec.data.kinds import EXTRAS, MissingExtraError
from vpcodec.errors import InputError


def opened(content: bytes) -> Photo:
    return open_image(io.BytesIO(content))


def cmyk_profile() -> bytes:
    """A printer whose full cyan is a gray of L* 50, and whose black, alone or with others, is black."""
    steps = np.arange(256, dtype=np.uint8).tobytes()
    corners = [(0 if k else 255 - 127 * c, 128, 128) for c in (0, 1) for _ in range(4) for k in (0, 1)]
    matrix = struct.pack(">9i", *(65536 * (i % 4 == 0) for i in range(9)))
    table = b"mft1" + bytes(4) + bytes([4, 3, 2, 0]) + matrix + 4 * steps + bytes(sum(corners, ())) + 3 * steps
    text = b"test\0"
    tags = {
        b"desc": b"desc" + bytes(4) + struct.pack(">I", len(text)) + text + bytes(78),
        b"cprt": b"text" + bytes(4) + text,
        b"wtpt": b"XYZ " + bytes(4) + struct.pack(">3i", 63190, 65536, 54061),
        b"A2B0": table,
    }
    directory, data, start = struct.pack(">I", len(tags)), b"", 128 + 4 + 12 * len(tags)
    for name, value in tags.items():
        directory += struct.pack(">4sII", name, start + len(data), len(value))
        data += value.ljust(-(-len(value) // 4) * 4, b"\0")
    size = start + len(data)
    white = struct.pack(">3i", 63190, 65536, 54061)
    head = struct.pack(">I4sI4s4s4s12s4s", size, b"lcms", 0x02400000, b"prtr", b"CMYK", b"Lab ", bytes(12), b"acsp")
    return (head + bytes(28) + white).ljust(128, b"\0") + directory + data


@pytest.mark.parametrize("form", ["JPEG", "TIFF"])
def test_cmyk_is_converted_through_its_color_profile(form):
    picture = Image.new("CMYK", (16, 8), (255, 0, 0, 0))  # without the profile, this is (0, 255, 255)
    photo = opened(saved(picture, form, icc_profile=cmyk_profile()))
    assert np.abs(photo.pixels.astype(int) - 119).max() <= 2  # L* 50
    assert photo.notes == ("CMYK becomes sRGB by its color profile",)
    assert photo.info.icc == b""


def test_cmyk_with_a_damaged_profile_is_converted_without_it():
    photo = opened(saved(Image.new("CMYK", (16, 8), (255, 0, 0, 0)), "TIFF", icc_profile=cmyk_profile()[:300]))
    assert photo.pixels[0, 0].tolist() == [0, 255, 255]
    assert photo.notes == ("CMYK becomes RGB", "the color profile does not fit its pixels and is left out")


def test_around_a_first_frame_smaller_than_its_gif_nothing_is_black():
    small = Image.new("P", (4, 2), 1)
    small.putpalette([0, 0, 0, 200, 10, 10])
    content = bytearray(saved(small, "GIF"))
    content[6:10] = struct.pack("<HH", 8, 6)  # the screen
    place = content.index(b",\0\0\0\0\4\0\2\0")
    content[place + 1 : place + 5] = struct.pack("<HH", 2, 1)  # the frame's left and top
    photo = opened(bytes(content))
    expected = np.full((6, 8, 3), 255, np.uint8)
    expected[1:3, 2:6] = (200, 10, 10)
    assert np.array_equal(photo.pixels, expected)
    assert photo.notes == ("transparency is laid on white",)


@pytest.mark.parametrize(("most", "bits"), [(65535, 16), (4095, 12), (1023, 10), (255, 8), (3, 2)])
@pytest.mark.parametrize("samples", [1, 3])
def test_a_netpbm_picture_has_as_many_bits_as_its_largest_level(most, bits, samples):
    levels = np.array([0, most // 2, most]).repeat(samples).astype(">u2" if most > 255 else np.uint8)
    head = f"P{5 if samples == 1 else 6}\n# a comment 7\n3 1 # another\n{most}\n".encode()
    photo = opened(head + levels.tobytes())
    assert photo.info.bit_depth == bits
    assert np.abs(photo.pixels[0, :, 0].astype(int) - [0, round(most // 2 / most * 255), 255]).max() <= 1


@pytest.mark.skipif(not features.check("avif"), reason="this Pillow reads no AVIF")
@pytest.mark.parametrize(("flags", "bits"), [(0x0C, 8), (0x4C, 10), (0x6C, 12)])
def test_the_bits_of_an_avif_are_those_of_its_configuration(flags, bits):
    from vpcodec.data.image_formats import bits_of

    content = bytearray(saved(Image.new("RGB", (16, 16), (200, 30, 40)), "AVIF"))
    content[content.index(b"av1C") + 6] = flags
    assert bits_of(Image.new("RGB", (1, 1)), "avif", bytes(content)) == bits


# 32x32 pixels in 10 bits by libaom, 4:2:0: red grows to the right, green downwards, blue to the upper left.
TEN_BITS = (
    "AAAAIGZ0eXBhdmlmAAAAAGF2aWZtaWYxbWlhZk1BMUIAAAD5bWV0YQAAAAAAAAAvaGRscgAAAAAAAAAAcGljdAAAAAAAAAAAAAAAAFBpY3R1cmVI"
    "YW5kbGVyAAAAAA5waXRtAAAAAAABAAAAHmlsb2MAAAAARAAAAQABAAAAAQAAASEAAAA9AAAAKGlpbmYAAAAAAAEAAAAaaW5mZQIAAAAAAQAAYXYw"
    "MUNvbG9yAAAAAGppcHJwAAAAS2lwY28AAAAUaXNwZQAAAAAAAAAgAAAAIAAAABBwaXhpAAAAAAMKCgoAAAAMYXYxQ4EATAAAAAATY29scm5jbHgA"
    "AgACAAIAAAAAF2lwbWEAAAAAAAAAAQABBAECgwQAAABFbWRhdAoGGBE/9qAgMjMSgAAAQWAAOvbbhU+g4+xbGsZqJ6it8CS4uRMq1Dc2X8cGhzdf"
    "42vYNFroDONUypRvnSA="
)


@pytest.mark.skipif(not features.check("avif"), reason="this Pillow reads no AVIF")
def test_an_avif_of_ten_bits_is_as_bright_as_its_levels_say():
    photo = opened(base64.b64decode(TEN_BITS))
    y, x = np.mgrid[:32, :32]
    source = np.stack([8 * x, 8 * y, (255 - 4 * x - 4 * y).clip(0)], axis=-1)
    assert np.abs(photo.pixels - source).mean() < 1.5
    assert (photo.info.bit_depth, photo.notes) == (10, ("10 bits per channel become 8",))


@pytest.mark.skipif(not features.check("avif"), reason="this Pillow reads no AVIF")
def test_of_an_avif_sequence_the_first_picture_is_used_and_that_is_said():
    frames = [Image.new("RGB", (16, 16), color) for color in ((250, 10, 10), (10, 10, 250))]
    content = saved(frames[0], "AVIF", save_all=True, append_images=frames[1:])
    assert content[8:12] == b"avis"
    photo = opened(content)
    assert photo.pixels[0, 0, 0] > 200
    assert photo.notes == ("only the first of 2 pictures is used",)


@pytest.mark.skipif(not features.check("avif"), reason="this Pillow reads no AVIF")
def test_an_avif_with_another_major_brand_is_read():
    content = saved(Image.new("RGB", (16, 16), (250, 10, 10)), "AVIF")
    assert opened(content[:8] + b"mif1" + content[12:]).pixels[0, 0, 0] > 200


@pytest.mark.parametrize(("form", "extra"), [("HEIF", "heif"), ("JXL", "jxl")])
def test_formats_of_optional_packages_are_read_upright(form, extra):
    reader = pytest.importorskip(EXTRAS[extra][1], reason=f"the extra {extra} is not installed")
    if extra == "heif":
        reader.register_heif_opener()
    picture = Image.new("RGB", (32, 16), (20, 20, 200))
    picture.paste((200, 20, 20), (0, 0, 16, 16))
    exif = Image.Exif()
    exif[274] = 6
    photo = opened(saved(picture, form, exif=exif.tobytes(), quality=95))
    assert (photo.info.width, photo.info.height) == (16, 32)
    assert np.abs(photo.pixels[[4, 28], 8].astype(int) - [[200, 20, 20], [20, 20, 200]]).max() < 12


@pytest.mark.parametrize(
    ("head", "extra"),
    [
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "heif"),
        (b"\xff\x0a\xfa\x1f\x41\x91", "jxl"),
        (b"FUJIFILMCCD-RAW ", "raw"),
    ],
)
def test_without_its_package_the_message_says_how_to_install_it(head, extra, monkeypatch):
    monkeypatch.setitem(sys.modules, EXTRAS[extra][1], None)
    with pytest.raises(MissingExtraError) as refusal:
        opened(head)
    assert refusal.value.what == f"the stream: is {EXTRAS[extra][0]}"
    assert f"pip install 'vpcodec[{extra}]'" in refusal.value.hint


@pytest.mark.parametrize("limit", [31, 32])
def test_a_picture_may_have_as_many_pixels_as_are_allowed(limit):
    content = saved(Image.new("1", (8, 4)))
    if limit < 32:
        with pytest.raises(InputError, match=r"8 x 4 pixels are more than the limit of 31") as refusal:
            open_image(io.BytesIO(content), most_pixels=limit)
        assert "--max-pixels" in refusal.value.hint
    else:
        assert open_image(io.BytesIO(content), most_pixels=limit).info.width == 8


def test_sixteen_thousand_squared_in_a_few_bytes_is_too_much():
    content = saved(Image.new("1", (16_384, 16_384)))
    with pytest.raises(InputError, match="16,384 x 16,384 pixels are more than the limit of 250,000,000"):
        opened(content)
