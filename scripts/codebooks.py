"""Give a trained VP model more codebooks, between those that it was trained for.

    python scripts/codebooks.py MODEL OUT --codebooks 512 2048 2x4096 --data TRAINING_MEDIA
    vpcodec train --recipe OUT/recipe.toml --set training.decoder_only=true --start OUT ... -o RUN

VP fits codebooks after training, so a finished encoder can have more of them. Those that are there stay as they are,
and so do their tokens. The vectors that tell the decoder the codebook are interpolated over the bits of a code, among
codebooks of as many codes a position; training the decoder alone then fits them.
"""

import argparse
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from vpcodec.autoencoder import Autoencoder
from vpcodec.config import to_toml
from vpcodec.data.crops import open_crops
from vpcodec.errors import VpcodecError
from vpcodec.quantizers.base import Quantizer
from vpcodec.quantizers.codebook import fit_centroids
from vpcodec.quantizers.grouped import Grouped, parse_codebook
from vpcodec.recipe import Recipe, load_recipe
from vpcodec.registry import ModelFolder, save_model

AFTER = 30_000_000  # steps that no run has: their crops are others


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path, help="folder of a finished run")
    parser.add_argument("out", type=Path, help="folder to write")
    parser.add_argument("--codebooks", nargs="+", required=True, help="to add: 512, or 2x512 for two codes a position")
    parser.add_argument("--data", type=Path, nargs="+", required=True, help="training media")
    parser.add_argument("--positions", type=int, default=1_000_000, help="whose latents codes are fitted to")
    options = parser.parse_args()
    folder, recipe = ModelFolder(options.model), load_recipe(options.model / "recipe.toml")
    names = {parse_codebook(each): each for each in (*folder.codebooks, *options.codebooks)}
    rates = [int(name) if groups == 1 else name for (groups, _), name in sorted(names.items(), key=bits_of)]
    recipe = replace(recipe, quantizer=recipe.quantizer | {"rates": rates})
    signals = crops(recipe, folder.facts.hop, options.data)
    model = with_codebooks(folder.autoencoder(), recipe, signals, options.positions)
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "recipe.toml").write_text(to_toml(recipe), encoding="utf-8")
    save_model(options.out, model, recipe, {"steps": folder.facts.steps, "minutes": folder.facts.minutes})


def bits_of(item: tuple[tuple[int, int], object]) -> float:
    """Of a codebook with its name: bits a position."""
    groups, codes = item[0]
    return groups * float(np.log2(codes))


def crops(recipe: Recipe, hop: int, data: Sequence[Path]) -> Iterator[Tensor]:
    """Batches of training crops without end."""
    media = open_crops(data, recipe, hop)
    return (torch.from_numpy(media.batch(AFTER + number)) for number in itertools.count())


@torch.no_grad()
def with_codebooks(old: Autoencoder, recipe: Recipe, signals: Iterator[Tensor], positions: int) -> Autoencoder:
    """A model with the codebooks of a recipe, which has all of `old` and more of them."""
    new = Autoencoder(recipe.kind, recipe.network, recipe.quantizer).eval()
    own = new.state_dict()
    kept = {name: value for name, value in old.state_dict().items() if own[name].shape == value.shape}
    new.load_state_dict(kept, strict=False)
    if old.rate_conditions is not None and new.rate_conditions is not None:
        new.rate_conditions.copy_(conditions(old.rate_conditions, *map(codes_of, (old.quantizer, new.quantizer))))
    rows, count = [], 0
    while count < positions:
        rows.append(old.network.encode(next(signals)).float().flatten(0, -2))
        count += len(rows[-1])
    for before, after, latents in zip(*map(parts_of, (old.quantizer, new.quantizer)), split(old, rows), strict=True):
        for codes in sorted({*after.rates} - {*before.rates}):
            getattr(after, f"codebook_{codes}").copy_(fit_centroids(latents, codes))
            print(f"{codes:,} codes fitted to {len(latents):,} latents", flush=True)
    return new


def parts_of(quantizer: Quantizer) -> list[Quantizer]:
    return quantizer.quantizers() if isinstance(quantizer, Grouped) else [quantizer]


def split(model: Autoencoder, rows: list[Tensor]) -> Sequence[Tensor]:
    """Latents of each code a position."""
    quantizer, latents = model.quantizer, torch.cat(rows)
    return quantizer.split(latents) if isinstance(quantizer, Grouped) else [latents]


def codes_of(quantizer: Quantizer) -> list[tuple[int, int]]:
    """Codes a position, and ids of each, for every rate."""
    if isinstance(quantizer, Grouped):
        return list(quantizer.codebooks.values())
    return [(1, rate) for rate in quantizer.rates]


def conditions(known: Tensor, codebooks: list[tuple[int, int]], wanted: list[tuple[int, int]]) -> Tensor:
    """[codebooks, width] what tells the decoder each codebook -> [wanted, width]."""
    found = []
    for groups, codes in wanted:
        near = [place for place, each in enumerate(codebooks) if each[0] == groups]
        bits = np.log2([codebooks[place][1] for place in near])
        found.append([np.interp(np.log2(codes), bits, column) for column in known[near].T.numpy()])
    return torch.tensor(np.array(found), dtype=known.dtype)


if __name__ == "__main__":
    try:
        main()
    except VpcodecError as error:
        raise SystemExit(f"codebooks.py: {error}") from None
