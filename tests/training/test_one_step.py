"""What one step of training does: to the weights, to their average, and what the quantizer is told."""

import csv
import shutil
from collections import Counter
from pathlib import Path

import pytest
import torch

from tests.conftest import MEDIA
from vpcodec.recipe import override
from vpcodec.registry import ModelFolder
from vpcodec.training.journal import Validation
from vpcodec.training.loop import Run, Trainer
from vpcodec.training.optimizer import Muon
from vpcodec.training.recipes import find_recipe

FULL = 0.5  # progress at which the learning rates are at their peaks
SMALL = ["data.batch=2", "data.crop=32", "training.warmup=0.1", "training.decay=0.4"]


@pytest.fixture(scope="module")
def media(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("media")
    shutil.copy(MEDIA / "speech.flac", folder)
    return folder


@pytest.fixture
def trainer(media: Path, tmp_path: Path):  # type: ignore[no-untyped-def]
    """Makes trainers of tiny speech models; equal settings give equal ones."""

    def make(method: str = "fsp", *settings: str, report=None) -> Trainer:  # type: ignore[no-untyped-def]
        recipe = override(find_recipe(f"speech-{method}-tiny"), [*SMALL, *settings])
        out = tmp_path / f"{method}-{len(list(tmp_path.iterdir()))}"
        out.mkdir()
        return Trainer(recipe, Run(data=media, out=out, device="cpu"), report)

    return make


def step(trainer: Trainer, progress: float = FULL) -> None:
    trainer.advance(torch.from_numpy(trainer.crops.batch(trainer.step)), progress)
    trainer.step += 1


def weights(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: parameter.detach().clone() for name, parameter in model.named_parameters()}


# The average, which is what ships


def test_the_average_moves_towards_the_weights_by_the_share_that_the_recipe_says(trainer) -> None:
    run = trainer("fsp", "training.average=0.75")
    run.step = 10_000  # long after the first steps, in which the average follows faster
    before = weights(run.average)
    step(run)
    for name, now in weights(run.model).items():
        torch.testing.assert_close(weights(run.average)[name], 0.75 * before[name] + 0.25 * now)


def test_the_model_that_a_run_leaves_is_the_average(trainer) -> None:
    run = trainer("fsp", "training.steps=5")
    run.train()
    shipped = weights(ModelFolder(run.run.out).autoencoder())
    exact = [name for name, value in shipped.items() if value.ndim == 1]  # matrices ship in 16 bits
    assert all(torch.equal(shipped[name], weights(run.average)[name]) for name in exact)
    assert any(not torch.equal(shipped[name], weights(run.model)[name]) for name in exact)


# Learning rates


@pytest.mark.parametrize("progress", [0.0, 1.0])
def test_nothing_is_learned_where_the_learning_rate_is_zero(trainer, progress: float) -> None:
    run = trainer("fsp")
    before = weights(run.model)
    step(run, progress)
    assert all(torch.equal(before[name], now) for name, now in weights(run.model).items())


def test_over_a_run_the_learning_rates_rise_to_their_peaks_and_fall(trainer) -> None:
    seen: list[tuple[float, float]] = []

    def report(step: int, progress: float, loss: float) -> None:
        seen.append((progress, run.optimizers[1].param_groups[0]["lr"]))

    run = trainer("fsp", "training.steps=10", "training.rate=0.01", "training.warmup=0.2", report=report)
    run.train()
    assert [progress for progress, _ in seen] == pytest.approx([number / 10 for number in range(11)])
    expected = [0, 0.5, 1, 1, 1, 1, 1, 0.75, 0.5, 0.25]
    assert [rate for _, rate in seen[:-1]] == pytest.approx([0.01 * share for share in expected])


# Gradients


def test_no_gradient_is_longer_than_the_recipe_allows(trainer) -> None:
    run = trainer("fsp", "training.clip=0.001")
    lengths: list[float] = []

    def look(*_: object) -> None:
        gradients = [parameter.grad for parameter in run.model.parameters() if parameter.grad is not None]
        lengths.append(float(torch.stack([gradient.norm() for gradient in gradients]).norm()))

    run.optimizers[0].register_step_pre_hook(look)
    step(run)
    assert lengths == [pytest.approx(0.001, rel=0.01)]


def test_the_matrices_of_the_blocks_decay_and_nothing_else_does(trainer) -> None:
    peak, decay = 0.02, 0.5
    runs = [trainer("vq", f"training.matrix_rate={peak}", f"training.weight_decay={share}") for share in (0.0, decay)]
    before = weights(runs[0].model)
    for run in runs:
        step(run)
    free, decayed = (weights(run.model) for run in runs)
    matrices = {name for name in before if ".blocks." in name and name.endswith(("expand.weight", "project.weight"))}
    assert matrices
    for name, start in before.items():
        taken = peak * decay * start if name in matrices else torch.zeros_like(start)
        torch.testing.assert_close(free[name] - decayed[name], taken, atol=1e-6, rtol=1e-3)


def test_the_loss_of_the_quantizer_moves_chosen_codes_and_the_others_stay(trainer) -> None:
    """The decoder's gradient passes vq's codes by."""
    run = trainer("vq")
    run.model.quantizer.started.fill_(True)  # with the small random codes that it was made with
    before = run.model.quantizer.codes().clone()
    step(run)
    same = (run.model.quantizer.codes() == before).all(-1)
    assert 0 < same.sum() < len(before)


@pytest.mark.parametrize("shape", [(8, 8), (64, 16), (16, 64), (256, 32)])
def test_a_step_of_muon_is_as_long_as_one_of_adam(shape: tuple[int, int]) -> None:
    """Root mean square 0.2 times the learning rate, for matrices of every shape (Liu et al., arXiv 2502.16982)."""
    matrix = torch.nn.Parameter(torch.zeros(shape))
    matrix.grad = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    Muon([matrix], lr=0.1).step()
    assert 0.14 < float(matrix.detach().square().mean().sqrt()) / 0.1 < 0.26


# What the quantizer gets


def test_the_quantizer_is_told_how_far_the_run_is(trainer) -> None:
    told: list[float] = []
    done: list[float] = []
    run = trainer("fsp", "training.steps=4", report=lambda step, progress, loss: done.append(progress))
    run.model.quantizer.register_forward_pre_hook(lambda module, given: told.append(given[1]))
    run.train()
    assert [*told, 1] == done == [0, 0.25, 0.5, 0.75, 1]


def test_every_rate_is_trained_about_as_often_as_the_others(trainer) -> None:
    run = trainer("vp", "quantizer.rates=[64, 128, 256]")
    rates: Counter[int] = Counter()
    run.model.quantizer.register_forward_pre_hook(lambda module, given: rates.update([given[2]]))
    for _ in range(30):
        step(run)
    assert set(rates) == {64, 128, 256}
    assert min(rates.values()) >= 5


def test_the_decoder_is_told_which_rate_it_hears(trainer) -> None:
    """VP-VAE moves no latent before its queue is filled, so nothing but the rate tells two passes apart."""
    model = trainer("vp", "quantizer.rates=[64, 256]").model.train()
    crops = torch.rand(1, 32 * 96, generator=torch.Generator().manual_seed(0)) - 0.5
    one, other = (model(crops, 0.5, rate)[0] for rate in (64, 256))
    assert torch.equal(one, other)  # before training there is nothing to tell
    with torch.no_grad():
        model.rate_conditions[0] += 1
    raised, other_again = (model(crops, 0.5, rate)[0] for rate in (64, 256))
    assert torch.equal(other, other_again)
    assert not torch.equal(one, raised)


# What comes after the steps


def test_codebooks_are_fitted_to_as_many_latents_as_the_recipe_says(trainer) -> None:
    run = trainer("vp", "training.fitting_positions=1000")
    batches = [len(rows) for rows in run.latents()]
    assert 1000 <= sum(batches) < 1000 + batches[-1]


def test_the_weights_that_are_validated_are_the_averaged_ones(trainer) -> None:
    run = trainer("fsp")
    run.valid = Validation(run.crops.fixed(1), run.criterion, run.journal, seed=0)
    with torch.no_grad():
        for parameter in run.model.parameters():
            parameter.fill_(torch.nan)
    run.validate("last")
    with (run.run.out / "validation.csv").open() as file:
        (row,) = csv.DictReader(file)
    losses = [float(row[name]) for name in ("network", "moves", "codes")]
    assert all(0 < loss < 100 for loss in losses)
    assert len(set(losses)) == 3
