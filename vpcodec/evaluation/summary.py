"""Rows summed up: what each candidate costs, how good it is, and how sure that is; and tables of that.

Everything follows from the rows, so the same rows give the same files.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from vpcodec.errors import DataError
from vpcodec.evaluation.candidates import Candidate
from vpcodec.evaluation.datasets import Dataset
from vpcodec.evaluation.results import (
    FORMAT,
    Bitrate,
    Estimate,
    Failure,
    Figures,
    Results,
    Row,
    Speed,
    Summary,
    unpack_features,
    unpack_tokens,
)
from vpcodec.evaluation.signals import SIGNALS, SignalType
from vpcodec.metrics.table import Metric, metrics_of
from vpcodec.metrics.usage import Usage, UsageFigures

RESAMPLES = 1000
CONFIDENCE = 0.95
SEED = 0  # of the draws


def estimate(values: Sequence[float], weights: Sequence[float] | None = None) -> Estimate:
    """The mean of values, and its percentile bootstrap interval.

    Equal lists of items are resampled equally, so that codecs measured on the same items can be compared.

    Args:
        values: One number an item.
        weights: Of the items, such as seconds for a rate over all recordings; equal by default.

    Raises:
        DataError: There are no values.
    """
    if not values:
        raise DataError("nothing was measured")
    numbers = np.asarray(values, np.float64)
    shares = np.ones_like(numbers) if weights is None else np.asarray(weights, np.float64)
    random = np.random.default_rng(SEED)
    draws = (random.integers(0, len(numbers), len(numbers)) for _ in range(RESAMPLES))
    means = [numbers[drawn] @ shares[drawn] / shares[drawn].sum() for drawn in draws]
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(means, (tail, 1 - tail))
    return Estimate(rounded(numbers @ shares / shares.sum()), rounded(low), rounded(high), len(numbers))


def summarize(
    dataset: Dataset, candidates: Sequence[Candidate], rows: list[Row], unavailable: dict[str, str]
) -> Results:
    """Sum up the rows of a run.

    Args:
        dataset: What it ran on.
        candidates: In their order; matched ones were given the sizes of the first.
        rows: Of all items and candidates.
        unavailable: Metrics that could not be measured, and why.
    """
    figures, usage = [], {}
    for candidate in candidates:
        own = [row for row in rows if row.candidate == candidate.name]
        counted = count_tokens(candidate, own)
        if counted:
            usage[candidate.name] = counted
        figures.append(figures_of(candidate, own, counted, candidates[0].name))
    summary = Summary(
        format=FORMAT,
        dataset=dataset.name,
        kind=dataset.kind,
        items=len(dataset.items),
        extent=SIGNALS[dataset.kind].extent,
        total_extent=round(sum({row.item: row.extent for row in rows}.values()), 6),
        seed=SEED,
        candidates=figures,
        side=dataset.side,
        unavailable=unavailable,
    )
    return Results(summary, rows, usage)


def figures_of(candidate: Candidate, rows: Sequence[Row], usage: Usage | None, first: str) -> Figures:
    """All figures of one candidate over its own rows; `first` is the candidate whose sizes matched ones were given."""
    signal = SIGNALS[candidate.kind]
    coded = [row for row in rows if row.size is not None]
    values = {name: [row.values[name] for row in rows if name in row.values] for name in metrics_of(candidate.kind)}
    return Figures(
        name=candidate.name,
        family=candidate.family,
        identity=candidate.identity,
        ours=candidate.ours,
        bitrate=bitrate(candidate, coded, signal, usage),
        speed=speed(candidate, coded, signal),
        matched=first if candidate.matched else None,
        metrics={name: estimate(each) for name, each in values.items() if each},
        set_metrics=set_metrics(candidate.kind, rows),
        codes=UsageFigures(**{name: rounded(each) for name, each in vars(usage.figures()).items()}) if usage else None,
        failures=failures(rows),
    )


def set_metrics(kind: str, rows: Sequence[Row]) -> dict[str, float]:
    """Metrics of all items together; none unless their features were measured."""
    features = [unpack_features(row.features) for row in rows if row.features is not None]
    if len(features) < 2:
        return {}
    decoded, originals = np.stack(features, axis=1)
    metrics = {name: metric.combine for name, metric in metrics_of(kind).items() if metric.combine}
    return {name: rounded(combine(decoded, originals)) for name, combine in metrics.items()}


def count_tokens(candidate: Candidate, rows: Sequence[Row]) -> Usage | None:
    """How often each code occurs in all rows; None for a codec without tokens."""
    if candidate.vocabulary is None:
        return None
    total = Usage.of(np.zeros(0, np.int64), candidate.vocabulary, candidate.codebook)
    for row in rows:
        if row.size is not None and row.tokens is not None:
            total += Usage.of(unpack_tokens(row.tokens), candidate.vocabulary, candidate.codebook)
    return total if total.tokens else None


def bitrate(candidate: Candidate, coded: Sequence[Row], signal: SignalType, usage: Usage | None) -> Bitrate:
    """Rates over all coded rows, in the unit of the signal."""
    extent = sum(row.extent for row in coded)
    if not extent:
        return Bitrate(signal.rate.unit)
    nominal, entropy = candidate.nominal_rate, None
    if usage:
        nominal = usage.tokens * np.log2(usage.nominal) / extent
        entropy = usage.tokens * usage.figures().entropy_bits / extent
    rates = [signal.rate.of((row.size or 0) * 8 / row.extent) for row in coded]
    return Bitrate(
        unit=signal.rate.unit,
        nominal=None if nominal is None else rounded(signal.rate.of(nominal)),
        entropy=None if entropy is None else rounded(signal.rate.of(entropy)),
        file=estimate(rates, [row.extent for row in coded]),
    )


def speed(candidate: Candidate, coded: Sequence[Row], signal: SignalType) -> Speed:
    """Speed on this machine, sizes of the model, and memory."""

    def of_step(times: list[tuple[float, float | None]]) -> float | None:
        timed = [(extent, seconds) for extent, seconds in times if seconds is not None]
        total = sum(seconds for _, seconds in timed)
        return rounded(signal.speed.of(sum(extent for extent, _ in timed) / total)) if total else None

    peak = max((row.peak_memory or 0 for row in coded), default=0)
    return Speed(
        speed_unit=signal.speed.unit,
        encode=of_step([(row.extent, row.encode_seconds) for row in coded]),
        decode=of_step([(row.extent, row.decode_seconds) for row in coded]),
        parameters=candidate.parameters,
        multiplications=candidate.multiplications,
        peak_memory=peak or None if candidate.ours else None,
    )


def failures(rows: Sequence[Row]) -> dict[str, Failure]:
    """By step or metric."""
    reasons: dict[str, Counter[str]] = {}
    for row in rows:
        for step, reason in row.failures.items():
            reasons.setdefault(step, Counter())[reason] += 1
    return {step: Failure(counts.total(), dict(counts)) for step, counts in reasons.items()}


def rounded(value: Any) -> Any:
    """To six digits after the point; whole numbers and None stay as they are."""
    return value if value is None or isinstance(value, int) else round(float(value), 6)


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
