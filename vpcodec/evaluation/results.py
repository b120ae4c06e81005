"""What comes out of an evaluation, as typed values: rows of single items, and a summary of each candidate and run.

Summaries stand as JSON in a model's `evaluation.json` and in the file of `--json`; `from_json` reads them back. A field
without a value is left out there.
"""

import base64
import csv
import hashlib
import io
import json
import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, is_dataclass
from pathlib import Path
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints

import numpy as np
from numpy.typing import NDArray

from vpcodec.data.output import open_output
from vpcodec.errors import ContainerError, InputError
from vpcodec.metrics.table import METRICS
from vpcodec.metrics.usage import Usage, UsageFigures

FORMAT = 1
DIED = "the process that measured it died"  # out of memory perhaps: worth another try in the next run


@dataclass(frozen=True)
class Estimate:
    """A mean with the interval that holds it with 95 percent confidence, over so many items."""

    mean: float
    low: float
    high: float
    items: int


@dataclass(frozen=True)
class Bitrate:
    """Bits a second or a pixel: by name, by an ideal coder of single tokens, and on disk."""

    unit: str
    nominal: float | None = None
    entropy: float | None = None
    file: Estimate | None = None


@dataclass(frozen=True)
class Speed:
    """Speed on the machine that measured, size of the model, multiply-adds, and bytes of memory at the peak."""

    speed_unit: str
    encode: float | None = None
    decode: float | None = None
    parameters: int | None = None
    multiplications: float | None = None
    peak_memory: int | None = None


@dataclass(frozen=True)
class Failure:
    """How often a step or metric failed, and how often for each reason."""

    count: int
    reasons: dict[str, int]


@dataclass(frozen=True)
class Figures:
    """All figures of one candidate.

    Attributes:
        name, family, identity, ours: As in `Candidate`.
        matched: Name of the candidate whose sizes it was given, if any.
        metrics: Means over the items, by name of the metric.
        set_metrics: Metrics of all items together, by name.
        codes: How it uses its codes; None without tokens.
        failures: By step or metric.
    """

    name: str
    family: str
    identity: str
    ours: bool
    bitrate: Bitrate
    speed: Speed
    matched: str | None = None
    metrics: dict[str, Estimate] = field(default_factory=dict)
    set_metrics: dict[str, float] = field(default_factory=dict)
    codes: UsageFigures | None = None
    failures: dict[str, Failure] = field(default_factory=dict)

    @property
    def full_name(self) -> str:
        """With what decided its size where that was another's: `avif, matched to image-vp@256`."""
        return f"{self.name}, matched to {self.matched}" if self.matched else self.name

    def failed(self) -> int:
        """Number of failures."""
        return sum(failure.count for failure in self.failures.values())

    def flat(self) -> dict[str, Any]:
        """Names and numbers without nesting: metrics.psnr.mean is psnr_mean, bitrate.nominal is nominal."""
        line: dict[str, Any] = {}
        for group in ("metrics", "set_metrics", "bitrate", "codes", "speed"):
            for name, value in (to_json(self).get(group) or {}).items():
                parts = {f"_{part}": each for part, each in value.items()} if isinstance(value, dict) else {"": value}
                line |= {name + part: each for part, each in parts.items()}
        return line | {"failures": self.failed()}


@dataclass(frozen=True)
class Summary:
    """A run without its rows.

    Attributes:
        dataset: Name of the data set, with its split.
        kind: "speech", "audio" or "image".
        items: Number of items.
        extent: "seconds" or "pixels", and
        total_extent: how many of all items that could be read.
        seed: Of the bootstrap.
        candidates: In the order in which they were given.
        side: Pixels of the squares that images were cut to; None for whole ones, and for speech.
        unavailable: Metrics that could not be measured, and why.
    """

    format: int
    dataset: str
    kind: str
    items: int
    extent: str
    total_extent: float
    seed: int
    candidates: list[Figures]
    side: int | None = None
    unavailable: dict[str, str] = field(default_factory=dict)

    def metrics(self) -> list[str]:
        """Metrics that at least one candidate has a mean of, in the order of `METRICS`."""
        return [name for name in METRICS if any(name in each.metrics for each in self.candidates)]


@dataclass(frozen=True)
class Row:
    """One item with one candidate.

    Attributes:
        candidate: The candidate's name.
        item: The item's name.
        extent: Seconds of speech, or pixels; 0 where the item could not be read.
        size: Bytes of its file; None where it could not be encoded.
        encode_seconds: Time to encode it, and
        decode_seconds: to decode it.
        peak_memory: Bytes that the process occupied at most meanwhile; None where that cannot be told.
        tokens: Its tokens by `pack_tokens`; None for a codec without.
        features: What metrics of a whole set need of it, by `pack_features`; usually none.
        values: Metrics by name.
        failures: Names of steps and metrics, and why they failed.
    """

    candidate: str
    item: str
    extent: float = 0.0
    size: int | None = None
    encode_seconds: float | None = None
    decode_seconds: float | None = None
    peak_memory: int | None = None
    tokens: str | None = None
    features: str | None = None
    values: Mapping[str, float] = field(default_factory=dict)
    failures: Mapping[str, str] = field(default_factory=dict)

    @property
    def rate(self) -> float | None:
        """Bits over extent, on disk; None where there is no file."""
        return self.size * 8 / self.extent if self.size is not None and self.extent else None

    def shown(self) -> dict[str, Any]:
        """The row as it stands in the results: without what only sums are made of."""
        return {key: value for key, value in asdict(self).items() if key not in ("tokens", "features")}


@dataclass(frozen=True)
class Results:
    """A whole run: its summary, the rows that it sums up, and the histogram of each candidate that has tokens."""

    summary: Summary
    rows: list[Row]
    usage: dict[str, Usage]

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

    def write_json(self, path: Path) -> None:
        """Summary and rows, in place of an older file. Raises InputError where it cannot be written."""
        rows = ",\n  ".join(json.dumps(row.shown(), ensure_ascii=False) for row in self.rows)
        text = json.dumps(to_json(self.summary), indent=1, ensure_ascii=False)
        write_text(path, f'{text[:-2]},\n "rows": [\n  {rows}\n ]\n}}\n')

    def write_csv(self, path: Path) -> None:
        """One line a candidate, in place of an older file. Raises InputError where it cannot be written."""
        run = {"dataset": self.summary.dataset, "candidate": "", "items": self.summary.items}
        lines = [run | {"candidate": each.name} | each.flat() for each in self.summary.candidates]
        columns = list(dict.fromkeys(column for line in lines for column in line))
        text = io.StringIO()
        table = csv.DictWriter(text, columns, lineterminator="\n")
        table.writeheader()
        table.writerows(lines)
        write_text(path, text.getvalue())


def write_text(path: Path, text: str) -> None:
    """A file in place of an older one, whole or not at all. Raises InputError where it cannot be written."""
    with open_output(path, force=True) as file:
        file.write(text.encode(errors="backslashreplace"))


def to_json(value: Any) -> dict[str, Any]:
    """A dataclass as JSON objects, without the fields that are None."""
    return asdict(value, dict_factory=lambda pairs: {key: each for key, each in pairs if each is not None})


def from_json(wanted: Any, value: Any) -> Any:
    """The value of a type from what `to_json` made of it. Raises TypeError or KeyError where it is something else."""
    arguments = get_args(wanted)
    if is_dataclass(wanted):
        hints = get_type_hints(wanted)
        return wanted(**{name: from_json(hints[name], each) for name, each in value.items()})  # type: ignore[operator]
    if isinstance(wanted, UnionType):  # X | None
        return None if value is None else from_json(arguments[0], value)
    if get_origin(wanted) is dict:
        return {name: from_json(arguments[1], each) for name, each in dict(value).items()}
    if get_origin(wanted) is list:
        return [from_json(arguments[0], each) for each in value]
    if not isinstance(value, (int, float) if wanted is float else wanted):
        raise TypeError(f"{value!r} is not a {wanted.__name__}")
    return value


def row_key(*parts: object) -> str:
    """A name for everything that a row depends on."""
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:24]


class RowLog:
    """A file of rows, one JSON object a line, each under its key, so that an interrupted run can go on.

    Args:
        path: The file; taken up if it exists. A line cut short by an interruption is dropped.

    Raises:
        InputError: The file cannot be read or written.
    """

    def __init__(self, path: Path) -> None:
        self.rows: dict[str, Row] = {}
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self.file = path.open("ab+")
            self.file.seek(0)
            content = self.file.read()
            whole = content.rfind(b"\n") + 1
            self.file.truncate(whole)
        except OSError as error:
            raise InputError(f"{path}: cannot keep results of items there ({error.strerror})") from error
        for line in content[:whole].splitlines():
            try:
                record = json.loads(line)
                self.rows[record["key"]] = Row(**record["row"])
            except (ValueError, KeyError, TypeError):
                continue  # of another version: its item is evaluated again

    def add(self, key: str, row: Row) -> None:
        """Keep a row, on disk before this returns."""
        self.rows[key] = row
        self.file.write(json.dumps({"key": key, "row": asdict(row)}).encode() + b"\n")
        self.file.flush()

    def close(self) -> None:
        self.file.close()


def pack_tokens(tokens: NDArray[Any]) -> str:
    """Which ids occur how often, as text: their sorted list, as differences, compressed."""
    steps = np.diff(np.sort(tokens.ravel()), prepend=0).astype("<u4")
    return base64.b64encode(zlib.compress(steps.tobytes(), 9)).decode()


def unpack_tokens(text: str) -> NDArray[np.int64]:
    """The sorted ids of `pack_tokens`. Raises ContainerError for other text."""
    try:
        return np.cumsum(np.frombuffer(zlib.decompress(base64.b64decode(text)), "<u4"), dtype=np.int64)
    except (ValueError, zlib.error) as error:
        raise ContainerError("the tokens kept for an item are damaged", hint="remove the file of items") from error


def pack_features(features: NDArray[np.float32]) -> str:
    """[2, D] features as text; 16 bits are enough for means over many items."""
    return base64.b64encode(features.astype("<f2").tobytes()).decode()


def unpack_features(text: str) -> NDArray[np.float32]:
    """[2, D]: of the decoded item and of the original."""
    return np.frombuffer(base64.b64decode(text), "<f2").reshape(2, -1).astype(np.float32)
