"""Speech, audio and images as an evaluation sees them: one table of all that differs between them.

Every candidate gets signals prepared as the field prepares them. Speech: channels averaged, 16 kHz, [N] float32, full
scale at 1. Audio, any sound: one or two channels [N, C] float32 at 48 kHz. Images: turned upright, 8-bit RGB, [H, W, 3]
uint8; where a side is asked for, the shorter side is resized to it with antialiased Lanczos and the center is cut out.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from vpcodec.data.audio import open_audio
from vpcodec.data.image import open_image
from vpcodec.data.kinds import Kind
from vpcodec.data.resample import resample
from vpcodec.errors import InputError
from vpcodec.metrics import audio, speech
from vpcodec.metrics.table import Signal

AUDIO_METRICS = """\
- *ViSQOL*: the mean opinion of listeners as ViSQOL v3 estimates it in audio mode, 1 to 5; equal sound has 4.73.
- *LSD*: log-spectral distance of a band, windows of 43 ms, floor at -100 dB. *Mel distance*: 128 bands up to 24 kHz.
- *Level error over time*: of blocks of 50 ms; music that pumps or loses its dynamics has a large one.
- *Stereo errors*: of the level of left over right, and of the phase between them below 1.5 kHz.
"""
SLACK = 10  # parts of a second: by one of them decoded sound may differ in length


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
        media: What its files are.
        item: What one is called.
        extent: In what its length or size is counted: "seconds" or "pixels".
        rate: Of bits over extent.
        speed: Of extent over seconds of computing.
        work: Of multiply-adds over extent.
        token: What one token stands for, with {hop}.
        suffix: Of a file of it.
        sample_rate: Hz, of sound.
        explained: Metrics that readers may not know, in Markdown; may be empty.
        decisive: The metric that orders items: the first of these that was measured.
        in_workers: Whether it is measured in worker processes: the C code of a metric may crash.
        read: Its signal in a file, given the side of the square to cut out. Raises InputError.
        of_codec: The signal in what a `Codec` decodes, a Recording or a Picture.
        extent_of: Seconds of sound, or pixels.
        fitted: The decoded signal in the shape of the original. Raises InputError where it has another.
        described: All items in words, given their extent and the side of the square cut out of each.
    """

    media: Kind
    item: str
    extent: str
    rate: Scale
    speed: Scale
    work: Scale
    token: str
    suffix: str
    sample_rate: int | None
    explained: str
    decisive: tuple[str, ...]
    in_workers: bool
    read: Callable[[Path, int | None], Signal]
    of_codec: Callable[[Any], Signal]
    extent_of: Callable[[Signal], float]
    fitted: Callable[[Signal, Signal], Signal]
    described: Callable[[float, int | None], str]


def read_sound(path: Path, rate: int) -> NDArray[np.float32]:
    """[N, C] at a rate in Hz. Raises InputError for a file that cannot be read or is empty."""
    with open_audio(path) as source:
        samples = source.read_all()
        samples = samples if source.info.sample_rate == rate else resample(samples, source.info.sample_rate, rate)
    if not len(samples):
        raise InputError(f"{path}: holds no samples")
    return samples


def read_speech(path: Path, side: int | None = None) -> Signal:
    """[N] float32, the mean of the channels. Raises InputError for a file that cannot be read or is empty."""
    return read_sound(path, speech.SAMPLE_RATE).mean(axis=1, dtype=np.float32)


def read_stereo(path: Path, side: int | None = None) -> Signal:
    """[N, 1 or 2] float32. Raises InputError as `read_speech`, and for more channels."""
    samples = read_sound(path, audio.SAMPLE_RATE)
    if samples.shape[1] > 2:
        raise InputError(f"{path}: has {samples.shape[1]} channels; 1 or 2 can be measured")
    return samples


def read_image(path: Path, side: int | None = None) -> Signal:
    """[H, W, 3] uint8. Raises InputError for a file that cannot be read."""
    pixels = open_image(path).pixels
    if side is None:
        return pixels
    return np.asarray(ImageOps.fit(Image.fromarray(pixels), (side, side), Image.Resampling.LANCZOS))


def fitted_sound(decoded: Signal, original: Signal, rate: int) -> Signal:
    """float32 of the original's shape, cut or filled with zeros by up to 0.1 s."""
    if not np.isfinite(decoded).all():
        raise InputError("the decoded samples are not all finite")
    if decoded.shape[1:] != original.shape[1:] or abs(len(decoded) - len(original)) > rate // SLACK:
        raise InputError(f"decoded to {list(decoded.shape)}, the original is {list(original.shape)}")
    missing = (0, max(0, len(original) - len(decoded)))
    return np.pad(decoded[: len(original)], (missing, (0, 0))[: decoded.ndim]).astype(np.float32)


def fitted_image(decoded: Signal, original: Signal) -> Signal:
    if decoded.shape != original.shape:
        raise InputError(f"decoded to {list(decoded.shape)}, the original is {list(original.shape)}")
    if decoded.dtype != np.uint8:
        raise InputError(f"decoded to {decoded.dtype} pixels, expected uint8")
    return decoded


def described_images(pixels: float, side: int | None) -> str:
    form = f"cut to {side}x{side} pixels" if side else "whole"
    return f"{form}, {pixels / 1e6:,.1f} megapixels"


def sound(rate: int, what: str, **more: Any) -> SignalType:
    """The type of a signal of sound at a rate in Hz."""
    return SignalType(
        media="speech",
        item="recording",
        extent="seconds",
        rate=Scale("kbit/s", 1000),
        speed=Scale("times real time", 1),
        work=Scale("millions a second", 1e6),
        token=f"{{hop}} samples at {rate // 1000} kHz",
        suffix="wav",
        sample_rate=rate,
        in_workers=True,
        extent_of=lambda signal: len(signal) / rate,
        fitted=lambda decoded, original: fitted_sound(decoded, original, rate),
        described=lambda seconds, side: f"{seconds / 60:.1f} minutes at {rate // 1000} kHz{what}",
        **more,
    )


SIGNALS: dict[str, SignalType] = {
    "speech": sound(
        speech.SAMPLE_RATE,
        "",
        explained="",
        decisive=("pesq_wb", "stoi", "mel_distance", "si_sdr", "pesq_nb"),
        read=read_speech,
        of_codec=lambda decoded: np.ascontiguousarray(decoded.samples[:, 0]),
    ),
    "audio": sound(
        audio.SAMPLE_RATE,
        ", rates of all channels together",
        explained=AUDIO_METRICS,
        decisive=("visqol_audio", "mel_distance_48", "lsd_low", "lsd_middle", "lsd_high", "si_sdr_48"),
        read=read_stereo,
        of_codec=lambda decoded: decoded.samples,
    ),
    "image": SignalType(
        media="image",
        item="image",
        extent="pixels",
        rate=Scale("bit/pixel", 1),
        speed=Scale("megapixels/s", 1e6),
        work=Scale("thousands a pixel", 1e3),
        token="{hop}x{hop} pixels",
        suffix="png",
        sample_rate=None,
        explained="",
        decisive=("lpips_vgg", "lpips_alex", "lpips_squeeze", "ssim", "psnr"),
        in_workers=False,
        read=read_image,
        of_codec=lambda decoded: decoded.pixels,
        extent_of=lambda signal: float(signal.shape[0] * signal.shape[1]),
        fitted=fitted_image,
        described=described_images,
    ),
}
