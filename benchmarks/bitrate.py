"""How close files come to the bits asked for by `--bitrate` and `--bpp`, and to the bytes of `--target-size`.

    python benchmarks/bitrate.py --speech FOLDER --images FOLDER [--json FILE] [--markdown FILE]

Every default model codes all files of the folder of its kind with each of its codebooks. Requests stand 1 % apart, from
the smallest codebook's bits to the largest's. A request is met within 8 % if the mean of the files that it makes is.
A target size is asked for each file: every 1 % between its smallest and its largest token file.
"""

import math
from pathlib import Path
from typing import Any

import numpy as np
from figures import deliver, markdown, parser_of
from numpy.typing import NDArray

from vpcodec.codec.pipeline import Codec
from vpcodec.codec.signals import Wanted
from vpcodec.evaluation.datasets import open_dataset
from vpcodec.evaluation.signals import SIGNALS
from vpcodec.registry import DEFAULT_MODELS

APART = 1.01  # one request over the one before
LIMITS = (0.03, 0.08)


def main() -> None:
    parser = parser_of(__doc__, folders=True)
    parser.add_argument("--models", nargs="*", default=["speech-low", *DEFAULT_MODELS.values()])
    options = parser.parse_args()
    folders = {"speech": options.speech, "image": options.images}
    codecs = [Codec.load(name) for name in options.models]
    figures = {codec.name: measure(codec, folders[codec.kind]) for codec in codecs}
    deliver(options, figures, {"asked": table(figures)})


def measure(codec: Codec, folder: Path) -> dict[str, Any]:
    """The bits that each codebook makes, and how far they are from what is asked for."""
    items = open_dataset(str(folder)).items
    signal = SIGNALS[codec.kind]
    amounts = np.array([signal.extent_of(signal.read(item.path, None)) for item in items])
    sizes = np.array([[len(codec.encode(item.path, codebook=each)) for each in codec.codebooks] for item in items])
    rates = (8 * sizes / amounts[:, None]).mean(0)
    bits = list(codec.bits.values())
    asked = requests(bits[0], bits[-1])
    chosen = [codec.model.facts.rates.index(codec.signal.choose(codec.model, wanted(codec, each))) for each in asked]
    return {
        "files": len(items),
        "unit": codec.signal.unit,
        "stated": bits,
        "made": [round(float(each), 6) for each in rates],
        "asked": summary(rates[chosen] / asked - 1),
        "target size": summary(np.concatenate([filled(each) for each in sizes])),
    }


def requests(low: float, high: float) -> NDArray[np.float64]:
    return low * APART ** np.arange(int(math.log(high / low, APART)) + 1)


def wanted(codec: Codec, bits: float) -> Wanted:
    return Wanted(**{codec.signal.asked: bits})


def filled(sizes: NDArray[np.int64]) -> NDArray[np.float64]:
    """How much larger than a target size the file is that fits, -0.1 for 10 % smaller, for many targets."""
    targets = requests(sizes[0], sizes[-1])
    return sizes[np.searchsorted(sizes, targets + 1e-9, side="right") - 1] / targets - 1


def summary(errors: NDArray[np.float64]) -> dict[str, float]:
    """Of relative errors: their mean size, the furthest to either side, and the share within each limit."""
    found = {"mean": np.abs(errors).mean(), "least": errors.min(), "most": errors.max()}
    within = {f"within {limit:.0%}": np.mean(np.abs(errors) <= limit) for limit in LIMITS}
    return {name: round(float(value), 4) for name, value in (found | within).items()}


def table(figures: dict[str, dict[str, Any]]) -> str:
    heads = ("model", "asked", "files", "stated, each codebook", "made", "mean error", "furthest")
    rows = []
    for name, found in figures.items():
        stated, made = (", ".join(f"{each:.4g}" for each in found[part]) for part in ("stated", "made"))
        for part, asked in (("asked", found["unit"]), ("target size", "bytes at most")):
            error = found[part]
            furthest = f"{error['least']:+.0%} to {error['most']:+.0%}"
            shares = [f"{error[f'within {limit:.0%}']:.0%}" for limit in LIMITS]
            rows.append((name, asked, found["files"], stated, made, f"{error['mean']:.1%}", furthest, *shares))
    return markdown((*heads, *(f"within {100 * limit:.0f} %" for limit in LIMITS)), rows, 2)


if __name__ == "__main__":
    main()
