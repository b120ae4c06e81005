"""Measure how loud a recording is, and the gain to the level that the speech network was trained at."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

BLOCK = 0.02  # seconds whose energy counts as one
TARGET = -20.0  # dBFS, the level that the speech network is trained at
QUIETEST = -120.0  # dBFS, below which a signal counts as silent
STEP = 0.5  # dB per unit of a stored level
RELEASE = 1.5  # seconds; how long a sound is remembered by a running level
EQUAL = 1 << 10  # added to the stored level of channels that share tokens and are equal
LOUDEST = 640  # highest stored level, +200 dBFS: numbers at the scale of 32-bit integers are +187 dB at most


def measure_level(samples: NDArray[np.float32], sample_rate: int) -> int:
    """Level of a mono signal in half decibels above -120 dBFS; 0 is silent, 240 is full scale.

    Loud stretches decide, pauses hardly count: it is the mean energy of 20 ms blocks, each weighted by its
    energy.

    Args:
        samples: [N], full scale at 1.
        sample_rate: Hz.
    """
    if samples.size == 0:
        return 0
    block = round(BLOCK * sample_rate)
    padded = np.pad(samples.astype(np.float64), (0, -samples.size % block))
    energy = np.square(padded).reshape(-1, block).mean(axis=1)
    return stored_level(np.square(energy).sum(), energy.sum())


def stored_level(squares: float, total: float) -> int:
    """The level of blocks whose energies, and their squares, add up to this."""
    if total <= 0:
        return 0
    decibels = 10 * np.log10(squares / total)
    return int(np.clip(np.rint((decibels - QUIETEST) / STEP), 0, LOUDEST))


class RunningLevel:
    """The level of a stream so far, as `measure_level` weighs it, with what is past fading.

    A loud sound raises it at once. It falls as slowly as the squared energy of that sound fades against what came
    after: a pause of seconds leaves it where it is, and speech 30 dB below a shout takes it down in ten seconds.

    Args:
        channels: Number of channels.
        sample_rate: Hz.
    """

    def __init__(self, channels: int, sample_rate: int) -> None:
        self.fading = 1 / (RELEASE * sample_rate)  # a sample
        self.block = BLOCK * sample_rate  # samples
        self.total = np.zeros(channels)
        self.squares = np.zeros(channels)

    def update(self, samples: NDArray[np.float32]) -> list[int]:
        """Take in the next samples [channels, n], a multiple of a few milliseconds; returns the stored levels."""
        count = max(1, round(samples.shape[1] / self.block))
        for block in np.array_split(samples.astype(np.float64), count, axis=1):
            energy = np.square(block).mean(axis=1) if block.size else np.zeros(len(block))
            kept = np.exp(-block.shape[1] * self.fading)
            self.total = self.total * kept + energy
            self.squares = self.squares * kept + np.square(energy)
        return [stored_level(*sums) for sums in zip(self.squares, self.total, strict=True)]


def gain_of(level: int) -> float:
    """Factor that brings a signal of this stored level to the target; 1 for a silent one."""
    if level == 0:
        return 1.0
    return float(10 ** ((TARGET - (QUIETEST + STEP * level)) / 20))


def bytes_of_levels(levels: Sequence[int]) -> bytes:
    """Levels as a token file stores them: a byte each, or two, little-endian, where one is beyond 255 (+7.5 dBFS)."""
    return np.array(levels, "u1" if max(levels) <= 255 else "<u2").tobytes()


def levels_of(side: bytes, rows: int) -> list[int]:
    """The stored levels of so many rows of tokens; none where the bytes are not that."""
    levels = [number % EQUAL for number in numbers_of(side, rows)]
    return levels if max(levels, default=0) <= LOUDEST else []


def equal_rows(side: bytes, rows: int) -> list[bool]:
    """For each row whether its channels are equal."""
    return [number >= EQUAL for number in numbers_of(side, rows)]


def numbers_of(side: bytes, rows: int) -> list[int]:
    """What `bytes_of_levels` was given; none where the bytes are not those of so many rows."""
    if len(side) not in (rows, 2 * rows):
        return []
    numbers: list[int] = np.frombuffer(side, "u1" if len(side) == rows else "<u2").tolist()
    return numbers if max(numbers) < 2 * EQUAL else []
