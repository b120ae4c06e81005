"""The part of the report that shows items before and after: sliders for images, players for speech."""

from collections.abc import Sequence
from html import escape

from vpcodec.evaluation.meters import METRICS
from vpcodec.evaluation.results import RATE_SCALE, RATE_UNITS, Results
from vpcodec.evaluation.rows import Row
from vpcodec.evaluation.showcase import Exhibit, Version, decisive_metric


def exhibit_section(results: Results, exhibits: Sequence[Exhibit]) -> str:
    """All exhibits; empty without any."""
    shown = [each for each in exhibits if len(each.versions) > 1]
    metric = decisive_metric(results)
    if not shown or metric is None:
        return ""
    first = results.candidates[0]["name"]
    how = "Drag the edge, or use the arrow keys. Left of it is the original." if results.kind == "image" else ""
    chosen = f"The items that {first} is worst and median at, by {METRICS[results.kind][metric].title}. {how}"
    draw = slider if results.kind == "image" else players
    cards = "".join(draw(number, each, results.kind) for number, each in enumerate(shown))
    wide = " wide" if results.kind == "speech" else ""
    return f'<p class="soft">{escape(chosen)}</p><div class="exhibits{wide}">{cards}</div>'


def title(shown: Exhibit) -> str:
    return f'<h3><span class="tag {shown.place}">{shown.place}</span>{escape(shown.item)}</h3>'


def slider(number: int, shown: Exhibit, kind: str) -> str:
    """The original over a decoded picture, an edge to move between them, and a choice of codecs."""
    original, first, *_ = shown.versions
    options = "".join(
        f'<label><input type="radio" name="version{number}" value="{escape(version.name)}"'
        f"{' checked' if version is first else f' data-media={chr(34)}{version.media}{chr(34)}'}"
        f' data-figures="{escape(figures(version.row, kind))}"><span>{escape(version.name)}</span></label>'
        for version in shown.versions[1:]
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
        f'<p class="figures" role="status">{escape(figures(first.row, kind))}</p></article>'
    )


def players(number: int, shown: Exhibit, kind: str) -> str:
    """Every version with its spectrogram and a player."""
    return f'<article class="card">{title(shown)}<div class="versions">' + (
        "".join(player(version, shown.item, kind) for version in shown.versions) + "</div></article>"
    )


def player(version: Version, item: str, kind: str) -> str:
    label = escape(f"{version.name}, {item}")
    return (
        f'<figure><img src="{version.spectrogram}" alt="Spectrogram of {label}, 0 to 8 kHz">'
        f'<audio controls preload="metadata" src="{version.media}" aria-label="{label}"></audio>'
        f"<figcaption><b>{escape(version.name)}</b> {escape(figures(version.row, kind))}</figcaption></figure>"
    )


def figures(row: Row | None, kind: str) -> str:
    """What was measured on one version, in a line."""
    if row is None or row.size is None:
        return ""
    parts = [f"{row.size:,} bytes", f"{row.size * 8 / row.extent / RATE_SCALE[kind]:.3f} {RATE_UNITS[kind]}"]
    for name, metric in METRICS[kind].items():
        if name in row.values:
            parts.append(f"{metric.title} {row.values[name]:.{metric.digits}f}")
    return " · ".join(parts)
