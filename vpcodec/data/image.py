"""Read photos as windows of 8-bit RGB [height, width, 3] in bounded memory, and write them.

A photo is decoded once, in its own form, and converted window by window: turned as Exif says, gray and palettes
spread to RGB, transparency laid on white, CMYK taken through its profile, more than 8 bits reduced. So 200 megapixels
cost what the decoder of the file format needs for them (800 MB as RGB, 200 MB as gray) and no copy of that.

Colors of RGB and gray are not touched: an ICC profile travels with the photo and means after decoding what it
meant before.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Lock
from typing import BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.GifImagePlugin import GifImageFile

from vpcodec.data.colors import UNFIT, Convert, conversion, eight_bit_rgb, has_alpha, unusual_colors
from vpcodec.data.image_formats import (
    PHOTOMETRIC,
    apply_transparent_color,
    bits_of,
    check_size,
    is_camera_raw,
    open_tiff,
    tags_of,
    within_nothing,
    without_text,
)
from vpcodec.data.kinds import EXTRAS, MOST_PIXELS, FileType, file_type_of, load_extra
from vpcodec.data.streams import LeftOut, Source, open_input, peek, seekable, shown, size_of
from vpcodec.errors import ConfigError, InputError, VpcodecError

STRIP_PIXELS = 1 << 22  # converted at once where a whole photo is asked for

ORIENTATION_TAG = 274  # of Exif
GRAY_MODES = ("1", "L", "LA", "La", "I;16", "I;16B", "I;16L", "I")
READABLE_MODES = (*GRAY_MODES, "P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr")
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

# How each format is written: without loss where it can be, JPEG as close as 8 bits a sample get.
OPTIONS: dict[str, dict[str, int | bool]] = {
    "png": {},
    "webp": {"lossless": True, "method": 4},
    "jpeg": {"quality": 95, "subsampling": 0},
}
LARGEST_SIDE = {"png": 2**31 - 1, "webp": 16_383, "jpeg": 65_500}

one_at_a_time = Lock()  # Pillow's limit and Python's warning filters belong to the whole process


class ImageInfo(NamedTuple):
    """What a photo is, apart from its pixels.

    Attributes:
        width: Pixels, after turning.
        height: Pixels, after turning.
        channels: As stored: 1 gray, 2 gray and alpha, 3 color, 4 color and alpha. CMYK counts as 3.
        bit_depth: Bits a channel as stored: 1 to 16.
        icc: Color profile for the RGB or gray pixels; empty for none, which means sRGB.
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
    def gray(self) -> bool:
        return self.channels < 3


class Photo:
    """A decoded photo that hands out RGB windows.

    Attributes:
        info: What it is.
        notes: What was converted or left out, each to be shown once.
        convert: Makes RGB of a crop.
    """

    def __init__(
        self, stored: Image.Image, info: ImageInfo, notes: tuple[str, ...] = (), convert: Convert | None = None
    ) -> None:
        self.stored = stored
        self.info = info
        self.notes = notes
        self.convert = convert or eight_bit_rgb

    def window(self, top: int, left: int, height: int, width: int) -> NDArray[np.uint8]:
        """The pixels of a rectangle within the photo, [height, width, 3]."""
        box = stored_box(top, left, height, width, self.info)
        with unlimited():
            part = self.stored.crop(box)
        part.info = self.stored.info  # the transparent color of a palette or of tRNS
        part = self.convert(part)
        if self.info.orientation in TURNS:
            part = part.transpose(TURNS[self.info.orientation])
        return np.asarray(part)

    @property
    def pixels(self) -> NDArray[np.uint8]:
        """The whole photo, [height, width, 3]; made anew at each call."""
        height, width = self.info.height, self.info.width
        pixels = np.empty((height, width, 3), np.uint8)
        step = max(1, STRIP_PIXELS // width)
        for top in range(0, height, step):
            rows = min(step, height - top)
            pixels[top : top + rows] = self.window(top, 0, rows, width)
        return pixels


def open_image(source: Source, most_pixels: int = MOST_PIXELS, file_type: FileType | None = None) -> Photo:
    """Decode a photo.

    Args:
        source: A path, `-` for standard input, or a binary stream, seekable or not.
        most_pixels: That it may have.
        file_type: What the file is, where that was found out before; None to look.

    Raises:
        InputError: Nothing readable is there, or it is no photo, is damaged or truncated, is of a layout that is
            not supported, or claims more pixels than `most_pixels` or than its size can hold.
        DependencyError: The optional package that reads it is not installed.
        ConfigError: Standard input is a terminal.
    """
    name = shown(source)
    with open_input(source) as stream:
        head, stream = peek(stream)
        file_type = file_type or file_type_of(head, name)
        if file_type.kind != "image":
            raise InputError(f"{name}: is a recording ({file_type.format}), not a photo")
        with seekable(stream) as whole:
            return decode(whole, file_type.format, head, name, most_pixels)


def decode(stream: BinaryIO, form: str, head: bytes, name: str, most_pixels: int) -> Photo:
    """Decode a photo from a seekable stream. Raises as `open_image`."""
    try:
        size = size_of(stream)
        with unlimited():
            tags = tags_of(stream) if form == "tiff" else {}
        if form == "raw" or is_camera_raw(tags):
            return develop(stream, name, most_pixels)
        if form in EXTRAS:
            module = load_extra(form, name)
            if form == "heif":
                module.register_heif_opener()
        with unlimited():
            if form == "tiff":
                stored = open_tiff(stream, tags, name)
            else:
                stored = Image.open(stream, formats=[form.upper()])
            check_size(stored.width, stored.height, size, name, most_pixels)
            pages = getattr(stored, "n_frames", 1)
        frame = stored.tile[0].extents if isinstance(stored, GifImageFile) and stored.tile else None
        stored.load()
        bits = bits_of(stored, form, head)
        if stored.mode not in READABLE_MODES:
            what = f"{name}: pixels of the form {stored.mode} are not readable"
            raise InputError(what, hint="convert it to PNG first")
        if form == "png":
            stored = apply_transparent_color(stored, bits, stream)
        if frame not in (None, (0, 0, *stored.size)):
            stored = within_nothing(stored, frame)
    except VpcodecError:
        raise
    except MemoryError:
        raise InputError(f"{name}: does not fit into memory") from None
    except Exception as error:  # decoders that meet garbage raise anything
        if form == "png" and (rest := without_text(stream)):
            photo = decode(rest, form, head, name, most_pixels)
            photo.notes = (*photo.notes, "damaged or very long text is dropped")
            return photo
        raise InputError(f"{name}: damaged or truncated ({reason_of(error)})") from None
    info = info_of(stored, orientation_of(stored), bits)
    convert, notes = conversion(stored, bits, form, tags.get(PHOTOMETRIC) == 0)
    if pages > 1:
        notes.append(LeftOut(f"only the first of {pages} pictures is used"))
    return Photo(stored, info, (*notes, *conversions(stored, info), *unusual_colors(form, head)), convert)


def develop(stream: BinaryIO, name: str, most_pixels: int) -> Photo:
    """A camera raw file, as the camera would develop it: its white balance, sRGB, upright. Raises as `decode`."""
    module = load_extra("raw", name)
    size = size_of(stream)
    with module.imread(stream) as raw:
        check_size(raw.sizes.width, raw.sizes.height, size, name, most_pixels)
        pixels = raw.postprocess(use_camera_wb=True)
    stored = Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)  # some cameras see gray alone
    note = LeftOut("a camera raw file is developed as the camera would; the raw data is not kept")
    return Photo(stored, info_of(stored, 1, 16), (note,))


def orientation_of(stored: Image.Image) -> int:
    """The Exif orientation; 1, nothing to turn, where it is missing or damaged, or where Pillow turned by itself."""
    with warnings.catch_warnings(), suppress(Exception), one_at_a_time:
        warnings.simplefilter("ignore")
        orientation = stored.getexif().get(ORIENTATION_TAG, 1)
        return orientation if orientation in TURNS else 1
    return 1


def info_of(stored: Image.Image, orientation: int, bits: int) -> ImageInfo:
    width, height = stored.size if orientation < 5 else stored.size[::-1]
    channels = (1 if stored.mode in GRAY_MODES else 3) + has_alpha(stored)
    icc = stored.info.get("icc_profile") or b""
    wanted = b"GRAY" if channels < 3 else b"RGB "
    return ImageInfo(width, height, channels, bits, icc if icc[16:20] == wanted else b"", orientation, stored.mode)


def conversions(stored: Image.Image, info: ImageInfo) -> list[str]:
    """What does not come back, in words for a person."""
    notes = []
    if has_alpha(stored) and is_translucent(stored):
        notes.append("transparency is laid on white")
    if info.bit_depth > 8:
        notes.append(f"{info.bit_depth} bits per channel become 8")
    if stored.info.get("icc_profile") and not info.icc and stored.mode != "CMYK":
        notes.append(UNFIT)
    return notes


def is_translucent(stored: Image.Image) -> bool:
    if "A" not in stored.getbands():
        return True  # a palette or a single color declared transparent
    return bool(stored.getchannel("A").getextrema()[0] != 255)


def stored_box(top: int, left: int, height: int, width: int, info: ImageInfo) -> tuple[int, int, int, int]:
    """The rectangle of the stored picture that a rectangle of the turned one comes from, as Pillow's box."""
    bottom, right = info.height - top - height, info.width - left - width  # distances from the far edges
    x, y = {
        1: (left, top),
        2: (right, top),
        3: (right, bottom),
        4: (left, bottom),
        5: (top, left),
        6: (top, right),
        7: (bottom, right),
        8: (bottom, left),
    }[info.orientation]
    if info.orientation >= 5:
        width, height = height, width
    return x, y, x + width, y + height


def reason_of(error: Exception) -> str:
    text = str(error).splitlines()[0] if str(error) else type(error).__name__
    return "no picture inside" if text.startswith("cannot identify") else text


@contextmanager
def unlimited() -> Iterator[None]:
    """Without Pillow's warnings, and its own limit on pixels, which is for the whole process."""
    with one_at_a_time, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS = limit


class ImageSink:
    """A photo being put together; it costs 4 bytes a pixel, 1 where the source was gray.

    Args:
        info: Size, color profile, and whether the photo was gray: then it is again.
        form: "png", "webp" or "jpeg".

    Attributes:
        notes: What the format does not keep.

    Raises:
        ConfigError: There is no such format.
        InputError: The format has no pictures of this size.
    """

    def __init__(self, info: ImageInfo, form: str = "png") -> None:
        if form not in OPTIONS:
            raise ConfigError(f"cannot write photos as {form!r}", hint=f"use {', '.join(OPTIONS)}")
        if max(info.width, info.height) > LARGEST_SIDE[form]:
            raise InputError(f"{form} cannot hold {info.width:,} x {info.height:,} pixels", hint="use --format png")
        self.info = info
        self.form = form
        self.colored = info.gray and form == "webp"  # WebP has no gray
        self.picture = Image.new("L" if info.gray else "RGB", (info.width, info.height))

    @property
    def notes(self) -> tuple[str, ...]:
        lost = ", without its profile" if self.info.icc else ""
        return (f"{self.form} has no gray; the photo is written as color{lost}",) if self.colored else ()

    def paste(self, pixels: NDArray[np.uint8], top: int, left: int) -> None:
        """Paint [height, width, 3] pixels at a place."""
        part = Image.fromarray(pixels)
        self.picture.paste(part.convert("L") if self.info.gray else part, (left, top))

    def save(self, stream: BinaryIO) -> None:
        """Write the file. Raises OSError where the stream takes no more."""
        profile = {"icc_profile": self.info.icc} if self.info.icc and not self.colored else {}
        self.picture.save(stream, self.form.upper(), **OPTIONS[self.form], **profile)
