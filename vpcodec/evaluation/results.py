"""Rows summed up: what each candidate costs, how good it is, and how sure that is. To JSON and CSV.

Everything follows from the rows, so the same rows give the same files.
"""

import csv
import io
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vpcodec.data.output import open_output
from vpcodec.evaluation.bootstrap import estimate
from vpcodec.evaluation.candidates import Candidate
from vpcodec.evaluation.datasets import Dataset
from vpcodec.evaluation.meters import DIED, METRICS
from vpcodec.evaluation.rows import Row, unpack_features, unpack_tokens
from vpcodec.metrics.usage import Usage

FORMAT = 1
RATE_UNITS = {"speech": "kbit/s", "image": "bit/pixel"}
SPEED_UNITS = {"speech": "times real time", "image": "megapixels/s"}
# What one unit of rate or speed is in bits, seconds and pixels.
RATE_SCALE = {"speech": 1000.0, "image": 1.0}
SPEED_SCALE = {"speech": 1.0, "image": 1e6}


@dataclass(frozen=True)
class Results:
    """The outcome of a run.

    Attributes:
        dataset: Name of the data set, with its split.
        kind: "speech" or "image".
        items: Number of items.
        extent: Seconds or pixels of all items that could be read.
        side: Pixels of the squares that images were cut to; None for whole ones, and for speech.
        seed: Of the bootstrap.
        unavailable: Metrics that could not be measured, and why.
        candidates: A summary of each, as `summarize` makes it.
        rows: Of all items and candidates.
        usage: Histogram of each candidate that has tokens, for plots.
    """

    dataset: str
    kind: str
    items: int
    extent: float
    side: int | None
    seed: int
    unavailable: dict[str, str]
    candidates: list[dict[str, Any]]
    rows: list[Row]
    usage: dict[str, Usage]

    def metrics(self) -> list[str]:
        """Metrics that at least one candidate has a value of, in the order of `METRICS`."""
        return [name for name in METRICS[self.kind] if any(name in each["metrics"] for each in self.candidates)]

    def failures(self) -> int:
        """Number of failures, those of single metrics included."""
        return sum(len(row.failures) for row in self.rows)

    def reasons(self, count: int) -> list[str]:
        """Why measurements failed: so many different reasons, each where it was met first."""
        met: dict[str, str] = {}
        for row in self.rows:
            for step, why in row.failures.items():
                met.setdefault(why, f"{why if row.item in why else f'{row.item}: {why}'} ({row.candidate}, {step})")
        return list(met.values())[:count]

    def complete(self) -> bool:
        """Whether another run would find no more: no process died over a measurement."""
        return not any(DIED in row.failures.values() for row in self.rows)

    def summary(self) -> dict[str, Any]:
        """All but the rows, ready for JSON."""
        facts = {
            "format": FORMAT,
            "dataset": self.dataset,
            "kind": self.kind,
            "items": self.items,
            "extent": {"speech": "seconds", "image": "pixels"}[self.kind],
            "total_extent": round(self.extent, 6),
            "side": self.side,
            "seed": self.seed,
            "unavailable": self.unavailable,
        }
        return facts | {"candidates": self.candidates}

    def write_json(self, path: Path) -> None:
        """Summary and rows, in place of an older file. Raises InputError where it cannot be written."""
        rows = ",\n  ".join(json.dumps(row.shown(), ensure_ascii=False) for row in self.rows)
        text = json.dumps(self.summary(), indent=1, ensure_ascii=False)
        with open_output(path, force=True) as file:
            file.write(f'{text[:-2]},\n "rows": [\n  {rows}\n ]\n}}\n'.encode(errors="backslashreplace"))

    def write_csv(self, path: Path) -> None:
        """One line a candidate, in place of an older file. Raises InputError where it cannot be written."""
        lines = [self.flat(candidate) for candidate in self.candidates]
        columns = list(dict.fromkeys(column for line in lines for column in line))
        text = io.StringIO()
        table = csv.DictWriter(text, columns, lineterminator="\n")
        table.writeheader()
        table.writerows(lines)
        with open_output(path, force=True) as file:
            file.write(text.getvalue().encode(errors="backslashreplace"))

    def flat(self, candidate: dict[str, Any]) -> dict[str, Any]:
        """A candidate's summary without nesting: metrics.psnr.mean becomes psnr_mean."""
        line: dict[str, Any] = {"dataset": self.dataset, "candidate": candidate["name"], "items": self.items}
        for group in ("metrics", "set_metrics", "bitrate", "codes", "speed"):
            for name, value in candidate[group].items():
                if isinstance(value, dict):
                    line |= {f"{name}_{part}": number for part, number in value.items()}
                else:
                    line[name] = value
        line["failures"] = sum(failure["count"] for failure in candidate["failures"].values())
        return line


def summarize(
    candidate: Candidate, rows: Sequence[Row], kind: str, seed: int, first: str
) -> tuple[dict[str, Any], Usage | None]:
    """All figures of one candidate over all of its rows, and the histogram of its tokens if it has any.

    Args:
        candidate: Which.
        rows: Its own.
        kind: "speech" or "image".
        seed: Of the bootstrap.
        first: Name of the first candidate, whose sizes matched ones were given.
    """
    coded = [row for row in rows if row.size is not None]
    usage = count_tokens(candidate, coded)
    names = [name for name in METRICS[kind] if any(name in row.values for row in rows)]
    values = {name: [row.values[name] for row in rows if name in row.values] for name in names}
    summary = {
        "name": candidate.name,
        "family": candidate.family,
        "identity": candidate.identity,
        "ours": candidate.ours,
        "matched": first if candidate.matched else None,
        "metrics": {name: asdict(estimate(values[name], seed=seed)) for name in names},
        "set_metrics": set_metrics(rows),
        "bitrate": bitrates(candidate, coded, kind, usage, seed),
        "codes": {name: rounded(value) for name, value in usage.figures().items()} if usage else {},
        "speed": speeds(candidate, coded, kind),
        "failures": failures(rows),
    }
    return summary, usage


def set_metrics(rows: Sequence[Row]) -> dict[str, float]:
    """Metrics of all items together; none unless their features were measured."""
    features = [unpack_features(row.features) for row in rows if row.features is not None]
    if len(features) < 2:
        return {}
    from vpcodec.metrics.fid import frechet_distance

    decoded, originals = np.stack(features, axis=1)
    return {"rfid": rounded(frechet_distance(decoded, originals))}


def count_tokens(candidate: Candidate, coded: Sequence[Row]) -> Usage | None:
    packed = [row.tokens for row in coded if row.tokens is not None]
    if candidate.vocabulary is None or not packed:
        return None
    total = Usage(np.zeros(candidate.vocabulary, np.int64), candidate.codebook)
    for text in packed:
        total = total + Usage.of(unpack_tokens(text), candidate.vocabulary, candidate.codebook)
    return total if total.tokens else None


def bitrates(candidate: Candidate, coded: Sequence[Row], kind: str, usage: Usage | None, seed: int) -> dict[str, Any]:
    """By name (`nominal`), by an ideal coder of single tokens (`entropy`), and on disk (`file`)."""
    found: dict[str, Any] = {"unit": RATE_UNITS[kind]}
    extent = sum(row.extent for row in coded)
    if not extent:
        return found
    scale = RATE_SCALE[kind]
    if usage:
        found["nominal"] = rounded(usage.tokens * np.log2(usage.nominal) / extent / scale)
        found["entropy"] = rounded(usage.tokens * usage.entropy_bits / extent / scale)
    elif candidate.nominal_rate is not None:
        found["nominal"] = rounded(candidate.nominal_rate / scale)
    rates = [(row.size or 0) * 8 / row.extent / scale for row in coded]
    found["file"] = asdict(estimate(rates, [row.extent for row in coded], seed))
    return found


def speeds(candidate: Candidate, coded: Sequence[Row], kind: str) -> dict[str, Any]:
    """Speed on this machine, sizes of the model, and memory."""
    found: dict[str, Any] = {"speed_unit": SPEED_UNITS[kind]}
    for step in ("encode", "decode"):
        timed = [(row.extent, getattr(row, f"{step}_seconds")) for row in coded]
        seconds = sum(time for _, time in timed if time is not None)
        if seconds:
            extent = sum(extent for extent, time in timed if time is not None)
            found[step] = rounded(extent / seconds / SPEED_SCALE[kind])
    found["parameters"] = candidate.parameters
    found["multiplications"] = candidate.multiplications
    if candidate.ours:
        found["peak_memory"] = max((row.peak_memory or 0 for row in coded), default=0) or None
    return found


def failures(rows: Sequence[Row]) -> dict[str, Any]:
    """By step or metric: how many, and for what reasons."""
    reasons: dict[str, Counter[str]] = {}
    for row in rows:
        for step, reason in row.failures.items():
            reasons.setdefault(step, Counter())[reason] += 1
    return {step: {"count": counts.total(), "reasons": dict(counts)} for step, counts in reasons.items()}


def make_results(
    dataset: Dataset, candidates: Sequence[Candidate], rows: list[Row], unavailable: dict[str, str], seed: int
) -> Results:
    """Sum up the rows of a run."""
    summaries, usage = [], {}
    for candidate in candidates:
        own = [row for row in rows if row.candidate == candidate.name]
        summary, counted = summarize(candidate, own, dataset.kind, seed, candidates[0].name)
        summaries.append(summary)
        if counted:
            usage[candidate.name] = counted
    extent = sum({row.item: row.extent for row in rows}.values())
    count = len(dataset.items)
    facts = (dataset.name, dataset.kind, count, extent, dataset.side, seed, unavailable)
    return Results(*facts, summaries, rows, usage)


def rounded(value: float) -> float:
    """To six digits after the point; whole numbers stay whole."""
    return value if isinstance(value, int) else round(float(value), 6)
