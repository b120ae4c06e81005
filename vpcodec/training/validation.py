"""The loss of a run, and a look at a model on crops that stay the same, with reconstructions to see or hear."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from vpcodec.autoencoder import Autoencoder
from vpcodec.errors import ModelError
from vpcodec.losses import ImageCriterion, SoundCriterion
from vpcodec.recipe import Recipe
from vpcodec.training.journal import Journal


class Validation:
    """Measures a model on fixed crops.

    Args:
        crops: [n, samples] or [n, pixels, pixels, 3] in [-1, 1].
        criterion: The loss of a reconstruction.
        journal: Gets the losses and the reconstructions.
        seed: Of the draws of training's stand-in, the same at every look.
    """

    def __init__(self, crops: NDArray[np.float32], criterion: nn.Module, journal: Journal, seed: int) -> None:
        self.crops = torch.from_numpy(crops)
        self.criterion = criterion
        self.journal = journal
        self.seed = seed

    @torch.no_grad()
    def look(self, model: Autoencoder, step: int, label: str, *, moves: bool = True) -> None:
        """Note the losses without a quantizer, with training's stand-in, and with real codes where there are any.

        Args:
            model: In evaluation mode, and so again afterwards.
            step: Of the run.
            label: Name of the samples.
            moves: Whether the quantizer can still stand in; not when it was finished.
        """
        crops = self.crops.to(next(model.parameters()).device)
        reconstructions = {"network": model.unquantized(crops)}
        used = 0
        if moves:
            torch.manual_seed(self.seed)
            reconstructions["moves"] = model.train().forward(crops)[0]
            model.eval()
        if model.quantizer.ready:
            reconstructions["codes"], quantized = model(crops)
            used = 0 if quantized.tokens is None else len(quantized.tokens.unique())
        losses = {way: self.loss(found, crops) for way, found in reconstructions.items()}
        self.journal.add_validation(step, losses, used)
        shown = list(reconstructions.values())[-1]  # the one nearest to what ships
        self.journal.keep_samples(label, crops.cpu().numpy(), shown.cpu().numpy())
        self.journal.draw()

    def loss(self, reconstruction: Tensor, crops: Tensor) -> float:
        return float(self.criterion(reconstruction, crops)[0])


def build_criterion(recipe: Recipe) -> nn.Module:
    """The loss module of a recipe; LPIPS is loaded only where its weight asks for it."""
    if recipe.kind != "image":
        return SoundCriterion(recipe.speech_loss, recipe.network.sample_rate)
    if not recipe.image_loss.lpips:
        return ImageCriterion(recipe.image_loss, None)
    from vpcodec.metrics.lpips import LPIPS

    try:
        perceptual = LPIPS(recipe.image_loss.backbone)
    except ModelError as error:
        raise ModelError(error.what, hint="train without it: --set image_loss.lpips=0") from error
    return ImageCriterion(recipe.image_loss, perceptual)
