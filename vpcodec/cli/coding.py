"""`vpcodec encode` and `vpcodec decode`."""

import sys
from collections import Counter
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from vpcodec.cli.commands import PCM
from vpcodec.cli.messages import Messages
from vpcodec.errors import ConfigError, counted

if TYPE_CHECKING:
    from vpcodec.corpus.plan import Item
    from vpcodec.corpus.result import Result, Settings


def encode(given: SimpleNamespace) -> int:
    """`vpcodec encode`"""
    start_quickly()
    from vpcodec.corpus.plan import TOKENS, is_media_name

    if given.output is not None and is_media_name(given.output):
        raise ConfigError(f"-o {given.output}: encode writes token files", hint=f"name it {TOKENS}")
    if given.raw and given.sample_rate is None:
        raise ConfigError("--raw: the sample rate is unknown", hint="add it, for example --sample-rate 16000")
    if not given.raw and (given.sample_rate, given.channels, given.sample_format) != (None, 1, PCM):
        options = "--sample-rate, --channels and --sample-format"
        raise ConfigError(f"{options} are for raw samples", hint="add --raw")
    items = planned("encode", given)
    if given.target_size is not None and any(item.mirrored for item in items):  # only encoding tells what would fit
        raise ConfigError("--target-size is for single files", hint="name the files instead of -r")

    from vpcodec.codec.signals import Reading, Span, Wanted
    from vpcodec.data.audio import RawFormat

    raw = RawFormat(given.sample_rate, given.channels, given.sample_format) if given.raw else None
    return carry_out(
        items,
        given,
        task="encode",
        wanted=Wanted(codebook=given.codebook, bitrate=given.bitrate, bpp=given.bpp, target_size=given.target_size),
        reading=Reading(
            raw=raw,
            span=Span(given.start or 0.0, given.stop),
            most_pixels=given.max_pixels,
            salvage=given.salvage,
            latency=given.latency,
        ),
        effort=given.effort,
    )


def decode(given: SimpleNamespace) -> int:
    """`vpcodec decode`"""
    start_quickly()
    from vpcodec.corpus.plan import checked_form

    form = checked_form(given.format)
    items = planned("decode", given)
    if given.resync and (given.start is not None or given.stop is not None or given.remove):
        raise ConfigError("--resync does not combine with --from, --to or --rm", hint="leave those out")

    from vpcodec.codec.signals import Span, Writing

    writing = Writing(span=Span(given.start or 0.0, given.stop), resync=given.resync)
    return carry_out(items, given, task="decode", form=form, writing=writing)


def start_quickly() -> None:
    """Before anything large is loaded."""
    from vpcodec.devices import import_numpy, use_large_pages

    use_large_pages()
    import_numpy()


def planned(task: str, given: SimpleNamespace) -> "list[Item]":
    """The plan for the given options. Raises ConfigError if they contradict each other."""
    from vpcodec.corpus.plan import make_plan, parse_shard
    from vpcodec.data.streams import STANDARD

    there = {"-o": given.output is not None, "-c": given.stdout, "--output-dir": given.output_dir is not None}
    if sum(there.values()) > 1:
        names = " and ".join(name for name in there if there[name])
        raise ConfigError(f"{names} contradict each other", hint="keep one")
    items = make_plan(
        task,
        given.inputs,
        output=STANDARD if given.stdout else given.output,
        output_dir=given.output_dir,
        recursive=given.recursive,
        shard=parse_shard(given.shard) if given.shard else None,
    )
    check_span(items, given.start, given.stop, given.remove)
    return items


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


def carry_out(items: "list[Item]", given: SimpleNamespace, **chosen: Any) -> int:
    """Work on a plan and say what became of each item; returns the exit code.

    Args:
        items: The plan.
        given: The options of the command.
        chosen: What of the settings only one of the two commands has.
    """
    from vpcodec.codec.engines import check_engine
    from vpcodec.corpus.coding import Coder, run
    from vpcodec.corpus.result import Settings, check_manifest
    from vpcodec.data.streams import STANDARD

    check_engine(
        given.engine, given.device, chosen.get("effort", 0)
    )  # wrong usage is one line, however many files there are
    if given.ray is not None and any(STANDARD in (item.source, item.target) for item in items):
        raise ConfigError("--ray does not work with pipes", hint="name files for input and output")
    if given.json and any(item.target == STANDARD for item in items):
        raise ConfigError("--json and the output cannot both go to standard output", hint="name the output with -o")
    if given.manifest is not None:
        check_manifest(given.manifest)
    shared = {name: getattr(given, name) for name in ("model", "engine", "device", "force", "skip_existing", "remove")}
    settings = Settings(**shared, **chosen)
    messages = Messages(quiet=given.quiet, verbose=given.verbose, progress=not given.no_progress)
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
            for result in run(items, coder, given.jobs, given.ray):
                results.append(result)
                announce(result, many, messages)
    except KeyboardInterrupt:
        if len(items) > 1:
            messages.note(f"interrupted after {len(results):,} of {len(items):,} files; nothing is half-written")
        raise
    finally:  # what was done until then is told, however it ended
        failures = report(results, items, settings, given.manifest, given.json, messages)
    if not failures:
        return 0
    return failures[0].exit_code if len(items) == 1 else 1


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
    from vpcodec.data.streams import Common

    results = sorted(results, key=lambda result: result.number)
    failures = [result for result in results if result.status == "failed"]
    whole = summary(results)
    if len(items) != 1 or items[0].mirrored:
        messages.note(f"{whole['done']} done, {whole['skipped']} skipped, {whole['failed']} failed")
    common = Counter(note for result in results for note in result.notes if isinstance(note, Common))
    for note, count in common.items() if any(item.mirrored for item in items) else ():
        messages.note(f"{counted(count, 'file')}: {note}")
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
        import json

        json.dump(whole, sys.stdout, indent=1)
        print()
    return failures


def announce(result: "Result", mirrored: bool, messages: Messages) -> None:
    """Say what became of an item; files from directories are many, so there only what is unusual."""
    from vpcodec.data.output import shown_output
    from vpcodec.data.streams import Common, shown

    for note in result.notes:
        if not (mirrored and isinstance(note, Common)):
            messages.note(f"{shown(result.source)}: {note}")
    if result.status == "skipped" and not mirrored:
        messages.note(f"{shown(result.target)}: exists already, skipped")
    if result.status == "done" and not mirrored:
        messages.note(f"{shown(result.source)} -> {shown_output(result.target)}{figures(result)}")
    if result.status == "done":
        rest = result.seconds - result.load_seconds - result.network_seconds
        messages.detail(
            f"{result.seconds:.2f} s: loading {result.load_seconds:.2f} s, network {result.network_seconds:.2f} s "
            f"({result.model}, {result.engine}), reading, coding and writing {rest:.2f} s"
        )


def figures(result: "Result") -> str:
    """Size and rate of an output that is a file."""
    if not result.bytes or not result.amount:
        return ""
    from vpcodec.codec.token_files import SIGNALS

    bits = 8 * result.bytes / result.amount
    return f"  {result.bytes:,} bytes, {SIGNALS[result.kind].rate_text(bits)}"
