"""`vpcodec evaluate`: how good, how small, how fast, beside the codecs that people use."""

import os
from pathlib import Path
from typing import Annotated

import typer

from vpcodec.cli.messages import Messages
from vpcodec.cli.options import Device, Engine, Jobs, NoProgress, Quiet, complete_models, parse_codebook
from vpcodec.errors import counted

SHOWN_REASONS = 3  # of measurements that failed


def evaluate(
    dataset: Annotated[
        str,
        typer.Option("--dataset", metavar="NAME|DIR", help="Name of a data set, NAME/SPLIT, or a folder."),
    ],
    root: Annotated[str | None, typer.Option("--root", metavar="DIR", help="Folder of the data set.")] = None,
    download: Annotated[bool, typer.Option("--download", help="Download the data set to --root first.")] = False,
    model: Annotated[
        list[str] | None,
        typer.Option("-m", "--model", metavar="NAME", autocompletion=complete_models, help="Model; can be repeated."),
    ] = None,
    codebook: Annotated[
        str | None, typer.Option("--codebook", metavar="K,...", help="Codebook sizes. Default: each model's largest.")
    ] = None,
    against: Annotated[
        str | None,
        typer.Option("--against", metavar="CODEC,...", help="Codecs to compare with: opus:6, avif, webp:q20..."),
    ] = None,
    metrics: Annotated[
        str | None,
        typer.Option(
            "--metrics",
            metavar="NAME,...",
            help="Metrics to measure. Default: all but rfid, visqol_speech, pesq_wb_16.",
        ),
    ] = None,
    report: Annotated[
        str | None, typer.Option("--report", metavar="FILE", help="Write a report as an HTML page.")
    ] = None,
    json_file: Annotated[str | None, typer.Option("--json", metavar="FILE", help="Write all figures as JSON.")] = None,
    csv_file: Annotated[str | None, typer.Option("--csv", metavar="FILE", help="Write a table as CSV.")] = None,
    record: Annotated[
        bool, typer.Option("--record", help="Store the results with each model and in its card.")
    ] = False,
    force: Annotated[bool, typer.Option("-f", "--force", help="Overwrite existing files.")] = False,
    jobs: Jobs = 1,
    engine: Engine = "auto",
    device: Device = "auto",
    quiet: Quiet = False,
    no_progress: NoProgress = False,
) -> None:
    """Measure models on a data set: rate, quality and speed.

    An interrupted evaluation resumes from NAME.items.jsonl, which stands next to NAME.json, .csv or .html until the
    end. Items are coded one at a time, so that their times are comparable; --jobs applies to the metrics of sound.

    The first model decides whether recordings are measured as speech at 16 kHz or, in stereo, as audio at 48 kHz,
    with ViSQOL (pip install 'vpcodec[visqol]') and against opus, aac and mp3.
    """
    codebooks = parse_codebooks(codebook)

    from vpcodec.codec.pipeline import DEFAULT_MODELS
    from vpcodec.evaluation.candidates import ModelCandidate
    from vpcodec.evaluation.cards import record as record_results
    from vpcodec.evaluation.cards import write_card
    from vpcodec.evaluation.datasets import open_dataset
    from vpcodec.evaluation.evaluate import Outputs, run_evaluation
    from vpcodec.evaluation.tables import markdown_table
    from vpcodec.registry import find_model

    outputs = Outputs(*(Path(name) if name else None for name in (report, json_file, csv_file)))
    outputs.check(force=force)
    data = open_dataset(dataset, Path(root) if root else None, fetch=download)
    folders = [find_model(name) for name in model or [DEFAULT_MODELS[data.kind]]]
    data = data.seen_as(folders[0].facts.kind)
    candidates = [
        ModelCandidate(folder, each, engine=engine, device=device, kind=data.kind)
        for folder in folders
        for each in codebooks
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
    print(markdown_table(data.kind, results.summary.candidates))
    for name, why in results.summary.unavailable.items():
        messages.note(f"{name} was not measured: {why}")
    if record:
        for folder in folders:
            record_results(results, folder)
            messages.note(f"{write_card(folder)}: written")
    for reason in results.reasons(SHOWN_REASONS):
        messages.error(reason)
    if results.failures():
        messages.error(f"{counted(results.failures(), 'measurement')} failed", "--json and --report say which")
        raise typer.Exit(1)


def parse_codebooks(text: str | None) -> list[str | None]:
    """Codebook sizes between commas; None alone for each model's largest. Raises BadParameter."""
    return [None] if text is None else [parse_codebook(each) for each in text.split(",")]
