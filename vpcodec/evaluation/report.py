"""The report of a run: one HTML page that opens anywhere, with everything in it."""

import json
from collections.abc import Sequence
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import Any

from vpcodec.errors import counted
from vpcodec.evaluation.candidates import Candidate
from vpcodec.evaluation.datasets import Dataset
from vpcodec.evaluation.examples import Example, decisive_metric, examples_section, make_examples
from vpcodec.evaluation.plots import Line, Point, rate_plot, spread_plot, swatch, usage_plot
from vpcodec.evaluation.results import Figures, Results, Summary, write_text
from vpcodec.evaluation.signals import SIGNALS
from vpcodec.evaluation.summary import Column, columns_of
from vpcodec.metrics.table import METRICS
from vpcodec.metrics.usage import TOKENS_A_CODE

TOO_FEW = f"CVU and entropy need {TOKENS_A_CODE} tokens a code or more"


def write_report(results: Results, dataset: Dataset, candidates: Sequence[Candidate], path: Path) -> None:
    """Write the report, in place of an older one.

    The worst and the median items are coded once more, to be seen and heard.

    Args:
        results: Of `evaluate`.
        dataset: What it ran on.
        candidates: What it ran.
        path: The HTML file.

    Raises:
        InputError: The file cannot be written.
    """
    write_text(path, page(results, make_examples(results, dataset, candidates)))


def page(results: Results, examples: Sequence[Example]) -> str:
    """The whole page."""
    summary = results.summary
    sections = {
        "summary": ("Summary", summary_section(summary)),
        "ahead": ("Item by item", ahead_section(results)),
        "rates": ("Quality over bitrate", rate_section(summary)),
        "codes": ("Use of the codes", usage_section(results)),
        "spread": ("Spread over the items", spread_section(results)),
        "examples": ("Before and after", examples_section(summary, examples)),
        "items": ("Every item", item_section(results)),
    }
    filled = {name: section for name, section in sections.items() if section[1]}
    links = "".join(f'<a href="#{name}">{title}</a>' for name, (title, _) in filled.items())
    body = "".join(
        f'<section aria-labelledby="{name}"><h2 id="{name}">{title}</h2>{content}</section>'
        for name, (title, content) in filled.items()
    )
    title = f"{', '.join(each.name for each in summary.candidates[:2])} on {summary.dataset}"
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{asset('report.css')}</style></head><body>"
        '<a class="skip" href="#summary">Skip to the summary</a>'
        f'<header><p class="eyebrow">vpcodec evaluation</p><h1>{escape(heading(summary))}</h1>'
        f'<p class="lead">{escape(lead(summary))}</p><nav aria-label="Sections">{links}</nav></header>'
        f"<main>{notes(summary)}{body}</main>{footer()}<script>{asset('report.js')}</script></body></html>\n"
    )


def asset(name: str) -> str:
    return files("vpcodec.evaluation").joinpath(name).read_text(encoding="utf-8")


def heading(summary: Summary) -> str:
    ours = [each.family for each in summary.candidates if each.ours]
    rest = [each.family for each in summary.candidates if not each.ours]
    parts = [codecs(ours, "model", "codebook size")] if ours else []
    parts += [codecs(rest, "classical codec" if ours else "codec", "setting")] if rest else []
    return f"{' and '.join(parts)} on {summary.dataset}"


def codecs(families: Sequence[str], what: str, setting: str) -> str:
    """ "1 model at 3 codebook sizes", "2 codecs"; the settings are those of all codecs together."""
    number = len(set(families))
    return counted(number, what) + (f" at {counted(len(families), setting)}" if len(families) > number else "")


def lead(summary: Summary) -> str:
    """What was evaluated and how, in two sentences."""
    signal = SIGNALS[summary.kind]
    what = f"{counted(summary.items, signal.item)}, {signal.described(summary.total_extent, summary.side)}."
    return f"{what} Every item was encoded to a file, decoded from it, and measured; rates are those of the files."


def notes(summary: Summary) -> str:
    """What failed or could not be measured, before anything else is said."""
    blocks = ""
    if summary.unavailable:
        lines = [f"{METRICS[name].label}: {why}" for name, why in summary.unavailable.items()]
        listed = "".join(f"<li>{escape(line)}</li>" for line in lines)
        names = ", ".join(METRICS[name].label for name in summary.unavailable)
        head = f"<summary><b>Not measured:</b> {escape(names)}</summary>"
        blocks += f'<details class="card note">{head}<ul>{listed}</ul></details>'
    failed = [line for figures in summary.candidates for line in failure_lines(figures)]
    if failed:
        listed = "".join(f"<li>{escape(line)}</li>" for line in failed)
        blocks += f'<div class="card note"><p><b>Failed, and left out of the means</b></p><ul>{listed}</ul></div>'
    return blocks


def failure_lines(figures: Figures) -> list[str]:
    """What failed with one candidate: a line for all steps and metrics that failed for the same reasons."""
    steps: dict[str, list[str]] = {}
    for step, failure in figures.failures.items():
        reasons = sorted(failure.reasons.items(), key=lambda pair: -pair[1])
        shown = "; ".join(f"{reason} ({counted(times, 'item')})" for reason, times in reasons[:3])
        more = f"; and {counted(len(reasons) - 3, 'other reason')}" if len(reasons) > 3 else ""
        name = METRICS[step].label if step in METRICS else step
        steps.setdefault(shown + more, []).append(name)
    return [f"{figures.name}, {', '.join(names)}: {reasons}" for reasons, names in steps.items()]


def series_of(summary: Summary) -> dict[str, int]:
    """A number for each family of candidates, which decides its color and marker."""
    return {family: number for number, family in enumerate(dict.fromkeys(each.family for each in summary.candidates))}


def summary_section(summary: Summary) -> str:
    """One row a candidate, one column a figure, the best of each metric marked."""
    series = series_of(summary)
    columns = columns_of(summary.kind, summary.candidates)
    head = "".join(f'<th scope="col">{escape(column.title)}<small>{column.unit}</small></th>' for column in columns)
    rows = "".join(
        f'<tr><th scope="row">{swatch(series[figures.family])}{escape(figures.name)}'
        + (f"<small>matched to {escape(figures.matched)}</small></th>" if figures.matched else "</th>")
        + "".join(cell(column, figures, summary.candidates) for column in columns)
        + "</tr>"
        for figures in summary.candidates
    )
    return (
        '<p class="soft">Means over the items; small, the 95 % bootstrap interval. A star marks the best of a metric,'
        " whatever the bitrate. Speeds are of one machine; those of programs include their start.</p>"
        '<div class="card scroll" tabindex="0" role="region" aria-label="Summary table"><table>'
        f'<thead><tr><th scope="col">codec</th>{head}</tr></thead><tbody>{rows}</tbody></table></div>'
    )


def cell(column: Column, figures: Figures, candidates: Sequence[Figures]) -> str:
    value = column.value(figures)
    if value is None:
        return "<td>–</td>"
    best = ""
    if column.more_is_better is not None and len(candidates) > 1:
        others = [other for each in candidates if (other := column.value(each)) is not None]
        best = ' class="best"' if value == (max if column.more_is_better else min)(others) else ""
    small = column.detail(figures)
    return f"<td><span{best}>{column.shown(value)}</span>{f'<small>{small}</small>' if small else ''}</td>"


def ahead(results: Results, other: str, metric: str) -> tuple[int, int]:
    """On how many items the first candidate is better than another by a metric, and how many have both values."""
    first = results.summary.candidates[0].name
    values = {(row.candidate, row.item): row.values[metric] for row in results.rows if metric in row.values}
    both = [
        (value, values[other, item])
        for (name, item), value in values.items()
        if name == first and (other, item) in values
    ]
    better = [ours > theirs if METRICS[metric].more_is_better else ours < theirs for ours, theirs in both]
    return sum(better), len(both)


def ahead_section(results: Results) -> str:
    """On how many items the first candidate is better than each of the others."""
    first, *others = results.summary.candidates
    metrics = [name for name in results.summary.metrics() if name in first.metrics]
    if not others or not metrics:
        return ""
    head = "".join(f'<th scope="col">{escape(METRICS[name].title)}</th>' for name in metrics)
    rows = "".join(
        f'<tr><th scope="row">{escape(each.full_name)}</th>'
        + "".join("<td>{} of {}</td>".format(*ahead(results, each.name, name)) for name in metrics)
        + "</tr>"
        for each in others
    )
    return (
        f'<p class="soft">On how many items {escape(first.name)} is better than another codec.</p>'
        '<div class="card scroll" tabindex="0" role="region" aria-label="Item by item"><table>'
        f'<thead><tr><th scope="col">codec</th>{head}</tr></thead><tbody>{rows}</tbody></table></div>'
    )


def rate_lines(summary: Summary, metric: str) -> list[Line]:
    """A metric over the bitrate on disk: a line for each family of candidates that has both."""
    lines: dict[str, list[Point]] = {}
    for figures in summary.candidates:
        found, rate = figures.metrics.get(metric), figures.bitrate.file
        if found and rate and rate.mean > 0:
            point = Point(rate.mean, found.mean, found.low, found.high, figures.full_name)
            lines.setdefault(figures.family, []).append(point)
    series = series_of(summary)
    return [Line(series[family], points, family) for family, points in lines.items()]


def rate_section(summary: Summary) -> str:
    """A plot of each metric over the bitrate on disk."""
    plots = []
    for name in summary.metrics():
        if lines := rate_lines(summary, name):
            metric = METRICS[name]
            better = "up" if metric.more_is_better else "down"
            caption = f"{metric.label} <span class='soft'>(better {better})</span>"
            plot = rate_plot(lines, f"{SIGNALS[summary.kind].rate.unit} on disk", metric.label)
            plots.append(f'<div class="card"><h3>{caption}</h3>{plot}</div>')
    if not plots:
        return ""
    legend = "".join(f"<li>{swatch(number)}{escape(family)}</li>" for family, number in series_of(summary).items())
    return f'<ul class="legend">{legend}</ul><div class="plots">{"".join(plots)}</div>'


def usage_section(results: Results) -> str:
    """How evenly each model uses its codes; nothing where none has tokens."""
    if not results.usage:
        return ""
    curves, listed = [], []
    for number, (name, usage) in enumerate(results.usage.items()):
        curves.append((number, usage.counts / usage.tokens * usage.vocabulary, usage.vocabulary))
        true = usage.figures()
        used = f"{true.used:,} of {true.vocabulary:,} codes used by {true.tokens:,} tokens"
        share = TOO_FEW
        if true.cvu_corrected is not None:
            share = f"CVU {true.cvu_corrected:.4f}, {true.entropy_bits_corrected:.2f} bits a token"
        listed.append(f"<li>{swatch(number)}<span><b>{escape(name)}</b><br>{share}, {used}</span></li>")
    explained = (
        "The dashed line is even use by infinitely many tokens. With few tokens a code, even use lies above it on the"
        " left and below it on the right by chance, and some codes do not occur; a curve ends where those begin."
        " CVU is the perplexity over the number of codes. It and the entropy are corrected for the number of tokens"
        " (Miller-Madow)."
    )
    legend = f'<ul class="legend">{"".join(listed)}</ul>'
    return (
        f'<p class="soft">{explained}</p><div class="plots"><div class="card">{usage_plot(curves)}</div>{legend}</div>'
    )


def spread_section(results: Results) -> str:
    """Where the single items lie, metric by metric."""
    series = series_of(results.summary)
    plots = []
    for name in results.summary.metrics():
        groups = []
        for figures in results.summary.candidates:
            own = [row for row in results.rows if row.candidate == figures.name]
            values = [row.values[name] for row in own if name in row.values]
            if values:
                groups.append((series[figures.family], figures.full_name, values))
        label = METRICS[name].label
        plots.append(f'<div class="card"><h3>{label}</h3>{spread_plot(groups, label)}</div>')
    explained = "A stroke is an item, the box holds the middle half, the bar is the median, the line spans 5 to 95 %."
    return f'<p class="soft">{explained}</p><div class="plots">{"".join(plots)}</div>' if plots else ""


def item_section(results: Results) -> str:
    """The sortable table; its rows travel as JSON and are drawn by the page's script."""
    summary, rate = results.summary, SIGNALS[results.summary.kind].rate
    names = summary.metrics()
    titles = ["item", rate.unit, *(METRICS[name].label for name in names), "failures"]
    rows: dict[str, list[list[Any]]] = {figures.name: [] for figures in summary.candidates}
    for row in results.rows:
        size = None if row.rate is None else rate.of(row.rate)
        why = "; ".join(f"{step}: {reason}" for step, reason in row.failures.items()) or None
        rows[row.candidate].append([row.item, size, *(row.values.get(name) for name in names), why])
    columns = [{"digits": 0, "better": 0}, {"digits": 3, "better": -1}]
    for metric in map(METRICS.__getitem__, names):
        columns.append({"digits": metric.digits, "better": 1 if metric.more_is_better else -1})
    columns.append({"digits": 0, "better": 0})
    decisive = decisive_metric(summary)
    start = 2 + names.index(decisive) if decisive in names else 0
    data = json.dumps({"columns": columns, "rows": rows, "start": start}, ensure_ascii=False).replace("<", "\\u003c")
    head = "".join(
        f'<th scope="col" aria-sort="none"><button type="button">{escape(title)}</button></th>' for title in titles
    )
    options = "".join(f"<option>{escape(figures.name)}</option>" for figures in summary.candidates)
    return (
        '<div class="controls"><label>Codec<select id="candidate">' + options + "</select></label>"
        '<label>Names that contain<input type="search" id="filter"></label>'
        '<span class="pager"><button type="button">Back</button> <button type="button">Next</button></span>'
        '<span id="count" class="soft" role="status"></span></div>'
        '<div class="card scroll" tabindex="0" role="region" aria-label="Table of items"><table class="items">'
        f"<thead><tr>{head}</tr></thead><tbody></tbody></table></div>"
        "<noscript><p>The table needs JavaScript; the same rows are in the JSON file of the run.</p></noscript>"
        f'<script type="application/json" id="rows">{data}</script>'
    )


def footer() -> str:
    return "<footer>Made by <b>vpcodec evaluate</b>. The page holds everything it shows and loads nothing.</footer>"
