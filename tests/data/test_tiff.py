"""TIFF layouts beyond 8 bits: the right picture within a level, or a refusal that names the layout."""

import io
import struct

import numpy as np
import pytest

from vpcodec.data.image import Photo, open_image
from vpcodec.data.kinds import MissingExtraError
from vpcodec.errors import InputError

ROWS, COLUMNS = np.mgrid[0:24, 0:32]
RAMP = np.rint((3 * COLUMNS + ROWS) / (3 * 31 + 23) * 65535).astype(np.uint16)
COLOR = np.stack([RAMP, RAMP[::-1], RAMP[:, ::-1]], axis=-1)
LINEAR_RAW, MOSAIC = 34892, 32803
BYTES = (33422, 50706)  # tags of type BYTE: colors of the mosaic, version of DNG; all others are LONG
Tags = dict[int, tuple[int, ...]]


def tiff(planes: list[bytes], bits: int, color: int, samples: int = 1, order: str = "<", more: Tags | None = None):
    """A TIFF [24, 32] with one strip for each plane."""
    tags: Tags = {
        256: (32,), 257: (24,), 258: (bits,) * samples, 259: (1,), 262: (color,),
        273: (), 277: (samples,), 278: (24,), 279: tuple(map(len, planes)), 284: (1 if len(planes) == 1 else 2,),
    }  # fmt: skip
    tags |= more or {}
    entries, values = b"", b""
    offset = 8 + 2 + 12 * len(tags) + 4
    size = sum(4 * len(value) for value in tags.values()) + 4 * len(planes)
    starts = tuple(offset + size + sum(map(len, planes[:i])) for i in range(len(planes)))
    for tag, value in sorted((tags | {273: starts}).items()):
        kind, letter = (1, "B") if tag in BYTES else (4, "I")
        data = struct.pack(f"{order}{len(value)}{letter}", *value)
        place = data.ljust(4, b"\0") if len(data) <= 4 else struct.pack(f"{order}I", offset + len(values))
        entries += struct.pack(f"{order}HHI", tag, kind, len(value)) + place
        values += data if len(data) > 4 else b""
    head = (b"II" if order == "<" else b"MM") + struct.pack(f"{order}HIH", 42, 8, len(tags))
    return head + entries + bytes(4) + values.ljust(size, b"\0") + b"".join(planes)


def read(*args, **options) -> Photo:
    return open_image(io.BytesIO(tiff(*args, **options)))


def packed12(levels: np.ndarray) -> bytes:
    bits = np.unpackbits(levels.astype(">u2").view(np.uint8).reshape(-1, 2), axis=1)[:, 4:]
    return np.packbits(bits).tobytes()


def off_by(photo: Photo, expected: np.ndarray) -> int:
    """The largest difference to levels of 16 bits, in levels of 8 bits."""
    levels = np.rint(expected / 257).astype(int)
    return int(np.abs(photo.pixels - (levels if levels.ndim == 3 else levels[..., None])).max())


def test_twelve_bit_gray_is_as_bright_as_its_levels_say():
    photo = read([packed12(RAMP >> 4)], bits=12, color=1)
    assert off_by(photo, RAMP) <= 1
    assert (photo.info.bit_depth, photo.notes) == (12, ("12 bits per channel become 8",))


@pytest.mark.parametrize("bits", [1, 2, 4, 8, 16])
def test_where_white_is_zero_the_picture_is_no_negative(bits):
    """ImageMagick 6 shows 2 and 4 bits as a negative; the specification (TIFF 6.0, tag 262) does not."""
    levels = RAMP >> 16 - bits
    stored = (1 << bits) - 1 - levels
    if bits < 8:
        content = np.packbits(stored.astype(np.uint8)[..., None] >> np.arange(bits)[::-1] & 1).tobytes()
    else:
        content = stored.astype(f"<u{bits // 8}").tobytes()
    assert off_by(read([content], bits, color=0), levels * (65535 // ((1 << bits) - 1))) <= 1


def test_a_big_endian_bigtiff_is_refused_by_its_name():
    with pytest.raises(InputError, match="BigTIFF with the high byte first, which cannot be read"):
        open_image(io.BytesIO(b"MM\0+\0\x08" + bytes(100)))


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("planar", [False, True])
def test_color_of_sixteen_bits_is_right_in_every_order_of_its_bytes_and_planes(order, planar):
    planes = [COLOR[..., i] for i in range(3)] if planar else [COLOR]
    photo = read([plane.astype(f"{order}u2").tobytes() for plane in planes], 16, 2, samples=3, order=order)
    assert off_by(photo, COLOR) <= 1
    assert photo.info.bit_depth == 16


@pytest.mark.parametrize(
    ("bits", "color", "samples", "kind", "words"),
    [
        (16, 1, 1, 2, "1 signed sample of 16 bits a pixel, gray"),
        (8, 1, 1, 2, "1 signed sample of 8 bits a pixel, gray"),
        (32, 1, 1, 3, "1 floating-point sample of 32 bits a pixel, gray"),
        (32, 2, 3, 3, "3 floating-point samples of 32 bits a pixel, RGB"),
        (32, 1, 1, 1, "1 sample of 32 bits a pixel, gray"),
        (16, 1, 2, 1, "2 samples of 16 bits a pixel, gray"),
        (8, 5, 5, 1, "5 samples of 8 bits a pixel, CMYK"),
        (16, LINEAR_RAW, 3, 1, "3 samples of 16 bits a pixel, other color"),
    ],
)
def test_a_layout_that_would_come_out_wrong_is_refused_by_its_name(bits, color, samples, kind, words):
    more = {339: (kind,) * samples, **({338: (2,)} if samples in (2, 5) else {})}
    with pytest.raises(InputError, match="the stream: TIFF of") as refusal:
        read([bytes(24 * 32 * samples * bits // 8)], bits, color, samples, more=more)
    assert words in refusal.value.what
    assert "damaged" not in refusal.value.what


def test_gray_with_alpha_multiplied_in_is_laid_on_white():
    half = np.full((24, 32, 2), (40, 128), np.uint8)  # level 80, half of it seen
    photo = read([half.tobytes()], bits=8, color=1, samples=2, more={338: (1,)})
    assert np.abs(photo.pixels.astype(int) - 167).max() <= 1
    assert photo.notes == ("transparency is laid on white",)


def test_a_second_plane_beside_gray_is_refused():
    with pytest.raises(InputError, match="2 samples of 8 bits a pixel, gray, in planes"):
        read([bytes(24 * 32)] * 2, bits=8, color=1, samples=2, more={338: (2,)})


@pytest.mark.parametrize("bits", [8, 16])
def test_planes_beside_red_green_and_blue_are_left_out(bits):
    planes = [COLOR[..., i] >> 16 - bits for i in range(3)] + [RAMP] * 2
    content = [plane.astype("<u2" if bits == 16 else np.uint8).tobytes() for plane in planes]
    photo = read(content, bits, 2, samples=5, more={338: (0, 0)})
    assert off_by(photo, COLOR) <= 1


def test_white_is_zero_in_big_endian_order_is_refused_or_right():
    with pytest.raises(InputError, match="white is zero"):
        read([RAMP.astype(">u2").tobytes()], bits=16, color=0, order=">")


@pytest.mark.parametrize("more", [{50706: (1,)}, {254: (1,), 330: (8,)}], ids=["DNG", "NEF"])
def test_the_preview_of_a_camera_raw_file_is_not_taken_for_the_photo(more, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "rawpy", None)  # as if it were not installed
    with pytest.raises(MissingExtraError, match="is a camera raw file") as refusal:
        read([bytes(24 * 32)], bits=8, color=1, more=more)
    assert "pip install 'vpcodec[raw]'" in refusal.value.hint


def test_smaller_copies_beside_the_photo_do_not_make_it_raw():
    assert read([bytes(24 * 32)], bits=8, color=1, more={254: (0,), 330: (8,)}).info.width == 32


def test_a_digital_negative_is_developed():
    pytest.importorskip("rawpy", reason="the extra raw is not installed")
    mosaic = np.full((24, 32), 6_000, "<u2")
    mosaic[:, 16:] = 60_000
    more = {254: (0,), 33421: (2, 2), 33422: (0, 1, 1, 2), 50706: (1, 4, 0, 0), 50717: (65535,)}
    photo = read([mosaic.tobytes()], 16, MOSAIC, more=more)
    assert (photo.info.width, photo.info.height, photo.info.channels) == (32, 24, 3)
    assert photo.pixels[:, 4:12].mean() + 50 < photo.pixels[:, 20:28].mean()
    assert "developed" in photo.notes[0]
