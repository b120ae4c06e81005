"""Steps of Muon, and the learning rate over a run."""

import pytest
import torch

from vpcodec.recipe import Training
from vpcodec.training.optimizer import Muon, orthogonalize, rate_factor

OPTIONS = Training(warmup=0.1, decay=0.4)


@pytest.mark.parametrize("shape", [(2, 16, 48), (2, 48, 16), (1, 8, 8)])
def test_singular_values_are_drawn_towards_one(shape: tuple[int, int, int]) -> None:
    matrices = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    values = torch.linalg.svdvals(orthogonalize(matrices))
    assert orthogonalize(matrices).shape == shape
    assert values.max() < 1.3
    assert values.median() > 0.6


def test_singular_directions_are_kept() -> None:
    matrix = torch.randn(1, 6, 12, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    left, _, right = torch.linalg.svd(orthogonalize(matrix)[0], full_matrices=False)
    turned = left.T @ matrix[0] @ right.T
    assert (turned - torch.diag(turned.diagonal())).abs().max() < 1e-6


def test_matrices_of_one_shape_step_as_each_would_alone() -> None:
    generator = torch.Generator().manual_seed(2)
    starts = [torch.randn(4, 8, generator=generator) for _ in range(3)]
    gradients = [torch.randn(4, 8, generator=generator) for _ in range(3)]

    def stepped(indices: list[int]) -> list[torch.Tensor]:
        matrices = [torch.nn.Parameter(starts[index].clone()) for index in indices]
        optimizer = Muon(matrices, lr=0.1, weight_decay=0.1)
        for matrix, index in zip(matrices, indices, strict=True):
            matrix.grad = gradients[index].clone()
        optimizer.step()
        return [matrix.detach() for matrix in matrices]

    together = stepped([0, 1, 2])
    for index in range(3):
        torch.testing.assert_close(together[index], stepped([index])[0])


def test_it_solves_a_least_squares_problem() -> None:
    generator = torch.Generator().manual_seed(3)
    wanted = torch.randn(8, 8, generator=generator)
    matrix = torch.nn.Parameter(torch.zeros(8, 8))
    optimizer = Muon([matrix], lr=0.1)
    for step in range(300):
        optimizer.param_groups[0]["lr"] = 0.1 * (1 - step / 300)
        optimizer.zero_grad()
        (matrix - wanted).square().sum().backward()
        optimizer.step()
    assert (matrix - wanted).abs().max() < 0.05


def test_the_rate_rises_stays_and_falls_to_zero() -> None:
    assert rate_factor(0.0, OPTIONS) == 0.0
    assert rate_factor(0.05, OPTIONS) == 0.5
    assert rate_factor(0.1, OPTIONS) == rate_factor(0.6, OPTIONS) == 1.0
    assert abs(rate_factor(0.8, OPTIONS) - 0.5) < 1e-9
    assert rate_factor(1.0, OPTIONS) == 0.0


def test_no_warm_up_and_no_decay_leave_the_rate_at_its_peak() -> None:
    flat = Training(warmup=0.0, decay=0.0)
    assert rate_factor(0.0, flat) == rate_factor(1.0, flat) == 1.0
