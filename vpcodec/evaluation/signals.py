"""Speech and images as an evaluation sees them: one table of all that differs between the two.

Every candidate gets signals prepared as the field prepares them. Speech: channels averaged, 16 kHz, [N] float32, full
scale at 1. Images: turned upright, 8-bit RGB, [H, W, 3] uint8; where a side is asked for, the shorter side is resized
to it with antialiased Lanczos and the center is cut out.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from vpcodec.data.audio import open_audio
from vpcodec.data.image import open_image
from vpcodec.data.resample import resample
from vpcodec.errors import InputError
from vpcodec.metrics.table import Signal

SAMPLE_RATE = 16_000  # Hz, of all speech that is evaluated
SLACK = SAMPLE_RATE // 10  # samples by which decoded speech may differ in length


@dataclass(frozen=True)
class Scale:
    """A unit for readers, and how many seconds, pixels or bits are one of it."""

    unit: str
    size: float

    def of(self, value: float) -> float:
        return value / self.size


@dataclass(frozen=True)
class SignalType:
    """What an evaluation needs to know about one type of signal.

    Attributes:
        item: What one is called.
        extent: In what its length or size is counted: "seconds" or "pixels".
        rate: Of bits over extent.
        speed: Of extent over seconds of computing.
        work: Of multiply-adds over extent.
        token: What one token stands for, with {hop}.
        suffix: Of a file of it.
        decisive: The metric that orders items: the first of these that was measured.
        in_workers: Whether it is measured in worker processes: the C code of a metric may crash.
        read: Its signal in a file, given the side of the square to cut out. Raises InputError.
        extent_of: Seconds of speech, or pixels.
        fitted: The decoded signal in the shape of the original. Raises InputError where it has another.
        described: All items in words, given their extent and the side of the square cut out of each.
    """

    item: str
    extent: str
    rate: Scale
    speed: Scale
    work: Scale
    token: str
    suffix: str
    decisive: tuple[str, ...]
    in_workers: bool
    read: Callable[[Path, int | None], Signal]
    extent_of: Callable[[Signal], float]
    fitted: Callable[[Signal, Signal], Signal]
    described: Callable[[float, int | None], str]


def read_speech(path: Path, side: int | None = None) -> Signal:
    """[N] float32. Raises InputError for a file that cannot be read or is empty."""
    with open_audio(path) as source:
        blocks = source.read_all()
        rate = source.info.sample_rate
    mono = blocks.mean(axis=1, keepdims=True, dtype=np.float32)
    if rate != SAMPLE_RATE:
        mono = resample(mono, rate, SAMPLE_RATE)
    if not len(mono):
        raise InputError(f"{path}: holds no samples")
    return np.ascontiguousarray(mono[:, 0])


def read_image(path: Path, side: int | None = None) -> Signal:
    """[H, W, 3] uint8. Raises InputError for a file that cannot be read."""
    pixels = open_image(path).pixels
    if side is None:
        return pixels
    return np.asarray(ImageOps.fit(Image.fromarray(pixels), (side, side), Image.Resampling.LANCZOS))


def fitted_speech(decoded: Signal, original: Signal) -> Signal:
    """[N] float32, cut or filled with zeros by up to 0.1 s."""
    if not np.isfinite(decoded).all():
        raise InputError("the decoded samples are not all finite")
    if decoded.ndim != 1 or abs(len(decoded) - len(original)) > SLACK:
        raise InputError(f"decoded to {list(decoded.shape)}, the original is {list(original.shape)}")
    missing = max(0, len(original) - len(decoded))
    return np.pad(decoded[: len(original)], (0, missing)).astype(np.float32)


def fitted_image(decoded: Signal, original: Signal) -> Signal:
    if decoded.shape != original.shape:
        raise InputError(f"decoded to {list(decoded.shape)}, the original is {list(original.shape)}")
    if decoded.dtype != np.uint8:
        raise InputError(f"decoded to {decoded.dtype} pixels, expected uint8")
    return decoded


def described_images(pixels: float, side: int | None) -> str:
    form = f"cut to {side}x{side} pixels" if side else "whole"
    return f"{form}, {pixels / 1e6:,.1f} megapixels"


SIGNALS: dict[str, SignalType] = {
    "speech": SignalType(
        item="recording",
        extent="seconds",
        rate=Scale("kbit/s", 1000),
        speed=Scale("times real time", 1),
        work=Scale("millions a second", 1e6),
        token="{hop} samples at 16 kHz",
        suffix="wav",
        decisive=("pesq_wb", "stoi", "mel_distance", "si_sdr", "pesq_nb"),
        in_workers=True,
        read=read_speech,
        extent_of=lambda signal: len(signal) / SAMPLE_RATE,
        fitted=fitted_speech,
        described=lambda seconds, side: f"{seconds / 60:.1f} minutes at 16 kHz",
    ),
    "image": SignalType(
        item="image",
        extent="pixels",
        rate=Scale("bit/pixel", 1),
        speed=Scale("megapixels/s", 1e6),
        work=Scale("thousands a pixel", 1e3),
        token="{hop}x{hop} pixels",
        suffix="png",
        decisive=("lpips_vgg", "lpips_alex", "lpips_squeeze", "ssim", "psnr"),
        in_workers=False,
        read=read_image,
        extent_of=lambda signal: float(signal.shape[0] * signal.shape[1]),
        fitted=fitted_image,
        described=described_images,
    ),
}
