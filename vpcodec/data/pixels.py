"""Pixels of 8 bits as the network takes them, and back."""

import numpy as np
from numpy.typing import NDArray


def to_signal(pixels: NDArray[np.generic]) -> NDArray[np.float32]:
    """Levels 0 to 255, of any shape -> -1 to 1."""
    return pixels.astype(np.float32) / np.float32(127.5) - np.float32(1)


def to_pixels(signal: NDArray[np.float32]) -> NDArray[np.uint8]:
    """The nearest levels; what lies beyond -1 and 1 is cut off."""
    return np.rint((signal.clip(-1, 1) + 1) * np.float32(127.5)).astype(np.uint8)
