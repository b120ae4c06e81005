"""Muon for matrices and AdamW for the rest, with the learning rate over a run.

Muon: momentum whose every step is made as nearly orthogonal as possible, for the matrices of the blocks.

A step moves all singular directions of a matrix alike, where a plain gradient step moves the few strong ones
(Jordan et al., 2024). Matrices of one shape are iterated as one batched product, and the iteration runs on
their Gram matrices, which are smaller: every iterate is a polynomial of the first one times the momentum.
Arithmetic stays in the parameters' own type, because bf16 products are very slow on processors without them.
"""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from vpcodec.autoencoder import Autoencoder
from vpcodec.recipe import Training

COEFFICIENTS = (3.4445, -4.7750, 2.0315)  # of the quintic iteration, from Jordan et al.
ITERATIONS = 4
STEP_SCALE = 0.2  # times the root of the larger side: steps as large as AdamW's (Liu et al., arXiv 2502.16982)


class Muon(torch.optim.Optimizer):
    """Orthogonalized momentum with Nesterov's look-ahead and decoupled weight decay, for matrices [rows, columns]."""

    def __init__(
        self, parameters: Iterable[Tensor], lr: float, momentum: float = 0.95, weight_decay: float = 0.0
    ) -> None:
        super().__init__(parameters, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        for group in self.param_groups:
            same_shape: dict[torch.Size, list[Tensor]] = defaultdict(list)
            for matrix in group["params"]:
                if matrix.grad is not None:
                    same_shape[matrix.shape].append(matrix)
            for shape, matrices in same_shape.items():
                looks_ahead = torch.stack([self.advance(matrix, group["momentum"]) for matrix in matrices])
                steps = orthogonalize(looks_ahead) * (STEP_SCALE * max(shape) ** 0.5)
                for matrix, step in zip(matrices, steps, strict=True):
                    matrix.mul_(1 - group["lr"] * group["weight_decay"]).sub_(step, alpha=group["lr"])

    def advance(self, matrix: Tensor, momentum: float) -> Tensor:
        """Take the gradient into the running one; returns where the running one is heading."""
        assert matrix.grad is not None
        state = self.state[matrix]
        if not state:
            state["running"] = torch.zeros_like(matrix)
        running: Tensor = state["running"].lerp_(matrix.grad, 1 - momentum)
        return matrix.grad.lerp(running, momentum)


def orthogonalize(matrices: Tensor) -> Tensor:
    """[N, rows, columns] -> the same shape, singular values drawn towards 1 (between about 0.6 and 1.2)."""
    if matrices.shape[1] > matrices.shape[2]:
        return orthogonalize(matrices.mT).mT
    first, third, fifth = COEFFICIENTS
    matrices = matrices / (matrices.norm(dim=(1, 2), keepdim=True) + 1e-7)
    identity = torch.eye(matrices.shape[1], dtype=matrices.dtype, device=matrices.device)
    gram, product = matrices @ matrices.mT, identity.expand(len(matrices), -1, -1)
    for iteration in range(ITERATIONS):
        factor = first * identity + third * gram + fifth * (gram @ gram)
        product = factor @ product if iteration else factor
        if iteration < ITERATIONS - 1:
            gram = factor @ gram @ factor
    return product @ matrices


def build_optimizers(model: Autoencoder, options: Training) -> list[torch.optim.Optimizer]:
    """Muon for the matrices of the blocks, AdamW for everything else."""
    matrices = [
        parameter
        for name, parameter in model.network.named_parameters()
        if ".blocks." in name and name.endswith(("expand.weight", "project.weight")) and parameter.requires_grad
    ]
    owned = {id(matrix) for matrix in matrices}
    rest = [parameter for parameter in model.parameters() if parameter.requires_grad and id(parameter) not in owned]
    optimizers: list[torch.optim.Optimizer] = [
        torch.optim.AdamW(rest, options.rate, betas=(0.9, 0.95), weight_decay=0.0)
    ]
    if matrices:  # a network of another package need not have such blocks
        optimizers.insert(0, Muon(matrices, options.matrix_rate, weight_decay=options.weight_decay))
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["peak"] = group["lr"]
    return optimizers


def rate_factor(progress: float, options: Training) -> float:
    """Share of the peak learning rate at a progress from 0 to 1: a rise, a plateau, and a linear fall to zero.

    A plateau instead of a cosine: until the fall begins, nothing depends on how long the run will be.
    """
    rise = progress / options.warmup if options.warmup else 1.0
    fall = (1 - progress) / options.decay if options.decay else 1.0
    return max(0.0, min(1.0, rise, fall))
