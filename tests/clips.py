"""Sound that is hard on a codec, made by a formula: [n, 2] float32 at 48 kHz."""

import numpy as np

RATE = 48_000


def stereo(mono: np.ndarray) -> np.ndarray:
    """The sound on the left, and a little of it, later, on the right."""
    return np.stack((mono, 0.4 * np.pad(mono, (30, 0))[:-30]), axis=1).astype(np.float32)


def crescendo(seconds: float) -> np.ndarray:
    """From -66 to -6 dBFS: a chord over noise."""
    time = np.arange(round(seconds * RATE)) / RATE
    chord = sum(np.sin(2 * np.pi * hertz * time) for hertz in (220, 277.2, 329.6, 440)) / 8
    noise = 0.05 * np.random.default_rng(0).standard_normal(len(time))
    return stereo((chord + noise) * 10 ** ((60 * time / seconds - 66) / 20))


def castanets(seconds: float) -> np.ndarray:
    """Clicks of 5 ms at -3 dBFS, four a second, over next to nothing."""
    time = np.arange(round(seconds * RATE)) / RATE
    beat = time % 0.25
    return stereo(0.7 * np.exp(-beat / 0.005) * np.sin(2 * np.pi * 3500 * beat) + 1e-4 * np.sin(2 * np.pi * 200 * time))


def strings(seconds: float) -> np.ndarray:
    """A chord that goes on, with all its partials, at -20 dBFS."""
    time = np.arange(round(seconds * RATE)) / RATE
    return stereo(sum(np.sin(2 * np.pi * 196 * k * time + k) / k for k in range(1, 60)) / 10)


def sweep(seconds: float) -> np.ndarray:
    """A sine from 20 Hz to 20 kHz."""
    time = np.arange(round(seconds * RATE)) / RATE
    turns = 20 * seconds / np.log(1000) * (1000 ** (time / seconds) - 1)
    return stereo(0.25 * np.sin(2 * np.pi * turns))
