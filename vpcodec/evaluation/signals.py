"""Files of a data set as the signals that every candidate gets, prepared as the field prepares them.

Speech: channels averaged, 16 kHz. Images: turned upright, 8-bit RGB; where a side is asked for, the shorter side
is resized to it with antialiased Lanczos and the centre is cut out.
"""

from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from vpcodec.data.audio import open_audio
from vpcodec.data.image import open_image
from vpcodec.data.resample import resample
from vpcodec.errors import InputError
from vpcodec.evaluation.candidates import SAMPLE_RATE, Signal


def read_signal(path: Path, kind: str, side: int | None = None) -> Signal:
    """A file as speech [N] float32 or as an image [H, W, 3] uint8.

    Args:
        path: The file.
        kind: "speech" or "image".
        side: Pixels of the square that is cut out of an image; None for the whole of it.

    Raises:
        InputError: The file cannot be read, or is empty.
    """
    return read_speech(path) if kind == "speech" else read_image(path, side)


def read_speech(path: Path) -> Signal:
    with open_audio(path) as source:
        blocks = source.read_all()
        rate = source.info.sample_rate
    mono = blocks.mean(axis=1, keepdims=True, dtype=np.float32)
    if rate != SAMPLE_RATE:
        mono = resample(mono, rate, SAMPLE_RATE)
    if not len(mono):
        raise InputError(f"{path}: holds no samples")
    return np.ascontiguousarray(mono[:, 0])


def read_image(path: Path, side: int | None) -> Signal:
    pixels = open_image(path).pixels
    if side is None:
        return pixels
    return np.asarray(ImageOps.fit(Image.fromarray(pixels), (side, side), Image.Resampling.LANCZOS))
