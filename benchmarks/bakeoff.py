"""Every quantizer with the same small network, data, steps and seeds, from training to token files and back.

    python benchmarks/bakeoff.py --out FOLDER --speech TRAIN TEST --images TRAIN TEST [--steps 300] [--device cuda]
    python benchmarks/bakeoff.py --out FOLDER ... --only speech/vp/1024/0        one cell, from scratch
    python benchmarks/bakeoff.py --out FOLDER --collect                          tables and JSON from what is there
    python benchmarks/bakeoff.py --out FOLDER --speech TRAIN TEST FURTHER --domains    and on other test sets

A cell is one training and one evaluation; its result is one JSON file below --out, and a cell that has one is
skipped, so an interrupted run goes on and several machines can share the folder. Files are written as
`vpcodec encode` writes them and decoded again before anything is measured. Cells are named
KIND/METHOD/K/SEED, METHOD with a variant after a plus sign: "simvq+native" is SimVQ with as many channels as its
authors use, "vp+all-rates" one VP-VAE for all sizes, here used at one of them. Compare the order of methods; the
levels belong to the small networks and short runs.
"""

import argparse
import csv
import json
import shutil
import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from figures import COMPARED, ROOT, markdown, put_table

from vpcodec.config import Network
from vpcodec.errors import VpcodecError
from vpcodec.evaluation.candidates import ModelCandidate
from vpcodec.evaluation.datasets import open_dataset
from vpcodec.evaluation.evaluate import run_evaluation
from vpcodec.evaluation.results import Figures
from vpcodec.metrics.usage import corrected
from vpcodec.quantizers import QUANTIZERS
from vpcodec.recipe import Data, ImageLoss, Recipe, SpeechLoss, Training, load_recipe
from vpcodec.registry import FACTS, ModelFolder
from vpcodec.training.loop import Run, train

RESULTS = ROOT / "docs" / "results" / "bakeoff.json"
DOMAINS = ROOT / "docs" / "results" / "bakeoff-domains.json"
PAGE = ROOT / "docs" / "bakeoff.md"  # K = 1,024
WHOLE = ROOT / "docs" / "results" / "bakeoff.md"  # all codebook sizes
PUBLISHED = ROOT / "docs" / "results" / "published.json"

SIZES = (256, 1024, 4096, 16384)
MIDDLE = 1024  # the size that the page shows
EVERY_SIZE = ("vp", "fsp", "fsq", "simvq")
ACROSS_DOMAINS = ("vp", "fsp", "simvq")
SEEDS = (0, 1, 2)
NATIVE = {"channels": 64}  # as wide as the network: what methods without a bottleneck of their own are built for
# What each variant sets; the plain method has none.
VARIANTS: dict[str, dict[str, Any]] = {
    "vq+native": NATIVE,
    "ema+native": NATIVE,
    "ema+restart": {"restart": True},
    "vqgan-fc+narrow": {"channels": 4},
    "simvq+native": NATIVE,
    "nsvq+native": NATIVE,
    "transvq+native": NATIVE,
    "vp+accept-all": {"metropolis": False},
    "vp+no-norm-loss": {"mean_weight": 0.0, "variance_weight": 0.0},
    "vp+calibrated": {"calibrate": True, "moves": 2},
    "vp+all-rates": {"rates": list(SIZES)},
    "fsp+normal": {"activation": "normal"},
    "fsp+laplace": {"activation": "laplace"},
    "fsq+plain": {"symmetric": False},
}
PREDICTED = "language model, bit"  # a token, see predictability.py
NETWORK = Network(width=64, encoder_blocks=2, decoder_blocks=4, expansion=3, kernel=5)
DATA = {"speech": Data(batch=4, crop=96), "image": Data(batch=8, crop=8)}
ITEMS = 24  # of the test set
KINDS = tuple(DATA)


@dataclass(frozen=True)
class Cell:
    """One training: a quantizer (a key of `VARIANTS`, or a method), a codebook size and a seed."""

    kind: str
    quantizer: str
    size: int
    seed: int

    def __str__(self) -> str:
        return f"{self.kind}/{self.quantizer}/{self.size}/{self.seed}"

    @property
    def several(self) -> bool:
        """Whether one training serves the cells of all sizes."""
        return "rates" in VARIANTS.get(self.quantizer, {})

    def folder(self, out: Path) -> Path:
        """Its model."""
        return out / "models" / f"{self.kind}-{self.quantizer}-{'all' if self.several else self.size}-{self.seed}"

    @classmethod
    def of(cls, name: str) -> "Cell":
        kind, quantizer, size, seed = name.split("/")
        return cls(kind, quantizer, int(size), int(seed))

    def recipe(self, steps: int) -> Recipe:
        method = self.quantizer.partition("+")[0]
        options = {"method": method, "rates": [self.size], **VARIANTS.get(self.quantizer, {})}
        if method == "vp" and max(options["rates"]) > 1024:
            options["density_rank"] = 2  # with the usual 8, moves would begin when so short a training is half over
        if (method, self.kind) == ("tokenbridge", "speech"):
            options["kl_weight"] = 1e-4
        training = Training(
            steps=steps,
            seed=self.seed,
            rate=0.002,  # and a long rise: with the defaults of longer runs FSQ's tanh saturates in the first steps
            warmup=0.1,
            average=0.99,
            validate_minutes=0.2,
            checkpoint_minutes=1e9,
        )
        return Recipe(
            kind=self.kind,
            quantizer=options,
            network=NETWORK,
            data=DATA[self.kind],
            speech_loss=SpeechLoss(loudness=0.0),  # terms made after the metrics that judge here stay out
            image_loss=ImageLoss(lpips=0.0),
            training=training,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder of cells")
    parser.add_argument("--speech", type=Path, nargs="+", metavar="FOLDER", help="training set and test sets")
    parser.add_argument("--images", type=Path, nargs="+", metavar="FOLDER", help="training set and test sets")
    parser.add_argument("--steps", type=int, default=300, help="of every training")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--only", nargs="+", metavar="CELL", help="these cells, even where they are done")
    parser.add_argument("--all", action="store_true", help="every method at every size with every seed")
    parser.add_argument("--domains", action="store_true", help="fewer methods, into the table of test sets")
    parser.add_argument("--collect", action="store_true", help="train nothing; put what is there into the page")
    options = parser.parse_args()
    if not options.collect:
        media = {kind: places for kind, places in zip(KINDS, (options.speech, options.images), strict=True) if places}
        cells = across_domains() if options.domains else grid(options.all)
        wanted = [Cell.of(name) for name in options.only] if options.only else list(cells)
        run_cells([cell for cell in wanted if cell.kind in media], media, options)
    collect(options.out, options.domains)


def across_domains() -> Iterator[Cell]:
    """Cells whose figures on several test sets are compared."""
    for seed in SEEDS:
        for method in ACROSS_DOMAINS:
            yield from (Cell(kind, method, 1024, seed) for kind in KINDS)


def grid(everything: bool) -> Iterator[Cell]:
    """The cells of the bake-off, the ones that say most first: seed by seed, sizes and variants at the end."""
    for seed in SEEDS:
        for method in QUANTIZERS:
            yield from (Cell(kind, method, 1024, seed) for kind in KINDS)
    for variant in VARIANTS:
        yield from (Cell(kind, variant, 1024, 0) for kind in KINDS)
    for size in SIZES:
        for method in QUANTIZERS if everything else (*EVERY_SIZE, "vp+all-rates"):
            for seed in SEEDS if everything else SEEDS[:1]:
                if size != 1024:
                    yield from (Cell(kind, method, size, seed) for kind in KINDS)


def run_cells(cells: list[Cell], media: dict[str, list[Path]], options: argparse.Namespace) -> None:
    for number, cell in enumerate(cells, 1):
        result = options.out / f"{cell}.json"
        if result.exists() and not options.only:
            continue
        began = time.monotonic()
        train_folder, *test_folders = media[cell.kind]
        figures = run_cell(cell, train_folder, test_folders, options)
        result.parent.mkdir(parents=True, exist_ok=True)
        partial = result.with_suffix(".partial")
        partial.write_text(json.dumps(figures, indent=1) + "\n")
        partial.replace(result)
        print(f"{number} of {len(cells)}: {cell}, {time.monotonic() - began:.0f} s", flush=True)


def run_cell(cell: Cell, train_folder: Path, test_folders: list[Path], options: argparse.Namespace) -> dict[str, Any]:
    """Train, evaluate, sum up: on the first test set in full, on the others by metrics alone.

    A method that fails to train is a result, too.
    """
    folder, recipe = cell.folder(options.out), cell.recipe(options.steps)
    facts: dict[str, Any] = {"cell": str(cell), "steps": options.steps}
    try:
        if not (cell.several and is_model_of(folder, recipe)):
            shutil.rmtree(folder, ignore_errors=True)
            train(recipe, Run(data=train_folder, valid=train_folder, out=folder, device=options.device))
        figures, *others = [evaluate(cell, folder, test) for test in test_folders]
    except VpcodecError as error:
        return facts | {"failed": error.what}
    codes = {name: getattr(figures.codes, name) for name in ("tokens", "cvu", "entropy_bits", "used", "vocabulary")}
    rates = {"nominal": figures.bitrate.nominal, "entropy": figures.bitrate.entropy}
    rates["file"] = figures.bitrate.file and figures.bitrate.file.mean
    shutil.rmtree(folder / "samples", ignore_errors=True)
    return facts | {
        "metrics": means(figures),
        "codes": codes,
        "bitrate": rates,
        "used_by_step": used_by_step(folder),
        "unmoved": unmoved(folder),
        "elsewhere": {test.name: means(other) for test, other in zip(test_folders[1:], others, strict=True)},
    }


def is_model_of(folder: Path, recipe: Recipe) -> bool:
    """Whether a folder holds what a recipe makes."""
    return (folder / FACTS).is_file() and load_recipe(folder / "recipe.toml") == recipe


def evaluate(cell: Cell, folder: Path, test: Path) -> Figures:
    """What came of a model on a test set."""
    candidate = ModelCandidate(ModelFolder(folder), cell.size, engine="torch")
    dataset = open_dataset(str(test)).sample(ITEMS)
    return run_evaluation(dataset, [candidate], metrics=list(COMPARED[cell.kind])).summary.candidates[0]


def means(figures: Figures) -> dict[str, float]:
    return {name: found.mean for name, found in figures.metrics.items()}


def used_by_step(folder: Path) -> dict[int, int]:
    """How many codes some crops of the training set use, by step; of methods with a codebook from the start."""
    with (folder / "validation.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    return {int(row["step"]): int(float(row["used_codes"])) for row in rows}


def unmoved(folder: Path) -> float:
    """Share of the training in which VP-VAE's queue was too short for a move; 0 for other methods."""
    with (folder / "log.csv").open(newline="") as file:
        waits = [float(row.get("warmup") or 0) > 0 for row in csv.DictReader(file)]
    return statistics.mean(waits) if waits else 0.0


def collect(out: Path, domains: bool) -> None:
    """All cells in one JSON file, and the tables of the page."""
    cells = {}
    for kind in KINDS:
        for path in sorted((out / kind).rglob("*.json")):
            facts = json.loads(path.read_text())
            cells[facts.pop("cell")] = facts
    (DOMAINS if domains else RESULTS).write_text(json.dumps(cells, indent=1) + "\n")
    results = {Cell.of(name): facts for name, facts in cells.items()}
    published = json.loads(PUBLISHED.read_text())
    for kind in KINDS:
        if domains:
            put_table(PAGE, f"{kind} domains", domains_table(kind, results))
        else:
            middle = {cell: figures for cell, figures in results.items() if cell.size == MIDDLE}
            put_table(PAGE, f"{kind} methods", table(kind, middle, published, short=True))
            put_table(WHOLE, f"{kind} methods", table(kind, results, published))
            put_table(WHOLE, f"{kind} dynamics", dynamics_table(kind, results))


def table(kind: str, results: dict[Cell, dict[str, Any]], published: dict[str, Any], short: bool = False) -> str:
    """Methods by size: mean and range over seeds, with the paper's figures where it has any.

    The short table has no columns that are nearly the same in all rows.
    """
    metrics = {name: metric.label for name, metric in COMPARED[kind].items()}
    paper = f"paper: {' / '.join(published[kind]['metrics'])}"
    heads = ["method", "seeds", *metrics.values(), "CVU", "entropy, bit", PREDICTED]
    heads = heads if short else ["K", *heads[:-3], "tokens", *heads[-3:], "file", paper]
    rows = []
    groups: dict[tuple[int, str], list[dict[str, Any]]] = {}
    for cell, facts in results.items():
        if cell.kind == kind:
            groups.setdefault((cell.size, cell.quantizer), []).append(facts)
    order = [*QUANTIZERS, *VARIANTS]
    for size, quantizer in sorted(groups, key=lambda group: (group[0], order.index(group[1]))):
        whole = [facts for facts in groups[size, quantizer] if "failed" not in facts]
        row = {"K": f"{size:,}", "method": quantizer, "seeds": f"{len(whole)}"}
        row[paper] = " / ".join(map(str, published[kind]["rows"].get(f"{quantizer}@{size}", ["–"])))
        if whole:
            row |= {title: spread([facts["metrics"][name] for facts in whole]) for name, title in metrics.items()}
            row["tokens"] = f"{whole[0]['codes']['tokens']:,}"
            codes = [facts["codes"] for facts in whole]
            counts = ("tokens", "vocabulary", "used", "entropy_bits")
            bits = [corrected(*(each[name] for name in counts)) for each in codes]
            if None not in bits:
                row["CVU"] = spread([2**bit / each["vocabulary"] for bit, each in zip(bits, codes, strict=True)])
                row["entropy, bit"] = spread(bits)
            predicted = [facts["language_model"]["bits"] for facts in whole if "language_model" in facts]
            if len(predicted) == len(whole):
                row[PREDICTED] = spread(predicted)
            shares = [facts["bitrate"]["file"] / facts["bitrate"]["nominal"] for facts in whole]
            row["file"] = spread(shares, percent=True)
        rows.append([row.get(head, "–") for head in heads])
    return markdown(heads, rows, heads.index("method") + 1)


def domains_table(kind: str, results: dict[Cell, dict[str, Any]]) -> str:
    """Methods by test set: mean and range over seeds."""
    metrics = {name: metric.label for name, metric in COMPARED[kind].items()}
    rows = []
    groups: dict[tuple[str, str], list[dict[str, float]]] = {}
    for cell, facts in results.items():
        if cell.kind == kind and "failed" not in facts:
            for test, found in {"as trained": facts["metrics"], **facts["elsewhere"]}.items():
                groups.setdefault((test, cell.quantizer), []).append(found)
    for (test, quantizer), found in sorted(groups.items(), key=lambda group: group[0][0] != "as trained"):
        rows.append((test, quantizer, len(found), *(spread([each[name] for each in found]) for name in metrics)))
    return markdown(("test set", "method", "seeds", *metrics.values()), rows, 2)


def dynamics_table(kind: str, results: dict[Cell, dict[str, Any]]) -> str:
    """Codes in use at the quarters of a training at K = 1024, means over seeds; of methods that have codes by then."""
    shares = (0.25, 0.5, 0.75, 1.0)
    rows = []
    for quantizer in (*QUANTIZERS, *VARIANTS):
        if Cell(kind, quantizer, MIDDLE, 0).several:
            continue  # trainings with several sizes are watched at the largest
        found = [
            facts["used_by_step"]
            for cell, facts in results.items()
            if (cell.kind, cell.quantizer, cell.size) == (kind, quantizer, MIDDLE) and facts.get("used_by_step")
        ]
        if not found:
            continue
        steps = max(int(step) for used in found for step in used)
        columns = []
        for share in shares:
            at = [used[min(used, key=lambda step: abs(int(step) - share * steps))] for used in found]
            columns.append(f"{statistics.mean(at):.0f}" if any(at) else "–")
        rows.append((quantizer, *columns))
    return markdown(("method", *(f"{share:.0%}" for share in shares)), rows)


def spread(values: list[float], percent: bool = False) -> str:
    """The mean, and half the range where there are several seeds."""
    scale, digits, unit = (100, 1, " %") if percent else (1, 3, "")
    mean = f"{scale * statistics.mean(values):.{digits}f}"
    half = f" ± {scale * (max(values) - min(values)) / 2:.{digits}f}" if len(values) > 1 else ""
    return mean + half + unit


if __name__ == "__main__":
    main()
