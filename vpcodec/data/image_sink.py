"""Photos to files: windows of RGB pixels painted onto a canvas, which is then written as PNG, WebP or JPEG."""

from dataclasses import replace
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vpcodec.data.image import STRIP_PIXELS, ImageFacts
from vpcodec.errors import ConfigError, InputError

# How each format is written: without loss where it can be, JPEG as close as 8 bits a sample get.
OPTIONS: dict[str, dict[str, int | bool]] = {
    "png": {},
    "webp": {"lossless": True, "method": 4},
    "jpeg": {"quality": 95, "subsampling": 0},
}
LARGEST_SIDE = {"png": 2**31 - 1, "webp": 16_383, "jpeg": 65_500}


class Canvas:
    """A photo being put together; it costs 4 bytes a pixel, 1 where the source was grey.

    Args:
        facts: Size, colour profile, and whether the photo was grey: then it is again.
        form: "png", "webp" or "jpeg".

    Attributes:
        notes: What the format does not keep.

    Raises:
        ConfigError: There is no such format.
        InputError: The format has no pictures of this size.
    """

    def __init__(self, facts: ImageFacts, form: str = "png") -> None:
        if form not in OPTIONS:
            raise ConfigError(f"cannot write photos as {form!r}", hint=f"use {', '.join(OPTIONS)}")
        if max(facts.width, facts.height) > LARGEST_SIDE[form]:
            raise InputError(f"{form} cannot hold {facts.width:,} x {facts.height:,} pixels", hint="use --format png")
        self.facts = facts
        self.form = form
        self.coloured = facts.grey and form == "webp"  # WebP has no grey
        self.picture = Image.new("L" if facts.grey else "RGB", (facts.width, facts.height))

    @property
    def notes(self) -> tuple[str, ...]:
        lost = ", without its profile" if self.facts.icc else ""
        return (f"{self.form} has no grey; the photo is written as colour{lost}",) if self.coloured else ()

    def paste(self, pixels: NDArray[np.uint8], top: int, left: int) -> None:
        """Paint [height, width, 3] pixels at a place."""
        part = Image.fromarray(pixels)
        self.picture.paste(part.convert("L") if self.facts.grey else part, (left, top))

    def save(self, stream: BinaryIO) -> None:
        """Write the file. Raises OSError where the stream takes no more."""
        profile = {"icc_profile": self.facts.icc} if self.facts.icc and not self.coloured else {}
        self.picture.save(stream, self.form.upper(), **OPTIONS[self.form], **profile)


def save_image(pixels: NDArray[np.uint8], facts: ImageFacts, stream: BinaryIO, form: str = "png") -> None:
    """Write a whole photo, [height, width, 3]; its size is the array's. Raises as `Canvas` does."""
    height, width = pixels.shape[:2]
    canvas = Canvas(replace(facts, height=height, width=width), form)
    step = max(1, STRIP_PIXELS // width)
    for top in range(0, height, step):
        canvas.paste(pixels[top : top + step], top, 0)
    canvas.save(stream)
