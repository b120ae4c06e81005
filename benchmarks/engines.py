"""The engines side by side, as whole processes, and the size of an installation.

    python benchmarks/engines.py [--rounds 7] [--long-seconds 600] [--json FILE] [--markdown FILE]

Every row runs `vpcodec encode` or `decode` as a user would, the engines in turn, and gives medians: seconds on the
clock, seconds of processor time, and peak memory. The ratios are of one run on one machine and hold elsewhere better
than the figures do; processor time suffers least from what else the machine does.
"""

import statistics
import tempfile
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from figures import MEDIA, ROOT, conditions, deliver, markdown, parser_of, process
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from PIL import Image

ENGINES = ("onnx", "onnx-8-bits", "torch")
FIGURES = ("seconds", "processor_seconds", "peak_mb")


def main() -> None:
    parser = parser_of(__doc__, rounds=7)
    parser.add_argument("--long-seconds", type=int, default=600, help="length of the long recording")
    options = parser.parse_args()
    figures = conditions(options.rounds)
    with tempfile.TemporaryDirectory() as folder:
        figures["tasks"] = measure(make_inputs(Path(folder), options.long_seconds), options.rounds)
    figures["installed_mb"] = installed_sizes("vpcodec")
    deliver(options, figures, {"tasks": tasks_table(figures), "installed": installed_table(figures)})


def make_inputs(folder: Path, long_seconds: int) -> dict[str, Path]:
    """Media of known sizes, made of the tests' own."""
    samples, sample_rate = soundfile.read(MEDIA / "speech.flac", dtype="float32")
    inputs = {}
    for seconds, name in ((10, "10 s of speech"), (long_seconds, f"{long_seconds} s of speech")):
        inputs[name] = folder / f"{seconds}.wav"
        soundfile.write(inputs[name], np.resize(samples, seconds * sample_rate), sample_rate)
    inputs["256x256 photo"] = folder / "photo.png"
    Image.open(MEDIA / "coffee.jpg").convert("RGB").resize((256, 256)).save(inputs["256x256 photo"])
    return inputs


def measure(inputs: dict[str, Path], rounds: int) -> dict[str, Any]:
    """Medians by task, engine and figure. Rounds go over all tasks, so that no engine has the quieter minutes."""
    runs: dict[tuple[str, str], list[tuple[float, ...]]] = {}
    for _ in range(rounds):
        for name, source in inputs.items():
            for engine in ENGINES:
                tokens = source.with_suffix(f".{engine}.tok")
                decoded = source.with_suffix(f".{engine}.out{source.suffix}")
                for verb, given, made in (("encode", source, tokens), ("decode", tokens, decoded)):
                    arguments = ["-m", "vpcodec", verb, str(given), "-o", str(made), "-f", "-q", "--engine", engine]
                    runs.setdefault((f"{verb} {name}", engine), []).append(process(arguments))
    medians: dict[str, Any] = {}
    for (task, engine), figures in runs.items():
        columns = zip(FIGURES, zip(*figures, strict=True), strict=True)
        medians.setdefault(task, {})[engine] = {figure: statistics.median(values) for figure, values in columns}
    return medians


def installed_sizes(name: str) -> dict[str, float]:
    """Megabytes of a package and of all that it cannot be installed without, the largest first."""
    sizes: dict[str, float] = {}
    wanted = [name]
    while wanted:
        package = canonicalize_name(wanted.pop())
        if package in sizes:
            continue
        distribution = metadata.distribution(package)
        folders = [ROOT / "vpcodec", ROOT / "models"] if package == name else []  # may be installed as a link to these
        files = [path for folder in folders for path in folder.rglob("*") if "__pycache__" not in path.parts]
        files = files or [Path(str(path.locate())) for path in distribution.files or []]
        sizes[package] = sum(path.stat().st_size for path in files if path.is_file()) / 1e6
        requirements = [Requirement(text) for text in distribution.requires or []]
        wanted += [each.name for each in requirements if each.marker is None or each.marker.evaluate({"extra": ""})]
    return dict(sorted(sizes.items(), key=lambda item: -item[1]))


def tasks_table(figures: dict[str, Any]) -> str:
    """Figures of every engine, and the ratios of those without torch to those of torch."""
    quick = [engine for engine in ENGINES if engine != "torch"]
    rows = []
    for task, by_engine in figures["tasks"].items():
        shown = [
            "{seconds:.2f} s, {processor_seconds:.2f} s, {peak_mb:.0f} MB".format(**by_engine[name]) for name in ENGINES
        ]
        ratios = [
            ", ".join(f"{by_engine[name][figure] / by_engine['torch'][figure]:.2f}" for figure in FIGURES)
            for name in quick
        ]
        rows.append((task, *shown, *ratios))
    text = markdown(("", *ENGINES, *(f"{engine} : torch" for engine in quick)), rows, len(ENGINES) + len(quick) + 1)
    return f"{text}\n{figures['machine']}, median of {figures['rounds']}, load {figures['load']:.1f} at the start.\n"


def installed_table(figures: dict[str, Any]) -> str:
    sizes = figures["installed_mb"]
    rows = [(package, f"{size:.0f}") for package, size in sizes.items() if size >= 1]
    return markdown(("package", "MB"), [*rows, (f"all {len(sizes)}", f"{sum(sizes.values()):.0f}")], 2)


if __name__ == "__main__":
    main()
