"""Convert stored colors to 8-bit RGB (alpha on white, CMYK, deep gray, gamma), and RGB to the network's range."""

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from io import BytesIO
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

from vpcodec.data.image_formats import gamma_table

WHITE = (255, 255, 255, 255)
UNFIT = "the color profile does not fit its pixels and is left out"
# Descriptions of profiles that are sRGB itself. Others begin with the same letters and are linear, for example.
SRGB_NAMES = ("sRGB", "sRGB2014", "sRGB built-in", "sRGB IEC61966-2.1", "sRGB IEC61966-2-1 black scaled")

# Primaries and transfers (ITU-T H.273) that screens show like sRGB, more or less; 2 says nothing.
USUAL_PRIMARIES, USUAL_TRANSFERS = (1, 2, 5, 6, 7), (1, 2, 6, 13, 14, 15)
Convert: TypeAlias = Callable[[Image.Image], Image.Image]  # a crop as stored -> RGB of 8 bits


def eight_bit_rgb(part: Image.Image) -> Image.Image:
    """A crop in any readable mode -> RGB of 8 bits."""
    if has_alpha(part):
        part = (part.convert("LA") if part.mode == "La" else part).convert("RGBA")  # Pillow has no way from La to RGBA
        part = Image.alpha_composite(Image.new("RGBA", part.size, WHITE), part)
    return part.convert("RGB")


def has_alpha(stored: Image.Image) -> bool:
    return stored.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in stored.info


def is_srgb(profile: bytes) -> bool:
    """Whether a color profile says no more than its absence would. No profile counts, too."""
    if not profile:
        return True
    try:
        return ImageCms.getProfileDescription(ImageCms.ImageCmsProfile(BytesIO(profile))).strip() in SRGB_NAMES
    except (ImageCms.PyCMSError, OSError):
        return False


def conversion(stored: Image.Image, bits: int, form: str, white_is_zero: bool) -> tuple[Convert, list[str]]:
    """What makes RGB of 8 bits of the stored form, and notes on it."""
    icc, info = stored.info.get("icc_profile") or b"", stored.info
    if stored.mode == "CMYK" and icc[16:20] == b"CMYK":
        with suppress(ImageCms.PyCMSError, OSError):
            profile, srgb = ImageCms.ImageCmsProfile(BytesIO(icc)), ImageCms.createProfile("sRGB")
            transform = ImageCms.buildTransform(profile, srgb, "CMYK", "RGB")
            return partial(through_profile, transform), ["CMYK becomes sRGB by its color profile"]
    if stored.mode == "CMYK":
        return eight_bit_rgb, ["CMYK becomes RGB", *([UNFIT] if icc else [])]
    convert: Convert = eight_bit_rgb
    if stored.mode.startswith("I"):
        white = (1 << bits) - 1 if form == "tiff" else 65535
        convert = partial(deep_gray, white=white, inverted=white_is_zero, hidden=info.get("transparency"))
    if form == "png" and not icc and "srgb" not in info and (table := gamma_table(info.get("gamma", 1 / 2.2))):
        return lambda part: convert(part).point(table * 3), [f"its gamma of {info['gamma']:.4g} becomes that of sRGB"]
    return convert, []


def through_profile(transform: ImageCms.ImageCmsTransform, part: Image.Image) -> Image.Image:
    part = ImageCms.applyTransform(part, transform) or part  # never None unless done in place
    part.info.clear()
    return part


def deep_gray(part: Image.Image, white: int, inverted: bool, hidden: int | None) -> Image.Image:
    """Gray of more than 8 bits, up to the level `white`; one level may be hidden, which is to say transparent."""
    levels = np.asarray(part).astype(np.int64)
    gray = ((levels.clip(0, white) * 255 + white // 2) // white).astype(np.uint8)
    if inverted:
        gray = 255 - gray
    return Image.fromarray(gray if hidden is None else np.where(levels == hidden, np.uint8(255), gray)).convert("RGB")


def unusual_colors(form: str, head: bytes) -> list[str]:
    """A note where a file says by numbers (cICP of PNG, nclx of AVIF and HEIF) that its colors are not sRGB's."""
    mark, width = (b"cICP", 1) if form == "png" else (b"colrnclx", 2)
    place = head.find(mark) + len(mark)
    if form not in ("png", "avif", "heif") or place < len(mark):
        return []
    primaries, transfer = (int.from_bytes(head[place + i * width : place + (i + 1) * width], "big") for i in (0, 1))
    if primaries in USUAL_PRIMARIES and transfer in USUAL_TRANSFERS:
        return []
    return [f"its color space (H.273: primaries {primaries}, transfer {transfer}) is taken for sRGB"]


def to_signal(pixels: NDArray[np.generic]) -> NDArray[np.float32]:
    """Levels 0 to 255, of any shape -> -1 to 1."""
    return pixels.astype(np.float32) / np.float32(127.5) - np.float32(1)


def to_pixels(signal: NDArray[np.float32]) -> NDArray[np.uint8]:
    """The nearest levels; what lies beyond -1 and 1 is cut off."""
    return np.rint((signal.clip(-1, 1) + 1) * np.float32(127.5)).astype(np.uint8)
