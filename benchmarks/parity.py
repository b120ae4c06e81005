"""How far the engines agree: tokens that differ between `onnx` and `torch`, why, and how far decoded signals are apart.

    python benchmarks/parity.py --speech FOLDER --images FOLDER [--json FILE] [--markdown FILE]

Every released model codes all files of the folder of its kind, at each of its rates. A token differs either because the
latents of the two engines differ in their last digits and a border between codes lies between them, or because the two
searches answer differently for the same latents; both are counted.
"""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from figures import deliver, markdown, parser_of

from vpcodec.codec.onnx_engine import ENCODER, OnnxEngine
from vpcodec.codec.torch_engine import TorchEngine
from vpcodec.data.colors import to_signal
from vpcodec.evaluation.datasets import open_dataset
from vpcodec.evaluation.signals import SIGNALS
from vpcodec.metrics.table import Signal
from vpcodec.registry import ModelFolder, list_models


def main() -> None:
    options = parser_of(__doc__, folders=True).parse_args()
    folders = {"speech": options.speech, "image": options.images}
    models = [model for model in list_models() if model.facts.kind in folders]
    figures = {model.name: compare(model, folders[model.facts.kind]) for model in models}
    deliver(options, figures, {"parity": table(figures)})


@torch.inference_mode()
def compare(model: ModelFolder, folder: Path) -> dict[str, Any]:
    """Count the differences between the engines over all files and rates."""
    onnx, reference = OnnxEngine(model), TorchEngine(model, "cpu")
    encoder, quantizer = reference.autoencoder.network, reference.autoencoder.quantizer
    counts = dict.fromkeys(("files", "tokens", "latents apart", "searches apart"), 0)
    furthest = {"latents": 0.0, "signal": 0.0}
    for item in open_dataset(str(folder)).items:
        signal = prepared(SIGNALS[model.facts.kind].read(item.path, None), model.facts.hop)[None]
        counts["files"] += 1
        ours = onnx.run(ENCODER, signal)
        theirs = encoder.encode(torch.from_numpy(signal))
        furthest["latents"] = max(furthest["latents"], float(np.abs(ours - theirs.numpy()).max()))
        for rate in model.facts.rates:
            tokens = onnx.encode(signal, rate)
            same_search = quantizer.encode(torch.from_numpy(ours), rate).numpy()
            expected = quantizer.encode(theirs, rate).numpy()
            counts["tokens"] += tokens.size
            counts["searches apart"] += int(np.count_nonzero(tokens != same_search))
            counts["latents apart"] += int(np.count_nonzero(same_search != expected))
            apart = onnx.decode(expected, rate) - reference.decode(expected, rate)
            furthest["signal"] = max(furthest["signal"], float(np.abs(apart).max()))
    return {**counts, "furthest": furthest}


def prepared(signal: Signal, hop: int) -> np.ndarray:
    """Speech [N] or an image [H, W, 3] as an engine takes it: whole hops, full scale 1."""
    if signal.ndim == 1:
        return signal[: len(signal) // hop * hop]
    height, width = (size // hop * hop for size in signal.shape[:2])
    return to_signal(signal[:height, :width])


def table(figures: dict[str, dict[str, Any]]) -> str:
    apart = ("different latents", "different search", "largest latent difference", "largest signal difference")
    rows = []
    for name, found in figures.items():
        furthest = [f"{each:.1e}" for each in found["furthest"].values()]
        counts = found["files"], f"{found['tokens']:,}", found["latents apart"], found["searches apart"]
        rows.append((name, *counts, *furthest))
    return markdown(("model", "files", "tokens", *apart), rows)


if __name__ == "__main__":
    main()
