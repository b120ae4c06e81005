"""Quality over bits: models with all their codebooks beside the codecs that people use, as one SVG picture.

    python scripts/rate_plots.py models/speech-vp/evaluation.json -o docs/pictures/rates-speech.svg
    python scripts/rate_plots.py a.json b.json -o rates.svg [--metrics pesq_wb stoi]

Takes files of `vpcodec evaluate --json` and the `evaluation.json` of models, of one data set. Points are means over its
items, bars their 95 % intervals, bits those of whole files. The colors follow the reader's light or dark page.
`scripts/docs.py` keeps the pictures of the released models; each names the evaluations that it was made from.
"""

import argparse
import hashlib
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

from vpcodec.evaluation.cards import evaluation_text, merge, read_evaluation, read_runs
from vpcodec.evaluation.plots import HEIGHT, Plot, draw_rates, look
from vpcodec.evaluation.report import asset, rate_lines
from vpcodec.evaluation.results import Summary, write_text
from vpcodec.evaluation.signals import SIGNALS
from vpcodec.metrics.table import METRICS

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from scripts.pictures import FOLDER, released

SHOWN = {
    "speech": ("pesq_wb", "stoi"),
    "audio": ("visqol_audio", "mel_distance_48"),
    "image": ("psnr", "ssim", "lpips_alex"),
}
LEGEND = 40  # points of its height
NAMESPACES = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'


def picture(summary: Summary, metrics: list[str]) -> str:
    """A panel for each metric, and a legend below them."""
    unit = SIGNALS[summary.kind].rate.unit
    plot = Plot(f"{', '.join(METRICS[name].title for name in metrics)} over {unit}", HEIGHT + LEGEND, len(metrics))
    lines = []
    for axes, name in zip(plot.panel, metrics, strict=True):
        lines = rate_lines(summary, name)
        better = "higher" if METRICS[name].more_is_better else "lower"
        draw_rates(plot, axes, lines, unit, f"{METRICS[name].label}, {better} is better")
    handles = [plot.axes.plot([], [], label=line.name, **look(line.series))[0] for line in lines]
    plot.figure.legend(handles=handles, loc="outside lower center", ncols=len(handles), frameon=False)
    colors = asset("report.css").partition("* {")[0]
    style = f"<style>{colors}svg {{ background: var(--card); font-family: system-ui, sans-serif; }}</style>"
    head, _, rest = plot.svg().partition(">")
    return f"{head} {NAMESPACES}>{style}{rest}\n"


def made() -> dict[Path, tuple[str, Callable[[], None]]]:
    """The picture of each kind of released models, with what it says of their evaluations, and what writes it."""
    found = {}
    for kind in SHOWN:
        runs = [run for model in released() for run in read_runs(model) if run.kind == kind]
        if runs:
            dataset = max(runs, key=lambda run: run.items).dataset
            runs = [run for run in runs if run.dataset == dataset]
            digest = hashlib.sha256(evaluation_text(runs).encode()).hexdigest()[:16]
            mark = f"<!-- made by scripts/rate_plots.py from evaluations {digest} -->\n"
            path = FOLDER / f"rates-{kind}.svg"
            found[path] = mark, partial(write_picture, path, runs, mark)
    return found


def write_picture(path: Path, runs: list[Summary], mark: str) -> None:
    (summary,) = merge(runs).values()
    write_text(path, picture(summary, list(SHOWN[summary.kind])) + mark)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("evaluations", type=Path, nargs="+")
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--metrics", nargs="+", choices=METRICS, metavar="NAME")
    options = parser.parse_args()
    runs = merge(run for path in options.evaluations for run in read_evaluation(path))
    if len(runs) != 1:
        parser.error(f"one data set at a time, got {', '.join(dataset for _, dataset in runs)}")
    (summary,) = runs.values()
    measured = [name for name in options.metrics or SHOWN[summary.kind] if name in summary.metrics()]
    write_text(options.output, picture(summary, measured))


if __name__ == "__main__":
    main()
