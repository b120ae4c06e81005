"""Tables that sum a run up: their columns, for the report and for Markdown alike."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from vpcodec.evaluation.results import Figures
from vpcodec.evaluation.signals import SIGNALS
from vpcodec.metrics.table import Metric, metrics_of


@dataclass(frozen=True)
class Column:
    """A figure of a candidate.

    Attributes:
        title: Its name for readers.
        unit: Of its values; may be empty.
        value: The figure, or None where the candidate has none.
        shown: It as text.
        detail: What stands small below it; may be empty.
        more_is_better: None where there is no better.
    """

    title: str
    unit: str
    value: Callable[[Figures], float | None]
    shown: Callable[[float], str]
    detail: Callable[[Figures], str] = lambda figures: ""
    more_is_better: bool | None = None

    @property
    def heading(self) -> str:
        """`on disk (kbit/s)`, `PESQ-WB ↑`"""
        if self.more_is_better is not None:
            return f"{self.title} {'↑' if self.more_is_better else '↓'}"
        return f"{self.title} ({self.unit})" if self.unit else self.title


def columns_of(kind: str, candidates: Sequence[Figures], *, machine: bool = True) -> list[Column]:
    """All columns that at least one candidate has a value in.

    Args:
        kind: "speech", "audio" or "image".
        candidates: Whose figures are shown.
        machine: Whether speeds and memory are among them, which depend on the machine.
    """
    signal = SIGNALS[kind]
    columns = [
        Column("on disk", signal.rate.unit, file_rate, "{:.3f}".format),
        Column("nominal", signal.rate.unit, lambda each: each.bitrate.nominal, "{:.3f}".format),
        Column("entropy", signal.rate.unit, entropy_rate, "{:.3f}".format),
        *(metric_column(name, metric) for name, metric in metrics_of(kind).items()),
        Column("tokens", "", lambda each: each.codes.tokens if each.codes else None, "{:,.0f}".format),
        Column("CVU", "", lambda each: each.codes.cvu_corrected if each.codes else None, "{:.4f}".format),
        Column("codes used", "", lambda each: each.codes.used if each.codes else None, "{:,.0f}".format, all_codes),
        Column("encode", signal.speed.unit, lambda each: each.speed.encode if machine else None, "{:.3g}".format),
        Column("decode", signal.speed.unit, lambda each: each.speed.decode if machine else None, "{:.3g}".format),
        Column("parameters", "", lambda each: each.speed.parameters or None, lambda value: f"{value / 1e6:.2f} M"),
        Column(
            "multiply-adds",
            signal.work.unit,
            lambda each: each.speed.multiplications,
            lambda value: f"{signal.work.of(value):.3g}",
        ),
        Column(
            "memory",
            "peak",
            lambda each: each.speed.peak_memory if machine else None,
            lambda value: f"{value / 2**20:,.0f} MiB",
        ),
        Column("failures", "", lambda each: each.failed() or None, "{:,.0f}".format),
    ]
    return [column for column in columns if any(column.value(each) is not None for each in candidates)]


def metric_column(name: str, metric: Metric) -> Column:
    def value(figures: Figures) -> float | None:
        return figures.metrics[name].mean if name in figures.metrics else figures.set_metrics.get(name)

    def interval(figures: Figures) -> str:
        if name not in figures.metrics:
            return ""
        return f"{metric.shown(figures.metrics[name].low)} to {metric.shown(figures.metrics[name].high)}"

    unit = "higher is better" if metric.more_is_better else "lower is better"
    return Column(metric.label, unit, value, metric.shown, interval, metric.more_is_better)


def file_rate(figures: Figures) -> float | None:
    return figures.bitrate.file.mean if figures.bitrate.file else None


def entropy_rate(figures: Figures) -> float | None:
    """The rate of an ideal coder of single tokens, its entropy corrected; None for too few tokens."""
    rate, codes = figures.bitrate.entropy, figures.codes
    if rate is None or codes is None or codes.entropy_bits_corrected is None:
        return None
    return rate * codes.entropy_bits_corrected / codes.entropy_bits if rate else 0.0


def all_codes(figures: Figures) -> str:
    return f"of {figures.codes.vocabulary:,.0f}" if figures.codes else ""


def markdown_table(kind: str, candidates: Sequence[Figures], titles: Sequence[str] = ()) -> str:
    """Candidates and their figures: all that do not depend on the machine, or those of some columns."""
    columns = columns_of(kind, candidates, machine=False)
    columns = [column for column in columns if not titles or column.title in titles]
    head = ["codec", *(column.heading for column in columns)]
    lines = ["| " + " | ".join(head) + " |", "|---" + "|---:" * len(columns) + "|"]
    for figures in candidates:
        values = [column.value(figures) for column in columns]
        shown = ["–" if value is None else column.shown(value) for column, value in zip(columns, values, strict=True)]
        lines.append(f"| {' | '.join([figures.full_name, *shown])} |")
    return "\n".join(lines) + "\n"


def count(number: int, what: str) -> str:
    """ "1 item", "2 items"."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"
