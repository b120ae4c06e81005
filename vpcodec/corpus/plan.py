"""Which file becomes which: names given on the command line, directories walked and mirrored."""

import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from vpcodec.corpus.formats import DECODED, SUFFIXES, TOKENS
from vpcodec.corpus.shards import Shard
from vpcodec.data.kinds import is_named
from vpcodec.data.streams import STANDARD, failure, shown
from vpcodec.errors import ConfigError, InputError


@dataclass(frozen=True)
class Item:
    """One file to be worked on.

    Attributes:
        number: Its place in the plan.
        source: Path, or `-`.
        target: Path, or `-`; without the suffix if `open_ended`, because only the input tells it.
        open_ended: Whether the suffix is still missing.
        mirrored: Whether it was found in a directory.
        problem: Why nothing can be done with it: an earlier input has the same target, or it is a folder that
            cannot be read, and has no target.
    """

    number: int
    source: str
    target: str
    open_ended: bool
    mirrored: bool = False
    problem: InputError | None = None


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
        unread: list[OSError] = []
        found = walk(name, SUFFIXES[task], unread.append) if folder else [(name, os.path.basename(name))]
        for source, relative in found:
            if output is not None or name == STANDARD:
                target = STANDARD if output is None else output
            else:
                target = os.path.splitext(source if output_dir is None else os.path.join(output_dir, relative))[0]
            owner = owners.setdefault(os.path.normpath(target), source)
            problem = clash(source, owner) if owner != source else None
            items.append(Item(len(items), source, target, output is None and name != STANDARD, folder, problem))
        for error in unread:
            source = error.filename
            items.append(Item(len(items), source, "", True, folder, failure(source, error)))
    if not items:
        wanted = ", ".join(SUFFIXES[task])
        raise ConfigError(f"nothing to {task} in {', '.join(map(shown, inputs))}", hint=f"looked for {wanted}")
    return items if shard is None else shard.of(items)


def names_of(items: Sequence[Item]) -> dict[str, Item]:
    """Each input once, under a name of its own: its own name without the suffix, after the folder that was named and
    those below; its whole path where another input has that name."""
    once = list({os.path.normpath(item.source): item for item in items}.values())
    names = [inner_name(item) for item in once]
    counts = Counter(names)
    whole = [os.path.splitext(item.source)[0] for item in once]
    return {name if counts[name] == 1 else path: item for name, path, item in zip(names, whole, once, strict=True)}


def inner_name(item: Item) -> str:
    """`tokens/a/b` for `tokens/a/b.tok` that was found in `tokens`."""
    if not (item.mirrored and item.target):
        return item.target
    top = os.path.splitext(item.source)[0].removesuffix(item.target)
    return os.path.join(os.path.basename(os.path.abspath(top)), item.target)


def clash(source: str, owner: str) -> InputError:
    return InputError(f"{shown(source)}: would have the same output as {shown(owner)}", hint="rename one of them")


def walk(top: str, suffixes: tuple[str, ...], missed: Callable[[OSError], None]) -> Iterator[tuple[str, str]]:
    """Files below a folder, each with its path relative to it, by name; links are followed, each folder once.

    Args:
        top: The folder.
        suffixes: Ends of the names of files that are meant.
        missed: Called with the error of every folder that cannot be read.
    """
    seen = {identity(top)}
    for folder, folders, files in os.walk(top, onerror=missed, followlinks=True):
        kept = []
        for name in sorted(folders, key=os.fsencode):
            if (found := identity(os.path.join(folder, name))) not in seen:
                seen.add(found)
                kept.append(name)
        folders[:] = kept
        for name in sorted(files, key=os.fsencode):
            path = os.path.join(folder, name)
            relative = os.path.relpath(path, top)
            if is_named(relative, suffixes) and is_input(path):
                yield path, relative


def is_input(path: str) -> bool:
    """Whether a file with a fitting name is taken from a folder.

    Not if it is a pipe, a socket or a device, which may have no end, nor if it was decoded from the token file beside
    it. A link that leads nowhere is taken, so that its error is told.
    """
    stem, suffix = os.path.splitext(path)
    if stem.endswith(DECODED) and suffix != TOKENS and os.path.exists(stem.removesuffix(DECODED) + TOKENS):
        return False
    return os.path.isfile(path) or not os.path.exists(path)


def identity(folder: str) -> tuple[int, int] | str:
    """What tells a folder from all others, whatever it is called; its path where the system does not say more."""
    try:
        status = os.stat(folder)
    except OSError:
        return folder
    return status.st_dev, status.st_ino
