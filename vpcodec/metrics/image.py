"""PSNR and SSIM of pictures, and the Fréchet distance of two sets of them (rFID).

PSNR and SSIM are measured on RGB in [0, 1], once per picture; a data set's figure is the mean over its pictures.
rFID belongs to a whole set: a Gaussian is fitted to the features of each side, and the distance is that of the two
Gaussians. It is biased upwards on small sets; published figures use 5,000 to 50,000 photos, and figures of different
numbers of photos must not be compared.   B batch, H and W pixels

Sources: SSIM by Wang et al., Image Quality Assessment: From Error Visibility to Structural Similarity, 2004: an 11x11
Gaussian window of spread 1.5, K1 = 0.01, K2 = 0.03, only where the window lies inside the picture, mean over positions
and channels. rFID by Heusel et al., arXiv 1706.08500, whose Inception network is the TorchScript file
`inception-2015-12-05.pt` that StyleGAN2-ADA was published with; it takes photos of any size and resizes them itself.
"""

import os
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from vpcodec.errors import DataError, InputError, ModelError

WINDOW = 11  # pixels
SPREAD = 1.5  # standard deviation of the window, pixels
INCEPTION = "inception-2015-12-05.pt"
LOSSLESS = 120.0  # dB, given to equal pictures so that a mean stays finite; one wrong value of 8 bits is below


def psnr(pictures: Tensor, references: Tensor) -> Tensor:
    """Peak signal-to-noise ratio of each picture.

    Args:
        pictures: [B, 3, H, W] float in [0, 1].
        references: The same shape.

    Returns:
        [B] float64, dB; `LOSSLESS` for equal pictures.

    Raises:
        InputError: The shapes differ.
    """
    check_pair(pictures, references)
    error = (pictures.double() - references.double()).square().mean((1, 2, 3))
    return (-10 * error.log10()).clamp(max=LOSSLESS)


def ssim(pictures: Tensor, references: Tensor) -> Tensor:
    """Structural similarity of each picture, 1 for equal ones.

    Args:
        pictures: [B, 3, H, W] float in [0, 1].
        references: The same shape.

    Returns:
        [B] float64.

    Raises:
        InputError: The shapes differ, or the window does not fit into the picture.
    """
    check_pair(pictures, references)
    if min(pictures.shape[2:]) < WINDOW:
        size = f"{pictures.shape[3]}x{pictures.shape[2]}"
        raise InputError(f"SSIM needs at least {WINDOW} pixels on each side, got {size}")
    ours, theirs = pictures.double(), references.double()
    our_mean, their_mean = blurred(ours), blurred(theirs)
    our_variance = blurred(ours.square()) - our_mean.square()
    their_variance = blurred(theirs.square()) - their_mean.square()
    covariance = blurred(ours * theirs) - our_mean * their_mean
    c1, c2 = 0.01**2, 0.03**2
    luminance = (2 * our_mean * their_mean + c1) / (our_mean.square() + their_mean.square() + c1)
    structure = (2 * covariance + c2) / (our_variance + their_variance + c2)
    return (luminance * structure).mean((1, 2, 3))


def blurred(x: Tensor) -> Tensor:
    """Mean under the Gaussian window at every place where it fits: [B, C, H, W] -> [B, C, H - 10, W - 10]."""
    distance = torch.arange(WINDOW, dtype=x.dtype, device=x.device) - WINDOW // 2
    window = torch.exp(-0.5 * (distance / SPREAD).square())
    window = (window / window.sum()).expand(x.shape[1], 1, 1, WINDOW)
    across = F.conv2d(x, window, groups=x.shape[1])
    return F.conv2d(across, window.transpose(2, 3), groups=x.shape[1])


def check_pair(pictures: Tensor, references: Tensor) -> None:
    if pictures.shape != references.shape or pictures.ndim != 4:
        shapes = f"{list(pictures.shape)} and {list(references.shape)}"
        raise InputError(f"pictures are compared with references of the same size, got {shapes}")


class Inception:
    """Photos [B, 3, H, W] float in [0, 1] to features [B, 2048] float32.

    Args:
        device: torch's name of the device.

    Raises:
        ModelError: The network's file is not here, or is not a TorchScript file.
    """

    def __init__(self, device: str = "cpu") -> None:
        path = find_inception()
        try:
            self.network = torch.jit.load(path, map_location=device).eval()
        except RuntimeError as error:
            raise ModelError(f"{path}: not a TorchScript file", hint="download it again") from error

    @torch.no_grad()
    def __call__(self, pictures: Tensor) -> Tensor:
        pixels = (pictures * 255).round().clamp(0, 255).to(torch.uint8)
        return torch.as_tensor(self.network(pixels, return_features=True)).float().flatten(1)


def find_inception() -> Path:
    """$VPCODEC_INCEPTION, or the file in torch's hub cache. Raises ModelError where it is in neither place."""
    named = os.environ.get("VPCODEC_INCEPTION")
    path = Path(named) if named else Path(torch.hub.get_dir()) / "checkpoints" / INCEPTION
    if not path.is_file():
        raise ModelError(f"no network for rFID: looked for {path}", hint=f"set VPCODEC_INCEPTION to {INCEPTION}")
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
