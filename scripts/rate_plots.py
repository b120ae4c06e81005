"""Quality over bits: models with all their codebooks beside the codecs that people use, as one SVG picture.

    python scripts/rate_plots.py models/speech-vp/evaluation.json -o docs/pictures/rates-speech.svg
    python scripts/rate_plots.py a.json b.json -o rates.svg [--metrics pesq_wb stoi]

Takes files of `vpcodec evaluate --json` and the `evaluation.json` of models, of one data set. Points are means over its
items, bars their 95 % intervals, bits those of whole files. The colors follow the reader's light or dark page.
"""

import argparse
from pathlib import Path

from vpcodec.evaluation.cards import merge, read_evaluation
from vpcodec.evaluation.plots import HEIGHT, Plot, draw_rates, look
from vpcodec.evaluation.report import asset, rate_lines
from vpcodec.evaluation.results import Summary, write_text
from vpcodec.evaluation.signals import SIGNALS
from vpcodec.metrics.table import METRICS

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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("evaluations", type=Path, nargs="+")
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--metrics", nargs="+", choices=METRICS)
    options = parser.parse_args()
    runs = merge(run for path in options.evaluations for run in read_evaluation(path))
    if len(runs) != 1:
        parser.error(f"one data set at a time, got {', '.join(dataset for _, dataset in runs)}")
    (summary,) = runs.values()
    measured = [name for name in options.metrics or SHOWN[summary.kind] if name in summary.metrics()]
    write_text(options.output, picture(summary, measured))


if __name__ == "__main__":
    main()
