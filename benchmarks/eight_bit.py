"""What 8-bit matrix products in the decoder would gain and cost; tokens, which the encoder decides, stay as they are.

    python benchmarks/eight_bit.py [--rounds 7] [--json FILE] [--markdown FILE]

The decoder's graph is folded into one with 32-bit weights, and its products are turned to 8 bits by ONNX Runtime's
dynamic quantization: weights beforehand, activations as they come. Both decode the same tokens of the tests' media on
one thread, in turn. Quality is that of whole decoded files against the originals.
"""

import argparse
import json
import shutil
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import soundfile
import torch
from onnxruntime.quantization import QuantType, quantize_dynamic
from PIL import Image
from tables import put_table

from vpcodec.codec.onnx_engine import DECODER
from vpcodec.codec.pipeline import Codec
from vpcodec.metrics.image import psnr, ssim
from vpcodec.metrics.speech import pesq_wb, stoi
from vpcodec.registry import WEIGHTS, find_model

MEDIA = Path(__file__).resolve().parents[1] / "tests" / "media"
MODELS = {"speech-fsp-1024": "speech.flac", "image-fsp-1024": "coffee.jpg"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7, help="times that each decoder is run")
    parser.add_argument("--json", type=Path, help="write the figures here, too")
    parser.add_argument("--markdown", type=Path, help="put the table into this page")
    options = parser.parse_args()
    figures = {name: measure(name, MEDIA / medium, options.rounds) for name, medium in MODELS.items()}
    print(table(figures))
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1) + "\n")
    if options.markdown:
        put_table(options.markdown, "eight bit", table(figures))


def measure(name: str, medium: Path, rounds: int) -> dict[str, Any]:
    """Seconds, bytes of the graph and quality of both decoders of a model."""
    model = find_model(name)
    codec = Codec.load(model, engine="onnx")
    tokens = codec.tokens(codec.encode(medium))  # [1, T] of one channel, or [H, W]
    tokens = tokens if model.facts.kind == "speech" else tokens[None]
    rate = model.facts.rates[-1]
    with tempfile.TemporaryDirectory() as folder:
        folded, small = Path(folder, "folded.onnx"), Path(folder, "small.onnx")
        shutil.copy(model.path / WEIGHTS, folder)  # the folded graph still points at what had 32 bits already
        session(model.path / DECODER.format(rate=rate), folded)
        quantize_dynamic(folded, small, weight_type=QuantType.QInt8, op_types_to_quantize=["MatMul", "Gemm"])
        decoders = {"32 bits": session(folded), "8 bits": session(small)}
        sizes = {"32 bits": folded.stat().st_size, "8 bits": small.stat().st_size}
    taken: dict[str, list[float]] = {width: [] for width in decoders}
    decoded = {}
    for _ in range(rounds + 1):
        for width, decoder in decoders.items():
            began = time.perf_counter()
            [decoded[width]] = decoder.run(None, {decoder.get_inputs()[0].name: tokens})
            taken[width].append(time.perf_counter() - began)
    return {
        width: {
            "seconds": statistics.median(taken[width][1:]),  # the first one allocates
            "bytes": sizes[width],
            **quality(model.facts.kind, decoded[width][0], medium),
        }
        for width in decoders
    }


def session(path: Path, optimized: Path | None = None) -> Any:
    """A graph on one thread; with `optimized`, what is left of it when all constants are folded is kept there."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    if optimized:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
        options.optimized_model_filepath = str(optimized)
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def quality(kind: str, decoded: np.ndarray, medium: Path) -> dict[str, float]:
    if kind == "speech":
        original, _ = soundfile.read(medium, dtype="float32")
        return {
            "PESQ-WB": pesq_wb(decoded[: len(original)], original),
            "STOI": stoi(decoded[: len(original)], original),
        }
    original = np.asarray(Image.open(medium).convert("RGB"), np.float32)
    ours = (np.clip(decoded[: original.shape[0], : original.shape[1]], -1, 1) + 1) / 2
    pair = [torch.from_numpy(np.ascontiguousarray(each)).permute(2, 0, 1)[None] for each in (ours, original / 255)]
    return {"PSNR (dB)": psnr(*pair).item(), "SSIM": ssim(*pair).item()}


def table(figures: dict[str, Any]) -> str:
    rows = ["| decoder | ms | graph, MB | quality |\n|---|---:|---:|---|\n"]
    for name, widths in figures.items():
        for width, found in widths.items():
            scores = ", ".join(f"{key} {found[key]:.3f}" for key in found if key not in ("seconds", "bytes"))
            rows.append(
                f"| {name}, {width} | {1000 * found['seconds']:.0f} | {found['bytes'] / 1e6:.1f} | {scores} |\n"
            )
    return "".join(rows)


if __name__ == "__main__":
    main()
