"""From the terms of a loss to the number that training reduces."""

import torch
from torch import Tensor

from vpcodec.config import ImageLoss, SpeechLoss


def weighted(terms: dict[str, Tensor], weights: SpeechLoss | ImageLoss) -> Tensor:
    """The sum of the terms, each times the option of its name."""
    return torch.stack([value * getattr(weights, name) for name, value in terms.items()]).sum()
