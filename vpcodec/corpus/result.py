"""What is asked for every item of a plan, and what became of each: for people, and as JSON for programs."""

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, NamedTuple

from vpcodec.codec.signals import ANY_SIZE, Reading, Wanted, Writing
from vpcodec.data.output import check_output, open_output, shown_output
from vpcodec.data.streams import open_input, shown
from vpcodec.errors import ConfigError, InputError, VpcodecError

FIRST_LINE = 1 << 16  # bytes of an older manifest that are looked at
INTERNAL = ("number", "exit_code", "traceback")  # fields that are not for programs


class Settings(NamedTuple):
    """What is done with every item of a plan.

    Attributes:
        task: Which of the two.
        model: Name or path; None for the default of each kind.
        wanted: How large token files are to be.
        form: Format of what is decoded; None to go by the output's name.
        reading: How inputs are encoded.
        writing: How token files are decoded.
        engine: What computes, `device` on which device and `effort` how hard it tries; see `open_engine`.
        force: Replace what is there.
        skip_existing: Leave alone what is there. Files from directories are skipped if complete, in any case.
        remove: Delete inputs whose output was read back, unless a part of them was left out.
    """

    task: Literal["encode", "decode"]
    model: str | None = None
    wanted: Wanted = ANY_SIZE
    form: str | None = None
    reading: Reading = Reading()
    writing: Writing = Writing()
    engine: str = "auto"
    device: str = "auto"
    effort: int = 0
    force: bool = False
    skip_existing: bool = False
    remove: bool = False


@dataclass
class Result:
    """What became of one item.

    Attributes:
        status: "done", "skipped" or "failed".
        kind: "speech" or "image", once known.
        amount: Seconds or pixels that went through.
        bytes: Of the token file or the media file written; 0 if it went into a pipe.
        seconds: Time for all of it; `load_seconds` and `network_seconds` are parts of that.
        notes: What the user should know.
        error: Why it failed, `hint` what to do, `exit_code` what a lone failure of this sort ends with.
        traceback: Where a bug showed itself; else empty.
    """

    number: int
    source: str
    target: str
    status: Literal["done", "skipped", "failed"] = "done"
    kind: str = ""
    model: str = ""
    codebook: int | str = 0
    engine: str = ""
    amount: float = 0.0
    bytes: int = 0
    seconds: float = 0.0
    load_seconds: float = 0.0
    network_seconds: float = 0.0
    notes: list[str] = field(default_factory=list)
    error: str = ""
    hint: str = ""
    exit_code: int = 0
    traceback: str = ""


def fail(result: Result, error: VpcodecError) -> None:
    """Note a failure, naming the input where the message names no file."""
    names = (shown(result.source), shown_output(result.target))
    named = isinstance(error, ConfigError) or any(name in error.what for name in names)
    result.status = "failed"
    result.error = error.what if named else f"{names[0]}: {error.what}"
    result.hint, result.exit_code = error.hint, error.exit_code


def as_record(result: Result) -> dict[str, Any]:
    """What became of one file. Bytes of names that are not UTF-8 are lone surrogates, as Python has them."""
    record = asdict(result)
    for name in ("seconds", "load_seconds", "network_seconds"):
        record[name] = round(record[name], 4)
    return {name: value for name, value in record.items() if name not in INTERNAL}


def summary(results: Sequence[Result]) -> dict[str, Any]:
    """How many were done, skipped and failed, and what became of each."""
    counts = {status: sum(o.status == status for o in results) for status in ("done", "skipped", "failed")}
    return {**counts, "files": [as_record(result) for result in results]}


def check_manifest(path: str) -> None:
    """Raise InputError if no manifest can be written there in the end.

    An older one is replaced, which may be empty; anything else is not.
    """
    check_output(path, force=True)
    if not os.path.isfile(path):
        return
    import json

    with open_input(path) as stream:
        first = stream.readline(FIRST_LINE)
    try:
        sound = not first or {"source", "target", "status"} <= json.loads(first).keys()
    except (ValueError, AttributeError):
        sound = False
    if not sound:
        raise InputError(f"{shown(path)}: exists already and is not a manifest", hint="name another file")


def write_manifest(path: str, results: Sequence[Result]) -> None:
    """Write one line for each result, in place of an older manifest. Raises InputError if it cannot be written."""
    import json

    with open_output(path, force=True) as out:
        for result in results:
            out.write(json.dumps(as_record(result)).encode() + b"\n")
