"""Which file becomes which: names given on the command line, directories walked and mirrored."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from vpcodec.corpus.formats import SUFFIXES
from vpcodec.corpus.shards import Shard
from vpcodec.data.streams import STANDARD, shown
from vpcodec.errors import ConfigError


@dataclass(frozen=True)
class Item:
    """One file to be worked on.

    Attributes:
        number: Its place in the plan.
        source: Path, or `-`.
        target: Path, or `-`; without the suffix if `open_ended`, because only the input tells it.
        open_ended: Whether the suffix is still missing.
        mirrored: Whether it was found in a directory.
        clash: The earlier input that has the same target; empty for none.
    """

    number: int
    source: str
    target: str
    open_ended: bool
    mirrored: bool = False
    clash: str = ""


def make_plan(
    task: str,
    inputs: Sequence[str],
    *,
    output: str | None = None,
    output_dir: str | None = None,
    recursive: bool = False,
    shard: Shard | None = None,
) -> list[Item]:
    """One item for each input, in an order that depends on the names alone.

    Args:
        task: "encode" or "decode".
        inputs: Paths and `-`; directories stand for the fitting files below them if `recursive`.
        output: Where the one input goes.
        output_dir: Folder for all outputs, in which directories are mirrored; None to write beside the inputs.
        recursive: Whether directories are walked.
        shard: The part of the plan to keep; None for all of it.

    Raises:
        ConfigError: There is one output for several inputs, or a directory holds nothing to work on.
    """
    if output is not None and (len(inputs) > 1 or (recursive and os.path.isdir(inputs[0]))):
        raise ConfigError("-o and -c take one input", hint="use --output-dir for several")
    items: list[Item] = []
    owners: dict[str, str] = {}
    for name in inputs:
        folder = recursive and os.path.isdir(name)
        for source, relative in walk(name, SUFFIXES[task]) if folder else [(name, os.path.basename(name))]:
            if output is not None or name == STANDARD:
                target = STANDARD if output is None else output
            else:
                target = os.path.splitext(source if output_dir is None else os.path.join(output_dir, relative))[0]
            owner = owners.setdefault(os.path.normpath(target), source)
            clash = owner if owner != source else ""
            items.append(Item(len(items), source, target, output is None and name != STANDARD, folder, clash))
    if not items:
        wanted = ", ".join(SUFFIXES[task])
        raise ConfigError(f"nothing to {task} in {', '.join(map(shown, inputs))}", hint=f"looked for {wanted}")
    return items if shard is None else shard.of(items)


def walk(top: str, suffixes: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """Files below a folder, each with its path relative to it, by name; links are followed, each folder once."""
    seen = {identity(top)}
    for folder, folders, files in os.walk(top, followlinks=True):
        kept = []
        for name in sorted(folders, key=os.fsencode):
            if (found := identity(os.path.join(folder, name))) not in seen:
                seen.add(found)
                kept.append(name)
        folders[:] = kept
        for name in sorted(files, key=os.fsencode):
            if name.lower().endswith(suffixes) and os.path.splitext(name)[1]:
                path = os.path.join(folder, name)
                yield path, os.path.relpath(path, top)


def identity(folder: str) -> tuple[int, int]:
    """What tells a folder from all others, whatever it is called; (0, 0) if it has vanished."""
    try:
        status = os.stat(folder)
    except OSError:
        return (0, 0)
    return status.st_dev, status.st_ino
