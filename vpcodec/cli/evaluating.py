"""`vpcodec evaluate`: how good, how small, how fast, beside the codecs that people use."""

import os
from pathlib import Path
from typing import Annotated

import typer

from vpcodec.cli.messages import Messages
from vpcodec.cli.options import Device, Engine, Jobs, NoProgress, Quiet, complete_models, parse_codebook

SHOWN_REASONS = 3  # of measurements that failed


def evaluate(
    dataset: Annotated[
        str,
        typer.Option("--dataset", metavar="NAME|DIR", help="A data set, with its split after a slash; or a folder."),
    ],
    root: Annotated[str | None, typer.Option("--root", metavar="DIR", help="Where the data set lies.")] = None,
    download: Annotated[bool, typer.Option("--download", help="Fetch the data set to --root first.")] = False,
    model: Annotated[
        list[str] | None,
        typer.Option(
            "-m", "--model", metavar="NAME", autocompletion=complete_models, help="Model; may be given many times."
        ),
    ] = None,
    codebook: Annotated[
        str | None, typer.Option("--codebook", metavar="K,...", help="Codebook sizes. Default: each model's largest.")
    ] = None,
    against: Annotated[
        str | None,
        typer.Option("--against", metavar="CODEC,...", help="Others to compare with: opus:6, avif:0.15, webp:q20..."),
    ] = None,
    metrics: Annotated[
        str | None,
        typer.Option(
            "--metrics",
            metavar="NAME,...",
            help="Metrics to measure. Default: all but rfid, which has to be asked for.",
        ),
    ] = None,
    report: Annotated[str | None, typer.Option("--report", metavar="FILE", help="Write an HTML page.")] = None,
    json_file: Annotated[str | None, typer.Option("--json", metavar="FILE", help="Write all figures as JSON.")] = None,
    csv_file: Annotated[str | None, typer.Option("--csv", metavar="FILE", help="Write a table as CSV.")] = None,
    record: Annotated[
        bool, typer.Option("--record", help="Put the result into each model's evaluation.json and card.")
    ] = False,
    force: Annotated[bool, typer.Option("-f", "--force", help="Replace files that are there.")] = False,
    jobs: Jobs = 1,
    engine: Engine = "auto",
    device: Device = "auto",
    quiet: Quiet = False,
    no_progress: NoProgress = False,
) -> None:
    """Measure models on a data set: rate, quality, speed.

    Beside NAME.json, .csv or .html, rows are kept in NAME.items.jsonl until all is done: an interrupted evaluation
    goes on where it was. Media are coded one by one, for the sake of their times; --jobs is for the metrics of speech.
    """
    codebooks = parse_codebooks(codebook)

    from vpcodec.codec.pipeline import DEFAULT_MODELS
    from vpcodec.evaluation.cards import markdown_table, write_card
    from vpcodec.evaluation.cards import record as record_results
    from vpcodec.evaluation.datasets import open_dataset
    from vpcodec.evaluation.models import ModelCandidate
    from vpcodec.evaluation.run import Outputs, run_evaluation
    from vpcodec.registry import find_model

    outputs = Outputs(*(Path(name) if name else None for name in (report, json_file, csv_file)))
    outputs.check(force=force)
    data = open_dataset(dataset, Path(root) if root else None, fetch=download)
    folders = [find_model(name) for name in model or [DEFAULT_MODELS[data.kind]]]
    candidates = [
        ModelCandidate(folder, each, engine=engine, device=device) for folder in folders for each in codebooks
    ]
    messages = Messages(quiet=quiet, progress=not no_progress)
    done, total = 0, 1

    def follow(rows: int, of: int) -> None:
        nonlocal done, total
        done, total = rows, of

    with messages.progress(lambda: (done / total, f"{done:,} of {total:,} measurements")):
        results = run_evaluation(
            data,
            candidates,
            [codec for codec in (against or "").split(",") if codec],
            outputs,
            metrics=metrics.split(",") if metrics else None,
            jobs=jobs or os.cpu_count() or 1,
            device="cpu" if device == "auto" else device,
            progress=follow,
        )
    print(markdown_table(data.kind, results.candidates))
    for name, why in results.unavailable.items():
        messages.note(f"{name} was not measured: {why}")
    if record:
        for folder in folders:
            record_results(results, folder)
            messages.note(f"{write_card(folder)}: written")
    for reason in results.reasons(SHOWN_REASONS):
        messages.error(reason)
    if results.failures():
        messages.error(f"{results.failures():,} measurements failed", "--json and --report say which")
        raise typer.Exit(1)


def parse_codebooks(text: str | None) -> list[str | None]:
    """Codebook sizes between commas; None alone for each model's largest. Raises BadParameter."""
    return [None] if text is None else [parse_codebook(each) for each in text.split(",")]
