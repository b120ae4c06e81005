"""Tokens of a picture that its decoder makes more of: latents that move along the gradient of what is lost.

An encoder takes the nearest codes without knowing what the decoder makes of them. Here the decoder hears the codes
at every step, and its gradient passes the quantizer unchanged (Bengio et al., arXiv 1308.3432). The loss is that of
training without LPIPS, and beside it how far the encoder's view of the decoded picture lies from its view of the
original: pixels alone would be had for texture. Decoders and token files are the same with any effort.
"""

import torch
from torch import Tensor

from vpcodec.autoencoder import Autoencoder
from vpcodec.losses import ImageCriterion
from vpcodec.recipe import ImageLoss

STEPS = (0, 12, 50)  # for each effort
RATE = 0.02  # at which latents move at first; falls to zero
VIEW = 1.0  # weight of the squared distance of the two views
WEIGHTS = ImageLoss(squared=2.0, structure=0.8, lpips=0.0)  # as image models are trained


def improved(model: Autoencoder, pixels: Tensor, rate: int, effort: int) -> Tensor:
    """Tokens [1, H, W] of pixels [1, H*hop, W*hop, 3]: those of all steps that lose least.

    Args:
        model: Whose encoder and decoder.
        pixels: In [-1, 1].
        rate: One of the model's rates.
        effort: Which of `STEPS`.
    """
    criterion = ImageCriterion(WEIGHTS, None)
    network, quantizer, condition = model.network, model.quantizer, model.condition(rate)
    with torch.no_grad():
        view = network.encode(pixels)
    latents = view.clone().requires_grad_()
    optimizer = torch.optim.Adam([latents], RATE)
    steps, least, best = STEPS[effort], torch.inf, quantizer.encode(view, rate)
    for step in range(steps + 1):
        with torch.no_grad():
            tokens = quantizer.encode(latents, rate)
            moved = quantizer.decode(tokens, rate) - latents
        decoded = network.decode(latents + moved, condition)
        loss = criterion(decoded, pixels)[0] + VIEW * (network.encode(decoded) - view).square().mean()
        if loss.item() < least:
            least, best = loss.item(), tokens
        if step == steps:  # a look at what the last move gave
            break
        optimizer.param_groups[0]["lr"] = RATE * (1 - step / steps)
        (latents.grad,) = torch.autograd.grad(loss, latents)
        optimizer.step()
    return best
