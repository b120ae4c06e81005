"""How well a small language model predicts the tokens of each method of the bake-off.

    python benchmarks/predictability.py --out FOLDER --speech TRAIN TEST --images TRAIN TEST [--steps 150]

Goes through the cells that benchmarks/bakeoff.py left below --out with their models. The tokens of the same training
media train the same transformer (examples/language_model.py) for the same number of steps; what counts are its bits a
token on the bake-off's test items. The figures go into the cells, and into the page with `bakeoff.py --collect`. A cell
that has them is skipped.
"""

import argparse
import io
import json
import statistics
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from bakeoff import ITEMS, KINDS, MIDDLE, SEEDS, SIZES, Cell
from figures import COMPARED, ROOT
from matplotlib.figure import Figure
from torch import nn
from torch.nn import functional

from vpcodec.codec.pipeline import Codec
from vpcodec.data.audio import open_audio
from vpcodec.data.image import open_image
from vpcodec.data.media import list_media
from vpcodec.evaluation.datasets import open_dataset
from vpcodec.quantizers import QUANTIZERS
from vpcodec.registry import ModelFolder

sys.path.insert(0, str(ROOT / "examples"))
from language_model import DECAY, PEAK, SIDE, WARM, Data, LanguageModel, bits_of

UNITS = {"speech": ("a second", 16_000 / 96), "image": ("a pixel", 1 / 64)}  # and tokens in one
MEDIA = {"speech": 400, "image": 48}  # of the training set: as many tokens as the steps see, or more


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder of cells")
    parser.add_argument("--speech", type=Path, nargs=2, metavar="FOLDER", help="training set and test set")
    parser.add_argument("--images", type=Path, nargs=2, metavar="FOLDER", help="training set and test set")
    parser.add_argument("--steps", type=int, default=150, help="of every language model")
    options = parser.parse_args()
    for kind, places in zip(KINDS, (options.speech, options.images), strict=True):
        if places:
            media = training_media(kind, places[0]), test_media(places[1])
            for path in sorted((options.out / kind).rglob("*.json")):
                measure(path, options.out, media, options.steps)
        found = (json.loads(path.read_text()) for path in (options.out / kind).rglob("*.json"))
        plot(kind, {facts["cell"]: facts for facts in found})


def measure(path: Path, out: Path, media: tuple[list[bytes], list[bytes]], steps: int) -> None:
    """Add the figures of one cell to its file."""
    facts = json.loads(path.read_text())
    if "failed" in facts or facts.get("language_model", {}).get("steps") == steps:
        return
    began, cell = time.monotonic(), Cell.of(facts["cell"])
    train_data, held_out = (
        export(cell, cell.folder(out), contents, out / f"{part}.npz")
        for part, contents in zip(("train", "test"), media, strict=True)
    )
    figures = predict(train_data, held_out, steps, cell.seed)
    path.write_text(json.dumps(facts | {"language_model": figures}, indent=1) + "\n")
    print(f"{cell}: {figures}, {time.monotonic() - began:.0f} s", flush=True)


def training_media(kind: str, folder: Path) -> list[bytes]:
    """The same files for every cell, drawn at random from folders and tar shards."""
    media = list_media(folder, kind)
    return [media[index].read() for index in np.random.default_rng(0).permutation(len(media))[: MEDIA[kind]]]


def test_media(folder: Path) -> list[bytes]:
    return [item.path.read_bytes() for item in open_dataset(str(folder)).sample(ITEMS).items]


def export(cell: Cell, folder: Path, contents: Iterable[bytes], path: Path) -> Data:
    """The tokens of media, as `vpcodec export` would write them."""
    codec = Codec.load(ModelFolder(folder))
    found = [tokens_of(codec, cell, content) for content in contents]
    info = {"kind": cell.kind, "vocabulary": cell.size}
    np.savez(
        path,
        info=np.frombuffer(json.dumps(info).encode(), np.uint8),
        ids=np.concatenate([ids.ravel() for ids in found]),
        length=np.array([ids.size for ids in found]),
        shape=np.array([ids.shape for ids in found]),
    )
    return Data(str(path))


def tokens_of(codec: Codec, cell: Cell, content: bytes) -> Any:
    """[channels, T] or [H, W]"""
    if cell.kind == "image":
        return codec.tokens(codec.encode(open_image(io.BytesIO(content)).pixels, codebook=cell.size))
    with open_audio(io.BytesIO(content)) as audio:
        signal, sample_rate = audio.read_all().mean(1), audio.info.sample_rate
    return codec.tokens(codec.encode(signal, sample_rate=sample_rate, codebook=cell.size))


def predict(data: Data, held_out: Data, steps: int, seed: int) -> dict[str, float]:
    """Bits a held-out token: by the frequency of ids in training, and by a language model after so many steps."""
    torch.manual_seed(seed)
    model = LanguageModel(data.vocabulary, data.length, above=SIDE if data.kind == "image" else 0)
    optimizer = torch.optim.AdamW(model.parameters(), PEAK, betas=(0.9, 0.95), weight_decay=DECAY)
    for step in range(steps):
        optimizer.param_groups[0]["lr"] = PEAK * min(1, (step + 1) / WARM) * (1 - step / steps)
        batch = data.batch()
        loss = functional.cross_entropy(model(batch[:, :-1]).flatten(0, 1), batch[:, 1:].flatten())
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    windows = held_out.windows()
    counts = torch.bincount(data.stream[data.stream < data.vocabulary], minlength=data.vocabulary) + 0.5
    flat = torch.cat([window.flatten() for window in windows])
    frequency = -(counts / counts.sum()).log2()[flat].mean().item()
    return {"steps": steps, "frequency": round(frequency, 4), "bits": round(bits_of(model, windows), 4)}


def plot(kind: str, results: dict[str, dict[str, Any]]) -> None:
    """Bits that a language model needs against reconstruction: plain methods, VP and FSP at all sizes joined."""
    figure = Figure(figsize=(6.4, 4.2), layout="constrained")
    axes = figure.subplots()
    (name, metric), (unit, tokens) = list(COMPARED[kind].items())[-1], UNITS[kind]
    for method in QUANTIZERS:
        points = []
        for size in SIZES if method in ("vp", "fsp") else (MIDDLE,):
            cells = [results.get(f"{kind}/{method}/{size}/{seed}", {}) for seed in SEEDS]
            found = [
                (facts["language_model"]["bits"] * tokens, facts["metrics"][name])
                for facts in cells
                if "language_model" in facts
            ]
            if found:
                points.append(
                    tuple((statistics.mean(axis), (max(axis) - min(axis)) / 2) for axis in zip(*found, strict=True))
                )
        if points:
            (x, x_half), (y, y_half) = (zip(*axis, strict=True) for axis in zip(*points, strict=True))
            axes.errorbar(x, y, y_half, x_half, marker="o", markersize=4, linewidth=1, capsize=2, label=method)
    axes.set(xlabel=f"bits {unit} after a small language model", ylabel=f"{metric.label}, lower is better")
    axes.grid(alpha=0.3)
    axes.legend(fontsize="small")
    figure.savefig(ROOT / "docs" / "pictures" / f"predictability-{kind}.svg", metadata={"Date": None})


if __name__ == "__main__":
    main()
