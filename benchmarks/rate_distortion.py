"""Tokens chosen by rate and distortion: what files shrink by if the encoder weighs distance against the prior's bits.

    python benchmarks/rate_distortion.py MODEL FOLDER [--items 6] [--weights 0 0.1 0.2 0.4] [--candidates 16]
                                         [--json FILE] [--markdown FILE]

For each position in coding order, of the codes nearest to the latent the one is taken with the least distance^2 +
weight * mean distance^2 of the nearest codes * bits, where the bits are those of the prior after the codes that were
taken before. That is greedy: what a code does to the bits of later ones does not count. Files and decoder are as ever.
Weight 0 takes the nearest code, as `encode` does. The last columns compare with the nearest codes of all codebooks: how
much smaller a file is than theirs at the same value of each metric, on straight lines between codebooks.
"""

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from figures import COMPARED, add_result, markdown, put_table
from numpy.typing import NDArray
from scipy.spatial import KDTree

from vpcodec.codec.arrays import Picture, Recording, codebook_vectors
from vpcodec.codec.onnx_engine import ENCODER, OnnxEngine
from vpcodec.codec.pipeline import Codec
from vpcodec.container.prior import TOTAL, TOTAL_BITS, load_prior
from vpcodec.container.tabled import Lookups, grid
from vpcodec.evaluation.datasets import open_dataset
from vpcodec.evaluation.signals import SIGNALS
from vpcodec.registry import ModelFolder, find_model

SIDE = 256  # of the squares cut out of photos
Ints = NDArray[np.int64]


class Chooser(OnnxEngine):
    """Encodes each window as the tokens that were chosen for it, or with the nearest codes.

    Attributes:
        latents: By the window's bytes, of all that were encoded.
        chosen: Tokens by the same.
    """

    def __init__(self, model: ModelFolder) -> None:
        super().__init__(model)
        self.latents: dict[bytes, NDArray[np.float32]] = {}
        self.chosen: dict[bytes, Ints] = {}

    def encode(self, signals: NDArray[np.float32], rate: int) -> Ints:
        found = []
        for signal in signals:
            window = signal.tobytes()
            if window not in self.latents:
                self.latents[window] = self.run(ENCODER, signal[None])[0]
            found.append(self.chosen[window] if window in self.chosen else super().encode(signal[None], rate)[0])
        return np.stack(found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("folder", help="test media of its kind")
    parser.add_argument("--items", type=int, default=6)
    parser.add_argument("--weights", type=float, nargs="+", default=[0.0, 0.1, 0.2, 0.4])
    parser.add_argument("--candidates", type=int, default=16, help="codes that are tried for each position")
    parser.add_argument("--json", type=Path, help="add the figures to those that are here")
    parser.add_argument("--markdown", type=Path, help="put the table into this page")
    options = parser.parse_args()
    model = find_model(options.model)
    items = open_dataset(options.folder).sample(options.items).items
    signals = [SIGNALS[model.facts.kind].read(item.path, SIDE) for item in items]
    rows = [row for rate in model.facts.rates for row in measure(model, rate, signals, options)]
    for row in rows:
        row["smaller"] = {name: saving(row, rows, name) for name in COMPARED[model.facts.kind]}
    print(table(model, rows))
    if options.json:
        add_result(options.json, model.name, rows)
    if options.markdown:
        put_table(options.markdown, f"{model.facts.kind} rate and distortion", table(model, rows))


def measure(model: ModelFolder, rate: int, signals: list[Any], options: argparse.Namespace) -> list[dict[str, Any]]:
    """A row of figures for each weight with one codebook."""
    kind, engine = model.facts.kind, Chooser(model)
    codec = Codec(model, engine)
    given: dict[str, Any] = {"sample_rate": model.facts.sample_rate if kind == "speech" else None, "codebook": rate}
    plain = [codec.encode(signal, **given) for signal in signals]
    tokens = choose(list(engine.latents.values()), model, rate, options.weights, options.candidates)
    metrics = {name: metric.open("cpu") for name, metric in COMPARED[kind].items()}
    amount, rows = sum(map(SIGNALS[kind].extent_of, signals)), []
    for weight, chosen in zip(options.weights, tokens, strict=True):
        engine.chosen = dict(zip(engine.latents, chosen, strict=True))
        contents = [codec.encode(signal, **given) for signal in signals]
        assert weight or contents == plain
        row = {"codebook": rate, "weight": weight, "bits": 8 * sum(map(len, contents)) / amount}
        decoded = [sound_or_pixels(codec.decode(content)) for content in contents]
        for name, measured in metrics.items():
            row[name] = float(np.mean([measured(*pair) for pair in zip(decoded, signals, strict=True)]))
        rows.append({name: round(value, 5) for name, value in row.items()})
        print(rows[-1], flush=True)
    return rows


def sound_or_pixels(decoded: Recording | Picture) -> NDArray[Any]:
    return decoded.pixels if isinstance(decoded, Picture) else decoded.samples[:, 0]


def choose(
    latents: list[NDArray[np.float32]], model: ModelFolder, rate: int, weights: list[float], candidates: int
) -> list[list[Ints]]:
    """The tokens of all windows [..., C] for each weight.

    Shorter windows of sound are filled up; that comes after their own tokens, and changes none of them.
    """
    prior, codes = model.prior(rate), codebook_vectors(model, rate)
    assert prior is not None
    lookups = Lookups(load_prior(prior))
    shapes = [each.shape[:-1] for each in latents]
    rows, columns = (1, *max(shapes))[-2:]
    filled = np.stack(
        [np.pad(each, ((0, max(shapes)[0] - len(each)), *((0, 0),) * (each.ndim - 1))) for each in latents]
    ).reshape(len(latents), rows * columns, -1)
    distances, near = KDTree(codes).query(filled, candidates)
    real = np.concatenate([found[: np.prod(shape)] for found, shape in zip(distances[..., 0], shapes, strict=True)])
    factors = np.repeat(weights, len(latents)) * np.square(real).mean()
    costs = np.tile(np.square(distances), (len(weights), 1, 1))
    tokens = greedy(lookups, (rows, columns), np.tile(near, (len(weights), 1, 1)), costs, factors)
    return [
        [found[: np.prod(shape)].reshape(shape) for found, shape in zip(group, shapes, strict=True)]
        for group in np.split(tokens, len(weights))
    ]


def greedy(lookups: Lookups, shape: tuple[int, int], near: Ints, costs: NDArray[np.float64], factors: Any) -> Ints:
    """[B, T] tokens of B frames of a shape, all at once, one position after the other.

    Args:
        lookups: Of the prior.
        shape: Rows and columns; T is their product.
        near: [B, T, M] candidates.
        costs: [B, T, M] of each.
        factors: [B] what a bit costs.
    """
    frame = grid(lookups, shape)
    cells = np.repeat(frame.cells[None], len(near), axis=0)  # [B, parts, cells]
    tokens = np.empty(near.shape[:2], np.int64)
    for position, cell in enumerate(frame.positions):
        around = np.moveaxis(cells[:, :, cell + frame.steps], 1, 0).astype(np.int64)  # [parts, B, N]
        candidates = near[:, position]
        numbers = lookups.numbers(candidates)
        bits = bits_of(lookups, lookups.sums(list(around)), numbers)
        best = (costs[:, position] + factors[:, None] * bits).argmin(1)
        each = np.arange(len(near))
        tokens[:, position] = candidates[each, best]
        cells[:, :, cell] = lookups.part_numbers(numbers[each, best])
    return tokens


def bits_of(lookups: Lookups, sums: NDArray[np.uint32], numbers: Ints) -> NDArray[np.float64]:
    """[B, M] bits of candidates with numbers of codes [B, M, G], after neighbors that sum up to [B, D]."""
    count = numbers.shape[1]
    flat = numbers.reshape(-1, numbers.shape[2])
    digits, parts = lookups.digits(flat), lookups.part_numbers(flat)
    bits = np.zeros(len(flat))
    for digit, (code, _) in enumerate(lookups.prior.digits.places()):
        before = flat[:, code] % lookups.digit_places[digit]
        rows = lookups.rows(digit, np.repeat(sums[:, digit], count), before, parts)
        below = np.pad(lookups.prior.below[digit].astype(np.int64), ((0, 0), (0, 1)), constant_values=TOTAL)
        value = digits[:, digit]
        bits += TOTAL_BITS - np.log2(below[rows, value + 1] - below[rows, value])
    return bits.reshape(-1, count)


def saving(row: dict[str, Any], rows: list[dict[str, Any]], metric: str) -> float | None:
    """How much smaller a file is than the nearest codes make it at the same value of a metric, 0.04 for 4 %.

    None where no codebook's nearest codes come as low, or as high.
    """
    nearest = sorted((each[metric], each["bits"]) for each in rows if not each["weight"])
    values, bits = zip(*nearest, strict=True)
    if not values[0] <= row[metric] <= values[-1]:
        return None
    return round(float(1 - row["bits"] / np.interp(row[metric], values, bits)), 4)


def table(model: ModelFolder, rows: list[dict[str, Any]]) -> str:
    metrics, scale = COMPARED[model.facts.kind], SIGNALS[model.facts.kind].rate
    smaller = [f"smaller at equal {metric.title}" for metric in metrics.values()]
    heads = ("codebook", "weight", scale.unit, *(metric.label for metric in metrics.values()), *smaller)
    lines = []
    for row in rows:
        values = [metric.shown(row[name]) for name, metric in metrics.items()]
        values += ["" if row["smaller"][name] is None else f"{row['smaller'][name]:.1%}" for name in metrics]
        lines.append((f"{row['codebook']:,}", f"{row['weight']:g}", f"{scale.of(row['bits']):.4g}", *values))
    return markdown(heads, lines, 0)


if __name__ == "__main__":
    main()
