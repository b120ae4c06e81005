"""Give a trained network fewer blocks or hidden channels, new channels where some died, and train on from there.

    python scripts/narrow.py SOURCE OUT --expansion 2.25 --decoder-blocks 5 --data TRAINING_MEDIA
    vpcodec train --recipe RECIPE --set network.expansion=2.25 --set network.decoder_blocks=5 --start OUT ... -o RUN

SOURCE is a model folder or the folder of a run. OUT is a checkpoint of nothing but weights.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import torch

from vpcodec.autoencoder import Autoencoder
from vpcodec.data.crops import open_crops
from vpcodec.errors import VpcodecError
from vpcodec.recipe import load_recipe
from vpcodec.registry import WEIGHTS, load_weights
from vpcodec.training.checkpoint import save_checkpoint
from vpcodec.training.loop import CHECKPOINT
from vpcodec.training.narrowing import narrow, shorten

BATCHES = 10  # of training crops, on which channels are judged
AFTER = 20_000_000  # steps that no run has: their crops are others


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source", type=Path, help="folder of a model or of a run")
    parser.add_argument("out", type=Path, help="checkpoint to write")
    parser.add_argument("--expansion", type=float, help="hidden channels over the width, afterwards")
    parser.add_argument("--decoder-blocks", type=int, help="blocks of the decoder, afterwards")
    parser.add_argument("--data", type=Path, required=True, help="training media")
    options = parser.parse_args()
    if not (options.expansion or options.decoder_blocks):
        parser.error("nothing to do: name --expansion or --decoder-blocks")

    recipe = load_recipe(options.source / "recipe.toml")
    torch.manual_seed(recipe.training.seed)
    model = Autoencoder(recipe.kind, recipe.network, recipe.quantizer).eval()
    finished = (options.source / WEIGHTS).exists()
    load_weights(model, options.source if finished else options.source / CHECKPOINT)
    crops = open_crops(options.data, recipe, model.network.hop)
    signals = [torch.from_numpy(crops.batch(AFTER + number)) for number in range(BATCHES)]

    def see() -> None:
        for number, signal in enumerate(signals):
            rate = model.quantizer.rates[number % len(model.quantizer.rates)]
            model.network.decode(model.network.encode(signal), model.condition(rate))

    if options.decoder_blocks:
        print(
            f"blocks: {shorten(model.network.decoder, options.decoder_blocks, see):.2e} of their energy lost",
            flush=True,
        )
    if options.expansion:
        narrower = replace(recipe.network, expansion=options.expansion)
        for name, (lost, fresh) in narrow(model, narrower.hidden, see).items():
            print(f"{name}: {lost:.2e} of its energy lost, {fresh} channels new", flush=True)
    save_checkpoint(options.out, {"average": model}, [], {})


if __name__ == "__main__":
    try:
        main()
    except VpcodecError as error:
        raise SystemExit(f"narrow.py: {error}") from None
