"""What the tags of a TIFF say of its pixels, and which layouts would come out wrong and are refused."""

from typing import Any, BinaryIO

from PIL import Image, TiffImagePlugin, UnidentifiedImageError

from vpcodec.errors import InputError

SUBFILE, BITS, PHOTOMETRIC, SAMPLES, PLANAR, SUB_IFDS, SAMPLE_FORMAT, DNG_VERSION = (
    254, 258, 262, 277, 284, 330, 339, 50706,
)  # fmt: skip
REDUCED = 1  # in SUBFILE: a smaller version of another picture in the file
COLOURS = {0: "grey (white is zero)", 1: "grey", 2: "RGB", 3: "palette", 5: "CMYK", 6: "YCbCr", 8: "Lab"}
NUMBERS = {1: "", 2: "signed ", 3: "floating-point ", 4: ""}  # of SAMPLE_FORMAT; the last is "undefined"


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
    samples, colour, planar = first(tags, SAMPLES, 1), first(tags, PHOTOMETRIC, 0), first(tags, PLANAR, 1) == 2
    # Pillow takes the second plane of grey or of a palette for more of the first.
    wanted = kind in (1, 4) and bits <= 16 and not (planar and samples > 1 and colour in (0, 1, 3))
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
        layout = f"{COLOURS.get(colour, 'other colour')}{', in planes' * planar}"
        what = f"{samples} {NUMBERS.get(kind, 'complex ')}sample{'s' * (samples > 1)} of {bits} bits a pixel, {layout}"
        raise InputError(f"{name}: TIFF of {what}, is not supported", hint="convert it to PNG first") from None


def first(tags: dict[int, Any], tag: int, default: int) -> int:
    """The number of a tag, the first one where there are several."""
    value = tags.get(tag, default)
    return int(value[0] if isinstance(value, tuple) else value)
