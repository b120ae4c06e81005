"""Plots by matplotlib, as SVG text that stands in a page.

Colors are the page's own (`--s0` to `--s6` for the series, `--ink`, `--soft`, `--rule`, `--card`), so that they change
in the dark; every series also has a marker of its own, so that nothing depends on color.
"""

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WIDTH, HEIGHT = 400, 280  # points, one pixel each
SERIES = 7  # colors and markers before they come round again
MARKERS = ("o", "s", "^", "D", "v", "x", "+")
POINTS = 160  # of a curve of codes, at most
LEAST = 0.01  # of an even share, that such a curve shows

# What matplotlib is given for each color of the page; it writes them into the SVG, where they are replaced.
COLORS = {f"--s{number}": f"#5e000{number}" for number in range(SERIES)}
COLORS |= {"--ink": "#5e0010", "--soft": "#5e0011", "--rule": "#5e0012", "--card": "#5e0013"}
NAMES = {color: name for name, color in COLORS.items()}

STYLE: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "vpcodec",
    "text.parse_math": False,
    "font.family": "sans-serif",
    "font.size": 12,
    "text.color": COLORS["--ink"],
    "axes.labelcolor": COLORS["--ink"],
    "axes.edgecolor": COLORS["--rule"],
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "grid.color": COLORS["--rule"],
    "xtick.color": COLORS["--rule"],
    "ytick.color": COLORS["--rule"],
    "xtick.labelcolor": COLORS["--soft"],
    "ytick.labelcolor": COLORS["--soft"],
    "figure.facecolor": "none",
    "axes.facecolor": "none",
}


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
    """Points that belong together, under the number of their series and its name."""

    series: int
    points: Sequence[Point]
    name: str = ""


@dataclass
class Plot:
    """One plot while it is drawn.

    Attributes:
        name: What it shows, for those who do not see it.
        height: In points.
        panels: Side by side, each as wide as a plot.
        titles: By the id of a part of the SVG: what is shown when the pointer rests on it.
    """

    name: str
    height: float = HEIGHT
    panels: int = 1
    titles: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        import matplotlib
        from matplotlib.figure import Figure

        with matplotlib.rc_context(STYLE):
            self.figure = Figure(figsize=(self.panels * WIDTH / 72, self.height / 72), layout="constrained")
            self.panel: list[Axes] = list(self.figure.subplots(1, self.panels, squeeze=False)[0])
            self.axes = self.panel[0]

    def svg(self) -> str:
        """The plot as an SVG element, the same for the same numbers."""
        import matplotlib

        file = io.StringIO()
        with matplotlib.rc_context(STYLE):
            nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
            self.figure.savefig(file, format="svg", metadata=nothing)
        svg = file.getvalue()
        svg = svg[svg.index("<svg") :]
        svg = re.sub(r"<defs>\s*<style.*?</style>\s*</defs>|<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
        svg = re.sub(r"font-family: [^;\"]*;? ?", "", svg)  # the page's
        svg = re.sub("#5e00[01][0-9a-f]", lambda color: f"var({NAMES[color[0]]})", svg)
        svg = re.sub(r'<g id="(\w+)">', self.opened, svg)
        # Ids are unique in a page, and so are those of its plots.
        prefix = re.sub(r"\W+", "-", self.name)
        svg = re.sub(r'(id="|href="#|url\(#)', rf"\g<1>{prefix}-", svg)
        label = f'role="img" aria-label="{escape(self.name)}"'
        return re.sub(
            r"<svg[^>]*>",
            f'<svg class="plot" viewBox="0 0 {self.panels * WIDTH} {self.height:g}" {label}>',
            svg,
            count=1,
        )

    def opened(self, group: re.Match[str]) -> str:
        title = self.titles.get(group[1])
        return group[0] if title is None else f"<g><title>{escape(title)}</title>"


def look(series: int, **more: Any) -> dict[str, Any]:
    """Color and marker of a series, as matplotlib takes them."""
    marker = MARKERS[series % SERIES]
    color = COLORS[f"--s{series % SERIES}"]
    edge = color if marker in "x+" else COLORS["--card"]
    width = 2 if marker in "x+" else 1
    return {"color": color, "marker": marker, "markersize": 8, "markeredgecolor": edge, "markeredgewidth": width} | more


def rate_plot(lines: Sequence[Line], x_label: str, y_label: str) -> str:
    """A metric over the bitrate, one line a codec, whiskers for the intervals."""
    plot = Plot(f"{y_label} over {x_label}")
    draw_rates(plot, plot.axes, lines, x_label, y_label)
    return plot.svg()


def draw_rates(plot: Plot, axes: "Axes", lines: Sequence[Line], x_label: str, y_label: str) -> None:
    """As `rate_plot`, in one panel of a plot."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    axes.set(xscale="log", xlabel=x_label, ylabel=y_label)
    for line in lines:
        ordered = sorted(line.points, key=lambda point: point.x)
        style = look(line.series)
        axes.plot([point.x for point in ordered], [point.y for point in ordered], color=style["color"], linewidth=2)
        for point in ordered:
            axes.vlines(point.x, point.low, point.high, color=style["color"], linewidth=1.5)
            name = f"point{len(plot.titles)}"
            axes.plot([point.x], [point.y], linestyle="none", gid=name, **style)
            plot.titles[name] = f"{point.name}: {number(point.x)} {x_label}, {number(point.y)}"
    rates = [point.x for line in lines for point in line.points]
    room = max((max(rates) / min(rates)) ** 0.08, 1.12)
    axes.set_xlim(min(rates) / room, max(rates) * room)
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if max(rates) > 6 * min(rates) else (1, 2, 3, 4, 6, 8)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, place: number(value)))
    axes.xaxis.set_minor_locator(NullLocator())


def usage_plot(curves: Sequence[tuple[int, NDArray[np.float64], int]]) -> str:
    """How often each code occurs, most frequent first; a curve ends where the codes that never occur begin.

    Args:
        curves: Number of the series, counts of the codes that occur over the mean of all, and codes that can occur.
    """
    from matplotlib.ticker import FuncFormatter, NullLocator

    plot = Plot("How often each code occurs, most frequent first")
    axes = plot.axes
    axes.set(yscale="log", xlabel="codes, most frequent first (%)", ylabel="times an even share", xlim=(0, 100))
    axes.axhline(1, color=COLORS["--ink"], linestyle="--", linewidth=1)
    axes.text(99, 1.05, "even use", ha="right", va="bottom", color=COLORS["--soft"])
    for series, counts, vocabulary in curves:
        ordered = np.sort(counts)[::-1]
        places = np.unique(np.linspace(0, len(ordered) - 1, POINTS).round().astype(int))
        axes.plot(
            100 * places / max(1, vocabulary - 1),
            ordered[places],
            **look(series, markevery=[len(places) // 3, len(places) - 1]),
        )
    axes.set_ylim(bottom=LEAST)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, place: number(value)))
    axes.yaxis.set_minor_locator(NullLocator())
    return plot.svg()


def spread_plot(groups: Sequence[tuple[int, str, Sequence[float]]], label: str) -> str:
    """Where the items of each candidate lie: a line each, the middle half as a box, the median as a bar."""
    plot = Plot(f"Distribution of {label} over the items", 50 + 52 * len(groups))
    axes = plot.axes
    axes.set(xlabel=label, ylim=(len(groups) - 0.5, -0.75), yticks=[])
    axes.spines["left"].set_visible(False)
    for row, (series, name, values) in enumerate(groups):
        color = COLORS[f"--s{series % SERIES}"]
        low, first, median, third, high = np.quantile(values, (0.05, 0.25, 0.5, 0.75, 0.95))
        axes.vlines(sorted(values)[:: max(1, len(values) // 150)], row - 0.08, row + 0.08, color=color, alpha=0.35)
        axes.hlines(row, low, high, color=color, linewidth=1.5)
        axes.barh(row, third - first, 0.24, first, color=color, alpha=0.45)
        axes.vlines(median, row - 0.18, row + 0.18, color=COLORS["--ink"], linewidth=2.5)
        axes.text(0, row - 0.3, name, transform=axes.get_yaxis_transform(), va="bottom", color=COLORS["--ink"])
    return plot.svg()


def number(value: float) -> str:
    """A tick's label."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def swatch(series: int) -> str:
    """A series' sign for a legend, as small SVG."""
    shapes = (
        '<circle class="mark" cx="7" cy="7" r="4.5"/>',
        '<path class="mark" d="M3 3h8v8h-8z"/>',
        '<path class="mark" d="M7 1.5l5 9h-10z"/>',
        '<path class="mark" d="M7 1.5l5.5 5.5l-5.5 5.5l-5.5 -5.5z"/>',
        '<path class="mark" d="M7 12.5l5 -9h-10z"/>',
        '<path class="mark open" d="M2.5 2.5l9 9m0 -9l-9 9"/>',
        '<path class="mark open" d="M1.5 7h11M7 1.5v11"/>',
    )
    kind = series % SERIES
    return f'<svg class="swatch s{kind}" viewBox="0 0 14 14" aria-hidden="true">{shapes[kind]}</svg>'
