"""The codecs that people use today, named as on the command line.

    opus:6        Opus at 6 kbit/s           codec2:3200   Codec 2 in its mode of that many bit/s
    speex:4       Speex at 4 kbit/s or less  amrwb:6.6     AMR-WB in its mode of that many kbit/s
    webp:q20      WebP of quality 20         avif:0.15     AVIF of at most 0.15 bits per pixel
    opus, avif    without a setting: matched, item by item, to the size of the first candidate's file

Any sound, in stereo: opus, aac, mp3. Images: jpeg, webp, avif, jxl.
"""

import importlib
import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import PIL
from PIL import Image, features

from vpcodec.errors import ConfigError, DependencyError, InputError
from vpcodec.evaluation.candidates import Candidate, largest_within
from vpcodec.evaluation.programs import PROGRAMS, ProgramRival
from vpcodec.metrics.table import Signal


@dataclass(frozen=True)
class Format:
    """How Pillow writes a format.

    Attributes:
        title: Its name for readers.
        format: Pillow's name of it.
        feature: Pillow's name of the library behind it, whose version decides the bytes.
        lowest: Lowest quality that it takes; all go up to 100.
        options: As people use it; one thread, for the same bytes every time.
        plugin: Package that adds the format, and
        module: what of it is imported; empty for Pillow itself.
    """

    title: str
    format: str
    feature: str = ""
    lowest: int = 0
    options: Mapping[str, Any] = field(default_factory=dict)
    plugin: str = ""
    module: str = ""


FORMATS: dict[str, Format] = {
    "jpeg": Format("JPEG", "JPEG", "jpg", lowest=1, options={"optimize": True, "progressive": True}),
    "webp": Format("WebP", "WEBP", "webp", options={"method": 6}),
    "avif": Format("AVIF", "AVIF", "avif", options={"speed": 6, "max_threads": 1}),
    "jxl": Format("JPEG XL", "JXL", lowest=1, plugin="pillow-jxl-plugin", module="pillow_jxl"),
}


class ImageRival(Candidate):
    """An image codec at one quality, at a rate, or at the size of the first candidate's file.

    Where a size is given, each picture gets the highest quality whose file is not larger, or the lowest one
    there is.

    Args:
        codec: A key of `FORMATS`.
        quality: 0 to 100; None for the best that fits.
        bits_per_pixel: Size that must not be exceeded; with neither, the size is the first candidate's.

    Raises:
        DependencyError: Pillow cannot write the format here.
    """

    kind = "image"

    def __init__(self, codec: str, quality: int | None = None, bits_per_pixel: float | None = None) -> None:
        self.format = FORMATS[codec]
        self.quality = quality
        self.bits_per_pixel = bits_per_pixel
        if quality is not None:
            self.name = f"{codec}:q{quality}"
        else:
            self.name = codec if bits_per_pixel is None else f"{codec}:{bits_per_pixel:g}"
        self.family = self.format.title
        self.nominal_rate = bits_per_pixel
        self.matched = quality is None and bits_per_pixel is None
        self.identity = f"Pillow {PIL.__version__}, {load_format(self.format)}"

    def encode(self, signal: Signal, budget: int | None = None) -> bytes:
        picture = Image.fromarray(signal)
        if self.quality is not None:
            return self.save(picture, self.quality)
        if self.bits_per_pixel is not None:
            budget = int(self.bits_per_pixel * picture.width * picture.height / 8)
        if budget is None:
            raise InputError("nothing to match: the first candidate has no file for this item")
        return self.best_within(picture, budget)

    def best_within(self, picture: Image.Image, budget: int) -> bytes:
        """The file of the highest quality that is at most `budget` bytes; of the lowest where none is."""
        return largest_within(lambda quality: self.save(picture, quality), range(self.format.lowest, 101), budget)

    def save(self, picture: Image.Image, quality: int) -> bytes:
        file = io.BytesIO()
        try:
            picture.save(file, self.format.format, quality=max(quality, self.format.lowest), **self.format.options)
        except (OSError, ValueError, RuntimeError) as error:
            raise InputError(f"{self.family} cannot write this picture: {error}") from error
        return file.getvalue()

    def decode(self, content: bytes) -> Signal:
        try:
            with Image.open(io.BytesIO(content)) as picture:
                return np.asarray(picture.convert("RGB"))
        except (OSError, ValueError, RuntimeError) as error:
            raise InputError(f"{self.family} cannot read its own file: {error}") from error


def load_format(wanted: Format) -> str:
    """The version of what writes a format. Raises DependencyError where nothing does."""
    if wanted.module:
        try:
            plugin = importlib.import_module(wanted.module)
        except ImportError as error:
            what = f"{wanted.title} needs the package {wanted.plugin}"
            raise DependencyError(what, hint=f"pip install {wanted.plugin}") from error
        return f"{wanted.plugin} {getattr(plugin, '__version__', '')}".strip()
    if not features.check(wanted.feature):
        raise DependencyError(f"this Pillow cannot write {wanted.title}", hint="pip install --upgrade pillow")
    return f"{wanted.feature} {features.version(wanted.feature)}"


def parse_rival(spec: str, kind: str) -> Candidate:
    """The codec that a specification names.

    Args:
        spec: As above.
        kind: "speech", "audio" or "image", of the data set.

    Raises:
        ConfigError: No such codec or setting, or it is for another kind.
        DependencyError: Its program or package is not installed.
    """
    name, _, setting = spec.partition(":")
    known: dict[str, Mapping[str, Any]] = {**PROGRAMS, "image": FORMATS}
    if name not in known[kind]:
        exists = any(name in names for names in known.values())
        what = f"{name} does not code {kind}" if exists else f"unknown codec {name!r}"
        raise ConfigError(what, hint=f"choose from {', '.join(known[kind])}")
    if kind in PROGRAMS:
        return ProgramRival(kind, name, positive(spec, setting) if setting else None)
    if setting.startswith("q"):
        quality = positive(spec, setting[1:], zero=True)
        if quality > 100 or not quality.is_integer():
            raise ConfigError(f"{spec}: quality is a whole number from 0 to 100")
        return ImageRival(name, quality=int(quality))
    return ImageRival(name, bits_per_pixel=positive(spec, setting) if setting else None)


def positive(spec: str, setting: str, zero: bool = False) -> float:
    try:
        number = float(setting)
    except ValueError:
        number = -1.0
    if not (0 < number < float("inf") or (zero and number == 0)):
        hint = "a rate, as in opus:6 or avif:0.15; or a quality, as in webp:q20"
        raise ConfigError(f"{spec}: {setting!r} is not a setting", hint=hint)
    return number
