"""The worst and the middle items of a run, before and after: sliders for images, players for sound."""

import base64
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from html import escape

import numpy as np
import soundfile
from PIL import Image

from vpcodec.errors import VpcodecError
from vpcodec.evaluation.candidates import Candidate
from vpcodec.evaluation.datasets import Dataset
from vpcodec.evaluation.results import Results, Row, Summary
from vpcodec.evaluation.signals import SIGNALS
from vpcodec.metrics import audio, speech
from vpcodec.metrics.table import METRICS, Signal

LONGEST = 12  # seconds that are kept to hear
DARKEST, BRIGHTEST = -75.0, -10.0  # dB in spectrograms of speech
LARGEST = 512  # pixels of a side that are kept to see

# Dark to light, its lightness rising steadily, so that it reads without color too.
COLORS = ((0, (9, 12, 38)), (60, (38, 56, 120)), (130, (32, 135, 150)), (200, (165, 205, 110)), (255, (252, 246, 205)))


@dataclass(frozen=True)
class Rendition:
    """An item as it was, or as a candidate gave it back.

    Attributes:
        name: "original", or the candidate's name.
        media: Data URI of an image (lossless WebP) or a recording (FLAC).
        spectrogram: Data URI of a recording's spectrogram; empty for an image.
        figures: What was measured, in a line; empty for the original.
    """

    name: str
    media: str
    spectrogram: str
    figures: str


@dataclass(frozen=True)
class Example:
    """An item in all its renditions, the original first; `place` says why it was chosen."""

    item: str
    place: str
    renditions: list[Rendition]


def decisive_metric(summary: Summary) -> str | None:
    """The metric that orders items; None where nothing was measured with the first candidate."""
    measured = summary.candidates[0].metrics
    return next((name for name in SIGNALS[summary.kind].decisive if name in measured), None)


def choose(results: Results, count: int) -> list[tuple[str, str]]:
    """Names of the worst and of the middle items of the first candidate, each with why it was chosen.

    The worst are a third of the items at most. A single item is neither.
    """
    metric = decisive_metric(results.summary)
    if metric is None:
        return []
    first = results.summary.candidates[0].name
    rows = [row for row in results.rows if row.candidate == first and metric in row.values]
    direction = 1 if METRICS[metric].more_is_better else -1
    rows.sort(key=lambda row: (direction * row.values[metric], row.item))
    if len(rows) == 1:
        return [(rows[0].item, "only")]
    count = min(count, max(1, len(rows) // 3))
    worst = [row.item for row in rows[:count]]
    start = max(0, (len(rows) - count + 1) // 2)
    middle = [row.item for row in rows[start : start + count] if row.item not in worst]
    return [(item, "worst") for item in worst] + [(item, "median") for item in middle]


def make_examples(results: Results, dataset: Dataset, candidates: Sequence[Candidate]) -> list[Example]:
    """Code the chosen items once more, and keep what came out. What fails is left out."""
    signal, present = SIGNALS[dataset.kind], PRESENTATIONS[dataset.kind]
    paths = {item.name: item.path for item in dataset.items}
    rows = {(row.item, row.candidate): row for row in results.rows}
    examples = []
    for item, place in choose(results, present.count):
        original = signal.read(paths[item], dataset.side)
        renditions = [Rendition("original", *present.embed(original), "")]
        for candidate in candidates:
            row = rows[item, candidate.name]
            budget = rows[item, candidates[0].name].size if candidate.matched else None
            try:
                decoded = signal.fitted(candidate.decode(candidate.encode(original, budget)), original)
            except VpcodecError:
                continue  # counted in the results already
            renditions.append(Rendition(candidate.name, *present.embed(decoded), figures(row, dataset.kind)))
        examples.append(Example(item, place, renditions))
    return examples


def figures(row: Row, kind: str) -> str:
    """What was measured on one item, in a line."""
    if row.size is None or row.rate is None:
        return ""
    rate = SIGNALS[kind].rate
    parts = [f"{row.size:,} bytes", f"{rate.of(row.rate):.3f} {rate.unit}"]
    parts += [f"{METRICS[name].label} {METRICS[name].shown(value)}" for name, value in row.values.items()]
    return " · ".join(parts)


def embed_image(signal: Signal) -> tuple[str, str]:
    """Data URI of the middle of an image [H, W, 3]; no spectrogram."""
    top, left = (max(0, (length - LARGEST) // 2) for length in signal.shape[:2])
    cut = signal[top : top + LARGEST, left : left + LARGEST]
    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(cut)).save(file, "WEBP", lossless=True, method=4)
    return data_uri(file, "image/webp"), ""


def embed_recording(signal: Signal, rate: int, darkest: float, form: str) -> tuple[str, str]:
    """Data URIs of the beginning of a recording [N] or [N, C], as FLAC or OGG, and of its spectrogram."""
    file = io.BytesIO()
    heard = np.clip(signal[: LONGEST * rate], -1, 1)
    soundfile.write(file, heard, rate, format=form)  # FLAC in 16 bits
    mono = heard.reshape(len(heard), -1).mean(1)
    return data_uri(file, f"audio/{form.lower()}"), data_uri(spectrogram(mono, rate, darkest), "image/png")


def spectrogram(signal: Signal, rate: int = speech.SAMPLE_RATE, darkest: float = DARKEST) -> io.BytesIO:
    """A PNG of sound [N] up to half its rate over time, from so many dB up to `BRIGHTEST`, at most 900 columns."""
    rows = 128
    window = 4 * rows * (rate // speech.SAMPLE_RATE)
    hop = max(rate // 100, -(-len(signal) // 900))
    padded = np.pad(signal.astype(np.float64), window // 2)
    frames = np.lib.stride_tricks.sliding_window_view(padded, window)[::hop]
    power = np.abs(np.fft.rfft(frames * np.hanning(window)))[:, : window // 2] ** 2
    pooled = power.reshape(len(power), rows, -1).mean(-1)
    decibels = 10 * np.log10(pooled / (window / 8) ** 2 + 1e-12)
    levels = np.clip((decibels - darkest) / (BRIGHTEST - darkest) * 255, 0, 255).astype(np.uint8)
    picture = Image.fromarray(np.ascontiguousarray(levels.T[::-1]), "L")
    places = [place for place, _ in COLORS]
    channels = [np.interp(np.arange(256), places, [color[each] for _, color in COLORS]) for each in range(3)]
    picture.putpalette(np.stack(channels, 1).astype(np.uint8).tobytes())
    file = io.BytesIO()
    picture.save(file, "PNG", optimize=True)
    return file


def data_uri(file: io.BytesIO, media: str) -> str:
    return f"data:{media};base64,{base64.b64encode(file.getvalue()).decode()}"


def examples_section(summary: Summary, examples: Sequence[Example]) -> str:
    """HTML of all examples; empty without any."""
    shown = [each for each in examples if len(each.renditions) > 1]
    metric = decisive_metric(summary)
    if not shown or metric is None:
        return ""
    present = PRESENTATIONS[summary.kind]
    first = summary.candidates[0].name
    chosen = f"The items that {first} is worst and median at, by {METRICS[metric].label}. {present.how}"
    cards = "".join(present.draw(number, each) for number, each in enumerate(shown))
    return f'<p class="soft">{escape(chosen)}</p><div class="{present.css}">{cards}</div>'


def title(shown: Example) -> str:
    return f'<h3><span class="tag {shown.place}">{shown.place}</span>{escape(shown.item)}</h3>'


def slider(number: int, shown: Example) -> str:
    """The original over a decoded image, an edge to move between them, and a choice of codecs."""
    original, first, *_ = shown.renditions
    options = "".join(
        f'<label><input type="radio" name="rendition{number}" value="{escape(each.name)}"'
        f"{' checked' if each is first else f' data-media={chr(34)}{each.media}{chr(34)}'}"
        f' data-figures="{escape(each.figures)}"><span>{escape(each.name)}</span></label>'
        for each in shown.renditions[1:]
    )
    return (
        f'<article class="card">{title(shown)}<div class="compare">'
        f'<img class="decoded" src="{first.media}" alt="decoded by {escape(first.name)}">'
        f'<img class="original" src="{original.media}" alt="original">'
        f'<span class="corner left">original</span><span class="corner right">{escape(first.name)}</span>'
        f'<span class="handle" aria-hidden="true">⇔</span>'
        f'<input type="range" min="0" max="100" value="50" step="1" aria-label="Share of the original that is shown, '
        f'{escape(shown.item)}"></div>'
        f'<fieldset class="choices"><legend>compared with</legend>{options}</fieldset>'
        f'<p class="figures" role="status">{escape(first.figures)}</p></article>'
    )


def players(number: int, shown: Example, top: int) -> str:
    """Every rendition with its spectrogram up to so many kHz and a player."""
    figures = "".join(player(each, shown.item, top) for each in shown.renditions)
    return f'<article class="card">{title(shown)}<div class="renditions">{figures}</div></article>'


def player(rendition: Rendition, item: str, top: int) -> str:
    label = escape(f"{rendition.name}, {item}")
    return (
        f'<figure><img src="{rendition.spectrogram}" alt="Spectrogram of {label}, 0 to {top} kHz">'
        f'<audio controls preload="metadata" src="{rendition.media}" aria-label="{label}"></audio>'
        f"<figcaption><b>{escape(rendition.name)}</b> {escape(rendition.figures)}</figcaption></figure>"
    )


@dataclass(frozen=True)
class Presentation:
    """How one type of signal is shown: its data URIs, an example as HTML, what to do with it, its style, and how many
    of the worst and of the middle items are."""

    embed: Callable[[Signal], tuple[str, str]]
    draw: Callable[[int, Example], str]
    how: str
    css: str
    count: int = 3


def of_sound(rate: int, darkest: float, form: str, how: str = "", count: int = 3) -> Presentation:
    embed = partial(embed_recording, rate=rate, darkest=darkest, form=form)
    return Presentation(embed, partial(players, top=rate // 2000), how, "examples wide", count)


PRESENTATIONS: dict[str, Presentation] = {
    "speech": of_sound(speech.SAMPLE_RATE, DARKEST, "FLAC"),
    "audio": of_sound(
        audio.SAMPLE_RATE,
        -95.0,  # the octaves above 8 kHz are faint
        "OGG",
        "All are heard through Vorbis at about 130 kbit/s, a sixth of what lossless sound would add to this page.",
        count=2,
    ),
    "image": Presentation(
        embed_image, slider, "Drag the edge, or use the arrow keys. Left of it is the original.", "examples"
    ),
}
