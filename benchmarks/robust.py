"""Writes docs/robust.md: what the released models make of media unlike those that they were trained on.

    python benchmarks/robust.py --speech FOLDER --image FOLDER --audio FOLDER

Each folder may have a `manifest.tsv`: a name, and in its last column what the file is. Every file is coded by the
models and by the codecs that people use, the latter as near to the size of the former as they come.
"""

import argparse
import csv
from pathlib import Path

from figures import COMPARED, ROOT, markdown, put_table

from vpcodec.evaluation.candidates import ModelCandidate
from vpcodec.evaluation.datasets import open_dataset
from vpcodec.evaluation.evaluate import run_evaluation
from vpcodec.evaluation.results import Results, Row
from vpcodec.evaluation.signals import SIGNALS
from vpcodec.registry import find_model

PAGE = ROOT / "docs" / "robust.md"
RIVALS = {"speech": ("opus:6",), "image": ("webp", "avif"), "audio": ("opus", "opus:12")}
MODELS = {  # with their codebooks; None for the largest
    "speech": ("speech-vp", (1024, 16384)),
    "image": ("image-vp", (1024, 16384)),
    "audio": ("audio-vp", (None,)),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for kind in MODELS:
        parser.add_argument(f"--{kind}", type=Path, metavar="FOLDER", help="test media")
    for kind, folder in vars(parser.parse_args()).items():
        if folder:
            name, codebooks = MODELS[kind]
            candidates = [ModelCandidate(find_model(name), codebook) for codebook in codebooks]
            dataset = open_dataset(str(folder)).seen_as(kind)
            results = run_evaluation(dataset, candidates, RIVALS[kind], metrics=list(COMPARED[kind]))
            put_table(PAGE, kind, table(results, kind, descriptions(folder)))


def descriptions(folder: Path) -> dict[str, str]:
    """What each file is, where the folder says so."""
    manifest = folder / "manifest.tsv"
    if not manifest.exists():
        return {}
    with manifest.open(newline="") as file:
        return {row[0]: row[-1] for row in csv.reader(file, delimiter="\t")}


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
