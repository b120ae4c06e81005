"""`vpcodec encode` and `vpcodec decode`."""

import json
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from vpcodec.cli.messages import Messages
from vpcodec.cli.options import (
    BitRate,
    BitsPerPixel,
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
    TargetSize,
    Verbose,
)
from vpcodec.data.kinds import MOST_PIXELS
from vpcodec.errors import ConfigError

if TYPE_CHECKING:
    from vpcodec.corpus.plan import Item
    from vpcodec.corpus.result import Result, Settings

PCM = "PCM_16"


def encode(
    inputs: Inputs,
    output: Output = None,
    to_stdout: Stdout = False,
    output_dir: OutputDir = None,
    model: ModelName = None,
    codebook: Codebook = None,
    bitrate: BitRate = None,
    bpp: BitsPerPixel = None,
    target_size: TargetSize = None,
    start: Start = None,
    stop: Stop = None,
    latency: Annotated[
        float | None,
        typer.Option(
            "--latency",
            metavar="S",
            min=0,
            help="Seconds from microphone to loudspeaker, 0.25 or more. Files grow by 6 % at 0.5, by 12 % at 0.3.",
        ),
    ] = None,
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
    from vpcodec.corpus.plan import TOKENS, is_media_name

    if output is not None and is_media_name(output):
        raise ConfigError(f"-o {output}: encode writes token files", hint=f"name it {TOKENS}")
    if raw and sample_rate is None:
        raise ConfigError("--raw: the sample rate is unknown", hint="add it, for example --sample-rate 16000")
    if not raw and (sample_rate, channels, sample_format) != (None, 1, PCM):
        options = "--sample-rate, --channels and --sample-format"
        raise ConfigError(f"{options} are for raw samples", hint="add --raw")
    items = planned("encode", inputs, output, to_stdout, output_dir, recursive, shard)
    check_span(items, start, stop, remove)
    if target_size is not None and any(item.mirrored for item in items):  # only encoding tells what would fit
        raise ConfigError("--target-size is for single files", hint="name the files instead of -r")

    from vpcodec.codec.signals import Reading, Span, Wanted
    from vpcodec.corpus.result import Settings
    from vpcodec.data.audio import RawFormat

    settings = Settings(
        task="encode",
        model=model,
        wanted=Wanted(codebook=codebook, bitrate=bitrate, bpp=bpp, target_size=target_size),
        reading=Reading(
            raw=RawFormat(sample_rate, channels, sample_format) if sample_rate is not None else None,
            span=Span(start or 0.0, stop),
            most_pixels=most_pixels,
            salvage=salvage,
            latency=latency,
        ),
        engine=engine,
        device=device,
        force=force,
        skip_existing=skip_existing,
        remove=remove,
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
    from vpcodec.corpus.plan import checked_form

    chosen = checked_form(form)
    items = planned("decode", inputs, output, to_stdout, output_dir, recursive, shard)
    check_span(items, start, stop, remove)
    if resync and (start is not None or stop is not None or remove):
        raise ConfigError("--resync does not combine with --from, --to or --rm", hint="leave those out")

    from vpcodec.codec.signals import Span, Writing
    from vpcodec.corpus.result import Settings

    settings = Settings(
        task="decode",
        model=model,
        form=chosen,
        writing=Writing(span=Span(start or 0.0, stop), resync=resync),
        engine=engine,
        device=device,
        force=force,
        skip_existing=skip_existing,
        remove=remove,
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
    from vpcodec.corpus.plan import make_plan, parse_shard
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
    """Raise ConfigError for an empty range, and where the rest of an input would be lost or forgotten."""
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
    from vpcodec.corpus.coding import Coder
    from vpcodec.corpus.jobs import run
    from vpcodec.corpus.result import check_manifest
    from vpcodec.data.streams import STANDARD

    check_engine(settings.engine, settings.device)  # wrong usage is one line, however many files there are
    if ray is not None and any(STANDARD in (item.source, item.target) for item in items):
        raise ConfigError("--ray does not work with pipes", hint="name files for input and output")
    if as_json and any(item.target == STANDARD for item in items):
        raise ConfigError("--json and the output cannot both go to standard output", hint="name the output with -o")
    if manifest is not None:
        check_manifest(manifest)
    coder = Coder(settings)
    for line in coder.check():
        messages.detail(line)
    results: list[Result] = []
    many = any(item.mirrored for item in items)

    def state() -> tuple[float, str]:
        words = f"{len(results):,} of {len(items):,} files" if len(items) > 1 else ""
        return (len(results) + coder.share()) / max(1, len(items)), words

    try:
        with messages.progress(state):
            for result in run(items, coder, jobs, ray):
                results.append(result)
                announce(result, many, messages)
    except KeyboardInterrupt:
        if len(items) > 1:
            messages.note(f"interrupted after {len(results):,} of {len(items):,} files; nothing is half-written")
        raise
    finally:  # what was done until then is told, however it ended
        failures = report(results, items, settings, manifest, as_json, messages)
    if failures:
        raise typer.Exit(failures[0].exit_code if len(items) == 1 else 1)


def report(
    results: "list[Result]",
    items: "list[Item]",
    settings: "Settings",
    manifest: str | None,
    as_json: bool,
    messages: Messages,
) -> "list[Result]":
    """Say what became of the items of a plan that were worked on; returns those that failed."""
    from vpcodec.corpus.result import summary, write_manifest

    results = sorted(results, key=lambda result: result.number)
    failures = [result for result in results if result.status == "failed"]
    whole = summary(results)
    if len(items) != 1 or items[0].mirrored:
        messages.note(f"{whole['done']} done, {whole['skipped']} skipped, {whole['failed']} failed")
    if settings.remove and whole["skipped"]:
        messages.note("--rm keeps the inputs of files that were skipped; use -f to code them again")
    for result in failures:
        messages.error(result.error, result.hint)
        if result.traceback:
            messages.detail(result.traceback.rstrip())
    messages.peak_memory()
    if manifest is not None and (results or not items):  # what never began leaves an older one alone
        write_manifest(manifest, results)
    if as_json:
        json.dump(whole, sys.stdout, indent=1)
        print()
    return failures


def announce(result: "Result", mirrored: bool, messages: Messages) -> None:
    """Say what became of an item; files from directories are many, so there only what is unusual."""
    from vpcodec.data.output import shown_output
    from vpcodec.data.streams import shown

    for note in result.notes:
        messages.note(f"{shown(result.source)}: {note}")
    if result.status == "skipped" and not mirrored:
        messages.note(f"{shown(result.target)}: exists already, skipped")
    if result.status == "done" and not mirrored:
        messages.note(f"{shown(result.source)} -> {shown_output(result.target)}{figures(result)}")
    if result.status == "done":
        rest = result.seconds - result.load_seconds - result.network_seconds
        messages.detail(
            f"{result.seconds:.2f} s: loading {result.load_seconds:.2f} s, network {result.network_seconds:.2f} s "
            f"({result.engine}), reading, coding and writing {rest:.2f} s"
        )


def figures(result: "Result") -> str:
    """Size and rate of an output that is a file."""
    if not result.bytes or not result.amount:
        return ""
    from vpcodec.codec.token_files import SIGNALS

    bits = 8 * result.bytes / result.amount
    return f"  {result.bytes:,} bytes, {SIGNALS[result.kind].rate_text(bits)}"
