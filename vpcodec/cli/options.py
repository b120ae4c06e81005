"""Options that several commands share, each defined once."""

from typing import Annotated

import typer


def parse_time(text: str) -> float:
    """Seconds of `83.5`, `1:23.5` or `0:01:23.5`."""
    parts = text.split(":")
    try:
        if len(parts) > 3 or not all(part[:1].isdigit() for part in parts):
            raise ValueError
        return sum(float(part) * 60**power for power, part in enumerate(reversed(parts)))
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not a time; write seconds or [h:]m:s") from None


def parse_codebook(text: str) -> str:
    """A codebook size as it is named: `1024`, or `2x1024` for two codes a position."""
    groups, times, codes = text.rpartition("x")
    if not codes.isdecimal() or (times and not groups.isdecimal()):
        raise typer.BadParameter(f"{text!r} is not a codebook size; write 1024, or 2x1024")
    return text


def parse_output(text: str) -> str:
    """The name of an output, `-` for the others that standard output has."""
    return "-" if text in ("/dev/stdout", "/dev/fd/1", "/proc/self/fd/1") else text


def complete_models(incomplete: str) -> list[str]:
    """Names of installed models, for the shell."""
    from vpcodec.registry import list_models

    return [model.name for model in list_models() if model.name.startswith(incomplete)]


def complete_recipes(incomplete: str) -> list[str]:
    """Names of recipes, for the shell."""
    from vpcodec.training.recipes import recipe_names

    return [name for name in recipe_names() if name.startswith(incomplete)]


Inputs = Annotated[list[str], typer.Argument(metavar="IN...", help="Files; - is standard input.", show_default=False)]
Output = Annotated[
    str | None,
    typer.Option("-o", "--output", metavar="OUT", parser=parse_output, help="Output file; - is standard output."),
]
Stdout = Annotated[bool, typer.Option("-c", "--stdout", help="Write to standard output.")]
OutputDir = Annotated[str | None, typer.Option("--output-dir", metavar="DIR", help="Folder for the outputs.")]
Recursive = Annotated[bool, typer.Option("-r", "--recursive", help="Take the files in directories, at any depth.")]
Start = Annotated[
    float | None, typer.Option("--from", metavar="T", parser=parse_time, help="Begin there: seconds or [h:]m:s.")
]
Stop = Annotated[float | None, typer.Option("--to", metavar="T", parser=parse_time, help="End there.")]
Force = Annotated[bool, typer.Option("-f", "--force", help="Replace what is there; write binary to a terminal.")]
SkipExisting = Annotated[bool, typer.Option("--skip-existing", help="Leave outputs that are there alone.")]
Remove = Annotated[bool, typer.Option("--rm", help="Delete each input whose output was read back and holds all of it.")]
Salvage = Annotated[bool, typer.Option("--salvage", help="Take what is there of a recording that was cut short.")]
Resync = Annotated[bool, typer.Option("--resync", help="Step over damage; what is lost becomes silence or grey.")]
Jobs = Annotated[int, typer.Option("-j", "--jobs", metavar="N", min=0, help="Work on N files at once; 0: one a core.")]
Ray = Annotated[
    str | None,
    typer.Option("--ray", metavar="ADDRESS", help="Work on a Ray cluster: its address, auto, or local for one here."),
]
ShardPart = Annotated[
    str | None,
    typer.Option("--shard", metavar="I/N", help="Do the I-th of N parts; auto asks torchrun's or Slurm's environment."),
]
Manifest = Annotated[
    str | None,
    typer.Option(
        "--manifest", metavar="FILE", parser=parse_output, help="Write what became of each input, as JSON lines."
    ),
]
ModelName = Annotated[
    str | None,
    typer.Option(
        "-m", "--model", metavar="NAME", autocompletion=complete_models, help="Model by name or path of its folder."
    ),
]
Codebook = Annotated[
    str | None,
    typer.Option(
        "--codebook",
        metavar="K",
        parser=parse_codebook,
        help="Codebook size, one of the model's: 1024, or 2x1024. Default: its largest.",
    ),
]
Engine = Annotated[str, typer.Option("--engine", metavar="E", help="What computes: auto, onnx, onnx-8-bits or torch.")]
Device = Annotated[str, typer.Option("--device", metavar="D", help="Where: auto, cpu or cuda.")]
Json = Annotated[bool, typer.Option("--json", help="Print figures as JSON on standard output.")]
Quiet = Annotated[bool, typer.Option("-q", "--quiet", help="Say nothing but errors.")]
Verbose = Annotated[bool, typer.Option("-v", "--verbose", help="Say what takes how long and how much memory.")]
NoProgress = Annotated[bool, typer.Option("--no-progress", help="Show no progress on a terminal.")]
