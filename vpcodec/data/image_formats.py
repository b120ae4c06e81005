"""Correct what Pillow gets wrong, refuses or hides about image files.

TIFF: layouts of pixels that would come out wrong, and camera raw files. PNG: long or damaged text, transparent colors
of 1 to 16 bits, gamma. All: bits per channel, and sizes that cannot be true.
"""

import io
import struct
import zlib
from typing import Any, BinaryIO

import numpy as np
from PIL import Image, TiffImagePlugin, UnidentifiedImageError

from vpcodec.errors import InputError

SUBFILE, BITS, PHOTOMETRIC, SAMPLES, PLANAR, SUB_IFDS, SAMPLE_FORMAT, DNG_VERSION = (
    254, 258, 262, 277, 284, 330, 339, 50706,
)  # fmt: skip
REDUCED = 1  # in SUBFILE: a smaller version of another picture in the file
COLORS = {0: "gray (white is zero)", 1: "gray", 2: "RGB", 3: "palette", 5: "CMYK", 6: "YCbCr", 8: "Lab"}
NUMBERS = {1: "", 2: "signed ", 3: "floating-point ", 4: ""}  # of SAMPLE_FORMAT; the last is "undefined"

SIGNATURE_BYTES = 8
TEXT = (b"tEXt", b"zTXt", b"iTXt", b"tIME")  # without any bearing on the pixels, except for
XMP = b"XML:com.adobe.xmp\0\0"  # what may hold an orientation (uncompressed)

# No honest file shrinks a pixel further: a 1-bit PNG of one color reaches 8,256 pixels a byte. Small pictures
# are harmless whatever they claim.
PIXELS_PER_BYTE = 10_000
HARMLESS_PIXELS = 1 << 24


def tags_of(stream: BinaryIO) -> dict[int, Any]:
    """The tags of the first picture; none where they are damaged."""
    stream.seek(0)
    head = stream.read(16)
    try:
        tags = TiffImagePlugin.ImageFileDirectory_v2(head[: 16 if head[2:4] in (b"+\0", b"\0+") else 8])
        stream.seek(tags.next)
        tags.load(stream)
        return dict(tags)
    except Exception:  # whatever damage leads to; Pillow's own reading says what is wrong
        return {}
    finally:
        stream.seek(0)


def is_camera_raw(tags: dict[int, Any]) -> bool:
    """Whether the first picture is only the preview of a camera's raw data: DNG, NEF, ARW and their like."""
    return DNG_VERSION in tags or (SUB_IFDS in tags and bool(first(tags, SUBFILE, 0) & REDUCED))


def open_tiff(stream: BinaryIO, tags: dict[int, Any], name: str) -> Image.Image:
    """Open a TIFF whose pixels Pillow reads right.

    Raises:
        InputError: The layout of its pixels is not supported.
        Exception: Anything that Pillow raises for damage.
    """
    kind, bits = first(tags, SAMPLE_FORMAT, 1), first(tags, BITS, 1)
    samples, color, planar = first(tags, SAMPLES, 1), first(tags, PHOTOMETRIC, 0), first(tags, PLANAR, 1) == 2
    # Pillow takes the second plane of gray or of a palette for more of the first.
    wanted = kind in (1, 4) and bits <= 16 and not (planar and samples > 1 and color in (0, 1, 3))
    try:
        if not wanted:
            raise UnidentifiedImageError
        # Pillow's own reader takes planes of 16 bits for planes of 8, and fails at further ones; libtiff does not.
        before, TiffImagePlugin.READ_LIBTIFF = TiffImagePlugin.READ_LIBTIFF, planar
        try:
            return Image.open(stream, formats=["TIFF"])
        finally:
            TiffImagePlugin.READ_LIBTIFF = before
    except UnidentifiedImageError:
        if not {BITS, PHOTOMETRIC} & tags.keys():
            raise
        layout = f"{COLORS.get(color, 'other color')}{', in planes' * planar}"
        what = f"{samples} {NUMBERS.get(kind, 'complex ')}sample{'s' * (samples > 1)} of {bits} bits a pixel, {layout}"
        raise InputError(f"{name}: TIFF of {what}, is not supported", hint="convert it to PNG first") from None


def first(tags: dict[int, Any], tag: int, default: int) -> int:
    """The number of a tag, the first one where there are several."""
    value = tags.get(tag, default)
    return int(value[0] if isinstance(value, tuple) else value)


def without_text(stream: BinaryIO) -> BinaryIO | None:
    """The PNG without its text, which Pillow refuses where it is long or damaged; None where there is none."""
    stream.seek(0)
    kept, dropped = [stream.read(SIGNATURE_BYTES)], False
    while len(head := stream.read(8)) == 8:
        length, name = struct.unpack(">I4s", head)
        body = stream.read(length + 4)
        sound = body[-4:] == struct.pack(">I", zlib.crc32(name + body[:-4]))
        if name in TEXT and not (sound and body.startswith(XMP)):
            dropped = True
        else:
            kept += [head, body]
    return io.BytesIO(b"".join(kept)) if dropped else None


def apply_transparent_color(stored: Image.Image, bits: int, stream: BinaryIO) -> Image.Image:
    """A picture whose one transparent color, of `bits` a channel, is what Pillow looks for; or with alpha instead.

    Pillow keeps the number of the file, but spreads 2 and 4 bits to 8, and reduces color of 16 bits to 8.
    Gray of 16 bits is left as it is.
    """
    key = stored.info.get("transparency")
    if stored.mode == "L" and isinstance(key, int):
        stored.info["transparency"] = key * 255 // ((1 << bits) - 1)
    if stored.mode == "RGB" and bits == 16 and isinstance(key, tuple):
        stream.seek(0)
        low = Image.open(stream, formats=["PNG"])
        low.tile = [tile._replace(args="RGB;16L") for tile in low.tile]  # the lower bytes, as if they were the upper
        low.load()
        upper, lower = np.asarray(stored), np.asarray(low)
        hidden = np.ones(upper.shape[:2], bool)
        for channel, value in enumerate(key):
            hidden &= (upper[..., channel] == value >> 8) & (lower[..., channel] == value & 255)
        del stored.info["transparency"]
        stored.putalpha(Image.fromarray(np.where(hidden, np.uint8(0), np.uint8(255))))
    return stored


def gamma_table(gamma: float) -> list[int] | None:
    """The levels of sRGB for those of a file that states a gamma; None where it is (nearly) that of sRGB."""
    if not 0.01 <= gamma <= 10 or abs(gamma - 1 / 2.2) < 0.01:
        return None
    light = (np.arange(256) / 255) ** (1 / gamma)
    levels = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    return [int(level) for level in np.rint(255 * levels)]


def check_size(width: int, height: int, size: int, name: str, most_pixels: int) -> None:
    """Raise InputError for a picture too large to be decoded or too large to be true."""
    pixels = width * height
    if pixels > most_pixels:
        raise InputError(
            f"{name}: {width:,} x {height:,} pixels are more than the limit of {most_pixels:,}",
            hint="cut it into parts, or raise the limit with --max-pixels",
        )
    if pixels > max(HARMLESS_PIXELS, size * PIXELS_PER_BYTE):
        raise InputError(f"{name}: states {width:,} x {height:,} pixels in {size:,} bytes and is refused")


def bits_of(stored: Image.Image, form: str, head: bytes) -> int:
    """Bits a channel in the file; Pillow itself reduces color to 8 without a word."""
    if form == "png":
        return 8 if stored.mode == "P" else head[24]
    if form == "tiff":
        bits = getattr(stored, "tag_v2", {}).get(BITS, (1,))
        return int(bits[0] if isinstance(bits, tuple) else bits)
    if form == "avif" and (place := head.find(b"av1C")) >= 0:  # two flags of the AV1 codec configuration
        return {0: 8, 0x40: 10, 0x60: 12}.get(head[place + 6] & 0x60, 8)
    if form == "ppm" and head[1:2] not in b"14":
        words = b" ".join(line.partition(b"#")[0] for line in head[2:].splitlines()).split(None, 3)
        return int(words[2]).bit_length()
    if form == "heif":
        return int(stored.info.get("bit_depth", 8))
    return 1 if stored.mode == "1" else 8


def within_nothing(stored: Image.Image, frame: tuple[int, int, int, int]) -> Image.Image:
    """A first frame in a transparent picture of the full size: nothing was ever drawn around it."""
    whole = Image.new("RGBA", stored.size)
    whole.paste(stored.crop(frame).convert("RGBA"), frame)
    return whole
