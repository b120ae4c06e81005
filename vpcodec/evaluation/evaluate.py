"""Every candidate over every item of a data set, and what came of it; what `vpcodec evaluate` calls.

An item is read and prepared once; each candidate encodes it, decodes its own file, and is measured against the
prepared signal. Rows are kept as they come, so an interrupted run goes on where it was, and a run over
complete rows only sums them up again. What fails is counted under its name and leaves the other figures alone.
"""

import hashlib
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any, Self

from vpcodec.data.output import check_output
from vpcodec.data.streams import STANDARD
from vpcodec.devices import peak, reset_peak
from vpcodec.errors import ConfigError, VpcodecError
from vpcodec.evaluation.candidates import Candidate
from vpcodec.evaluation.datasets import Dataset, Item
from vpcodec.evaluation.results import DIED, Results, Row, RowLog, pack_features, pack_tokens, row_key
from vpcodec.evaluation.rivals import parse_rival
from vpcodec.evaluation.signals import SIGNALS
from vpcodec.evaluation.summary import summarize
from vpcodec.metrics.table import METRICS, Measure, Scores, Signal, chosen, score
from vpcodec.processes import Pool
from vpcodec.version import __version__

CHUNK = 16  # items that are measured together

Progress = Callable[[int, int], None]
Pair = tuple[Signal, Signal]  # decoded, original


@dataclass(frozen=True)
class Outputs:
    """Files to write; None for those that are not wanted."""

    report: Path | None = None
    json: Path | None = None
    csv: Path | None = None

    def check(self, *, force: bool) -> None:
        """Look for what would keep the files from being written in the end, before any work is done for them.

        Raises:
            ConfigError: One is standard output, which has the table.
            ModuleNotFoundError: Matplotlib, which draws the report, is not installed.
            InputError: One is there already, and not to be replaced by force, or its folder is missing or read-only.
        """
        for option, path in vars(self).items():
            if path is None:
                continue
            if str(path) == STANDARD:
                raise ConfigError(f"--{option} -: standard output is used for the table", hint="name a file")
            check_output(path, force=force)
        if self.report:
            import_module("matplotlib")

    def log(self) -> Path | None:
        """Where rows are kept until all is done: beside the first file, under its name. None without any file."""
        first = self.json or self.csv or self.report
        return first and first.with_name(f"{first.stem}.items.jsonl")


def run_evaluation(
    dataset: Dataset,
    models: Sequence[Candidate],
    against: Sequence[str] = (),
    outputs: Outputs | None = None,
    *,
    metrics: Sequence[str] | None = None,
    jobs: int = 0,
    device: str = "cpu",
    progress: Progress | None = None,
) -> Results:
    """Evaluate models, and the codecs that they are compared with, and write what came of it.

    Args:
        dataset: From `open_dataset`.
        models: Our own candidates; rivals without a setting are matched to the first.
        against: Rivals as `parse_rival` reads them.
        outputs: Files to write, in place of older ones. An interrupted run can go on only where there are any.
        metrics, jobs, device, progress: As in `evaluate`.

    Raises:
        ConfigError: An option makes no sense.
        DependencyError: A rival is not installed.
        InputError: A file cannot be written.
    """
    from vpcodec.evaluation.report import write_report

    outputs = outputs or Outputs()
    candidates = [*models, *(parse_rival(spec, dataset.kind) for spec in against)]
    kept = outputs.log()
    with tempfile.TemporaryDirectory(prefix="vpcodec-") as scratch:
        log = kept or Path(scratch, "items.jsonl")
        results = evaluate(dataset, candidates, log, metrics=metrics, jobs=jobs, device=device, progress=progress)
    if outputs.json:
        results.write_json(outputs.json)
    if outputs.csv:
        results.write_csv(outputs.csv)
    if outputs.report:
        write_report(results, dataset, candidates, outputs.report)
    if kept and results.complete():
        kept.unlink()
    return results


def evaluate(
    dataset: Dataset,
    candidates: Sequence[Candidate],
    log: Path,
    *,
    metrics: Sequence[str] | None = None,
    jobs: int = 0,
    device: str = "cpu",
    progress: Progress | None = None,
) -> Results:
    """Evaluate candidates on a data set.

    Args:
        dataset: From `open_dataset`.
        candidates: Of the data set's kind; others are matched to the size of the first one's files.
        log: File that rows are kept in; taken up if it exists.
        metrics: Names in `METRICS`; by default all but those on demand.
        jobs: Processes for metrics of sound; 0 measures in this one.
        device: torch's name of the device for metrics of images.
        progress: Called with the number of rows done and of all rows.

    Raises:
        ConfigError: A candidate is of the wrong kind, two share a name, or a metric is unknown.
        InputError: The log cannot be read or written.
    """
    names = [candidate.name for candidate in candidates]
    if not names or len(set(names)) != len(names):
        raise ConfigError(f"candidates need different names, got {', '.join(names) or 'none'}")
    for candidate in candidates:
        if candidate.kind != dataset.kind:
            raise ConfigError(f"{candidate.name} is for {candidate.kind}, {dataset.name} holds {dataset.kind}")
    rows: list[Row] = []
    with Measures(dataset.kind, metrics, jobs, device) as measures:
        run = Run(dataset, candidates, measures, RowLog(log))
        try:
            for start in range(0, len(dataset.items), CHUNK):
                rows += run.chunk(dataset.items[start : start + CHUNK])
                if progress:
                    progress(len(rows), len(dataset.items) * len(candidates))
        finally:
            run.log.close()
    return summarize(dataset, candidates, rows, measures.unavailable)


class Measures:
    """Measures pairs of signals with what can be measured of the metrics asked for.

    Args:
        kind: "speech", "audio" or "image".
        names: As in `evaluate`.
        jobs: Processes, for a kind that is measured in processes of its own; 0 measures in this one.
        device: torch's name of what computes the metrics of images.

    Attributes:
        opened: What measures each metric.
        unavailable: Metrics that cannot be measured here, and why.
    """

    def __init__(self, kind: str, names: Sequence[str] | None = None, jobs: int = 0, device: str = "cpu") -> None:
        self.device = device
        self.opened: dict[str, Measure] = {}
        self.unavailable: dict[str, str] = {}
        for name in chosen(kind, names):
            try:
                self.opened[name] = METRICS[name].open(device)
            except VpcodecError as error:
                self.unavailable[name] = str(error).replace("\n  hint: ", "; ")
        self.pool = Pool(score_call, jobs) if jobs and SIGNALS[kind].in_workers else None

    def measure(self, pairs: Sequence[Pair]) -> list[Scores]:
        """The scores of each pair, in order."""
        if self.pool is None:
            return [score(*pair, self.opened) for pair in pairs]
        calls = [(place, *pair, self.opened) for place, pair in enumerate(pairs)]
        found = {place: scores for (place, *_), scores in self.pool.run(calls)}
        lost = Scores(failures=dict.fromkeys(self.opened, DIED))
        return [found[place] or lost for place in range(len(pairs))]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: Any) -> None:
        if self.pool is not None:
            self.pool.__exit__(*error)


def score_call(call: tuple[int, Signal, Signal, dict[str, Measure]]) -> Scores:
    """`score` in a worker process; the number is for the process that asks."""
    return score(*call[1:])


class Run:
    """What is shared by the chunks of one evaluation."""

    def __init__(self, dataset: Dataset, candidates: Sequence[Candidate], measures: Measures, log: RowLog) -> None:
        self.dataset = dataset
        self.signal = SIGNALS[dataset.kind]
        self.candidates = candidates
        self.measures = measures
        self.log = log
        self.warm: set[str] = set()

    def chunk(self, items: Sequence[Item]) -> list[Row]:
        """Rows of some items, by item and then by candidate."""
        signals: dict[str, Signal | str] = {}
        digests = {item.name: digest(item) for item in items}
        by_candidate: list[list[Row]] = []
        for candidate in self.candidates:
            done: list[Row] = []
            fresh: list[tuple[int, str, Pair]] = []  # place, key, decoded and original
            for place, item in enumerate(items):
                budget = by_candidate[0][place].size if candidate.matched and by_candidate else None
                key = self.key(candidate, digests[item.name], budget)
                row = self.log.rows.get(key)
                if row is None:
                    if item.name not in signals:
                        signals[item.name] = self.read(item)
                    row, pair = self.code(candidate, item, signals[item.name], budget)
                    if pair is None:
                        self.log.add(key, row)
                    else:
                        fresh.append((place, key, pair))
                done.append(replace(row, item=item.name))
            all_scores = self.measures.measure([pair for *_, pair in fresh])
            for (place, key, _), scores in zip(fresh, all_scores, strict=True):
                values = {name: round(value, 6) for name, value in scores.values.items()}
                features = None if scores.features is None else pack_features(scores.features)
                done[place] = replace(done[place], values=values, failures=scores.failures, features=features)
                if DIED not in scores.failures.values():
                    self.log.add(key, done[place])
            by_candidate.append(done)
        return [rows[place] for place in range(len(items)) for rows in by_candidate]

    def key(self, candidate: Candidate, content: str, budget: int | None) -> str:
        """Names everything that a row depends on."""
        measured = (list(self.measures.opened), self.measures.device, __version__)
        return row_key(content, self.dataset.side, candidate.name, candidate.identity, budget, *measured)

    def read(self, item: Item) -> Signal | str:
        """The item's signal, or why there is none."""
        try:
            return self.signal.read(item.path, self.dataset.side)
        except VpcodecError as error:
            return error.what.replace(str(item.path), item.name)

    def code(
        self, candidate: Candidate, item: Item, signal: Signal | str, budget: int | None
    ) -> tuple[Row, Pair | None]:
        """Encode and decode one item: its row so far, and the pair to measure unless something failed."""
        row = Row(candidate.name, item.name)
        if isinstance(signal, str):
            return replace(row, failures={"read": signal}), None
        row = replace(row, extent=self.signal.extent_of(signal))
        self.warm_up(candidate, signal, budget)
        step = "encode"
        try:
            reset_peak()
            start = time.perf_counter()
            content = candidate.encode(signal, budget)
            row = replace(row, size=len(content), encode_seconds=round(time.perf_counter() - start, 6))
            step = "decode"
            start = time.perf_counter()
            decoded = candidate.decode(content)
            row = replace(row, decode_seconds=round(time.perf_counter() - start, 6), peak_memory=peak())
            tokens = candidate.tokens(content)
            row = replace(row, tokens=None if tokens is None else pack_tokens(tokens))
            return row, (self.signal.fitted(decoded, signal), signal)
        except VpcodecError as error:
            return replace(row, failures={step: error.what}), None

    def warm_up(self, candidate: Candidate, signal: Signal, budget: int | None) -> None:
        """Code once before times are taken: the first call loads and allocates."""
        if candidate.name in self.warm:
            return
        self.warm.add(candidate.name)
        try:
            candidate.decode(candidate.encode(signal, budget))
        except VpcodecError:
            return  # the same happens again at once, and is counted then


def digest(item: Item) -> str:
    """Names the content of an item's file; a file that cannot be read has none."""
    try:
        with item.path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return f"unreadable {item.name}"
