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
import soundfile
import torch
from PIL import Image
from tables import put_table

from vpcodec.codec.onnx_engine import OnnxEngine
from vpcodec.codec.pipeline import Codec
from vpcodec.metrics.image import psnr, ssim
from vpcodec.metrics.speech import pesq_wb, stoi
from vpcodec.registry import ModelFolder, list_models

MEDIA = Path(__file__).resolve().parents[1] / "tests" / "media"
MEDIUM = {"speech": "speech.flac", "image": "coffee.jpg"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7, help="times that each decoder is run")
    parser.add_argument("--json", type=Path, help="write the figures here, too")
    parser.add_argument("--markdown", type=Path, help="put the table into this page")
    options = parser.parse_args()
    figures = {model.name: measure(model, MEDIA / MEDIUM[model.facts.kind], options.rounds) for model in list_models()}
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
    if kind == "speech":
        original, _ = soundfile.read(media_file, dtype="float32")
        return {
            "PESQ-WB": pesq_wb(decoded[: len(original)], original),
            "STOI": stoi(decoded[: len(original)], original),
        }
    original = np.asarray(Image.open(media_file).convert("RGB"), np.float32)
    ours = (np.clip(decoded[: original.shape[0], : original.shape[1]], -1, 1) + 1) / 2
    pair = [torch.from_numpy(np.ascontiguousarray(each)).permute(2, 0, 1)[None] for each in (ours, original / 255)]
    return {"PSNR (dB)": psnr(*pair).item(), "SSIM": ssim(*pair).item()}


def table(figures: dict[str, Any]) -> str:
    rows = ["| decoder | ms | quality |\n|---|---:|---|\n"]
    for name, widths in figures.items():
        for width, found in widths.items():
            scores = ", ".join(f"{key} {found[key]:.3f}" for key in found if key != "seconds")
            rows.append(f"| {name}, {width} | {1000 * found['seconds']:.0f} | {scores} |\n")
    return "".join(rows)


if __name__ == "__main__":
    main()
