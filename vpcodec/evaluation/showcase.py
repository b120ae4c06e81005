"""The worst and the middle items of a run, to see and to hear."""

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import soundfile
from PIL import Image

from vpcodec.errors import VpcodecError
from vpcodec.evaluation.candidates import SAMPLE_RATE, Candidate, Facts, Signal
from vpcodec.evaluation.datasets import Dataset
from vpcodec.evaluation.evaluate import fitted
from vpcodec.evaluation.meters import METRICS
from vpcodec.evaluation.results import Results
from vpcodec.evaluation.rows import Row
from vpcodec.evaluation.signals import read_signal

# The metric that decides what is worst: the first of these that was measured.
DECISIVE = {
    "speech": ("pesq_wb", "stoi", "mel_distance", "si_sdr", "pesq_nb"),
    "image": ("lpips_vgg", "lpips_alex", "lpips_squeeze", "ssim", "psnr"),
}
LONGEST = 12 * SAMPLE_RATE  # samples that are kept to hear
LARGEST = 512  # pixels of a side that are kept to see

# Dark to light, its lightness rising steadily, so that it reads without colour too.
COLOURS = ((0, (9, 12, 38)), (60, (38, 56, 120)), (130, (32, 135, 150)), (200, (165, 205, 110)), (255, (252, 246, 205)))


@dataclass(frozen=True)
class Version:
    """An item as it was, or as a candidate gave it back.

    Attributes:
        name: "original", or the candidate's name.
        media: Data URI of its picture (lossless WebP) or recording (FLAC).
        spectrogram: Data URI of a recording's spectrogram; empty for a picture.
        row: What was measured; None for the original.
    """

    name: str
    media: str
    spectrogram: str
    row: Row | None


@dataclass(frozen=True)
class Exhibit:
    """An item in all its versions, the original first; `place` says why it was chosen."""

    item: str
    place: str
    versions: list[Version]


def decisive_metric(results: Results) -> str | None:
    """The metric that orders items; None where nothing was measured with the first candidate."""
    measured = results.candidates[0]["metrics"]
    return next((name for name in DECISIVE[results.kind] if name in measured), None)


def choose(results: Results, count: int) -> list[tuple[str, str]]:
    """Names of the worst and of the middle items of the first candidate, each with why it was chosen.

    The worst are a third of the items at most. A single item is neither.
    """
    metric = decisive_metric(results)
    if metric is None:
        return []
    first = results.candidates[0]["name"]
    rows = [row for row in results.rows if row.candidate == first and metric in row.values]
    more_is_better = METRICS[results.kind][metric].more_is_better
    rows.sort(key=lambda row: (row.values[metric] if more_is_better else -row.values[metric], row.item))
    if len(rows) == 1:
        return [(rows[0].item, "only")]
    count = min(count, max(1, len(rows) // 3))
    worst = [row.item for row in rows[:count]]
    start = max(0, (len(rows) - count + 1) // 2)
    middle = [row.item for row in rows[start : start + count] if row.item not in worst]
    return [(item, "worst") for item in worst] + [(item, "median") for item in middle]


def exhibit(results: Results, dataset: Dataset, candidates: Sequence[Candidate], count: int = 3) -> list[Exhibit]:
    """Code the chosen items once more, and keep what came out. What fails is left out."""
    paths = {item.name: item.path for item in dataset.items}
    rows = {(row.item, row.candidate): row for row in results.rows}
    exhibits = []
    for item, place in choose(results, count):
        original = read_signal(paths[item], dataset.kind, dataset.side)
        versions = [version("original", original, None)]
        for candidate in candidates:
            row = rows[item, candidate.name]
            budget = rows[item, candidates[0].name].size if candidate.matched else None
            try:
                content = candidate.encode(original, Facts(dataset.kind, item, budget))
                versions.append(version(candidate.name, fitted(candidate.decode(content), original), row))
            except VpcodecError:
                continue  # counted in the results already
        exhibits.append(Exhibit(item, place, versions))
    return exhibits


def version(name: str, signal: Signal, row: Row | None) -> Version:
    file = io.BytesIO()
    if signal.ndim == 3:
        top, left = (max(0, (length - LARGEST) // 2) for length in signal.shape[:2])
        cut = signal[top : top + LARGEST, left : left + LARGEST]
        Image.fromarray(np.ascontiguousarray(cut)).save(file, "WEBP", lossless=True, method=4)
        return Version(name, data_uri(file, "image/webp"), "", row)
    heard = np.clip(signal[:LONGEST], -1, 1)
    soundfile.write(file, heard, SAMPLE_RATE, "PCM_16", format="FLAC")
    return Version(name, data_uri(file, "audio/flac"), data_uri(spectrogram(heard), "image/png"), row)


def spectrogram(signal: Signal, rows: int = 128) -> io.BytesIO:
    """A PNG of 0 to 8 kHz over time, in a range of 65 dB that suits speech, at most 900 columns."""
    window = 512
    hop = max(160, -(-len(signal) // 900))
    padded = np.pad(signal.astype(np.float64), window // 2)
    frames = np.lib.stride_tricks.sliding_window_view(padded, window)[::hop]
    power = np.abs(np.fft.rfft(frames * np.hanning(window)))[:, : rows * 2] ** 2
    pooled = power.reshape(len(power), rows, 2).mean(-1)
    decibels = 10 * np.log10(pooled / (window / 8) ** 2 + 1e-12)
    levels = np.clip((decibels + 75) / 65 * 255, 0, 255).astype(np.uint8)
    picture = Image.fromarray(np.ascontiguousarray(levels.T[::-1]), "L")
    places = [place for place, _ in COLOURS]
    channels = [np.interp(np.arange(256), places, [colour[each] for _, colour in COLOURS]) for each in range(3)]
    picture.putpalette(np.stack(channels, 1).astype(np.uint8).tobytes())
    file = io.BytesIO()
    picture.save(file, "PNG", optimize=True)
    return file


def data_uri(file: io.BytesIO, media: str) -> str:
    return f"data:{media};base64,{base64.b64encode(file.getvalue()).decode()}"
