"""What became of a corpus, for programs to read: a summary, and one line of JSON for each file."""

import json
import os
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from vpcodec.corpus.outcome import Outcome
from vpcodec.data.output import check_output, open_output
from vpcodec.data.streams import open_input, shown
from vpcodec.errors import InputError

FIRST_LINE = 1 << 16  # bytes of an older manifest that are looked at


def as_record(outcome: Outcome) -> dict[str, Any]:
    """What became of one file. Bytes of names that are not UTF-8 are lone surrogates, as Python has them."""
    record = asdict(outcome)
    for name in ("seconds", "load_seconds", "network_seconds"):
        record[name] = round(record[name], 4)
    return {name: value for name, value in record.items() if name not in ("number", "exit_code")}


def summary(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """How many were done, skipped and failed, and what became of each."""
    counts = {status: sum(o.status == status for o in outcomes) for status in ("done", "skipped", "failed")}
    return {**counts, "files": [as_record(outcome) for outcome in outcomes]}


def check_manifest(path: str) -> None:
    """Raise InputError if no manifest can be written there in the end.

    An older one is replaced, which may be empty; anything else is not.
    """
    check_output(path, force=True)
    if not os.path.isfile(path):
        return
    with open_input(path) as stream:
        first = stream.readline(FIRST_LINE)
    try:
        sound = not first or {"source", "target", "status"} <= json.loads(first).keys()
    except (ValueError, AttributeError):
        sound = False
    if not sound:
        raise InputError(f"{shown(path)}: exists already and is not a manifest", hint="name another file")


def write_manifest(path: str, outcomes: Sequence[Outcome]) -> None:
    """Write one line for each outcome, in place of an older manifest. Raises InputError if it cannot be written."""
    with open_output(path, force=True) as out:
        for outcome in outcomes:
            out.write(json.dumps(as_record(outcome)).encode() + b"\n")
