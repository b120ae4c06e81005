"""Photos as windows of 8-bit RGB [height, width, 3], in bounded memory, and back.

A photo is decoded once, in its own form, and converted window by window: turned as Exif says, grey and palettes
spread to RGB, transparency laid on white, CMYK and 16 bits reduced. So 200 megapixels cost what the decoder of
the file format needs for them (800 MB as RGB, 200 MB as grey) and no copy of that.

Colours are not touched: an ICC profile travels with the photo and means after decoding what it meant before.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from io import BytesIO
from threading import Lock
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

from vpcodec.data.kinds import medium_of
from vpcodec.data.streams import LeftOut, Source, open_input, peek, seekable, shown, size_of
from vpcodec.errors import InputError

MOST_PIXELS = 1 << 28
# No honest file shrinks a pixel further: a 1-bit PNG of one colour reaches 8,256 pixels a byte. Small pictures
# are harmless whatever they claim.
PIXELS_PER_BYTE = 10_000
HARMLESS_PIXELS = 1 << 24
STRIP_PIXELS = 1 << 22  # converted at once where a whole photo is asked for

ORIENTATION_TAG, BITS_TAG = 274, 258  # of Exif and of TIFF
WHITE = (255, 255, 255, 255)
GREY_MODES = ("1", "L", "LA", "La", "I;16", "I;16B", "I;16L", "I")
READABLE_MODES = (*GREY_MODES, "P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr")
# Descriptions of profiles that are sRGB itself. Others begin with the same letters and are linear, for instance.
SRGB_NAMES = ("sRGB", "sRGB2014", "sRGB built-in", "sRGB IEC61966-2.1", "sRGB IEC61966-2-1 black scaled")

# The turn that each Exif orientation asks for.
TURNS: dict[int, Image.Transpose] = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

one_at_a_time = Lock()  # Pillow's limit and Python's warning filters belong to the whole process


@dataclass(frozen=True)
class ImageFacts:
    """What a photo is, apart from its pixels.

    Attributes:
        width: Pixels, after turning.
        height: Pixels, after turning.
        channels: As stored: 1 grey, 2 grey and alpha, 3 colour, 4 colour and alpha. CMYK counts as 3.
        bit_depth: Bits a channel as stored: 1 to 16.
        icc: Colour profile for the RGB or grey pixels; empty for none, which means sRGB.
        orientation: The Exif orientation that was applied; 1 for none.
        mode: Pillow's name for the stored form.
    """

    width: int
    height: int
    channels: int = 3
    bit_depth: int = 8
    icc: bytes = b""
    orientation: int = 1
    mode: str = "RGB"

    @property
    def grey(self) -> bool:
        return self.channels < 3


class Photo:
    """A decoded photo that hands out RGB windows.

    Attributes:
        facts: What it is.
        notes: What was converted or left out, each to be shown once.
    """

    def __init__(self, stored: Image.Image, facts: ImageFacts, notes: tuple[str, ...] = ()) -> None:
        self.stored = stored
        self.facts = facts
        self.notes = notes

    def window(self, top: int, left: int, height: int, width: int) -> NDArray[np.uint8]:
        """The pixels of a rectangle within the photo, [height, width, 3]."""
        box = stored_box(top, left, height, width, self.facts)
        with unlimited():
            part = self.stored.crop(box)
        part.info = self.stored.info  # the transparent colour of a palette or of tRNS
        part = eight_bit_rgb(part)
        if self.facts.orientation in TURNS:
            part = part.transpose(TURNS[self.facts.orientation])
        return np.asarray(part)

    @property
    def pixels(self) -> NDArray[np.uint8]:
        """The whole photo, [height, width, 3]; made anew at each call."""
        height, width = self.facts.height, self.facts.width
        pixels = np.empty((height, width, 3), np.uint8)
        step = max(1, STRIP_PIXELS // width)
        for top in range(0, height, step):
            rows = min(step, height - top)
            pixels[top : top + rows] = self.window(top, 0, rows, width)
        return pixels


def open_image(source: Source) -> Photo:
    """Decode a photo.

    Args:
        source: A path, `-` for standard input, or a binary stream, seekable or not.

    Raises:
        InputError: Nothing readable is there, or it is no photo, is damaged or cut short, or claims more pixels
            than `MOST_PIXELS` or than its size can hold.
        ConfigError: Standard input is a terminal.
    """
    name = shown(source)
    with open_input(source) as stream:
        head, stream = peek(stream)
        medium = medium_of(head, name)
        if medium.kind != "image":
            raise InputError(f"{name}: is a recording ({medium.format}), not a photo")
        with seekable(stream) as whole:
            return decode(whole, medium.format, head, name)


def decode(stream: BinaryIO, form: str, head: bytes, name: str) -> Photo:
    """Decode a photo from a seekable stream. Raises InputError."""
    size = size_of(stream)
    notes: list[str] = []
    try:
        with unlimited(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            stored = Image.open(stream, formats=[form.upper()])
            check_size(stored.width, stored.height, size, name)
            pages = getattr(stored, "n_frames", 1)
        stored.load()
    except InputError:
        raise
    except MemoryError:
        raise InputError(f"{name}: does not fit into memory") from None
    except Exception as error:  # decoders that meet garbage raise anything
        raise InputError(f"{name}: damaged or cut short ({reason_of(error)})") from None
    bits = bits_of(stored, form, head)
    if stored.mode not in READABLE_MODES or (stored.mode == "I" and bits > 16):
        raise InputError(f"{name}: pixels of the form {stored.mode} are not readable", hint="convert it to PNG first")
    if pages > 1:
        notes.append(LeftOut(f"only the first of {pages} pictures is used"))
    facts = facts_of(stored, orientation_of(stored), bits)
    notes += conversions(stored, facts)
    return Photo(stored, facts, tuple(notes))


def check_size(width: int, height: int, size: int, name: str) -> None:
    """Raise InputError for a picture too large to be decoded or too large to be true."""
    pixels = width * height
    if pixels > MOST_PIXELS:
        raise InputError(
            f"{name}: {width:,} x {height:,} pixels are more than the {MOST_PIXELS:,} that are read",
            hint="cut it into parts",
        )
    if pixels > max(HARMLESS_PIXELS, size * PIXELS_PER_BYTE):
        raise InputError(f"{name}: claims {width:,} x {height:,} pixels in {size:,} bytes; it is not read")


def orientation_of(stored: Image.Image) -> int:
    """The Exif orientation; 1, nothing to turn, where it is missing or damaged, or where Pillow turned by itself."""
    with warnings.catch_warnings(), suppress(Exception), one_at_a_time:
        warnings.simplefilter("ignore")
        orientation = stored.getexif().get(ORIENTATION_TAG, 1)
        return orientation if orientation in TURNS else 1
    return 1


def facts_of(stored: Image.Image, orientation: int, bits: int) -> ImageFacts:
    width, height = stored.size if orientation < 5 else stored.size[::-1]
    channels = (1 if stored.mode in GREY_MODES else 3) + has_alpha(stored)
    icc = stored.info.get("icc_profile") or b""
    wanted = b"GRAY" if channels < 3 else b"RGB "
    return ImageFacts(width, height, channels, bits, icc if icc[16:20] == wanted else b"", orientation, stored.mode)


def is_srgb(profile: bytes) -> bool:
    """Whether a colour profile says no more than its absence would. No profile counts, too."""
    if not profile:
        return True
    try:
        return ImageCms.getProfileDescription(ImageCms.ImageCmsProfile(BytesIO(profile))).strip() in SRGB_NAMES
    except (ImageCms.PyCMSError, OSError):
        return False


def conversions(stored: Image.Image, facts: ImageFacts) -> list[str]:
    """What does not come back, in words for a person."""
    notes = []
    if has_alpha(stored) and is_translucent(stored):
        notes.append("transparency is laid on white")
    if facts.bit_depth > 8:
        notes.append(f"{facts.bit_depth} bits a channel become 8")
    if stored.mode == "CMYK":
        notes.append("CMYK becomes RGB")
    if stored.info.get("icc_profile") and not facts.icc:
        notes.append("the colour profile does not fit its pixels and is left out")
    return notes


def has_alpha(stored: Image.Image) -> bool:
    return stored.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in stored.info


def is_translucent(stored: Image.Image) -> bool:
    if "A" not in stored.getbands():
        return True  # a palette or a single colour declared transparent
    return bool(stored.getchannel("A").getextrema()[0] != 255)


def bits_of(stored: Image.Image, form: str, head: bytes) -> int:
    """Bits a channel in the file; Pillow itself reduces colour to 8 without a word."""
    if form == "png":
        return 8 if stored.mode == "P" else head[24]
    if form == "tiff":
        bits = getattr(stored, "tag_v2", {}).get(BITS_TAG, (1,))
        return int(bits[0] if isinstance(bits, tuple) else bits)
    return 1 if stored.mode == "1" else 16 if stored.mode.startswith("I") else 8


def eight_bit_rgb(part: Image.Image) -> Image.Image:
    """A crop in any readable mode -> RGB of 8 bits."""
    if part.mode.startswith("I"):  # 16 bits
        values = np.asarray(part).astype(np.int64).clip(0, 65535)
        part = Image.fromarray(((values + 128) // 257).astype(np.uint8))
    if has_alpha(part):
        part = part.convert("RGBA")
        part = Image.alpha_composite(Image.new("RGBA", part.size, WHITE), part)
    return part.convert("RGB")


def stored_box(top: int, left: int, height: int, width: int, facts: ImageFacts) -> tuple[int, int, int, int]:
    """The rectangle of the stored picture that a rectangle of the turned one comes from, as Pillow's box."""
    bottom, right = facts.height - top - height, facts.width - left - width  # distances from the far edges
    x, y = {
        1: (left, top),
        2: (right, top),
        3: (right, bottom),
        4: (left, bottom),
        5: (top, left),
        6: (top, right),
        7: (bottom, right),
        8: (bottom, left),
    }[facts.orientation]
    if facts.orientation >= 5:
        width, height = height, width
    return x, y, x + width, y + height


def reason_of(error: Exception) -> str:
    text = str(error).splitlines()[0] if str(error) else type(error).__name__
    return "no picture inside" if text.startswith("cannot identify") else text


@contextmanager
def unlimited() -> Iterator[None]:
    """Without Pillow's own limit on pixels, which is for the whole process and warns where ours refuses."""
    with one_at_a_time:
        limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS = limit
