"""The report of a run: one HTML page that opens anywhere, with everything in it."""

import json
from collections.abc import Sequence
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import Any

from vpcodec.data.output import open_output
from vpcodec.evaluation.candidates import Candidate
from vpcodec.evaluation.datasets import Dataset
from vpcodec.evaluation.meters import METRICS, SET_METRICS
from vpcodec.evaluation.plots import Line, Point, rate_plot, spread_plot, swatch, usage_plot
from vpcodec.evaluation.results import Results
from vpcodec.evaluation.showcase import Exhibit, decisive_metric, exhibit
from vpcodec.evaluation.tables import Column, columns_of, count, name_in_full
from vpcodec.evaluation.versions import exhibit_section
from vpcodec.metrics.usage import TOKENS_A_CODE, corrected

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
    text = page(results, exhibit(results, dataset, candidates))
    with open_output(path, force=True) as file:
        file.write(text.encode(errors="backslashreplace"))


def page(results: Results, exhibits: Sequence[Exhibit]) -> str:
    """The whole page."""
    sections = {
        "summary": ("Summary", summary(results)),
        "rates": ("Quality over bitrate", rate_section(results)),
        "codes": ("Use of the codes", usage_section(results)),
        "spread": ("Spread over the items", spread_section(results)),
        "examples": ("Before and after", exhibit_section(results, exhibits)),
        "items": ("Every item", item_section(results)),
    }
    filled = {name: section for name, section in sections.items() if section[1]}
    links = "".join(f'<a href="#{name}">{title}</a>' for name, (title, _) in filled.items())
    body = "".join(
        f'<section aria-labelledby="{name}"><h2 id="{name}">{title}</h2>{content}</section>'
        for name, (title, content) in filled.items()
    )
    title = f"{', '.join(each['name'] for each in results.candidates[:2])} on {results.dataset}"
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{asset('report.css')}</style></head><body>"
        '<a class="skip" href="#summary">Skip to the summary</a>'
        f'<header><p class="eyebrow">vpcodec evaluation</p><h1>{escape(heading(results))}</h1>'
        f'<p class="lead">{escape(lead(results))}</p><nav aria-label="Sections">{links}</nav></header>'
        f"<main>{notes(results)}{body}</main>{footer()}<script>{asset('report.js')}</script></body></html>\n"
    )


def asset(name: str) -> str:
    return files("vpcodec.evaluation").joinpath(name).read_text(encoding="utf-8")


def heading(results: Results) -> str:
    ours = [each["family"] for each in results.candidates if each["ours"]]
    rest = [each["family"] for each in results.candidates if not each["ours"]]
    parts = [codecs(ours, "model", "codebook size")] if ours else []
    parts += [codecs(rest, "classical codec" if ours else "codec", "setting")] if rest else []
    return f"{' and '.join(parts)} on {results.dataset}"


def codecs(families: Sequence[str], what: str, setting: str) -> str:
    """ "1 model at 3 codebook sizes", "2 codecs"; the settings are those of all codecs together."""
    number = len(set(families))
    return count(number, what) + (f" at {count(len(families), setting)}" if len(families) > number else "")


def lead(results: Results) -> str:
    """What was evaluated and how, in two sentences."""
    if results.kind == "speech":
        minutes, seconds = divmod(round(results.extent), 60)
        what = f"{count(results.items, 'recording')}, {minutes} min {seconds} s, mono at 16 kHz."
    else:
        how = f"cut to {results.side}x{results.side} pixels" if results.side else "whole"
        what = f"{count(results.items, 'image')}, {how}, RGB, {results.extent / 1e6:,.1f} megapixels."
    return f"{what} Every item was encoded to a file, decoded from it, and measured; rates are those of the files."


def notes(results: Results) -> str:
    """What failed or could not be measured, before anything else is said."""
    known = METRICS[results.kind] | SET_METRICS[results.kind]
    lines = [f"{known[name].title}: {why}" for name, why in results.unavailable.items()]
    blocks = ""
    if lines:
        listed = "".join(f"<li>{escape(line)}</li>" for line in lines)
        names = ", ".join(known[name].title for name in results.unavailable)
        head = f"<summary><b>Not measured:</b> {escape(names)}</summary>"
        blocks += f'<details class="card note">{head}<ul>{listed}</ul></details>'
    failed = [line for candidate in results.candidates for line in failure_lines(candidate, results.kind)]
    if failed:
        listed = "".join(f"<li>{escape(line)}</li>" for line in failed)
        blocks += f'<div class="card note"><p><b>Failed, and left out of the means</b></p><ul>{listed}</ul></div>'
    return blocks


def failure_lines(candidate: dict[str, Any], kind: str) -> list[str]:
    """What failed with one candidate: a line for all steps and metrics that failed for the same reasons."""
    steps: dict[str, list[str]] = {}
    for step, failure in candidate["failures"].items():
        reasons = sorted(failure["reasons"].items(), key=lambda pair: -pair[1])
        shown = "; ".join(f"{reason} ({count(times, 'item')})" for reason, times in reasons[:3])
        more = f"; and {count(len(reasons) - 3, 'other reason')}" if len(reasons) > 3 else ""
        name = METRICS[kind][step].title if step in METRICS[kind] else step
        steps.setdefault(shown + more, []).append(name)
    return [f"{candidate['name']}, {', '.join(names)}: {reasons}" for reasons, names in steps.items()]


def series_of(results: Results) -> dict[str, int]:
    """A number for each family of candidates, which decides its colour and marker."""
    return {
        family: number for number, family in enumerate(dict.fromkeys(each["family"] for each in results.candidates))
    }


def summary(results: Results) -> str:
    """One row a candidate, one column a figure, the best of each metric marked."""
    series = series_of(results)
    columns = columns_of(results.kind, results.candidates)
    head = "".join(f'<th scope="col">{escape(column.title)}<small>{column.unit}</small></th>' for column in columns)
    rows = "".join(
        f'<tr><th scope="row">{swatch(series[candidate["family"]])}{escape(candidate["name"])}'
        + (f"<small>matched to {escape(candidate['matched'])}</small></th>" if candidate["matched"] else "</th>")
        + "".join(cell(column, candidate, results.candidates) for column in columns)
        + "</tr>"
        for candidate in results.candidates
    )
    return (
        '<p class="soft">Means over the items; small, the 95 % bootstrap interval. A star marks the best of a metric,'
        " whatever the bitrate. Speeds are of one machine; those of programs include their start.</p>"
        '<div class="card scroll" tabindex="0" role="region" aria-label="Summary table"><table>'
        f'<thead><tr><th scope="col">codec</th>{head}</tr></thead><tbody>{rows}</tbody></table></div>'
    )


def cell(column: Column, candidate: dict[str, Any], candidates: Sequence[dict[str, Any]]) -> str:
    value = column.value(candidate)
    if value is None:
        return "<td>–</td>"
    best = ""
    if column.more_is_better is not None and len(candidates) > 1:
        others = [other for each in candidates if (other := column.value(each)) is not None]
        best = ' class="best"' if value == (max if column.more_is_better else min)(others) else ""
    small = column.detail(candidate)
    return f"<td><span{best}>{column.shown(value)}</span>{f'<small>{small}</small>' if small else ''}</td>"


def rate_section(results: Results) -> str:
    """A plot of each metric over the bitrate on disk."""
    series = series_of(results)
    plots = []
    unit = results.candidates[0]["bitrate"]["unit"]
    for name in results.metrics():
        metric = METRICS[results.kind][name]
        lines: dict[str, list[Point]] = {}
        for candidate in results.candidates:
            figures, rate = candidate["metrics"].get(name), candidate["bitrate"].get("file")
            if figures and rate and rate["mean"] > 0:
                point = Point(rate["mean"], figures["mean"], figures["low"], figures["high"], name_in_full(candidate))
                lines.setdefault(candidate["family"], []).append(point)
        if lines:
            drawn = [Line(series[family], points) for family, points in lines.items()]
            better = "up" if metric.more_is_better else "down"
            caption = f"{metric.title} <span class='soft'>(better {better})</span>"
            plots.append(
                f'<div class="card"><h3>{caption}</h3>{rate_plot(drawn, f"{unit} on disk", metric.title)}</div>'
            )
    if not plots:
        return ""
    legend = "".join(f"<li>{swatch(number)}{escape(family)}</li>" for family, number in series.items())
    return f'<ul class="legend">{legend}</ul><div class="plots">{"".join(plots)}</div>'


def usage_section(results: Results) -> str:
    """How evenly each model uses its codes; nothing where none has tokens."""
    if not results.usage:
        return ""
    curves, listed = [], []
    for number, (name, usage) in enumerate(results.usage.items()):
        even = usage.tokens / len(usage.counts)
        curves.append((number, [float(value) / even for value in usage.counts]))
        used = f"{usage.used:,} of {len(usage.counts):,} codes used by {usage.tokens:,} tokens"
        true = corrected(usage.figures())
        share = "CVU {cvu_corrected:.4f}, {entropy_bits_corrected:.2f} bits a token".format(**true) if true else TOO_FEW
        figures = f"{share}, {used}"
        listed.append(f"<li>{swatch(number)}<span><b>{escape(name)}</b><br>{figures}</span></li>")
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
    series = series_of(results)
    plots = []
    for name in results.metrics():
        groups = []
        for candidate in results.candidates:
            own = [row for row in results.rows if row.candidate == candidate["name"]]
            values = [row.values[name] for row in own if name in row.values]
            if values:
                groups.append((series[candidate["family"]], name_in_full(candidate), values))
        metric = METRICS[results.kind][name]
        plots.append(f'<div class="card"><h3>{metric.title}</h3>{spread_plot(groups, metric.title)}</div>')
    explained = "A stroke is an item, the box holds the middle half, the bar is the median, the line spans 5 to 95 %."
    return f'<p class="soft">{explained}</p><div class="plots">{"".join(plots)}</div>' if plots else ""


def item_section(results: Results) -> str:
    """The sortable table; its rows travel as JSON and are drawn by the page's script."""
    names = results.metrics()
    titles = [
        "item",
        f"{results.candidates[0]['bitrate']['unit']}",
        *(METRICS[results.kind][name].title for name in names),
    ]
    scale = 8 / (1000 if results.kind == "speech" else 1)
    rows: dict[str, list[list[Any]]] = {candidate["name"]: [] for candidate in results.candidates}
    for row in results.rows:
        rate = row.size * scale / row.extent if row.size is not None and row.extent else None
        why = "; ".join(f"{step}: {reason}" for step, reason in row.failures.items()) or None
        rows[row.candidate].append([row.item, rate, *(row.values.get(name) for name in names), why])
    decisive = decisive_metric(results)
    columns = [{"digits": 0, "better": 0}, {"digits": 3, "better": -1}]
    for name in names:
        metric = METRICS[results.kind][name]
        columns.append({"digits": metric.digits, "better": 1 if metric.more_is_better else -1})
    columns.append({"digits": 0, "better": 0})
    start = 2 + names.index(decisive) if decisive in names else 0
    data = json.dumps({"columns": columns, "rows": rows, "start": start}, ensure_ascii=False).replace("<", "\\u003c")
    head = "".join(
        f'<th scope="col" aria-sort="none"><button type="button">{escape(title)}</button></th>'
        for title in [*titles, "failures"]
    )
    options = "".join(f"<option>{escape(candidate['name'])}</option>" for candidate in results.candidates)
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
