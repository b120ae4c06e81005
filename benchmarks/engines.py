"""The engines side by side, as whole processes, and the size of an installation.

    python benchmarks/engines.py [--rounds 7] [--long-seconds 600] [--json FILE] [--markdown FILE]

Every row runs `vpcodec encode` or `decode` as a user would, the engines in turn, and gives medians: seconds on the
clock, seconds of processor time, and peak memory. The ratios are of one run on one machine and hold elsewhere better
than the figures do; processor time suffers least from what else the machine does.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from PIL import Image
from tables import put_table

ROOT = Path(__file__).resolve().parents[1]
MEDIA = ROOT / "tests" / "media"
ENGINES = ("onnx", "onnx-8-bits", "torch")
COMMAND = [sys.executable, "-m", "vpcodec"]
FIGURES = ("seconds", "processor_seconds", "peak_mb")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7, help="processes of each kind")
    parser.add_argument("--long-seconds", type=int, default=600, help="length of the long recording")
    parser.add_argument("--json", type=Path, help="write the figures here, too")
    parser.add_argument("--markdown", type=Path, help="put the tables into this page")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        inputs = make_inputs(Path(folder), options.long_seconds)
        figures = {
            "machine": f"{platform.machine()}, {os.cpu_count()} cores",
            "rounds": options.rounds,
            "load": os.getloadavg()[0],
            "tasks": measure(inputs, options.rounds),
            "installed_mb": installed_sizes("vpcodec"),
        }
    print(tasks_table(figures), installed_table(figures), sep="\n")
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1) + "\n")
    if options.markdown:
        put_table(options.markdown, "tasks", tasks_table(figures))
        put_table(options.markdown, "installed", installed_table(figures))


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
                    arguments = [verb, str(given), "-o", str(made), "-f", "-q", "--engine", engine]
                    runs.setdefault((f"{verb} {name}", engine), []).append(process(arguments))
    medians: dict[str, Any] = {}
    for (task, engine), figures in runs.items():
        columns = zip(FIGURES, zip(*figures, strict=True), strict=True)
        medians.setdefault(task, {})[engine] = {figure: statistics.median(values) for figure, values in columns}
    return medians


def process(arguments: list[str]) -> tuple[float, float, float]:
    """Seconds, processor seconds and peak memory in MB of one command."""
    began = time.perf_counter()
    child = subprocess.Popen([*COMMAND, *arguments])
    _, status, usage = os.wait4(child.pid, 0)
    seconds = time.perf_counter() - began
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise SystemExit(f"failed: vpcodec {' '.join(arguments)}")
    return seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1000


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
    heads = ["", *ENGINES, *[f"{engine} : torch" for engine in quick]]
    rows = [f"| {' | '.join(heads)} |\n", f"|{'---|' * len(heads)}\n"]
    for task, by_engine in figures["tasks"].items():
        shown = [
            f"{by_engine[name]['seconds']:.2f} s, {by_engine[name]['processor_seconds']:.2f} s, "
            f"{by_engine[name]['peak_mb']:.0f} MB"
            for name in ENGINES
        ]
        ratios = [
            ", ".join(f"{by_engine[name][figure] / by_engine['torch'][figure]:.2f}" for figure in FIGURES)
            for name in quick
        ]
        rows.append(f"| {' | '.join([task, *shown, *ratios])} |\n")
    about = f"\n{figures['machine']}, median of {figures['rounds']}, load {figures['load']:.1f} at the start.\n"
    return "".join(rows) + about


def installed_table(figures: dict[str, Any]) -> str:
    sizes = figures["installed_mb"]
    shown = [(package, size) for package, size in sizes.items() if size >= 1]
    rows = "".join(f"| {package} | {size:.0f} |\n" for package, size in shown)
    return f"| package | MB |\n|---|---|\n{rows}| all {len(sizes)} | {sum(sizes.values()):.0f} |\n"


if __name__ == "__main__":
    main()
