"""How close decoded sound of any sort is to its original, up to 24 kHz and in stereo.

Every measure takes two recordings [N, C] of the same shape at 48 kHz, one or two channels, float with full scale at 1.
None is the answer where a measure does not apply, as phase between channels for a single one; where it is not defined,
as PESQ for silence, it raises an InputError that says so.   N samples, C channels, T frames, F bins

Sources: ViSQOL by Chinen et al., ViSQOL v3, arXiv 2004.09584, in the package visqol-python, whose results differ from
those of Google's program by less than 0.003.
"""

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vpcodec.errors import InputError
from vpcodec.metrics import speech

SAMPLE_RATE = 48_000  # Hz
WINDOW, HOP = 2048, 512  # samples: 43 ms, 11 ms
FLOOR = 1e-10  # power of a bin, where a sine of full scale has about 1: -100 dB
MEL_BANDS = 128  # up to 24 kHz
STEREO_BANDS = 32  # on the mel scale
BLOCK, QUIETEST = 2400, -80.0  # samples whose level counts as one, 50 ms, and dBFS from which on it counts
PHASE_TOP = 1500.0  # Hz; above it hearing does not follow the phase between ears
VISQOL_RATES = {"audio": 48_000, "speech": 16_000}  # Hz that each mode works at

Samples = NDArray[np.float32]


def mel_distance(decoded: Samples, original: Samples) -> float:
    """Mean absolute difference of natural-log mel spectra of each channel: 128 bands up to 24 kHz, floor 1e-5."""

    def log_mel(samples: Samples) -> NDArray[np.float64]:
        channels = [speech.log_mel(channel, SAMPLE_RATE, WINDOW, HOP, MEL_BANDS) for channel in samples.T]
        return np.stack(channels)

    return float(np.abs(log_mel(decoded) - log_mel(original)).mean())


def log_spectral_distance(decoded: Samples, original: Samples, low: float, high: float) -> float:
    """Root mean square over the bins from `low` to `high` Hz of the difference in dB; mean over frames and channels."""
    hertz = np.fft.rfftfreq(WINDOW, 1 / SAMPLE_RATE)
    band = (hertz >= low) & (hertz < high)

    def decibels(samples: Samples) -> NDArray[np.float64]:
        return np.asarray(10 * np.log10(np.square(np.abs(spectra(samples)[..., band])) + FLOOR))

    return float(np.sqrt(np.square(decibels(decoded) - decibels(original)).mean(-1)).mean())


def si_sdr(decoded: Samples, original: Samples) -> float:
    """Scale-invariant signal-to-distortion ratio of all channels together, dB."""
    return speech.si_sdr(decoded.T.ravel(), original.T.ravel())


def loudness_error(decoded: Samples, original: Samples) -> float:
    """How far the level of 50 ms is off, dB, at most 60: pumping and lost dynamics; mean where it is above -80 dBFS."""

    def levels(samples: Samples) -> NDArray[np.float64]:
        padded = np.pad(samples.astype(np.float64), ((0, -len(samples) % BLOCK), (0, 0)))
        return np.asarray(10 * np.log10(np.square(padded).reshape(-1, BLOCK * samples.shape[1]).mean(1) + FLOOR))

    ours, theirs = levels(decoded), levels(original)
    return weighted(np.minimum(np.abs(ours - theirs), 60.0), (theirs > QUIETEST).astype(np.float64))


def level_error(decoded: Samples, original: Samples) -> float | None:
    """How far the level of left over right is off, dB, at most 60; mean over bands and frames, by their magnitude."""
    if original.shape[1] < 2:
        return None

    def levels(left: NDArray[np.float64], right: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(10 * np.log10((left + FLOOR) / (right + FLOOR)))

    ours, theirs = powers(decoded), powers(original)
    return weighted(np.minimum(np.abs(levels(*ours) - levels(*theirs)), 60.0), np.sqrt(theirs.sum(0)))


def phase_error(decoded: Samples, original: Samples) -> float | None:
    """How far the phase of left against right is off, degrees, below 1.5 kHz; mean as in `level_error`."""
    if original.shape[1] < 2:
        return None

    def crossed(samples: Samples) -> NDArray[np.complex128]:
        left, right = spectra(samples)
        return np.asarray((left * right.conj()) @ bands(PHASE_TOP))

    ours, theirs = crossed(decoded), crossed(original)
    return weighted(np.abs(np.angle(ours * theirs.conj(), deg=True)), np.sqrt(np.abs(theirs)))


def pesq_wb(decoded: Samples, original: Samples) -> float:
    """Wide-band PESQ of speech: of the mean of the channels at 16 kHz."""
    return speech.pesq_wb(*(mono(samples, speech.SAMPLE_RATE) for samples in (decoded, original)))


def visqol(decoded: Samples, original: Samples, mode: str) -> float:
    """ViSQOL's estimate of the mean opinion of listeners, 1 to 5, of the mean of the channels; equal sound has 4.73.

    Args:
        decoded, original: As above.
        mode: "audio", or "speech", which looks at what is below 8 kHz.

    Raises:
        InputError: One is silent or too short.
    """
    speech.refuse_silence(decoded, original)
    rate = VISQOL_RATES[mode]
    ours, theirs = (mono(samples, rate).astype(np.float64) for samples in (decoded, original))
    try:
        return float(visqol_of(mode).measure_from_arrays(theirs, ours, rate).moslqo)
    except (ValueError, IndexError, RuntimeError, ZeroDivisionError) as error:
        raise InputError(f"ViSQOL finds nothing to compare ({error})") from error


@cache
def visqol_of(mode: str) -> Any:
    """The package's object for a mode; the lattice model for speech, as in Google's program."""
    from visqol import VisqolApi

    api = VisqolApi()
    api.create(mode=mode, use_lattice_model=mode == "speech")
    return api


def mono(samples: Samples, rate: int) -> Samples:
    """[N, C] at 48 kHz -> [M], the mean of the channels at another rate."""
    import soxr

    mean = samples.mean(axis=1, dtype=np.float32)
    return mean if rate == SAMPLE_RATE else np.asarray(soxr.resample(mean, SAMPLE_RATE, rate))


def spectra(samples: Samples) -> NDArray[np.complex128]:
    """[N, C] -> [C, T, F] of windows of 43 ms; a sine of full scale has a magnitude of about 1."""
    return np.stack([speech.spectra(channel, WINDOW, HOP) for channel in samples.T]) * (4 / WINDOW)


def powers(samples: Samples) -> NDArray[np.float64]:
    """[N, C] -> [C, T, bands]."""
    return np.asarray(np.square(np.abs(spectra(samples))) @ bands(SAMPLE_RATE / 2))


@cache
def bands(top: float) -> NDArray[np.float64]:
    """[F, B] mel bands up to a frequency in Hz."""
    return speech.mel_filters(SAMPLE_RATE, WINDOW, STEREO_BANDS, top)


def weighted(values: NDArray[np.float64], weights: NDArray[np.float64]) -> float:
    """The weighted mean. Raises InputError where all weights are 0."""
    if not weights.sum():
        raise InputError("the original is silent")
    return float((values * weights).sum() / weights.sum())
