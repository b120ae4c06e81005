"""How close a decoded recording is to its original: PESQ, STOI, SI-SDR and the distance of mel spectra.

Every measure takes two mono recordings of the same length at 16 kHz, float with full scale at 1, and is a
mean over the recording. Where a measure is not defined, as PESQ for silence, it raises an InputError that
says so; nothing is replaced by a number. N samples.

Sources: PESQ by ITU-T P.862 and P.862.2 in the package pesq; STOI by Taal et al., 2011, in the package
pystoi; SI-SDR by Le Roux et al., SDR - half-baked or well done?, arXiv 1811.02508.
"""

import warnings
from functools import cache

import numpy as np
from numpy.typing import NDArray

from vpcodec.errors import InputError

SAMPLE_RATE = 16_000  # Hz
LOSSLESS = 120.0  # dB, given to equal recordings so that a mean stays finite

Samples = NDArray[np.float32]


def pesq_wb(decoded: Samples, original: Samples) -> float:
    """Wide-band PESQ, 1.04 (bad) to 4.64 (equal)."""
    return pesq(decoded, original, "wb")


def pesq_nb(decoded: Samples, original: Samples) -> float:
    """Narrow-band PESQ, 1.02 (bad) to 4.55 (equal)."""
    return pesq(decoded, original, "nb")


def pesq(decoded: Samples, original: Samples, band: str) -> float:
    """PESQ of one band. Raises InputError where it finds no speech, or too little."""
    from pesq import PesqError
    from pesq import pesq as measure

    refuse_silence(decoded, original)
    try:
        return float(measure(SAMPLE_RATE, original, decoded, band))
    except PesqError as error:
        reason = error.args[0] if error.args else type(error).__name__
        raise InputError(reason.decode() if isinstance(reason, bytes) else str(reason)) from error


def stoi(decoded: Samples, original: Samples) -> float:
    """Short-time objective intelligibility (not the extended one), up to 1. Raises InputError for too little speech."""
    from pystoi import stoi as measure

    if not original.any():
        raise InputError("the original is silent")
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)  # the package warns and returns 1e-5
        try:
            return float(measure(original, decoded, SAMPLE_RATE, extended=False))
        except (RuntimeWarning, ValueError, np.exceptions.AxisError) as error:
            raise InputError("less than 0.4 s above the silence threshold") from error


def si_sdr(decoded: Samples, original: Samples) -> float:
    """Scale-invariant signal-to-distortion ratio, dB, offsets removed. Raises InputError where one is silent."""
    refuse_silence(decoded, original)
    ours = decoded.astype(np.float64) - decoded.mean(dtype=np.float64)
    target = original.astype(np.float64) - original.mean(dtype=np.float64)
    energy = target @ target
    if energy == 0:
        raise InputError("the original is constant")
    target *= ours @ target / energy
    noise = ours - target
    signal, error = target @ target, noise @ noise
    if signal == 0:
        raise InputError("the decoded recording is unrelated to the original")
    return float(10 * np.log10(signal / max(error, signal * 10 ** (-LOSSLESS / 10))))


def mel_distance(decoded: Samples, original: Samples) -> float:
    """Mean absolute difference of natural-log mel spectra: 80 bands, 64 ms windows every 16 ms, floor 1e-5."""
    ours, theirs = (log_mel(samples, SAMPLE_RATE, window=1024, hop=256, bands=80) for samples in (decoded, original))
    return float(np.abs(ours - theirs).mean())


def refuse_silence(decoded: Samples, original: Samples) -> None:
    for recording, name in ((original, "original"), (decoded, "decoded recording")):
        if not recording.any():
            raise InputError(f"the {name} is silent")


def log_mel(samples: Samples, rate: int, window: int, hop: int, bands: int) -> NDArray[np.float64]:
    """[N] at a rate in Hz -> [frames, bands], natural logarithm of mel magnitudes, floored at 1e-5."""
    magnitudes = np.abs(spectra(samples, window, hop))
    return np.asarray(np.log(np.maximum(magnitudes @ mel_filters(rate, window, bands), 1e-5)))


def spectra(samples: Samples, window: int, hop: int) -> NDArray[np.complex128]:
    """[N] -> [frames, window // 2 + 1] of Hann windows centered every `hop` samples."""
    padded = np.pad(samples.astype(np.float64), window // 2)
    frames = np.lib.stride_tricks.sliding_window_view(padded, window)[::hop]
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(window) / window)
    return np.fft.rfft(frames * hann, axis=-1)


@cache
def mel_filters(rate: int, window: int, bands: int, top: float | None = None) -> NDArray[np.float64]:
    """[window // 2 + 1, bands] triangles of unit height, evenly spaced on O'Shaughnessy's mel scale.

    Args:
        rate: Hz.
        window: Samples of a spectrum.
        bands: How many there are.
        top: Hz up to which they go; half the rate by default.
    """
    highest = 2595 * np.log10(1 + (top or rate / 2) / 700)
    corners = 700 * (10 ** (np.linspace(0, highest, bands + 2) / 2595) - 1)  # Hz
    hertz = np.linspace(0, rate / 2, window // 2 + 1)[:, None]
    rising = (hertz - corners[:-2]) / (corners[1:-1] - corners[:-2])
    falling = (corners[2:] - hertz) / (corners[2:] - corners[1:-1])
    return np.asarray(np.maximum(0, np.minimum(rising, falling)))
