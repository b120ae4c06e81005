"""FSP: golden values, and a training stand-in as large as the quantization error."""

import math

import pytest
import torch

from vpcodec.errors import ConfigError
from vpcodec.quantizers.base import moment_loss
from vpcodec.quantizers.fsp import ACTIVATIONS, FSP, UNIFORM_STD


def preactivations(golden):
    return torch.tensor(golden["fsp"]["pre_activation"])


def unit_of(latents):
    return latents * UNIFORM_STD + 0.5


def uniform_latents(tokens=20_000, channels=4):
    unit = torch.rand(1, tokens, channels, generator=torch.Generator().manual_seed(0))
    return torch.atanh(2 * unit - 1)


def test_tokens_and_outputs_are_the_golden_ones(golden):
    quantized = FSP([1024]).eval()(preactivations(golden))
    assert quantized.tokens.tolist() == golden["fsp"]["ids"]
    assert torch.allclose(quantized.latents, torch.tensor(golden["fsp"]["q_scaled_unit_variance"]), atol=1e-5)


def test_tokens_decode_to_the_golden_centres(golden):
    case = golden["fsp"]["decode"]
    assert torch.allclose(unit_of(FSP([1024]).decode(torch.tensor(case["ids"]))), torch.tensor(case["centroids"]))


def test_the_first_channel_is_the_fastest_digit(golden):
    probe = golden["fsp"]["order_probe"]
    low = -9.0
    latents = torch.tensor([[-0.6, low, low, low]])  # the second of eight bins, then the lowest ones
    assert FSP([1024]).encode(latents).item() == probe["id_first_dim_fastest"]


@pytest.mark.parametrize("rate", ["256", "1024", "4096", "16384"])
def test_the_levels_are_the_published_ones(golden, rate):
    quantizer = FSP([int(rate)])
    assert list(quantizer.radices()) == golden["levels"][rate]["levels"]
    assert quantizer.vocabulary() == golden["levels"][rate]["product"]


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations_are_distribution_functions_with_the_golden_values(golden, name):
    squash, variance = ACTIVATIONS[name]
    points = torch.tensor(golden["cdf_points"], dtype=torch.float64)
    assert torch.allclose(squash(points), torch.tensor(golden["cdf"][name], dtype=torch.float64), atol=1e-9)
    if variance is not None:
        assert variance == pytest.approx(golden["sigma_g2"][name])


def test_bins_at_their_borders(golden):
    case = golden["fsp"]["boundary"]
    unit = torch.tensor(case["z"]).unsqueeze(-1)
    assert FSP(levels=[5]).bins(unit).flatten().tolist() == case["level_L5"]


def test_centres_are_the_best_points_of_a_uniform_law(golden):
    for levels in (5, 8):
        expected = torch.tensor(golden["lloyd_max"][f"uniform{levels}"])
        assert torch.allclose(FSP(levels=[levels]).centres(torch.arange(levels).unsqueeze(-1)).flatten(), expected)


def test_a_move_stays_within_half_a_bin_and_inside_the_interval():
    latents = uniform_latents()
    moved = unit_of(FSP([1024], quantize_share=0.0).train()(latents).latents)
    unit = (torch.tanh(latents) + 1) / 2
    half_bin = 0.5 / torch.tensor([8, 5, 5, 5])
    assert ((moved - unit).abs() <= half_bin + 1e-6).all()
    assert moved.min() >= 0
    assert moved.max() <= 1


def test_as_many_moves_are_taken_as_fit_into_the_interval(golden):
    latents = uniform_latents()
    moved = unit_of(FSP([1024], quantize_share=0.0).train()(latents).latents)
    stayed = (moved - (torch.tanh(latents) + 1) / 2).abs() < 1e-6
    accepted = 1 - stayed.double().mean((0, 1))
    assert torch.allclose(accepted, torch.tensor(golden["fsp"]["accept_uniform_eta1"]["per_dim"]).double(), atol=0.005)


def test_half_of_the_numbers_are_rounded():
    """Read off from a quantizer that moves by nothing where it does not round."""
    latents = uniform_latents(2000)
    quantizer = FSP([1024], reach=0.0).train()
    unit = (torch.tanh(latents) + 1) / 2
    rounded = (unit_of(quantizer(latents).latents) - quantizer.centres(quantizer.bins(unit))).abs() < 1e-6
    assert rounded.float().mean().item() == pytest.approx(0.5, abs=0.02)


def test_always_rounding_is_what_evaluation_does():
    latents = uniform_latents(500)
    quantizer = FSP([1024], quantize_share=1.0)
    assert torch.equal(quantizer.train()(latents).latents, quantizer.eval()(latents).latents)


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_the_gradient_is_that_of_the_squashing_alone(golden, share):
    case = golden["fsp"]["grad_scaled_output_wrt_pre_activation_tanh"]
    latents = torch.tensor(case["a"]).view(1, 4, 1).requires_grad_()
    quantizer = FSP(levels=[8], quantize_share=share).train()
    quantizer(latents).latents.sum().backward()
    assert torch.allclose(latents.grad.flatten(), torch.tensor(case["grad"]), atol=1e-5)


def test_uniform_numbers_lose_as_much_as_theory_says(golden):
    for levels in (5, 8):
        latents = uniform_latents(40_000, 1)
        unit = (torch.tanh(latents) + 1) / 2
        error = (unit_of(FSP(levels=[levels]).eval()(latents).latents) - unit).square().mean().item()
        assert error == pytest.approx(golden["lloyd_max"]["uniform_mse"][str(levels)], rel=0.02)


def test_moment_losses_are_the_golden_ones(golden):
    case = golden["norm_loss"]
    batch = torch.tensor(case["batch"])
    unit = moment_loss(batch, 1.0, 0.1, 0.07)
    assert unit.item() == pytest.approx(case["mean_over_dims_unbiased_target1"], abs=1e-6)
    loss = FSP(levels=[8, 5]).train()(batch).loss
    assert loss.item() == pytest.approx(case["mean_over_dims_unbiased_target_tanh"], abs=1e-6)


def test_the_target_of_the_moment_loss_follows_the_activation():
    for name, (_, variance) in ACTIVATIONS.items():
        spread = torch.linspace(-1, 1, 100).view(1, 100, 1)
        wanted = spread * math.sqrt((1.0 if variance is None else variance) / spread.var().item())
        assert FSP(levels=[8], activation=name).train()(wanted).loss.item() == pytest.approx(0, abs=1e-9), name


def test_impossible_options_are_refused():
    for options, words in (
        ({"rates": [512]}, "no published levels"),
        ({"rates": [256, 1024]}, "one codebook size"),
        ({"levels": [8, 1]}, "2 or more"),
        ({"rates": [256], "activation": "relu"}, "activation"),
    ):
        with pytest.raises(ConfigError, match=words):
            FSP(**options)
