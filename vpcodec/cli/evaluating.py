"""`vpcodec evaluate`: how good, how small, how fast, beside the codecs that people use."""

import os
from pathlib import Path
from types import SimpleNamespace

from vpcodec.cli.messages import Messages
from vpcodec.errors import counted

SHOWN_REASONS = 3  # of measurements that failed


def evaluate(given: SimpleNamespace) -> int:
    """`vpcodec evaluate`"""
    from vpcodec.evaluation.candidates import ModelCandidate
    from vpcodec.evaluation.cards import record as record_results
    from vpcodec.evaluation.cards import write_card
    from vpcodec.evaluation.datasets import open_dataset
    from vpcodec.evaluation.evaluate import Outputs, run_evaluation
    from vpcodec.evaluation.summary import markdown_table
    from vpcodec.registry import DEFAULT_MODELS, find_model

    outputs = Outputs(*(Path(name) if name else None for name in (given.report, given.json, given.csv)))
    outputs.check(force=given.force)
    data = open_dataset(given.dataset, Path(given.root) if given.root else None, fetch=given.download)
    folders = [find_model(name) for name in given.model or [DEFAULT_MODELS[data.kind]]]
    data = data.seen_as(folders[0].facts.kind)
    candidates = [
        ModelCandidate(folder, codebook, engine=given.engine, device=given.device, effort=given.effort, kind=data.kind)
        for folder in folders
        for codebook in given.codebook or [None]  # its largest
    ]
    messages = Messages(quiet=given.quiet, progress=not given.no_progress)
    done, total = 0, 1

    def follow(rows: int, of: int) -> None:
        nonlocal done, total
        done, total = rows, of

    with messages.progress(lambda: (done / total, f"{done:,} of {total:,} measurements")):
        results = run_evaluation(
            data,
            candidates,
            given.against,
            outputs,
            metrics=given.metrics,
            jobs=given.jobs or os.cpu_count() or 1,
            device="cpu" if given.device == "auto" else given.device,
            progress=follow,
        )
    print(markdown_table(data.kind, results.summary.candidates))
    for name, why in results.summary.unavailable.items():
        messages.note(f"{name} was not measured: {why}")
    if given.record:
        for folder in folders:
            record_results(results, folder)
            messages.note(f"{write_card(folder)}: written")
    for reason in results.reasons(SHOWN_REASONS):
        messages.error(reason)
    if results.failures():
        messages.error(f"{counted(results.failures(), 'measurement')} failed", "--json and --report say which")
        return 1
    return 0
