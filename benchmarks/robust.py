"""Writes docs/robust.md: what the released models make of media unlike those that they were trained on.

    python benchmarks/robust.py [--speech FOLDER] [--image FOLDER] [--audio FOLDER] [-m MODEL ...]

By default of the folders in `../shared`; one that is not there is left out, and so is a kind of which no model is
installed. Beside or above the media may be a `manifest.tsv` with a column `file` and one, `kind`, `note` or `what`,
that says what each file is. Every file is coded by the models and by the codecs that people use, the latter as near to
the size of the former as they come.
"""

import argparse
import csv
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import soundfile
from figures import COMPARED, ROOT, markdown, put_table

from vpcodec.evaluation.candidates import ModelCandidate
from vpcodec.evaluation.datasets import Item, open_dataset
from vpcodec.evaluation.evaluate import run_evaluation
from vpcodec.evaluation.results import Results, Row
from vpcodec.evaluation.signals import SIGNALS
from vpcodec.registry import find_model, is_installed

sys.path.insert(0, str(ROOT))

from tests.clips import RATE, castanets, crescendo, strings, sweep

MADE, SECONDS = (castanets, strings, sweep, crescendo), 6.0
PAGE = ROOT / "docs" / "robust.md"
DATA = ROOT.parent / "shared" / "data"
FOLDERS = {"speech": DATA / "speech" / "robust", "image": DATA / "images" / "robust", "audio": DATA / "music" / "test"}
RIVALS = {"speech": ("opus:6",), "image": ("webp", "avif"), "audio": ("opus", "opus:12")}
MODELS = {  # with their codebooks; None for the largest
    "speech": ("speech-vp", (1024, 16384)),
    "image": ("image-vp", (1024, 16384)),
    "audio": ("audio-vp", (None,)),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for kind, folder in FOLDERS.items():
        parser.add_argument(f"--{kind}", type=Path, metavar="FOLDER", default=folder, help="test media")
    parser.add_argument("-m", "--model", action="append", help="these models only; default: the released ones")
    options = parser.parse_args()
    named = [find_model(name) for name in options.model or ()]
    for kind, (name, codebooks) in MODELS.items():
        folder = getattr(options, kind)
        if named:
            candidates = [ModelCandidate(model) for model in named if model.facts.kind == kind]
        else:
            candidates = [ModelCandidate(find_model(name), each) for each in codebooks if is_installed(name)]
        if not candidates or not folder.is_dir():
            print(f"left out: {kind}, for want of {'a model' if folder.is_dir() else folder}")
            continue
        dataset, notes = open_dataset(str(folder)).seen_as(kind), descriptions(folder)
        with TemporaryDirectory() as scratch:
            if kind == "audio":
                items = made(Path(scratch))
                dataset = replace(dataset, items=(*dataset.items, *items))
                notes.update({item.name: (items[item].__doc__ or "").strip(".") for item in items})
            results = run_evaluation(dataset, candidates, RIVALS[kind], metrics=list(COMPARED[kind]))
        put_table(PAGE, kind, table(results, kind, notes))


def made(folder: Path) -> dict[Item, Callable[[float], np.ndarray]]:
    """Transients, tones and a crescendo as files, with what made each."""
    items = {Item(f"made_{clip.__name__}", folder / f"{clip.__name__}.wav"): clip for clip in MADE}
    for item, clip in items.items():
        soundfile.write(item.path, clip(SECONDS), RATE)
    return items


def descriptions(folder: Path) -> dict[str, str]:
    """What each file is, where the folder says so."""
    manifest = next(
        (path / "manifest.tsv" for path in (folder, folder.parent) if (path / "manifest.tsv").exists()), None
    )
    if manifest is None:
        return {}
    with manifest.open(newline="", encoding="utf-8") as file:
        rows = csv.DictReader(file, delimiter="\t")
        return {row["file"]: row.get("kind") or row.get("note") or row["what"] for row in rows}


def table(results: Results, kind: str, notes: dict[str, str]) -> str:
    """One row an item; in a cell the figures of all candidates, in the order of the head."""
    names = list(dict.fromkeys(row.candidate for row in results.rows))
    metrics, rate = COMPARED[kind], SIGNALS[kind].rate
    by_item: dict[str, dict[str, Row]] = {}
    for row in results.rows:
        by_item.setdefault(row.item, {})[row.candidate] = row
    lines = []
    for item, rows in by_item.items():
        found = [rows[name] for name in names]
        refused = next((reason for row in found for reason in row.failures.values() if row.size is None), None)
        if refused and all(row.size is None for row in found):
            cells = [f"refused: {refused}", *[""] * len(metrics)]
        else:
            cells = [", ".join("–" if row.rate is None else f"{rate.of(row.rate):.2f}" for row in found)]
            for name, metric in metrics.items():
                cells.append(", ".join(metric.shown(row.values[name]) if name in row.values else "–" for row in found))
        lines.append((item, notes.get(item, ""), *cells))
    heads = ("file", "what", rate.unit, *(metric.label for metric in metrics.values()))
    return f"In each cell: {', '.join(names)}.\n\n{markdown(heads, lines, 2)}"


if __name__ == "__main__":
    main()
