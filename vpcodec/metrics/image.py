"""PSNR and SSIM: how far two pictures are apart, pixel by pixel and structure by structure.

Both are measured on RGB in [0, 1], once per picture; a data set's figure is the mean over its pictures.
B batch, H and W pixels.

Sources: SSIM by Wang et al., Image Quality Assessment: From Error Visibility to Structural Similarity, 2004:
an 11x11 Gaussian window of spread 1.5, K1 = 0.01, K2 = 0.03, only where the window lies inside the picture,
mean over positions and channels.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from vpcodec.errors import InputError

WINDOW = 11  # pixels
SPREAD = 1.5  # standard deviation of the window, pixels
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
