"""What the random move of VP-VAE costs: ours beside the published search, at every codebook size.

    python benchmarks/perturbation.py [--json FILE] [--markdown FILE] [--quick]

Times are processor seconds on one thread, so that other work on the machine hardly counts. Latents are
standard normal in 5 channels, the queue holds 80 rows a code, as published. The published search takes
query rows in chunks, whatever their number, so its time for a step is that of 256 tokens (its chunk at
K = 16384) times the tokens there are. Every cell runs in a process of its own; its memory is the growth of
that process's peak.
"""

import multiprocessing
import platform
import resource
import time
from collections.abc import Callable
from typing import Any

import scipy.spatial  # here, or the first cell would pay for the import
import torch
from figures import deliver, markdown, parser_of

from vpcodec.quantizers.codebook import fit_centroids, nearest
from vpcodec.quantizers.perturbation import Neighbours
from vpcodec.quantizers.vp import VP

CHANNELS = 5
ROWS_PER_CODE = 80
DENSITY_RANK = 8
RATES = (256, 1024, 4096, 16384)
BATCHES = (2736, 8192)
CHUNK = 256  # tokens
SPEECH_BATCH = 1336  # tokens of 8 crops of a second, about a training step of the speech recipes (1,344)

# Ways to make a step cheaper, or its moves larger, with the options that choose them.
SETTINGS: dict[str, dict[str, Any]] = {
    "as published": {},
    "fifth of the rows": {"search_share": 0.2},
    "512 tokens": {"perturbed_tokens": 512},
    "fifth of the rows, 512 tokens": {"search_share": 0.2, "perturbed_tokens": 512},
}
ABLATION: dict[str, dict[str, Any]] = {
    "as published": {},
    "every proposal accepted": {"metropolis": False},
    "2 moves": {"moves": 2},
    "4 moves": {"moves": 4},
    "reach calibrated": {"calibrate": True},
    "2 moves, reach calibrated": {"moves": 2, "calibrate": True},
    "4 moves, reach calibrated": {"moves": 4, "calibrate": True},
    "fifth of the rows": {"search_share": 0.2},
    "rows up to a tenth old": {"stale": True},
}


def megabytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def seconds_of(work: Callable[[], Any]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


def start(rate: int) -> torch.Tensor:
    """[80 K, 5], the same queue for every contestant."""
    torch.set_num_threads(1)
    return torch.randn(rate * ROWS_PER_CODE, CHANNELS, generator=torch.Generator().manual_seed(rate))


def filled(rate: int, rows: torch.Tensor, **options: Any) -> VP:
    quantizer = VP((rate,), CHANNELS, **options).train()
    quantizer.queue.push(rows)
    return quantizer


def chunked_distances(points: torch.Tensor, rows: torch.Tensor, ranks: tuple[int, int]) -> torch.Tensor:
    """The search as published: all distances of a chunk of points, then the smallest."""
    smallest = torch.cdist(points, rows).topk(max(ranks), largest=False).values
    return smallest[:, [rank - 1 for rank in ranks]]


def measure_published(rate: int) -> dict[str, float]:
    """Seconds and memory of the two searches of a move for one chunk of tokens."""
    rows = start(rate)
    points = torch.randn(CHUNK, CHANNELS)
    before = megabytes()
    seconds = 2 * seconds_of(lambda: chunked_distances(points, rows, (DENSITY_RANK, ROWS_PER_CODE)))
    return {"token_seconds": seconds / CHUNK, "megabytes": megabytes() - before}


def measure_ours(rate: int, options: dict[str, Any], batches: tuple[int, ...]) -> dict[str, float]:
    """Seconds of the move by number of tokens, of renewing the rows, and memory."""
    rows = start(rate)
    quantizer = filled(rate, rows, **options)
    before = megabytes()
    result = {"renew_seconds": seconds_of(lambda: quantizer.rows_for(rate))}
    for tokens in batches:
        points = torch.randn(tokens, CHANNELS)
        result[f"move_{tokens}_seconds"] = seconds_of(lambda points=points: quantizer.perturb(points, rate))
    return result | {"megabytes": megabytes() - before}


def measure_agreement(rate: int) -> dict[str, float]:
    """How far the distances found by the tree are from those of the published search in float64, relatively."""
    rows = start(rate)
    points = torch.randn(64, CHANNELS)
    ours = Neighbours(rows).distances(points, (DENSITY_RANK, ROWS_PER_CODE)).double()
    gaps = [(points.double()[:, None] - some.double()).norm(dim=-1) for some in rows.split(65536)]
    every = torch.cat(gaps, 1).topk(ROWS_PER_CODE, largest=False).values[:, [DENSITY_RANK - 1, ROWS_PER_CODE - 1]]
    return {"largest_difference": float(((ours - every).abs() / every).max())}


def measure_ablation(rate: int, options: dict[str, Any]) -> dict[str, float]:
    """What a variant does to the latents, and what it costs."""
    torch.manual_seed(0)
    rows = start(rate)
    stale = options.pop("stale", False)
    quantizer = filled(rate, rows, **options)
    if quantizer.calibrate:
        quantizer.reach.fill_(quantizer.calibrated_reach())
        quantizer.calibrate = False
    quantizer.rows_for(rate)
    if stale:
        quantizer.queue.push(torch.randn(len(rows) // 10, CHANNELS))
    points = torch.randn(4096, CHANNELS)
    codes = fit_centroids(rows, rate)
    error = (points - codes[nearest(points, codes)]).square().sum(-1).mean()
    began = time.process_time()
    moved, stats = quantizer.perturb(points, rate)
    seconds = time.process_time() - began
    wandered = moved
    for _ in range(4):
        wandered, _ = quantizer.perturb(wandered, rate)
    return {
        "reach": float(quantizer.reach),
        "accepted": float(stats["accepted"]),
        "energy": float((moved - points).square().sum(-1).mean() / error),
        "variance_growth": float((moved.var(0) - points.var(0)).mean()),
        "variance_growth_of_5": float((wandered.var(0) - points.var(0)).mean()),
        "seconds": seconds,
    }


def apart(work: Callable[..., dict[str, float]], *given: Any) -> dict[str, float]:
    """The result of a measurement in a fresh process."""
    with multiprocessing.get_context("fork").Pool(1) as pool:
        return pool.apply(work, given)


def measure(rates: tuple[int, ...]) -> dict[str, Any]:
    results: dict[str, Any] = {
        "machine": {"processor": platform.machine(), "torch": torch.__version__, "scipy": scipy.__version__},
        "published": {},
        "ours": {},
        "agreement": {},
        "ablation": {},
    }
    for rate in rates:
        results["published"][str(rate)] = apart(measure_published, rate)
        results["ours"][str(rate)] = {
            name: apart(measure_ours, rate, options, (SPEECH_BATCH, *(() if options else BATCHES)))
            for name, options in SETTINGS.items()
        }
        results["agreement"][str(rate)] = apart(measure_agreement, rate)
        print(f"K = {rate}: done", flush=True)
    for name, options in ABLATION.items():
        results["ablation"][name] = apart(measure_ablation, 256, dict(options))
        print(f"{name}: done", flush=True)
    return results


def search_table(results: dict[str, Any]) -> str:
    """Both searches by codebook size and number of tokens."""
    rows = []
    for rate, published in results["published"].items():
        ours = results["ours"][rate]["as published"]
        for tokens in BATCHES:
            theirs, move = published["token_seconds"] * tokens, ours[f"move_{tokens}_seconds"]
            times = f"{theirs:.2f}", f"{move:.3f}", f"{theirs / move:.0f}"
            memory = f"{published['megabytes']:.0f}", f"{ours['megabytes']:.0f}", f"{ours['renew_seconds']:.2f}"
            rows.append((f"{int(rate):,}", f"{tokens:,}", *times, *memory))
    costs = ("published search, s", "ours, s", "ratio", "published, MB", "ours, MB", "renewing the rows, s")
    return markdown(("K", "tokens", *costs), rows, 0)


def tables(results: dict[str, Any]) -> str:
    """The tables of `docs/vp.md`."""
    rates = list(results["published"])
    first, last = rates[0], rates[-1]
    move = f"move_{BATCHES[0]}_seconds"
    theirs = results["published"][last]["token_seconds"] / results["published"][first]["token_seconds"]
    ours = results["ours"][last]["as published"][move] / results["ours"][first]["as published"][move]
    worst = max(cell["largest_difference"] for cell in results["agreement"].values())
    steps = [
        (name, *(f"{results['ours'][rate][name][f'move_{SPEECH_BATCH}_seconds']:.3f}" for rate in rates))
        for name in SETTINGS
    ]
    shown = {"reach": ".2f", "accepted": ".2f", "energy": ".2f"}
    shown |= {"variance_growth": "+.4f", "variance_growth_of_5": "+.4f", "seconds": ".2f"}
    variants = [
        (name, *(format(cell[figure], form) for figure, form in shown.items()))
        for name, cell in results["ablation"].items()
    ]
    growth = ("variance growth", "after 5 moves in a row", "s")
    return f"""{search_table(results)}
From K = {int(first):,} to {int(last):,} the queue becomes {int(last) // int(first)} times as long; \
the published search costs {theirs:.0f} times as much, ours {ours:.1f} times. \
The largest relative error of a distance, against brute force in float64, is {worst:.1e}.

Seconds of a move of {SPEECH_BATCH:,} tokens (one thread):

{markdown(("setting", *(f"K = {int(rate):,}" for rate in rates)), steps)}
{markdown(("variant, K = 256", "reach", "accepted", "energy", *growth), variants)}"""


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("--quick", action="store_true", help="the two smaller codebooks only")
    options = parser.parse_args()
    results = measure(RATES[: 2 if options.quick else 4])
    deliver(options, results, {"perturbation": tables(results)})


if __name__ == "__main__":
    main()
