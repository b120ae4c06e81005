"""Turn a finished training run into a released model: weights, prior of the entropy coder, graphs, evaluation, card.

    python scripts/release.py RUN NAME --data TRAINING_MEDIA --test FOLDER ... [--against opus:6 avif ...]

The prior is trained on tokens of the training media, never of the test media. Every figure of `evaluation.json` and
`card.md` comes from files written as `vpcodec encode` writes them. `notes.md`, which the card takes up, is the one
file of a model that is written by hand: what it was trained on, what follows, what breaks. Where `scripts/data.py` made
the folder of the training media, the table of sources is put between the markers there. What stands after "License: "
at the beginning of a line, `vpcodec models` shows, too. `recipe.toml` is the recipe that ships under the model's name.
"""

import argparse
import io
import re
import shutil
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from vpcodec.codec.onnx_engine import ENCODER, OnnxEngine
from vpcodec.codec.pipeline import Codec
from vpcodec.codec.windows import CORES
from vpcodec.config import to_toml
from vpcodec.data.audio import open_audio
from vpcodec.data.image import open_image
from vpcodec.data.media import list_media
from vpcodec.evaluation.candidates import ModelCandidate
from vpcodec.evaluation.cards import facts_text, record, write_card
from vpcodec.evaluation.datasets import open_dataset
from vpcodec.evaluation.evaluate import Outputs, run_evaluation
from vpcodec.evaluation.signals import SIGNALS
from vpcodec.graphs import write_graphs
from vpcodec.registry import FACTS, NOTES, WEIGHTS, ModelFacts, ModelFolder, write_facts
from vpcodec.training.prior import LARGEST_LEVEL, train_prior
from vpcodec.training.recipes import find_recipe

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from scripts.gallery import installed

MODELS = Path(__file__).resolve().parents[1] / "models"
SOURCES = re.compile(r"(<!-- sources: begin -->\n).*(<!-- sources: end -->)", re.DOTALL)
LARGEST_MODEL = 16_000_000  # bytes of a released folder


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path, help="folder of the finished training run")
    parser.add_argument("name", help="name of the model")
    parser.add_argument("--data", type=Path, required=True, help="training media, for the prior")
    parser.add_argument("--test", type=Path, nargs="*", default=[], help="folders to evaluate on")
    parser.add_argument("--against", nargs="*", default=[], help="rivals to evaluate beside it")
    parser.add_argument("--prior-media", type=int, default=2000, help="media that it learns from, drawn at random")
    parser.add_argument(
        "--prior-copies", type=int, default=1, help="how often each is encoded, moved by a part of a token each time"
    )
    parser.add_argument("--prior-passes", type=float, default=2.0, help="how often the prior sees each token")
    parser.add_argument("--prior-neighbors", type=int, default=5, help="tokens before a token that it looks at")
    parser.add_argument("--prior-bins", type=int, nargs="*", default=[8, 6, 5, 5], help="of each of its fields")
    parser.add_argument("--skip-prior", action="store_true", help="keep the prior that is there")
    options = parser.parse_args()

    folder = copy_model(options.run, options.name)
    against = installed(options.against, ModelFolder(folder).facts.kind)
    name_sources(folder, options.data)
    model = write_graphs(folder, print)
    if not options.skip_prior:
        write_priors(model, options)
    for test in options.test:
        evaluate(model, test, against)
    (model.path / FACTS).write_text(facts_text(model), encoding="utf-8")
    card, size = write_card(model), sum(path.stat().st_size for path in model.path.iterdir())
    print(f"{card}; the folder has {size:,} bytes, {time.process_time() / 60:.1f} minutes of processor time")
    if size > LARGEST_MODEL:
        raise SystemExit(f"{model.path}: more than {LARGEST_MODEL:,} bytes")


def copy_model(run: Path, name: str) -> Path:
    """The weights and facts of a run under the model's name, and the recipe that ships under it."""
    folder = MODELS / name
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.onnx"):
        old.unlink()
    shutil.copyfile(run / WEIGHTS, folder / WEIGHTS)
    (folder / "recipe.toml").write_text(to_toml(find_recipe(name)), encoding="utf-8")
    write_facts(folder, replace(ModelFolder(run).facts, name=name))
    return folder


def name_sources(folder: Path, data: Path) -> None:
    """Put what `scripts/data.py` says of the training media into a model's folder."""
    if (data / "sources.md").is_file():
        shutil.copyfile(data / "sources.json", folder / "sources.json")
        table, notes = (data / "sources.md").read_text(encoding="utf-8"), folder / NOTES
        text = SOURCES.sub(lambda found: found[1] + table + found[2], notes.read_text(encoding="utf-8"))
        notes.write_text(text, encoding="utf-8")


def write_priors(model: ModelFolder, options: argparse.Namespace) -> None:
    """Train the prior of each rate on tokens of training media."""
    for old in model.path.glob("prior-*.bin"):
        old.unlink()
    frames: dict[int, list[NDArray[np.int64]]] = {rate: [] for rate in model.facts.rates}
    engine = SharedLatents(model)
    codec = Codec(model, engine)
    media = list_media(options.data, SIGNALS[model.facts.kind].media)
    chosen = np.random.default_rng(0).permutation(len(media))[: options.prior_media]
    for index in chosen:
        content = media[index].read()
        for copy in range(options.prior_copies):
            signal, sample_rate = moved(content, model.facts, copy / options.prior_copies)
            engine.latents.clear()
            for rate, found in frames.items():
                tokens = codec.tokens(codec.encode(signal, sample_rate=sample_rate, codebook=rate))
                found += windows(tokens, model.facts.kind)
    for rate, found in frames.items():
        prior = train_prior(
            found,
            model.radices(rate),
            model.facts.kind,
            neighbors=options.prior_neighbors,
            bins=options.prior_bins,
            passes=options.prior_passes,
            codebooks=codebooks(model, rate),
        )
        path = model.prior_path(rate)
        path.write_bytes(prior)
        size, minutes = sum(frame.size for frame in found), time.process_time() / 60
        print(f"{path.name}: {len(prior):,} bytes from {size:,} tokens, {minutes:.1f} minutes so far", flush=True)


class SharedLatents(OnnxEngine):
    """Computes the latents of a window once for all rates, which share the encoder.

    Attributes:
        latents: By the window's bytes; whoever is done with a signal clears them.
    """

    def __init__(self, model: ModelFolder) -> None:
        super().__init__(model)
        self.latents: dict[bytes, NDArray[Any]] = {}

    def run(self, name: str, given: NDArray[Any]) -> NDArray[Any]:
        if name != ENCODER:
            return super().run(name, given)
        window = given.tobytes()
        if window not in self.latents:
            self.latents[window] = super().run(name, given)
        return self.latents[window]


def moved(content: bytes, facts: ModelFacts, share: float) -> tuple[NDArray[Any], int | None]:
    """A recording or photo without a share of a token at its start, and its sample rate: it gets other tokens."""
    if facts.kind == "image":
        skipped = round(share * facts.hop)
        return open_image(io.BytesIO(content)).pixels[skipped:, skipped:], None
    with open_audio(io.BytesIO(content)) as audio:
        skipped = round(share * facts.hop * audio.info.sample_rate / facts.sample_rate)
        return audio.read_all()[skipped:], audio.info.sample_rate


def codebooks(model: ModelFolder, rate: int) -> list[NDArray[np.float32]] | None:
    """[K, C] the codes of each codebook of a rate, which tell what tokens are alike; None where their digits do."""
    sizes = model.radices(rate)
    if max(sizes) <= LARGEST_LEVEL:
        return None
    quantizer, place, found = model.autoencoder().quantizer, 1, []
    for size in sizes:
        found.append(quantizer.decode(torch.arange(size) * place, rate).numpy())
        place *= size
    return found


def windows(tokens: NDArray[np.int64], kind: str) -> Iterator[NDArray[np.int64]]:
    """Tokens [rows, columns] in pieces as frames hold them."""
    core = CORES[kind]
    rows = core if kind == "image" else len(tokens)
    for top in range(0, len(tokens), rows):
        for left in range(0, tokens.shape[1], core):
            yield tokens[top : top + rows, left : left + core]


def evaluate(model: ModelFolder, test: Path, against: list[str]) -> None:
    """Measure every rate on a folder and file the figures with the model."""
    dataset = open_dataset(str(test)).seen_as(model.facts.kind)
    candidates = [ModelCandidate(model, rate) for rate in model.facts.rates]
    results = run_evaluation(dataset, candidates, against, Outputs(), jobs=1)
    record(results, model)


if __name__ == "__main__":
    main()
