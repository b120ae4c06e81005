"""Where the milliseconds of a process go, from its start to its end.

    python benchmarks/start.py [--rounds 15] [--tree NAME=FOLDER ...] [--json FILE] [--markdown FILE]

Two tables. The first has whole processes, without tracing: processor time and elapsed time against Python that does
nothing and Python that imports numpy and ONNX Runtime, all in turns, the quickest fifth. The second has one process
each, traced: processor time by what it was spent on. Several `--tree` compare checkouts. OMP_NUM_THREADS is 1; nothing
is compiled on the way, since Python keeps compiled modules in a folder of this run. Elapsed time needs an idle machine,
processor time less so.
"""

import os
import platform
import statistics
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from figures import MEDIA, ROOT, conditions, deliver, markdown, parser_of, process

TRACER = ROOT / "benchmarks" / "tracer.py"
NOTHING, LIBRARIES = "python -c pass", 'python -c "import numpy, onnxruntime"'
# The command that pip installs.
COMMAND = ["-c", "import sys; sys.argv[0] = 'vpcodec'; from vpcodec.__main__ import main; sys.exit(main())"]
TRACED = ("--help", "info", "encode 4 s", "decode 4 s")
SHOWN = 0.5  # milliseconds that a row has somewhere


def run(arguments: list[str], environment: dict[str, str]) -> tuple[float, float]:
    """Milliseconds of processor time and elapsed time of one Python process."""
    elapsed, processor, _ = process(arguments, env=environment, cwd=ROOT.anchor, stdout=subprocess.DEVNULL)
    return 1000 * processor, 1000 * elapsed


def make_tasks(folder: Path) -> dict[str, list[str]]:
    """Arguments of the command by what they do."""
    import numpy as np
    import soundfile

    samples, rate = soundfile.read(MEDIA / "speech.flac", dtype="float32")
    tasks = {"--help": ["--help"]}
    for seconds in (4, 10):
        clip, tokens, back = (str(folder / f"{seconds}{suffix}") for suffix in (".wav", ".tok", ".out.wav"))
        soundfile.write(clip, np.resize(samples, seconds * rate), rate)
        tasks[f"encode {seconds} s"] = ["encode", clip, "-f", "-q", "-o", tokens]
        tasks[f"decode {seconds} s"] = ["decode", tokens, "-f", "-q", "-o", back]
    return {**tasks, "info": ["info", tokens]}


def measure(trees: dict[str, Path], rounds: int) -> dict[str, Any]:
    """Times of whole processes and of traced ones, by tree and task; the first round only fills caches."""
    whole: dict[str, dict[str, list[tuple[float, float]]]] = {}
    traced: dict[str, dict[str, list[dict[str, float]]]] = {}
    with tempfile.TemporaryDirectory() as name:
        tasks = make_tasks(Path(name))
        plain = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
        plain |= {"OMP_NUM_THREADS": "1", "PYTHONPYCACHEPREFIX": f"{name}/compiled"}
        for turn in range(rounds + 1):
            found = {"": {NOTHING: run(["-c", "pass"], plain)}}
            found[""][LIBRARIES] = run(["-c", "import numpy, onnxruntime"], plain)
            for tree, folder in trees.items():
                place = {**plain, "PYTHONPATH": str(folder)}
                for task, arguments in tasks.items():
                    found.setdefault(tree, {})[task] = run([*COMMAND, *arguments], place)
                    if task in TRACED:
                        spent = trace_once(arguments, place, Path(name, "trace.json"))
                        traced.setdefault(tree, {}).setdefault(task, []).append(spent)
            for tree, figures in found.items() if turn else ():
                for task, pair in figures.items():
                    whole.setdefault(tree, {}).setdefault(task, []).append(pair)
    return {
        **conditions(rounds),
        "python": platform.python_version(),
        "whole": {tree: {task: quick(pairs) for task, pairs in by.items()} for tree, by in whole.items()},
        "parts": {tree: {task: by_label(rows[1:]) for task, rows in by.items()} for tree, by in traced.items()},
    }


def trace_once(arguments: list[str], environment: dict[str, str], target: Path) -> dict[str, float]:
    """Milliseconds by label of one traced process, its end included."""
    total, _ = run([str(TRACER), str(target), *arguments], environment)
    rows = (line.split("\t") for line in target.read_text().splitlines())
    spent = {label: 1000 * float(seconds) for seconds, label in rows}
    return {**spent, "end": total - sum(spent.values())}


def quick(pairs: list[tuple[float, float]]) -> dict[str, float]:
    """The time that a fifth of the runs stay below: what other programs add to the rest is not ours."""
    processor, elapsed = (round(sorted(column)[len(column) // 5], 1) for column in zip(*pairs, strict=True))
    return {"processor": processor, "elapsed": elapsed}


def by_label(rows: list[dict[str, float]]) -> dict[str, float]:
    """The median of each label, the largest first."""
    labels = {label for row in rows for label in row}
    found = {label: round(statistics.median(row.get(label, 0.0) for row in rows), 1) for label in labels}
    return dict(sorted(found.items(), key=lambda item: -item[1]))


def whole_table(figures: dict[str, Any]) -> str:
    """Whole processes: milliseconds, and ratios to both references."""
    nothing, libraries = figures["whole"][""][NOTHING], figures["whole"][""][LIBRARIES]
    kinds, rows = ("processor", "elapsed"), []
    for tree, tasks in figures["whole"].items():
        for task, spent in tasks.items():
            label = f"{tree}: {task}" if tree and len(figures["parts"]) > 1 else task
            ratios = [", ".join(f"{spent[kind] / base[kind]:.2f}" for kind in kinds) for base in (nothing, libraries)]
            rows.append((f"`{label}`", *(f"{spent[kind]:.0f}" for kind in kinds), *ratios))
    heads = ("process", "processor ms", "elapsed ms", "against `pass`", "against both imports")
    about = f"{figures['machine']}, Python {figures['python']}, load {figures['load']}"
    return f"{markdown(heads, rows)}\n{about}, the quickest fifth of {figures['rounds']}.\n"


def parts_table(figures: dict[str, Any], tree: str) -> str:
    """Milliseconds of processor time by what they were spent on, of one tree."""
    tasks = figures["parts"][tree]
    order: dict[str, float] = {}
    for spent in tasks.values():
        for label, milliseconds in spent.items():
            order[label] = max(order.get(label, 0.0), milliseconds)
    labels = [label for label in sorted(order, key=lambda label: -order[label]) if order[label] >= SHOWN]
    rows = [(label, *(f"{spent.get(label, 0.0):.1f}" for spent in tasks.values())) for label in labels]
    return markdown(("ms", *tasks), [*rows, ("all", *(f"{sum(spent.values()):.0f}" for spent in tasks.values()))])


def main() -> None:
    parser = parser_of(__doc__, rounds=15)
    parser.add_argument("--tree", action="append", metavar="NAME=FOLDER", help="a checkout; default: this one")
    options = parser.parse_args()
    trees = dict(each.split("=", 1) for each in options.tree or [f"now={ROOT}"])
    figures = measure({name: Path(folder).resolve() for name, folder in trees.items()}, options.rounds)
    deliver(options, figures, {"processes": whole_table(figures), "start": parts_table(figures, list(trees)[-1])})


if __name__ == "__main__":
    main()
