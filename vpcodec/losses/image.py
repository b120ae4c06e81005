"""What image training reduces: pixel, structure and perceptual distances."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vpcodec.recipe import ImageLoss

Perceptual = Callable[[Tensor, Tensor], Tensor]


class ImageCriterion(nn.Module):
    """Pixel, structure and perceptual distances of images.

    The latter is LPIPS, taking two batches [B, 3, H, W] in [-1, 1] to [B], or None where its weight is 0.
    """

    def __init__(self, weights: ImageLoss, perceptual: Perceptual | None) -> None:
        super().__init__()
        self.weights = weights
        self.perceptual = perceptual

    def forward(self, reconstruction: Tensor, target: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Both [B, H, W, 3] in [-1, 1] -> the weighted sum and the terms by name."""
        ours, theirs = (signal.float().permute(0, 3, 1, 2).contiguous() for signal in (reconstruction, target))
        terms = {"absolute": F.l1_loss(ours, theirs), "squared": F.mse_loss(ours, theirs)}
        if self.weights.structure:
            terms["structure"] = 1 - structural_similarity(ours, theirs)
        if self.perceptual is not None:
            terms["lpips"] = self.perceptual(ours, theirs).mean()
        total = torch.stack([value * getattr(self.weights, name) for name, value in terms.items()]).sum()
        return total, terms


def structural_similarity(ours: Tensor, theirs: Tensor, window: int = 7) -> Tensor:
    """Mean SSIM of [B, 3, H, W] in [-1, 1] over square windows (Wang et al., 2004), to train on.

    The figures that are reported use the usual Gaussian window (`metrics.image`); flat windows are faster.
    """
    down, across = (averages(size, window).to(ours) for size in ours.shape[2:])

    def local(signal: Tensor) -> Tensor:
        return down @ signal @ across.mT

    first, second = 0.02**2, 0.06**2  # (0.01 and 0.03 times the range of 2) squared
    mean_ours, mean_theirs = local(ours), local(theirs)
    energy, product = mean_ours.square() + mean_theirs.square(), mean_ours * mean_theirs
    spread = local(ours.square() + theirs.square()) - energy
    shared = local(ours * theirs) - product
    return ((2 * product + first) * (2 * shared + second) / ((energy + first) * (spread + second))).mean()


def averages(size: int, window: int) -> Tensor:
    """[size - window + 1, size]: takes `size` values in a row to the mean of every `window` neighbours.

    Most of this band is zeros, and yet a product with it takes a processor a third of the time of torch's pooling.
    """
    return torch.ones(size, size).triu().tril(window - 1)[: size - window + 1] / window
