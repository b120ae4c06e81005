"""What 8-bit matrix products in the decoder gain and cost; tokens, which the encoder decides, stay as they are.

    python benchmarks/eight_bit.py [--rounds 7] [--json FILE] [--markdown FILE]

The engines `onnx` and `onnx-8-bits` decode the same tokens of the tests' media on one thread, in turn. Quality is that
of whole decoded files against the originals; `vpcodec evaluate --engine onnx-8-bits` measures it on more.
"""

import statistics
import time
from pathlib import Path
from typing import Any

import numpy as np
from figures import MEDIA, deliver, markdown, parser_of

from vpcodec.codec.onnx_engine import OnnxEngine
from vpcodec.codec.pipeline import Codec
from vpcodec.data.colors import to_pixels
from vpcodec.evaluation.signals import SIGNALS
from vpcodec.metrics.table import METRICS, score
from vpcodec.registry import ModelFolder, list_models

FILES = {"speech": "speech.flac", "image": "coffee.jpg"}
MEASURED = {"speech": ("pesq_wb", "stoi"), "image": ("psnr", "ssim")}


def main() -> None:
    options = parser_of(__doc__, rounds=7).parse_args()
    models = [model for model in list_models() if model.facts.kind in FILES]
    figures = {model.name: measure(model, MEDIA / FILES[model.facts.kind], options.rounds) for model in models}
    deliver(options, figures, {"eight bit": table(figures)})


def measure(model: ModelFolder, media_file: Path, rounds: int) -> dict[str, Any]:
    """Seconds and quality of both decoders of a model, at the rate it has by default."""
    rate = model.checked_codebook(None)
    codec = Codec.load(model, engine="onnx")
    tokens = codec.tokens(codec.encode(media_file))
    tokens = tokens[:1] if model.facts.kind == "speech" else tokens[None]  # one channel
    decoders = {"32 bits": OnnxEngine(model, 1), "8 bits": OnnxEngine(model, 1, eight_bits=True)}
    taken: dict[str, list[float]] = {width: [] for width in decoders}
    decoded = {}
    for _ in range(rounds + 1):
        for width, decoder in decoders.items():
            began = time.perf_counter()
            decoded[width] = decoder.decode(tokens, rate)[0]
            taken[width].append(time.perf_counter() - began)
    return {  # the first round loads the graphs
        width: {"seconds": statistics.median(times[1:]), **quality(model.facts.kind, decoded[width], media_file)}
        for width, times in taken.items()
    }


def quality(kind: str, decoded: np.ndarray, media_file: Path) -> dict[str, float]:
    """Figures by their labels; `decoded` is what an engine returns, whole hops of it."""
    original = SIGNALS[kind].read(media_file, None)
    decoded = decoded[tuple(map(slice, original.shape))]
    decoded = decoded if kind == "speech" else to_pixels(decoded)
    measures = {name: METRICS[name].open("cpu") for name in MEASURED[kind]}
    return {METRICS[name].label: value for name, value in score(decoded, original, measures).values.items()}


def table(figures: dict[str, Any]) -> str:
    rows = []
    for name, widths in figures.items():
        for width, found in widths.items():
            scores = ", ".join(f"{key} {found[key]:.3f}" for key in found if key != "seconds")
            rows.append((f"{name}, {width}", f"{1000 * found['seconds']:.0f}", scores))
    return markdown(("decoder", "ms", "quality"), rows)


if __name__ == "__main__":
    main()
