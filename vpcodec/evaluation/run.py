"""One evaluation from its options to its files; what `vpcodec evaluate` calls."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from vpcodec.data.output import check_output
from vpcodec.data.streams import STANDARD
from vpcodec.errors import ConfigError
from vpcodec.evaluation.candidates import Candidate
from vpcodec.evaluation.datasets import Dataset
from vpcodec.evaluation.evaluate import Progress, evaluate
from vpcodec.evaluation.report import write_report
from vpcodec.evaluation.results import Results
from vpcodec.evaluation.rivals import parse_rival


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
            InputError: One is there already, and not to be replaced by force, or its folder is missing or read-only.
        """
        for option, path in vars(self).items():
            if path is None:
                continue
            if str(path) == STANDARD:
                raise ConfigError(f"--{option} -: standard output has the table", hint="name a file")
            check_output(path, force=force)

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
    seed: int = 0,
    progress: Progress | None = None,
) -> Results:
    """Evaluate models, and the codecs that they are compared with, and write what came of it.

    Args:
        dataset: From `open_dataset`.
        models: Our own candidates; rivals without a setting are matched to the first.
        against: Rivals as `parse_rival` reads them.
        outputs: Files to write, in place of older ones. An interrupted run can go on only where there are any.
        metrics, jobs, device, seed, progress: As in `evaluate`.

    Raises:
        ConfigError: An option makes no sense.
        DependencyError: A rival is not installed.
        InputError: A file cannot be written.
    """
    outputs = outputs or Outputs()
    candidates = [*models, *(parse_rival(spec, dataset.kind) for spec in against)]
    kept = outputs.log()
    with tempfile.TemporaryDirectory(prefix="vpcodec-") as scratch:
        log = kept or Path(scratch, "items.jsonl")
        results = evaluate(
            dataset, candidates, log, metrics=metrics, jobs=jobs, device=device, seed=seed, progress=progress
        )
    if outputs.json:
        results.write_json(outputs.json)
    if outputs.csv:
        results.write_csv(outputs.csv)
    if outputs.report:
        write_report(results, dataset, candidates, outputs.report)
    if kept and results.complete():
        kept.unlink()
    return results
