"""Plots as SVG text, drawn here so that a report needs nothing else.

Colours are CSS classes (`s0` to `s6`), so that a page can change them for the dark; every series also has a
marker of its own, so that nothing depends on colour.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 400, 280
LEFT, RIGHT, TOP, BOTTOM = 58, 14, 14, 44
LABEL = 34  # pixels from one tick of a logarithmic axis to the next, so that their labels stay apart
SERIES = 7  # colours and markers before they come round again


@dataclass(frozen=True)
class Point:
    """A measured pair of numbers, with the interval of y and a name to show."""

    x: float
    y: float
    low: float
    high: float
    name: str


@dataclass(frozen=True)
class Line:
    """Points that belong together, under the number of their series."""

    series: int
    points: Sequence[Point]


@dataclass(frozen=True)
class Axis:
    """Numbers onto a length of the picture.

    Attributes:
        low, high: Numbers at its ends.
        start, stop: Their places, in pixels.
        logarithmic: Whether equal ratios take equal lengths.
    """

    low: float
    high: float
    start: float
    stop: float
    logarithmic: bool = False

    def place(self, value: float) -> float:
        scale: Callable[[float], float] = math.log if self.logarithmic else float
        share = (scale(value) - scale(self.low)) / (scale(self.high) - scale(self.low))
        return round(self.start + share * (self.stop - self.start), 1)

    def ticks(self) -> list[float]:
        """Round numbers within the axis, about five of them."""
        if self.logarithmic:
            decades = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
            found: list[float] = []
            for digits in ((1,), (3,), (2, 5), (4, 6, 7, 8, 9)):  # the roundest first
                for value in (digit * 10.0**decade for decade in decades for digit in digits):
                    apart = all(abs(self.place(value) - self.place(other)) >= LABEL for other in found)
                    if self.low * 0.999 <= value <= self.high * 1.001 and apart:
                        found.append(value)
                if len(found) >= 3:
                    break
            return sorted(found)
        length = self.high - self.low
        power = 10.0 ** math.floor(math.log10(length / 6))
        step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if length / (power * factor) <= 6)
        first = math.ceil(self.low / step - 1e-9)
        return [index * step for index in range(first, math.floor(self.high / step + 1e-9) + 1)]


def span(values: Sequence[float], logarithmic: bool = False) -> tuple[float, float]:
    """Ends of an axis with some room around the values."""
    low, high = min(values), max(values)
    if logarithmic:
        room = max((high / low) ** 0.08, 1.12)
        return low / room, high * room
    room = max((high - low) * 0.08, abs(high) * 1e-3, 1e-6)
    return low - room, high + room


def number(value: float) -> str:
    """A tick's label."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def rate_plot(lines: Sequence[Line], x_label: str, y_label: str) -> str:
    """A metric over the bitrate, one line a codec, whiskers for the intervals."""
    points = [point for line in lines for point in line.points]
    x = Axis(*span([point.x for point in points], True), LEFT, WIDTH - RIGHT, True)
    y = Axis(*span([end for point in points for end in (point.low, point.high)]), HEIGHT - BOTTOM, TOP)
    body = [frame(x, y, x_label, y_label)]
    for line in lines:
        ordered = sorted(line.points, key=lambda point: point.x)
        path = " ".join(f"{x.place(point.x)},{y.place(point.y)}" for point in ordered)
        if len(ordered) > 1:
            body.append(f'<polyline class="line s{line.series % SERIES}" points="{path}"/>')
        for point in ordered:
            across, up = x.place(point.x), y.place(point.y)
            whisker = f"M{across} {y.place(point.low)}V{y.place(point.high)}"
            title = f"<title>{escape(point.name)}: {number(point.x)} {escape(x_label)}, {number(point.y)}</title>"
            mark = marker(line.series, across, up)
            body.append(f'<g class="s{line.series % SERIES}">{title}<path class="whisker" d="{whisker}"/>{mark}</g>')
    return picture(body, f"{y_label} over {x_label}")


def usage_plot(curves: Sequence[tuple[int, Sequence[float]]]) -> str:
    """How often each code occurs, most frequent first; a curve ends where the codes that never occur begin.

    Args:
        curves: Number of the series, and the counts of all codes over their mean, of each model.
    """
    floor = 1e-2
    highest = max((max(counts) for _, counts in curves), default=1.0)
    x = Axis(0, 100, LEFT, WIDTH - RIGHT)
    y = Axis(floor, max(highest, 2) * 1.3, HEIGHT - BOTTOM, TOP, True)
    body = [frame(x, y, "codes, most frequent first (%)", "times an even share")]
    even = y.place(1)
    body.append(f'<path class="even" d="M{LEFT} {even}H{WIDTH - RIGHT}"/>')
    body.append(f'<text class="tick" x="{WIDTH - RIGHT - 2}" y="{even - 5}" text-anchor="end">even use</text>')
    for series, counts in curves:
        kept = [(share, count) for share, count in thinned(sorted(counts, reverse=True)) if count > 0]
        path = " ".join(f"{x.place(share)},{y.place(max(count, floor))}" for share, count in kept)
        body.append(f'<polyline class="line s{series % SERIES}" points="{path}"/>')
        for share, count in (kept[len(kept) // 3], kept[-1]):
            mark = marker(series, x.place(share), y.place(max(count, floor)))
            body.append(f'<g class="s{series % SERIES}">{mark}</g>')
    return picture(body, "How often each code occurs, most frequent first")


def thinned(counts: Sequence[float], most: int = 160) -> list[tuple[float, float]]:
    """At most so many points of a curve, as (percent of codes, count)."""
    last = max(1, len(counts) - 1)
    places = sorted({round(index * last / (most - 1)) for index in range(most)})
    return [(100 * place / last, counts[place]) for place in places if place < len(counts)]


def spread_plot(groups: Sequence[tuple[int, str, Sequence[float]]], label: str) -> str:
    """Where the items of each candidate lie: a line each, the middle half as a box, the median as a bar."""
    row, left, bottom = 52, 14, 40
    height = row * len(groups) + bottom + 10
    x = Axis(*span([value for _, _, values in groups for value in values]), left, WIDTH - RIGHT)
    body = [vertical_grid(x, 6, height - bottom)]
    for index, (series, name, values) in enumerate(groups):
        ordered = sorted(values)
        low, first, median, third, high = (x.place(quantile(ordered, q)) for q in (0.05, 0.25, 0.5, 0.75, 0.95))
        middle = 36 + row * index
        each = max(1, len(ordered) // 150)
        rug = "".join(f"M{x.place(value)} {middle - 4}v8" for value in ordered[::each])
        body.append(
            f'<g class="s{series % SERIES}"><text class="name" x="{left}" y="{middle - 17}">{escape(name)}</text>'
            f'<path class="rug" d="{rug}"/><path class="whisker" d="M{low} {middle}H{high}"/>'
            f'<rect class="box" x="{first}" y="{middle - 6}" width="{max(third - first, 1):.1f}" height="12" rx="2"/>'
            f'<path class="median" d="M{median} {middle - 9}v18"/></g>'
        )
    body.append(f'<text class="label" x="{(left + WIDTH) / 2}" y="{height - 4}" text-anchor="middle">{label}</text>')
    return picture(body, f"Distribution of {label} over the items", height)


def quantile(ordered: Sequence[float], share: float) -> float:
    """Linear between neighbours, as numpy has it."""
    place = share * (len(ordered) - 1)
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (place - below) * (ordered[above] - ordered[below])


def marker(series: int, x: float, y: float) -> str:
    """The sign of a series, about 9 pixels wide."""
    shapes = (
        f'<circle class="mark" cx="{x}" cy="{y}" r="4.5"/>',
        f'<path class="mark" d="M{x - 4} {y - 4}h8v8h-8z"/>',
        f'<path class="mark" d="M{x} {y - 5.5}l5 9h-10z"/>',
        f'<path class="mark" d="M{x} {y - 5.5}l5.5 5.5l-5.5 5.5l-5.5 -5.5z"/>',
        f'<path class="mark" d="M{x} {y + 5.5}l5 -9h-10z"/>',
        f'<path class="mark open" d="M{x - 4.5} {y - 4.5}l9 9m0 -9l-9 9"/>',
        f'<path class="mark open" d="M{x - 5.5} {y}h11M{x} {y - 5.5}v11"/>',
    )
    return shapes[series % SERIES]


def swatch(series: int) -> str:
    """A series' sign for a legend."""
    return f'<svg class="swatch s{series % SERIES}" viewBox="0 0 14 14" aria-hidden="true">{marker(series, 7, 7)}</svg>'


def frame(x: Axis, y: Axis, x_label: str, y_label: str) -> str:
    """Grid, ticks and labels of a plot with two axes."""
    parts = [vertical_grid(x, TOP, HEIGHT - BOTTOM)]
    for tick in y.ticks():
        place = y.place(tick)
        parts.append(f'<path class="grid" d="M{LEFT} {place}H{WIDTH - RIGHT}"/>')
        parts.append(f'<text class="tick" x="{LEFT - 7}" y="{place + 4}" text-anchor="end">{number(tick)}</text>')
    middle, centre = (LEFT + WIDTH - RIGHT) / 2, (TOP + HEIGHT - BOTTOM) / 2
    parts.append(f'<text class="label" x="{middle}" y="{HEIGHT - 6}" text-anchor="middle">{escape(x_label)}</text>')
    turned = f'transform="rotate(-90 13 {centre})"'
    parts.append(f'<text class="label" x="13" y="{centre}" text-anchor="middle" {turned}>{escape(y_label)}</text>')
    return "".join(parts)


def vertical_grid(x: Axis, top: float, bottom: float) -> str:
    parts = []
    for tick in x.ticks():
        parts.append(f'<path class="grid" d="M{x.place(tick)} {top}V{bottom}"/>')
        parts.append(
            f'<text class="tick" x="{x.place(tick)}" y="{bottom + 17}" text-anchor="middle">{number(tick)}</text>'
        )
    return "".join(parts)


def picture(body: Sequence[str], name: str, height: float = HEIGHT) -> str:
    label = f'role="img" aria-label="{escape(name)}"'
    return f'<svg class="plot" viewBox="0 0 {WIDTH} {height}" {label}>{"".join(body)}</svg>'
