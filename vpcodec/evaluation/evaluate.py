"""Every candidate over every item of a data set, and what came of it.

An item is read and prepared once; each candidate encodes it, decodes its own file, and is measured against the
prepared signal. Rows are kept as they come, so an interrupted run goes on where it was, and a run over
complete rows only sums them up again. What fails is counted under its name and leaves the other figures alone.
"""

import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from vpcodec.errors import ConfigError, InputError, VpcodecError
from vpcodec.evaluation.candidates import SAMPLE_RATE, Candidate, Facts, Signal
from vpcodec.evaluation.datasets import Dataset, Item
from vpcodec.evaluation.memory import peak, reset_peak
from vpcodec.evaluation.meters import DIED, Meter, open_meter
from vpcodec.evaluation.results import Results, make_results
from vpcodec.evaluation.rows import Row, RowLog, pack_features, pack_tokens, row_key
from vpcodec.evaluation.signals import read_signal
from vpcodec.version import __version__

CHUNK = 16  # items that are measured together
SLACK = SAMPLE_RATE // 10  # samples by which decoded speech may differ in length

Progress = Callable[[int, int], None]


def evaluate(
    dataset: Dataset,
    candidates: Sequence[Candidate],
    log: Path,
    *,
    metrics: Sequence[str] | None = None,
    jobs: int = 0,
    device: str = "cpu",
    seed: int = 0,
    progress: Progress | None = None,
) -> Results:
    """Evaluate candidates on a data set.

    Args:
        dataset: From `open_dataset`.
        candidates: Of the data set's kind; others are matched to the size of the first one's files.
        log: File that rows are kept in; taken up if it exists.
        metrics: Keys of `METRICS[kind]`, all by default, or of `SET_METRICS[kind]`.
        jobs: Processes for speech metrics; 0 measures in this one.
        device: torch's name of the device for image metrics.
        seed: Of the bootstrap.
        progress: Called with the number of rows done and of all rows.

    Raises:
        ConfigError: A candidate is of the wrong kind, two share a name, or a metric is unknown.
        InputError: The log cannot be read or written.
    """
    names = [candidate.name for candidate in candidates]
    if not names or len(set(names)) != len(names):
        raise ConfigError(f"candidates need names of their own, got {', '.join(names) or 'none'}")
    for candidate in candidates:
        if candidate.kind != dataset.kind:
            raise ConfigError(f"{candidate.name} is for {candidate.kind}, {dataset.name} holds {dataset.kind}")
    rows: list[Row] = []
    with open_meter(dataset.kind, metrics, jobs, device) as meter:
        run = Run(dataset, candidates, meter, RowLog(log))
        try:
            for start in range(0, len(dataset.items), CHUNK):
                rows += run.chunk(dataset.items[start : start + CHUNK])
                if progress:
                    progress(len(rows), len(dataset.items) * len(candidates))
        finally:
            run.log.close()
    return make_results(dataset, candidates, rows, meter.unavailable, seed)


class Run:
    """What is shared by the chunks of one evaluation."""

    def __init__(self, dataset: Dataset, candidates: Sequence[Candidate], meter: Meter, log: RowLog) -> None:
        self.dataset = dataset
        self.candidates = candidates
        self.meter = meter
        self.log = log
        self.warm: set[str] = set()

    def chunk(self, items: Sequence[Item]) -> list[Row]:
        """Rows of some items, by item and then by candidate."""
        signals: dict[str, Signal | str] = {}
        digests = {item.name: digest(item) for item in items}
        by_candidate: list[list[Row]] = []
        for candidate in self.candidates:
            done: list[Row] = []
            fresh: list[tuple[int, str, Signal, Signal]] = []  # place, key, decoded, original
            for place, item in enumerate(items):
                budget = by_candidate[0][place].size if candidate.matched and by_candidate else None
                key = self.key(candidate, digests[item.name], budget)
                row = self.log.rows.get(key)
                if row is None:
                    if item.name not in signals:
                        signals[item.name] = self.read(item)
                    row, decoded = self.code(candidate, item, signals[item.name], budget)
                    if decoded is None:
                        self.log.add(key, row)
                    else:
                        fresh.append((place, key, *decoded))
                done.append(replace(row, item=item.name))
            for (place, key, *_), scores in zip(fresh, self.meter.measure([each[2:] for each in fresh]), strict=True):
                values = {name: round(value, 6) for name, value in scores.values.items()}
                features = None if scores.features is None else pack_features(scores.features)
                done[place] = replace(done[place], values=values, failures=scores.failures, features=features)
                if DIED not in scores.failures.values():
                    self.log.add(key, done[place])
            by_candidate.append(done)
        return [rows[place] for place in range(len(items)) for rows in by_candidate]

    def key(self, candidate: Candidate, content: str, budget: int | None) -> str:
        """Names everything that a row depends on."""
        measured = (self.meter.names, self.meter.device, __version__)
        return row_key(content, self.dataset.side, candidate.name, candidate.identity, budget, *measured)

    def read(self, item: Item) -> Signal | str:
        """The item's signal, or why there is none."""
        try:
            return read_signal(item.path, self.dataset.kind, self.dataset.side)
        except VpcodecError as error:
            return error.what.replace(str(item.path), item.name)

    def code(
        self, candidate: Candidate, item: Item, signal: Signal | str, budget: int | None
    ) -> tuple[Row, tuple[Signal, Signal] | None]:
        """Encode and decode one item: its row so far, and the pair to measure unless something failed."""
        row = Row(candidate.name, item.name)
        if isinstance(signal, str):
            return replace(row, failures={"read": signal}), None
        row = replace(row, extent=extent_of(signal, self.dataset.kind))
        facts = Facts(self.dataset.kind, item.name, budget)
        self.warm_up(candidate, signal, facts)
        step = "encode"
        try:
            reset_peak()
            start = time.perf_counter()
            content = candidate.encode(signal, facts)
            row = replace(row, size=len(content), encode_seconds=round(time.perf_counter() - start, 6))
            step = "decode"
            start = time.perf_counter()
            decoded = candidate.decode(content)
            row = replace(row, decode_seconds=round(time.perf_counter() - start, 6), peak_memory=peak())
            tokens = candidate.tokens(content)
            row = replace(row, tokens=None if tokens is None else pack_tokens(tokens))
            return row, (fitted(decoded, signal), signal)
        except VpcodecError as error:
            return replace(row, failures={step: error.what}), None

    def warm_up(self, candidate: Candidate, signal: Signal, facts: Facts) -> None:
        """Code once before times are taken: the first call loads and allocates."""
        if candidate.name in self.warm:
            return
        self.warm.add(candidate.name)
        try:
            candidate.decode(candidate.encode(signal, facts))
        except VpcodecError:
            return  # the same happens again at once, and is counted then


def digest(item: Item) -> str:
    """Names the content of an item's file; a file that cannot be read has none."""
    try:
        with item.path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return f"unreadable {item.name}"


def extent_of(signal: Signal, kind: str) -> float:
    """Seconds of speech, or pixels."""
    return len(signal) / SAMPLE_RATE if kind == "speech" else float(signal.shape[0] * signal.shape[1])


def fitted(decoded: Signal, original: Signal) -> Signal:
    """The decoded signal in the original's shape; speech is cut or filled by up to 0.1 s. Raises InputError."""
    if decoded.dtype.kind == "f" and not np.isfinite(decoded).all():
        raise InputError("decoded to numbers that are not finite")
    if original.ndim == 1 and decoded.ndim == 1 and abs(len(decoded) - len(original)) <= SLACK:
        missing = max(0, len(original) - len(decoded))
        return np.pad(decoded[: len(original)], (0, missing)).astype(np.float32)
    if decoded.shape != original.shape:
        raise InputError(f"decoded to {list(decoded.shape)}, the original is {list(original.shape)}")
    if original.ndim == 3 and decoded.dtype != np.uint8:
        raise InputError(f"decoded to {decoded.dtype} pixels, expected uint8")
    return decoded
