"""FSQ: golden values of both forms, and noise of the right size."""

import pytest
import torch

from vpcodec.errors import ConfigError
from vpcodec.quantizers import fsq
from vpcodec.quantizers.fsq import FSQ


def inputs(golden):
    return torch.tensor(golden["fsq"]["plain"]["input"])


def plain():
    return FSQ([1024], symmetric=False)


def random_latents(tokens=5000):
    return torch.randn(1, tokens, 4, generator=torch.Generator().manual_seed(0))


def test_the_plain_form_has_the_golden_values(golden):
    case = golden["fsq"]["plain"]
    quantizer = plain().eval()
    quantized = quantizer(inputs(golden))
    assert quantized.tokens.tolist() == case["ids"]
    assert torch.allclose(quantized.latents, torch.tensor(case["codes"]))
    half_levels = torch.tensor([8, 5, 5, 5]) // 2
    assert torch.allclose(quantizer.bound(inputs(golden)) * half_levels, torch.tensor(case["bounded"]), atol=1e-5)


def test_the_symmetric_form_has_the_golden_values(golden):
    case = golden["fsq"]["symmetric"]
    quantized = FSQ([1024]).eval()(inputs(golden))
    assert quantized.tokens.tolist() == case["ids"]
    assert torch.allclose(quantized.latents, torch.tensor(case["codes"]), atol=1e-6)


def test_the_grids_are_the_golden_ones(golden):
    values = golden["fsq"]["code_values"]
    for levels in (8, 5):
        for form, symmetric in (("sym", True), ("plain", False)):
            grid = FSQ(levels=[levels], symmetric=symmetric).decode(torch.arange(levels)).flatten()
            assert torch.allclose(grid, torch.tensor(values[f"{form}{levels}"])), (form, levels)


def test_the_outer_bins_of_the_symmetric_form_are_half_as_wide(golden):
    case = golden["fsq"]["uniform_occupancy_L4"]
    unit = (torch.arange(60_000) + 0.5) / 60_000
    tokens = FSQ(levels=[4]).encode(torch.atanh(2 * unit - 1).unsqueeze(-1))
    shares = torch.bincount(tokens, minlength=4) / len(unit)
    assert torch.allclose(shares, torch.tensor(case["symmetric"]), atol=1e-3)


@pytest.fixture
def only_noise(monkeypatch):
    monkeypatch.setattr(fsq, "NOISE_SHARE", 1.0)


@pytest.mark.parametrize("levels", [5, 6, 7, 8])
def test_noise_is_as_wide_as_published(golden, only_noise, levels):
    expected = golden["fsq"]["noise_half_width_in_minus1_plus1"][str(levels)]["one_over_L"]
    latents = 0.1 * random_latents()[..., :1]
    moves = (FSQ(levels=[levels]).train()(latents).latents - torch.tanh(latents)).abs()
    assert moves.max().item() == pytest.approx(expected, rel=0.01)
    assert moves.mean().item() == pytest.approx(expected / 2, rel=0.05)


def test_about_half_of_the_numbers_are_moved_and_the_others_rounded():
    latents = random_latents()
    quantizer = FSQ([1024])
    rounded = quantizer.eval()(latents).latents
    share = (quantizer.train()(latents).latents == rounded).float().mean().item()
    assert share == pytest.approx(0.5, abs=0.02)


def test_the_plain_form_has_no_noise():
    latents = random_latents()
    assert torch.equal(plain().train()(latents).latents, plain().eval()(latents).latents)


def test_noise_leaves_the_interval_as_published():
    assert FSQ([1024]).train()(torch.full((1, 1000, 4), 9.0)).latents.max() > 1


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_the_gradient_is_that_of_the_bounding_alone(monkeypatch, share):
    monkeypatch.setattr(fsq, "NOISE_SHARE", share)
    latents = random_latents(50).requires_grad_()
    FSQ([1024]).train()(latents).latents.sum().backward()
    assert torch.allclose(latents.grad, 1 - torch.tanh(latents).square(), atol=1e-6)


def test_the_gradient_of_the_plain_form_is_that_of_its_bounding():
    latents = torch.zeros(1, 1, 2).requires_grad_()
    FSQ(levels=[5, 7], symmetric=False).train()(latents).latents.sum().backward()
    expected = torch.tensor([4 * 1.001 / 2 / 2, 6 * 1.001 / 2 / 3])
    assert torch.allclose(latents.grad.flatten(), expected)


def test_there_is_no_loss():
    assert FSQ([1024]).train()(random_latents()).loss == 0


def test_impossible_options_are_refused():
    for options, words in (
        ({"levels": [2, 5], "symmetric": False}, "3 or more for plain fsq"),
        ({"rates": [256, 1024]}, "one codebook size"),
    ):
        with pytest.raises(ConfigError, match=words):
            FSQ(**options)
    assert FSQ(levels=[2, 2]).vocabulary() == 4, "two levels are fine in the symmetric form"
