"""Measure how loud a recording is, and the gain to the level that the speech network was trained at."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

BLOCK = 320  # samples, 20 ms at 16 kHz
TARGET = -20.0  # dBFS, the level that the speech network is trained at
QUIETEST = -120.0  # dBFS, below which a signal counts as silent
STEP = 0.5  # dB per unit of a stored level
LOUDEST = 640  # highest stored level, +200 dBFS: numbers at the scale of 32-bit integers are +187 dB at most


def measure_level(samples: NDArray[np.float32]) -> int:
    """Level of a mono signal in half decibels above -120 dBFS; 0 is silent, 240 is full scale.

    Loud stretches decide, pauses hardly count: it is the mean energy of 20 ms blocks, each weighted by its
    energy.

    Args:
        samples: [N], full scale at 1.
    """
    if samples.size == 0:
        return 0
    padded = np.pad(samples.astype(np.float64), (0, -samples.size % BLOCK))
    energy = np.square(padded).reshape(-1, BLOCK).mean(axis=1)
    total = energy.sum()
    if total <= 0:
        return 0
    decibels = 10 * np.log10(np.square(energy).sum() / total)
    return int(np.clip(np.rint((decibels - QUIETEST) / STEP), 0, LOUDEST))


def gain_of(level: int) -> float:
    """Factor that brings a signal of this stored level to the target; 1 for a silent one."""
    if level == 0:
        return 1.0
    return float(10 ** ((TARGET - (QUIETEST + STEP * level)) / 20))


def bytes_of_levels(levels: Sequence[int]) -> bytes:
    """Levels as a token file stores them: a byte each, or two, little-endian, where one is beyond 255 (+7.5 dBFS)."""
    return np.array(levels, "u1" if max(levels) <= 255 else "<u2").tobytes()


def levels_of(side: bytes, channels: int) -> list[int]:
    """The stored levels of so many channels; none where the bytes are not that."""
    if len(side) not in (channels, 2 * channels):
        return []
    levels: list[int] = np.frombuffer(side, "u1" if len(side) == channels else "<u2").tolist()
    return levels if max(levels) <= LOUDEST else []
