"""Fitting codebooks: our use of faiss beside its defaults, and beside scikit-learn where that is installed.

    python benchmarks/codebooks.py [--json FILE] [--markdown FILE] [--codes 256 1024 4096 16384] [--rows 1000000]
                                   [--latents FILE.npy]

Rows are standard normal in 5 channels, or those of an array [R, C] of latents. Times are processor seconds on one
thread, so that other work on the machine hardly counts; the error is the mean squared distance of 50,000 other rows
from their nearest code. Ours starts by AFK-MC2 and runs 50 iterations; the defaults of faiss are a random start and 25.
"""

import importlib.util
import platform
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from figures import deliver, markdown, parser_of

from vpcodec.quantizers.codebook import LATENTS_PER_CODE, fit_centroids, nearest

CHANNELS = 5


def ours(rows: np.ndarray, codes: int) -> np.ndarray:
    return fit_centroids(torch.from_numpy(rows), codes).numpy()


def of_faiss(rows: np.ndarray, codes: int) -> np.ndarray:
    import faiss

    faiss.omp_set_num_threads(1)
    means = faiss.Kmeans(rows.shape[1], codes, niter=25, seed=0, max_points_per_centroid=LATENTS_PER_CODE)
    means.train(rows)
    return means.centroids


def of_scikit_learn(rows: np.ndarray, codes: int) -> np.ndarray:
    from sklearn.cluster import MiniBatchKMeans

    return MiniBatchKMeans(codes, random_state=0, batch_size=max(1024, 4 * codes), n_init=1).fit(rows).cluster_centers_


FITTERS: dict[str, tuple[str, Callable[[np.ndarray, int], np.ndarray]]] = {
    "ours": ("faiss", ours),
    "defaults of faiss": ("faiss", of_faiss),
    "scikit-learn, mini-batches": ("sklearn", of_scikit_learn),
}


def measure(codes: int, rows: int, latents: Path | None) -> dict[str, Any]:
    """Seconds, error and codes without rows of each library for one codebook size."""
    generator = np.random.default_rng(codes)
    count = min(rows, codes * LATENTS_PER_CODE)
    if latents is None:
        every = generator.standard_normal((count + 50_000, CHANNELS), dtype=np.float32)
    else:
        every = generator.permutation(np.load(latents).astype(np.float32))
    others, train = torch.from_numpy(every[:50_000]), every[50_000:][:count]
    cells: dict[str, Any] = {"rows": len(train)}
    for name, (module, fit) in FITTERS.items():
        if importlib.util.find_spec(module) is None:
            continue
        began = time.process_time()
        centroids = fit(train, codes)
        seconds = time.process_time() - began
        found = torch.from_numpy(np.asarray(centroids, np.float32))
        cells[name] = {
            "seconds": seconds,
            "error": float((others - found[nearest(others, found)]).square().sum(-1).mean()),
            "unused": codes - len(nearest(torch.from_numpy(train), found).unique()),
        }
        print(f"K = {codes:,}, {name}: {cells[name]}", flush=True)
    return cells


def table(results: dict[str, Any]) -> str:
    rows = [
        (
            f"{int(codes):,}",
            f"{cells['rows']:,}",
            name,
            f"{each['seconds']:.1f}",
            f"{each['error']:.4f}",
            each["unused"],
        )
        for codes, cells in results["codes"].items()
        for name, each in cells.items()
        if name in FITTERS
    ]
    return markdown(("K", "rows", "library", "s", "error", "codes without rows"), rows, 3)


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("--codes", type=int, nargs="+", default=[256, 1024, 4096, 16384])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--latents", type=Path, help="array of latents to fit to instead of random numbers")
    options = parser.parse_args()
    torch.set_num_threads(1)
    found = {str(codes): measure(codes, options.rows, options.latents) for codes in options.codes}
    results = {"machine": platform.machine(), "codes": found}
    deliver(options, results, {"codebooks": table(results)})


if __name__ == "__main__":
    main()
