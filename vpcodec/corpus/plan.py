"""Which file becomes which: names on the command line, directories walked and mirrored, parts for several machines."""

import hashlib
import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import NamedTuple, TypeVar

from vpcodec.data.kinds import EXTRA_SUFFIXES, WRITTEN, is_named
from vpcodec.data.kinds import SUFFIXES as MEDIA
from vpcodec.data.streams import STANDARD, failure, files_below, shown
from vpcodec.errors import ConfigError, InputError

T = TypeVar("T")

# Variables that hold a process's number, from 0, and how many there are. Those of srun's steps and not of the job,
# whose script runs once for all of its tasks.
RANKS = (("RANK", "WORLD_SIZE"), ("SLURM_PROCID", "SLURM_STEP_NUM_TASKS"))

TOKENS = ".tok"
DECODED = ".decoded"  # before the suffix of what is decoded, so that an original is never in danger
LONGEST_NAME = 255  # bytes, in all usual file systems
SUFFIX_FORMATS = {
    **{f".{form}": form for forms in WRITTEN.values() for form in forms},
    ".jpg": "jpeg",
    ".pcm": "raw",
    ".oga": "ogg",
}
# Names that are taken from a directory, by what is done with them.
SUFFIXES = {"encode": (*chain(*MEDIA.values()), *EXTRA_SUFFIXES), "decode": (TOKENS,)}


@dataclass(frozen=True)
class Shard:
    """Every `count`-th item, beginning with the `number`-th, which is 1 for the first shard."""

    number: int
    count: int

    def __post_init__(self) -> None:
        if not 1 <= self.number <= self.count:
            raise ConfigError(f"--shard {self.number}/{self.count}: no such part", hint="the first of 8 is 1/8")

    def of(self, items: Sequence[T]) -> list[T]:
        return list(items[self.number - 1 :: self.count])


def parse_shard(text: str, environment: Mapping[str, str] = os.environ) -> Shard:
    """The shard that `2/8` or `auto` names.

    For `auto`, each task of Slurm's array has its part, and each process that torchrun or srun has started a part of
    that.

    Raises:
        ConfigError: It is neither, or no scheduler has left its variables, or an array's ids have gaps.
    """
    try:
        if text != "auto":
            number, count = text.split("/")
            return Shard(int(number), int(count))
        array, process = array_task(environment), rank_of(environment)
    except ValueError:
        raise ConfigError(f"--shard {text}: not a part", hint="for example 1/8, or auto") from None
    if array is None and process is None:
        raise ConfigError("--shard auto: not started by torchrun or Slurm", hint="name the part, for example 1/8")
    (task, tasks), (rank, ranks) = array or (0, 1), process or (0, 1)
    return Shard(task * ranks + rank + 1, tasks * ranks)


def rank_of(environment: Mapping[str, str]) -> tuple[int, int] | None:
    """This process's place among those that torchrun or srun has started, from 0, and how many they are."""
    for rank, count in RANKS:
        if rank in environment and count in environment:
            return int(environment[rank]), int(environment[count])
    return None


def array_task(environment: Mapping[str, str]) -> tuple[int, int] | None:
    """This task's place in Slurm's array, from 0, and how many tasks that has.

    Raises ConfigError for ids with gaps such as 1,2,5: which ones there are, Slurm tells no task.
    """
    if "SLURM_ARRAY_TASK_ID" not in environment:
        return None
    task, first, last, count = (int(environment[f"SLURM_ARRAY_TASK_{name}"]) for name in ("ID", "MIN", "MAX", "COUNT"))
    step, gap = divmod(last - first, max(1, count - 1))
    if gap or (count > 2 and step not in (1, int(environment.get("SLURM_ARRAY_TASK_STEP", "1")))):
        raise ConfigError(
            f"--shard auto: the {count} ids from {first} to {last} have gaps, and Slurm does not list them",
            hint=f"give each task its part, from --shard 1/{count} to {count}/{count}",
        )
    return (task - first) // max(1, step), count


class Item(NamedTuple):
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
            clash = f"{shown(source)}: would have the same output as {shown(owner)}"
            problem = InputError(clash, hint="rename one of them") if owner != source else None
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


def walk(top: str, suffixes: tuple[str, ...], missed: Callable[[OSError], None]) -> Iterator[tuple[str, str]]:
    """Media or token files below a folder, each with its path relative to it; see `files_below`.

    Args:
        top: The folder.
        suffixes: Ends of the names of files that are meant.
        missed: Called with the error of every folder that cannot be read.
    """
    for path in files_below(top, missed):
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


def form_of(target: str, formats: Sequence[str], open_ended: bool) -> str:
    """The format that an output's name asks for, else the first of those that fit the signal.

    Raises:
        ConfigError: The name has a suffix that says nothing.
    """
    suffix = os.path.splitext(target)[1].lower()
    if open_ended or target == STANDARD or not suffix:
        return formats[0]
    if suffix not in SUFFIX_FORMATS:
        raise ConfigError(f"{shown(target)}: {suffix} is not a format to write", hint="choose one with --format")
    return SUFFIX_FORMATS[suffix]


def output_name(stem: str, suffix: str) -> str:
    """A path with a suffix. A name too long for it is cut; a checksum of the whole name stands for the rest."""
    folder, name = os.path.split(stem)
    whole = os.fsencode(name)
    if len(whole) + len(suffix) > LONGEST_NAME:
        mark = f"~{hashlib.sha256(whole).hexdigest()[:8]}"
        name = whole[: LONGEST_NAME - len(mark + suffix)].decode(errors="ignore") + mark
    return os.path.join(folder, name + suffix)


def checked_form(form: str | None) -> str | None:
    """A format by its name or suffix: `jpg` is `jpeg`. Raises ConfigError for one that nobody writes."""
    if form is None:
        return None
    known = SUFFIX_FORMATS.get(f".{form.lower().lstrip('.')}")
    if known is None:
        forms = ", ".join(form for forms in WRITTEN.values() for form in forms)
        raise ConfigError(f"--format {form}: not a format to write", hint=f"use {forms}")
    return known


def is_media_name(name: str) -> bool:
    """Whether a file of this name would be taken for a recording or photo."""
    return name.lower().endswith(SUFFIXES["encode"])
