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


def parse_rate(text: str) -> float:
    """Bits a second of `1500` or `1.5k`."""
    return parse_amount(text, {"": 1, "k": 1000}, "a bit rate; write 1500 or 1.5k")


def parse_bytes(text: str) -> int:
    """Bytes of `20000`, `20kB`, `20k` or `20KiB`."""
    factors = {"": 1, "b": 1, "k": 1000, "kb": 1000, "m": 10**6, "mb": 10**6, "kib": 1 << 10, "mib": 1 << 20}
    return int(parse_amount(text, factors, "a size; write 20000, 20kB or 20KiB"))


def parse_amount(text: str, factors: dict[str, int], meant: str) -> float:
    """A number above 0 with the name of a factor behind it, in small or capital letters."""
    number = text.rstrip("bikmBIKM ")
    factor = factors.get(text[len(number) :].strip().lower(), 0)
    if not number.replace(".", "", 1).isdecimal() or float(number) * factor <= 0:
        raise typer.BadParameter(f"{text!r} is not {meant}")
    return float(number) * factor


def parse_output(text: str) -> str:
    """The name of an output; `-` for every name of standard output."""
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
Recursive = Annotated[
    bool, typer.Option("-r", "--recursive", help="Take all files in directories and their subdirectories.")
]
Start = Annotated[
    float | None, typer.Option("--from", metavar="T", parser=parse_time, help="Start of the range: seconds or [h:]m:s.")
]
Stop = Annotated[float | None, typer.Option("--to", metavar="T", parser=parse_time, help="End of the range.")]
Force = Annotated[
    bool, typer.Option("-f", "--force", help="Overwrite existing outputs; write binary data to a terminal.")
]
SkipExisting = Annotated[bool, typer.Option("--skip-existing", help="Skip inputs whose output exists.")]
Remove = Annotated[bool, typer.Option("--rm", help="Delete each input after its output was read back and is complete.")]
Salvage = Annotated[
    bool, typer.Option("--salvage", help="Encode what can be read of a damaged or truncated recording.")
]
Resync = Annotated[
    bool, typer.Option("--resync", help="Go on after damaged frames; lost parts become silence or gray.")
]
Jobs = Annotated[
    int, typer.Option("-j", "--jobs", metavar="N", min=0, help="Number of files to process at once; 0: one per core.")
]
Ray = Annotated[
    str | None,
    typer.Option("--ray", metavar="ADDRESS", help="Use a Ray cluster: its address, auto, or local to start one."),
]
ShardPart = Annotated[
    str | None,
    typer.Option("--shard", metavar="I/N", help="Process part I of N; auto takes both from torchrun or Slurm."),
]
Manifest = Annotated[
    str | None,
    typer.Option(
        "--manifest", metavar="FILE", parser=parse_output, help="Write the result of each input as a line of JSON."
    ),
]
ModelName = Annotated[
    str | None,
    typer.Option(
        "-m", "--model", metavar="NAME", autocompletion=complete_models, help="Name of a model, or path of its folder."
    ),
]
Codebook = Annotated[
    str | None,
    typer.Option(
        "--codebook",
        metavar="K",
        parser=parse_codebook,
        help="Codebook size: 1024, or 2x1024 for two codes per position. Default: the model's largest.",
    ),
]
BitRate = Annotated[
    float | None,
    typer.Option(
        "--bitrate",
        metavar="B",
        parser=parse_rate,
        help="Instead of --codebook: bits per second and channel of recordings, such as 1.5k; the nearest is chosen.",
    ),
]
BitsPerPixel = Annotated[
    float | None,
    typer.Option(
        "--bpp",
        metavar="B",
        help="Instead of --codebook: bits per pixel of photos, such as 0.2; the nearest is chosen.",
    ),
]
TargetSize = Annotated[
    int | None,
    typer.Option(
        "--target-size",
        metavar="SIZE",
        parser=parse_bytes,
        help="Instead of --codebook: the best that fits into so many bytes, such as 20kB; encodes up to three times.",
    ),
]
Engine = Annotated[str, typer.Option("--engine", metavar="E", help="Engine: auto, onnx, onnx-8-bits or torch.")]
Device = Annotated[str, typer.Option("--device", metavar="D", help="Device: auto, cpu or cuda.")]
Json = Annotated[bool, typer.Option("--json", help="Print results as JSON on standard output.")]
Quiet = Annotated[bool, typer.Option("-q", "--quiet", help="Print errors only.")]
Verbose = Annotated[bool, typer.Option("-v", "--verbose", help="Also print times and peak memory.")]
NoProgress = Annotated[bool, typer.Option("--no-progress", help="Do not show a progress bar.")]
