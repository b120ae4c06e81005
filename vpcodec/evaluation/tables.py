"""Columns of the tables that sum a run up, for the report and for Markdown alike."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from vpcodec.evaluation.meters import METRICS, SET_METRICS
from vpcodec.evaluation.results import RATE_UNITS, SPEED_UNITS
from vpcodec.metrics.usage import corrected

# How multiply-adds are counted.
WORK_UNITS = {"speech": "millions a second", "image": "thousands a pixel"}
WORK_SCALE = {"speech": 1e6, "image": 1e3}


@dataclass(frozen=True)
class Column:
    """A figure of a candidate's summary.

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
    value: Callable[[dict[str, Any]], float | None]
    shown: Callable[[float], str]
    detail: Callable[[dict[str, Any]], str] = lambda candidate: ""
    more_is_better: bool | None = None


def columns_of(kind: str, candidates: Sequence[dict[str, Any]]) -> list[Column]:
    """All columns that at least one candidate's summary has a value in."""
    columns = [
        Column(title, RATE_UNITS[kind], value, lambda rate: f"{rate:.3f}")
        for title, value in (("on disk", file_rate), ("nominal", nominal_rate), ("entropy", entropy_rate))
    ]
    columns += [metric_column(kind, name) for name in METRICS[kind]]
    columns += [set_metric_column(kind, name) for name in SET_METRICS[kind]]
    columns += [
        Column("tokens", "", lambda each: each["codes"].get("tokens"), lambda value: f"{value:,.0f}"),
        Column("CVU", "", lambda each: corrected(each["codes"]).get("cvu_corrected"), lambda value: f"{value:.4f}"),
        Column("codes used", "", lambda each: each["codes"].get("used"), lambda value: f"{value:,.0f}", of_all_codes),
        speed_column(kind, "encode"),
        speed_column(kind, "decode"),
        Column(
            "parameters", "", lambda each: each["speed"]["parameters"] or None, lambda value: f"{value / 1e6:.2f} M"
        ),
        Column("multiply-adds", WORK_UNITS[kind], multiplications, lambda value: f"{value / WORK_SCALE[kind]:.3g}"),
        Column(
            "memory", "peak", lambda each: each["speed"].get("peak_memory"), lambda value: f"{value / 2**20:,.0f} MiB"
        ),
        Column("failures", "", lambda each: failed(each) or None, lambda value: f"{value:,.0f}"),
    ]
    return [column for column in columns if any(column.value(each) is not None for each in candidates)]


def file_rate(candidate: dict[str, Any]) -> float | None:
    return candidate["bitrate"].get("file", {}).get("mean")


def nominal_rate(candidate: dict[str, Any]) -> float | None:
    return candidate["bitrate"].get("nominal")


def entropy_rate(candidate: dict[str, Any]) -> float | None:
    """What the summary says of the counts, with the entropy corrected; None for too few tokens."""
    rate, codes = candidate["bitrate"].get("entropy"), candidate["codes"]
    bits = corrected(codes).get("entropy_bits_corrected")
    if rate is None or bits is None:
        return None
    return rate * bits / codes["entropy_bits"] if rate else 0.0


def metric_column(kind: str, name: str) -> Column:
    metric = METRICS[kind][name]

    def value(candidate: dict[str, Any]) -> float | None:
        return candidate["metrics"].get(name, {}).get("mean")

    def interval(candidate: dict[str, Any]) -> str:
        figures = candidate["metrics"][name]
        return f"{figures['low']:.{metric.digits}f} to {figures['high']:.{metric.digits}f}"

    unit = "higher is better" if metric.more_is_better else "lower is better"
    return Column(metric.title, unit, value, lambda mean: f"{mean:.{metric.digits}f}", interval, metric.more_is_better)


def set_metric_column(kind: str, name: str) -> Column:
    metric = SET_METRICS[kind][name]

    def value(candidate: dict[str, Any]) -> float | None:
        return candidate.get("set_metrics", {}).get(name)  # summaries kept from older evaluations have none

    unit = "higher is better" if metric.more_is_better else "lower is better"
    return Column(
        metric.title, unit, value, lambda figure: f"{figure:.{metric.digits}f}", more_is_better=metric.more_is_better
    )


def speed_column(kind: str, step: str) -> Column:
    return Column(step, SPEED_UNITS[kind], lambda each: each["speed"].get(step), lambda speed: f"{speed:.3g}")


def multiplications(candidate: dict[str, Any]) -> float | None:
    return candidate["speed"].get("multiplications")


def of_all_codes(candidate: dict[str, Any]) -> str:
    return f"of {candidate['codes']['vocabulary']:,.0f}"


def failed(candidate: dict[str, Any]) -> int:
    return sum(failure["count"] for failure in candidate["failures"].values())


def count(number: int, what: str) -> str:
    """ "1 item", "2 items"."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def name_in_full(candidate: dict[str, Any]) -> str:
    """`opus:6`, and with what decided its size where that was another's: `avif, matched to image-vp@256`"""
    matched = candidate.get("matched")  # summaries kept from older evaluations do not say
    return f"{candidate['name']}, matched to {matched}" if matched else candidate["name"]
