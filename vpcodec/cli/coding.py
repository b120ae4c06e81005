"""`vpcodec encode` and `vpcodec decode`."""

import json
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from vpcodec.cli.messages import Messages
from vpcodec.cli.options import (
    Codebook,
    Device,
    Engine,
    Force,
    Inputs,
    Jobs,
    Json,
    Manifest,
    ModelName,
    NoProgress,
    Output,
    OutputDir,
    Quiet,
    Ray,
    Recursive,
    Remove,
    Resync,
    Salvage,
    ShardPart,
    SkipExisting,
    Start,
    Stdout,
    Stop,
    Verbose,
)
from vpcodec.data.kinds import MOST_PIXELS
from vpcodec.errors import ConfigError

if TYPE_CHECKING:
    from vpcodec.corpus.outcome import Outcome, Settings
    from vpcodec.corpus.plan import Item

PCM = "PCM_16"


def encode(
    inputs: Inputs,
    output: Output = None,
    to_stdout: Stdout = False,
    output_dir: OutputDir = None,
    model: ModelName = None,
    codebook: Codebook = None,
    start: Start = None,
    stop: Stop = None,
    recursive: Recursive = False,
    jobs: Jobs = 1,
    ray: Ray = None,
    shard: ShardPart = None,
    manifest: Manifest = None,
    skip_existing: SkipExisting = False,
    force: Force = False,
    remove: Remove = False,
    salvage: Salvage = False,
    raw: Annotated[bool, typer.Option("--raw", help="The inputs are raw samples without a header.")] = False,
    sample_rate: Annotated[
        int | None, typer.Option("--sample-rate", metavar="HZ", help="Sample rate of raw samples.")
    ] = None,
    channels: Annotated[int, typer.Option("--channels", metavar="N", help="Channels of raw samples.")] = 1,
    sample_format: Annotated[
        str, typer.Option("--sample-format", metavar="F", help="Format of raw samples, little-endian: PCM_16, FLOAT...")
    ] = PCM,
    most_pixels: Annotated[
        int, typer.Option("--max-pixels", metavar="N", min=1, help="Refuse photos with more pixels.")
    ] = MOST_PIXELS,
    engine: Engine = "auto",
    device: Device = "auto",
    as_json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    no_progress: NoProgress = False,
) -> None:
    """Encode recordings and photos as token files.

    speech.wav becomes speech.tok. With -r, inputs whose output is complete are skipped.
    """
    from vpcodec.corpus.formats import TOKENS, is_medium_name

    if output is not None and is_medium_name(output):
        raise ConfigError(f"-o {output}: encode writes token files", hint=f"name it {TOKENS}")
    if raw and sample_rate is None:
        raise ConfigError("--raw: the sample rate is unknown", hint="add it, for example --sample-rate 16000")
    if not raw and (sample_rate, channels, sample_format) != (None, 1, PCM):
        options = "--sample-rate, --channels and --sample-format"
        raise ConfigError(f"{options} are for raw samples", hint="add --raw")
    items = planned("encode", inputs, output, to_stdout, output_dir, recursive, shard)
    check_span(items, start, stop, remove)

    from vpcodec.codec.recordings import Span
    from vpcodec.corpus.outcome import Settings
    from vpcodec.data.audio import RawFormat

    settings = Settings(
        task="encode",
        model=model,
        codebook=codebook,
        raw=RawFormat(sample_rate, channels, sample_format) if sample_rate is not None else None,
        span=Span(start or 0.0, stop),
        most_pixels=most_pixels,
        engine=engine,
        device=device,
        force=force,
        skip_existing=skip_existing,
        remove=remove,
        salvage=salvage,
    )
    carry_out(
        items, settings, jobs, ray, manifest, as_json, Messages(quiet=quiet, verbose=verbose, progress=not no_progress)
    )


def decode(
    inputs: Inputs,
    output: Output = None,
    to_stdout: Stdout = False,
    output_dir: OutputDir = None,
    form: Annotated[
        str | None, typer.Option("--format", metavar="F", help="Output format: wav, flac, ogg, raw; png, webp, jpeg.")
    ] = None,
    model: ModelName = None,
    start: Start = None,
    stop: Stop = None,
    recursive: Recursive = False,
    jobs: Jobs = 1,
    ray: Ray = None,
    shard: ShardPart = None,
    manifest: Manifest = None,
    skip_existing: SkipExisting = False,
    force: Force = False,
    remove: Remove = False,
    resync: Resync = False,
    engine: Engine = "auto",
    device: Device = "auto",
    as_json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    no_progress: NoProgress = False,
) -> None:
    """Decode token files to recordings and photos.

    speech.tok becomes speech.decoded.wav, photo.tok becomes photo.decoded.png. -o and --format change this.
    """
    from vpcodec.corpus.formats import checked_form

    chosen = checked_form(form)
    items = planned("decode", inputs, output, to_stdout, output_dir, recursive, shard)
    check_span(items, start, stop, remove)
    if resync and (start is not None or stop is not None or remove):
        raise ConfigError("--resync does not combine with --from, --to or --rm", hint="leave those out")

    from vpcodec.codec.recordings import Span
    from vpcodec.corpus.outcome import Settings

    settings = Settings(
        task="decode",
        model=model,
        form=chosen,
        span=Span(start or 0.0, stop),
        engine=engine,
        device=device,
        force=force,
        skip_existing=skip_existing,
        remove=remove,
        resync=resync,
    )
    carry_out(
        items, settings, jobs, ray, manifest, as_json, Messages(quiet=quiet, verbose=verbose, progress=not no_progress)
    )


def planned(
    task: str,
    inputs: list[str],
    output: str | None,
    to_stdout: bool,
    output_dir: str | None,
    recursive: bool,
    shard: str | None,
) -> "list[Item]":
    """The plan for the given options. Raises ConfigError if they contradict each other."""
    from vpcodec.corpus.plan import make_plan
    from vpcodec.corpus.shards import parse_shard
    from vpcodec.data.streams import STANDARD

    named = [("-o", output is not None), ("-c", to_stdout), ("--output-dir", output_dir is not None)]
    given = [name for name, there in named if there]
    if len(given) > 1:
        raise ConfigError(f"{' and '.join(given)} contradict each other", hint="keep one")
    return make_plan(
        task,
        inputs,
        output=STANDARD if to_stdout else output,
        output_dir=output_dir,
        recursive=recursive,
        shard=parse_shard(shard) if shard else None,
    )


def check_span(items: "list[Item]", start: float | None, stop: float | None, remove: bool) -> None:
    """Raise ConfigError for an empty range, and for a range of inputs that would be deleted or taken for whole."""
    if start is None and stop is None:
        return
    if remove:
        raise ConfigError("--rm would lose what --from and --to leave out", hint="keep the input")
    if any(item.mirrored for item in items):  # a later run would take the range for the whole
        raise ConfigError("--from and --to are for single recordings", hint="name the files instead of -r")
    if stop is not None and stop <= (start or 0.0):
        raise ConfigError(f"--from {start or 0:g} --to {stop:g}: --to must come after --from")


def carry_out(
    items: "list[Item]",
    settings: "Settings",
    jobs: int,
    ray: str | None,
    manifest: str | None,
    as_json: bool,
    messages: Messages,
) -> None:
    """Work on a plan, say what became of each item, and exit with 1 if one failed."""
    from vpcodec.codec.engines import check_engine
    from vpcodec.corpus.cluster import run_on_ray
    from vpcodec.corpus.coding import Coder
    from vpcodec.corpus.jobs import run
    from vpcodec.corpus.manifest import check_manifest
    from vpcodec.data.streams import STANDARD

    check_engine(settings.engine, settings.device)  # wrong usage is one line, however many files there are
    check_codebook(settings.model, settings.codebook)
    if ray is not None and any(STANDARD in (item.source, item.target) for item in items):
        raise ConfigError("--ray does not work with pipes", hint="name files for input and output")
    if as_json and any(item.target == STANDARD for item in items):
        raise ConfigError("--json and the output cannot both go to standard output", hint="name the output with -o")
    if manifest is not None:
        check_manifest(manifest)
    coder = Coder(settings)
    outcomes: list[Outcome] = []
    many = any(item.mirrored for item in items)

    def state() -> tuple[float, str]:
        words = f"{len(outcomes):,} of {len(items):,} files" if len(items) > 1 else ""
        return (len(outcomes) + coder.share()) / max(1, len(items)), words

    try:
        with messages.progress(state):
            for outcome in run(items, coder, jobs) if ray is None else run_on_ray(items, settings, ray):
                outcomes.append(outcome)
                announce(outcome, many, messages)
    except KeyboardInterrupt:
        if len(items) > 1:
            messages.note(f"interrupted after {len(outcomes)} of {len(items)} files; nothing is half-written")
        raise
    finally:  # what was done until then is told, however it ended
        failures = report(outcomes, items, settings, manifest, as_json, messages)
    if failures:
        raise typer.Exit(failures[0].exit_code if len(items) == 1 else 1)


def check_codebook(model: str | None, codebook: int | str | None) -> None:
    """Raises ConfigError for a codebook that the model lacks or, if none is named, that every default one lacks."""
    from vpcodec.codec.pipeline import DEFAULT_MODELS
    from vpcodec.registry import find_model

    if model is not None:
        find_model(model).checked_codebook(codebook)
    elif codebook is not None:
        offered = {name: [*map(str, find_model(name).codebooks)] for name in DEFAULT_MODELS.values()}
        if all(str(codebook) not in codebooks for codebooks in offered.values()):
            theirs = "; ".join(f"{name}: {', '.join(codebooks)}" for name, codebooks in offered.items())
            raise ConfigError(f"no default model has the codebook {codebook}", hint=theirs)


def report(
    outcomes: "list[Outcome]",
    items: "list[Item]",
    settings: "Settings",
    manifest: str | None,
    as_json: bool,
    messages: Messages,
) -> "list[Outcome]":
    """Say what became of the items of a plan that were worked on; returns those that failed."""
    from vpcodec.corpus.manifest import summary, write_manifest

    outcomes = sorted(outcomes, key=lambda outcome: outcome.number)
    failures = [outcome for outcome in outcomes if outcome.status == "failed"]
    whole = summary(outcomes)
    if len(items) != 1 or items[0].mirrored:
        messages.note(f"{whole['done']} done, {whole['skipped']} skipped, {whole['failed']} failed")
    if settings.remove and whole["skipped"]:
        messages.note("--rm keeps the inputs of files that were skipped; use -f to code them again")
    for outcome in failures:
        messages.error(outcome.error, outcome.hint)
    messages.peak_memory()
    if manifest is not None and (outcomes or not items):  # what never began leaves an older one alone
        write_manifest(manifest, outcomes)
    if as_json:
        json.dump(whole, sys.stdout, indent=1)
        print()
    return failures


def announce(outcome: "Outcome", mirrored: bool, messages: Messages) -> None:
    """Say what became of an item; files from directories are many, so there only what is unusual."""
    from vpcodec.data.output import shown_output
    from vpcodec.data.streams import shown

    for note in outcome.notes:
        messages.note(f"{shown(outcome.source)}: {note}")
    if outcome.status == "skipped" and not mirrored:
        messages.note(f"{shown(outcome.target)}: exists already, skipped")
    if outcome.status == "done" and not mirrored:
        messages.note(f"{shown(outcome.source)} -> {shown_output(outcome.target)}{figures(outcome)}")
    if outcome.status == "done":
        rest = outcome.seconds - outcome.load_seconds - outcome.network_seconds
        messages.detail(
            f"{outcome.seconds:.2f} s: loading {outcome.load_seconds:.2f} s, network {outcome.network_seconds:.2f} s "
            f"({outcome.engine}), reading, coding and writing {rest:.2f} s"
        )


def figures(outcome: "Outcome") -> str:
    """Size and rate of an output that is a file."""
    if not outcome.bytes or not outcome.amount:
        return ""
    bits = 8 * outcome.bytes / outcome.amount
    rate = f"{bits / 1000:,.2f} kbit/s" if outcome.kind == "speech" else f"{bits:.3f} bits per pixel"
    return f"  {outcome.bytes:,} bytes, {rate}"
