"""What 8-bit matrix products in the decoder gain and cost; tokens, which the encoder decides, stay as they are.

    python benchmarks/eight_bit.py [--rounds 7] [--json FILE] [--markdown FILE]

The engines `onnx` and `onnx-8-bits` decode the same tokens of the tests' media on one thread, in turn. Quality is that
of whole decoded files against the originals; `vpcodec evaluate --engine onnx-8-bits` measures it on more.
"""

import argparse
import json
import statistics
import time
from pathlib import Path
from typing import Any

import numpy as np
from tables import put_table

from vpcodec.codec.onnx_engine import OnnxEngine
from vpcodec.codec.pipeline import Codec
from vpcodec.data.colors import to_pixels
from vpcodec.evaluation.signals import SIGNALS
from vpcodec.metrics.table import METRICS, score
from vpcodec.registry import ModelFolder, list_models

MEDIA = Path(__file__).resolve().parents[1] / "tests" / "media"
FILES = {"speech": "speech.flac", "image": "coffee.jpg"}
MEASURED = {"speech": ("pesq_wb", "stoi"), "image": ("psnr", "ssim")}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7, help="times that each decoder is run")
    parser.add_argument("--json", type=Path, help="write the figures here, too")
    parser.add_argument("--markdown", type=Path, help="put the table into this page")
    options = parser.parse_args()
    figures = {model.name: measure(model, MEDIA / FILES[model.facts.kind], options.rounds) for model in list_models()}
    print(table(figures))
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1) + "\n")
    if options.markdown:
        put_table(options.markdown, "eight bit", table(figures))


def measure(model: ModelFolder, media_file: Path, rounds: int) -> dict[str, Any]:
    """Seconds and quality of both decoders of a model, at the rate it has by default."""
    rate = model.checked_codebook(None)
    codec = Codec.load(model, engine="onnx")
    tokens = codec.tokens(codec.encode(media_file))
    tokens = tokens[0] if model.facts.kind == "speech" else tokens  # one channel
    decoders = {"32 bits": OnnxEngine(model, 1), "8 bits": OnnxEngine(model, 1, eight_bits=True)}
    taken: dict[str, list[float]] = {width: [] for width in decoders}
    decoded = {}
    for _ in range(rounds + 1):
        for width, decoder in decoders.items():
            began = time.perf_counter()
            decoded[width] = decoder.decode(tokens, rate)
            taken[width].append(time.perf_counter() - began)
    return {
        width: {
            "seconds": statistics.median(taken[width][1:]),  # the first one loads the graph
            **quality(model.facts.kind, decoded[width], media_file),
        }
        for width in decoders
    }


def quality(kind: str, decoded: np.ndarray, media_file: Path) -> dict[str, float]:
    """Figures by their labels; `decoded` is what an engine returns, whole hops of it."""
    original = SIGNALS[kind].read(media_file, None)
    decoded = decoded[tuple(map(slice, original.shape))]
    decoded = decoded if kind == "speech" else to_pixels(decoded)
    measures = {name: METRICS[name].open("cpu") for name in MEASURED[kind]}
    return {METRICS[name].label: value for name, value in score(decoded, original, measures).values.items()}


def table(figures: dict[str, Any]) -> str:
    rows = ["| decoder | ms | quality |\n|---|---:|---|\n"]
    for name, widths in figures.items():
        for width, found in widths.items():
            scores = ", ".join(f"{key} {found[key]:.3f}" for key in found if key != "seconds")
            rows.append(f"| {name}, {width} | {1000 * found['seconds']:.0f} | {scores} |\n")
    return "".join(rows)


if __name__ == "__main__":
    main()
