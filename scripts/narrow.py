"""Give a trained network fewer blocks or hidden channels, new channels where some died, and train on from there.

    python scripts/narrow.py SOURCE OUT --expansion 2.25 --decoder-blocks 5 --data TRAINING_MEDIA
    vpcodec train --recipe RECIPE --set network.expansion=2.25 --set network.decoder_blocks=5 --start OUT ... -o RUN

SOURCE is a model folder or the folder of a run. OUT is a checkpoint of nothing but weights.

What a hidden channel adds can mostly be had from the others: `surviving` removes, one by one, the channel that matters
least when the weights of the others make up for it (optimal brain surgeon, Hassibi and Stork, 1992). `refit` finds
those weights by least squares, on positions that the block has really seen. A block that needs fewer channels than it
is to have gets new ones: random on their way in, zero on their way out, so that at first nothing changes.

The last blocks of a trunk may only add a constant, next to which the last norm no longer evens anything out. `shorten`
removes them and keeps the constant.     N positions, H hidden, C channels
"""

import argparse
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn

from vpcodec.autoencoder import Autoencoder
from vpcodec.data.crops import open_crops
from vpcodec.errors import ConfigError, VpcodecError
from vpcodec.networks.blocks import INITIAL_GAIN, Block, Trunk
from vpcodec.recipe import load_recipe
from vpcodec.registry import WEIGHTS, load_weights
from vpcodec.training.checkpoint import save_checkpoint
from vpcodec.training.loop import CHECKPOINT

IDLE = 1e-5  # share of a block's energy that channels may hold together and still count as dead
DAMPING = 1e-4  # of the covariance's mean diagonal, added to it
FAINT = 1e-3  # a gain at which a block adds nothing worth keeping
BATCHES = 10  # of training crops, on which channels are judged
AFTER = 20_000_000  # steps that no run has: their crops are others


@torch.no_grad()
def narrow(network: nn.Module, hidden: int, see: Callable[[], None]) -> dict[str, tuple[float, int]]:
    """Give every block of a network so many hidden channels, the first block first.

    Args:
        network: Changed in place.
        hidden: Channels of every block afterwards; at most as many as now.
        see: Runs the network on a few representative signals.

    Returns:
        By the name of each block, the share of its energy that is lost, and how many channels are new.
    """
    found = {}
    for name, block in network.named_modules():
        if isinstance(block, Block):
            found[name] = narrow_block(block, hidden, inputs_of(block.project, see))
    return found


@torch.no_grad()
def shorten(trunk: Trunk, blocks: int, see: Callable[[], None]) -> float:
    """Take the last blocks of a trunk away; what they add on average, the one before them adds from now on.

    Args:
        trunk: Changed in place.
        blocks: How many stay; at least one, and fewer than now.
        see: Runs the network on a few representative signals.

    Returns:
        The share of the energy of the last features, without their mean, that is lost.

    Raises:
        ConfigError: The trunk has no more than `blocks` blocks, or none are to stay.
    """
    if not 1 <= blocks < len(trunk.blocks):
        raise ConfigError(f"{blocks} of {len(trunk.blocks)} blocks cannot be kept")
    before, after = inputs_of(trunk.blocks[blocks], see), inputs_of(trunk.write_norm, see)
    added = after - before
    last = trunk.blocks[blocks - 1]
    assert isinstance(last, Block)
    heard = last.gain.abs() > FAINT
    last.project.weight[~heard] = 0
    last.gain[~heard] = INITIAL_GAIN  # through which the constant passes
    last.project.bias[~heard] = 0
    last.project.bias.add_(added.mean(0) / last.gain)
    del trunk.blocks[blocks:]
    return float(added.var(0).sum() / after.var(0).sum())


def inputs_of(module: nn.Module, see: Callable[[], None]) -> Tensor:
    """[N, H], all that a module is given meanwhile."""
    rows: list[Tensor] = []
    hook = module.register_forward_pre_hook(lambda _, given: rows.append(given[0].flatten(0, -2)))
    see()
    hook.remove()
    return torch.cat(rows)


def narrow_block(block: Block, hidden: int, activations: Tensor) -> tuple[float, int]:
    """Narrow one block whose hidden activations [N, H] are known; see `narrow`."""
    means = activations.mean(0)
    centred = activations - means
    covariance = centred.mT @ centred / len(centred)
    weights = block.project.weight * block.gain[:, None]
    kept = surviving(covariance, weights, hidden)
    refitted = refit(covariance, block.project.weight, kept)
    missing = weights.index_add(1, kept, refitted * block.gain[:, None], alpha=-1)
    lost = energy(covariance, missing) / energy(covariance, weights)
    bias = block.project.bias + block.project.weight @ means - refitted @ means[kept]
    fresh = hidden - len(kept)
    if fresh:  # new weights learn as fast as an untrained block's
        refitted, bias = refitted * (block.gain / INITIAL_GAIN)[:, None], bias * block.gain / INITIAL_GAIN
        block.gain.fill_(INITIAL_GAIN)
    expand = nn.Linear(block.expand.in_features, hidden)  # its last rows stay as random as they are
    expand.weight[: len(kept)] = block.expand.weight[kept]
    expand.bias[: len(kept)] = block.expand.bias[kept]
    project = nn.Linear(hidden, block.project.out_features)
    project.weight.copy_(nn.functional.pad(refitted, (0, fresh)))
    project.bias.copy_(bias)
    block.expand, block.project = expand, project
    return float(lost), fresh


def surviving(covariance: Tensor, weights: Tensor, most: int) -> Tensor:
    """Indices of the hidden channels to keep: `most`, or fewer where the others would not be missed at all.

    Args:
        covariance: [H, H] of the channels.
        weights: [C, H] of what they add up to.
    """
    missable = IDLE * energy(covariance, weights)
    inverse = torch.linalg.inv(damped(covariance))
    weights = weights.clone()
    kept = torch.arange(len(covariance))
    while len(kept) > 1:
        prices = weights.square().sum(0) / inverse.diagonal()
        least = int(prices.argmin())
        missable = missable - prices[least]
        if len(kept) <= most and missable < 0:
            break
        weights = weights - weights[:, least : least + 1] * (inverse[least] / inverse[least, least])
        inverse = inverse - inverse[:, least : least + 1] @ inverse[least : least + 1] / inverse[least, least]
        others = torch.arange(len(kept)) != least
        kept, weights, inverse = kept[others], weights[:, others], inverse[others][:, others]
    return kept


def refit(covariance: Tensor, weights: Tensor, kept: Tensor) -> Tensor:
    """[C, K], the weights of the channels kept that come nearest to [C, H], those of all."""
    among = damped(covariance[kept][:, kept])
    return torch.linalg.solve(among, covariance[kept] @ weights.mT).mT


def energy(covariance: Tensor, weights: Tensor) -> Tensor:
    """Mean square, summed over C, of what channels add up to."""
    return ((weights @ covariance) * weights).sum()


def damped(covariance: Tensor) -> Tensor:
    """A covariance that can be inverted, though some channels are dead."""
    return covariance + (DAMPING * covariance.diagonal().mean()) * torch.eye(len(covariance))


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
