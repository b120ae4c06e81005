"""Fréchet distance between the features of reconstructions and of originals (rFID).

Unlike the other image metrics this one belongs to a whole set: a Gaussian is fitted to the features of each side,
and the distance is that of the two Gaussians. It is biased upwards on small sets; published figures use 5,000 to
50,000 photos, and figures of different numbers of photos must not be compared.

Features: the Inception network of the original definition (Heusel et al., arXiv 1706.08500), as the TorchScript file
`inception-2015-12-05.pt` that StyleGAN2-ADA was published with; it takes photos of any size and resizes them itself.
"""

import os
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vpcodec.errors import DataError, ModelError

FILE = "inception-2015-12-05.pt"
FEATURES = 2048


class Inception:
    """Photos [B, 3, H, W] float in [0, 1] to features [B, 2048] float32.

    Args:
        device: torch's name of the device.

    Raises:
        ModelError: The network's file is not here, or is not a TorchScript file.
    """

    def __init__(self, device: str = "cpu") -> None:
        path = find_file()
        try:
            self.network = torch.jit.load(path, map_location=device).eval()
        except RuntimeError as error:
            raise ModelError(f"{path}: not a TorchScript file", hint="download it again") from error

    @torch.no_grad()
    def __call__(self, pictures: Tensor) -> Tensor:
        pixels = (pictures * 255).round().clamp(0, 255).to(torch.uint8)
        return torch.as_tensor(self.network(pixels, return_features=True)).float().flatten(1)


def find_file() -> Path:
    """$VPCODEC_INCEPTION, or the file in torch's hub cache. Raises ModelError where it is in neither place."""
    named = os.environ.get("VPCODEC_INCEPTION")
    path = Path(named) if named else Path(torch.hub.get_dir()) / "checkpoints" / FILE
    if not path.is_file():
        raise ModelError(f"no network for rFID: looked for {path}", hint=f"set VPCODEC_INCEPTION to {FILE}")
    return path


def frechet_distance(ours: NDArray[np.floating], theirs: NDArray[np.floating]) -> float:
    """Squared Fréchet distance of the Gaussians fitted to two sets of features, [N, D] and [M, D].

    |m1 - m2|^2 + tr(S1 + S2 - 2 (S1^1/2 S2 S1^1/2)^1/2), where every root is of a symmetric matrix.

    Raises:
        DataError: Either set has fewer than two rows.
    """
    if min(len(ours), len(theirs)) < 2:
        raise DataError("a Fréchet distance needs two items or more")
    mean_ours, spread_ours = moments(ours)
    mean_theirs, spread_theirs = moments(theirs)
    values, vectors = np.linalg.eigh(spread_ours)
    root = (vectors * np.sqrt(values.clip(min=0))) @ vectors.T
    shared = np.sqrt(np.linalg.eigvalsh(root @ spread_theirs @ root).clip(min=0)).sum()
    shift = np.square(mean_ours - mean_theirs).sum()
    return float(shift + np.trace(spread_ours) + np.trace(spread_theirs) - 2 * shared)


def moments(features: NDArray[np.floating]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean [D] and covariance [D, D] of [N, D]."""
    rows = features.astype(np.float64)
    return rows.mean(axis=0), np.atleast_2d(np.cov(rows, rowvar=False))
