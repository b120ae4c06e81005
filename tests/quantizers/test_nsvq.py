"""NSVQ: all codes are pulled, more weakly and over shorter distances as training goes on."""

import pytest
import torch

from vpcodec.quantizers import codebook
from vpcodec.quantizers.nsvq import NARROWEST, NSVQ, kernel_loss, kernel_weights
from vpcodec.quantizers.vq import VQ

CASES = ("tau1", "tau1_lam_quarter", "tau_small")


def table(golden):
    return torch.tensor(golden["vq"]["codebook"]).requires_grad_()


def rows(golden):
    return torch.tensor(golden["vq"]["latents"])


def golden_quantizer(golden, method=NSVQ, **options):
    quantizer = method([4], 2, **options).train()
    quantizer.started.fill_(True)
    quantizer.codebook.data.copy_(table(golden).detach())
    return quantizer


@pytest.mark.parametrize("name", CASES)
def test_loss_and_gradient_are_the_golden_ones(golden, name):
    case, codes = golden["nsvq"][name], table(golden)
    loss = kernel_loss(rows(golden), codes, case["tau"], case["lam"])
    loss.backward()
    assert loss.item() == pytest.approx(case["embedding_loss"], abs=1e-6)
    assert torch.allclose(codes.grad, torch.tensor(case["codebook_grad"]), atol=1e-6)


@pytest.mark.parametrize("name", CASES)
def test_weights_are_the_golden_ones(golden, name):
    case = golden["nsvq"][name]
    gaps = torch.tensor(golden["vq"]["sq_dist"], dtype=torch.float64)
    gaps = gaps - gaps.amin(-1, keepdim=True)
    assert torch.allclose(
        kernel_weights(gaps, case["tau"], case["lam"]), torch.tensor(case["weights"]).double(), atol=1e-6
    )


def test_the_whole_loss_is_pull_and_commitment(golden):
    unit = 2 * golden["vq"]["mse"]  # mean squared distance to the nearest code: widths are told in it
    quantizer = golden_quantizer(golden, width=golden["nsvq"]["tau1"]["tau"] / unit)
    latents = rows(golden).unsqueeze(0).requires_grad_()
    quantized = quantizer(latents, 0.0)
    assert quantized.latents[0].tolist() == golden["vq"]["q"]
    expected = golden["nsvq"]["tau1"]["embedding_loss"] + 0.25 * golden["vq"]["mse"]
    assert quantized.loss.item() == pytest.approx(expected, abs=1e-6)
    quantized.loss.backward()
    commitment = torch.tensor(golden["vq"]["commitment_grad_times_beta"])
    assert torch.allclose(latents.grad[0], commitment, atol=1e-6), "the pull moves codes, not latents"


def test_every_code_is_pulled_while_the_kernel_is_wide(golden):
    quantizer = golden_quantizer(golden)
    quantizer(rows(golden)[None, :1], 0.0).loss.backward()
    assert (quantizer.codebook.grad.abs().sum(-1) > 0).all()


def test_at_the_end_it_is_plain_vector_quantization(golden):
    found, expected = golden_quantizer(golden), golden_quantizer(golden, VQ)
    for quantizer in (found, expected):
        quantizer(rows(golden).unsqueeze(0), 1.0).loss.backward()
    assert found.kernel_width(1.0) == NARROWEST
    assert torch.allclose(found.codebook.grad, expected.codebook.grad)


def test_without_reach_it_is_plain_vector_quantization_from_the_start(golden):
    found, expected = golden_quantizer(golden, reach=0.0), golden_quantizer(golden, VQ)
    losses = [quantizer(rows(golden).unsqueeze(0), 0.0).loss for quantizer in (found, expected)]
    assert losses[0].item() == pytest.approx(losses[1].item(), abs=1e-6)
    for loss in losses:
        loss.backward()
    assert torch.allclose(found.codebook.grad, expected.codebook.grad, atol=1e-6)


def test_the_decoders_gradient_reaches_the_chosen_codes_scaled(golden):
    quantizer = golden_quantizer(golden)
    latents = rows(golden).unsqueeze(0).requires_grad_()
    weights = torch.arange(1.0, 11.0).view(1, 5, 2)
    (quantizer(latents, 1.0).latents * weights).sum().backward()
    assert torch.equal(latents.grad, weights)
    scale = 2 / 10
    expected = scale * torch.stack([weights[0, 0] + weights[0, 3], weights[0, 1], weights[0, 2], weights[0, 4]])
    assert torch.allclose(quantizer.codebook.grad, expected)


def test_the_scale_of_that_gradient_counts_positions_and_channels(golden):
    quantizer = NSVQ([4], 8).train()
    quantizer.started.fill_(True)
    quantizer(torch.randn(2, 4, 4, 8), 1.0).latents.sum().backward()
    share = quantizer.codebook.grad.sum() / (2 * 4 * 4 * 8)
    assert share.item() == pytest.approx(golden["nsvq"]["alpha_q_B2_H4_W4_D8"], rel=1e-5)


def test_the_kernel_halves_with_every_three_hundredth_of_the_training(golden):
    widths = [NSVQ([4]).kernel_width(epoch / 300) for epoch in range(6)]
    assert widths == pytest.approx(golden["nsvq"]["tau_exp_half"])


def test_the_scale_of_the_latents_does_not_matter(golden):
    gradients = []
    for scale in (1.0, 8.0):
        quantizer = golden_quantizer(golden)
        quantizer.codebook.data *= scale
        quantizer(scale * rows(golden).unsqueeze(0), 0.0).loss.backward()
        gradients.append(quantizer.codebook.grad / scale)
    assert torch.allclose(*gradients, atol=1e-6)


def test_the_size_of_the_chunks_changes_nothing(golden, monkeypatch):
    codes, latents = torch.randn(50, 3), torch.randn(40, 3)
    whole = kernel_loss(latents, codes, 0.5, 0.01)
    monkeypatch.setitem(codebook.CELLS, "cpu", 130)
    assert torch.allclose(kernel_loss(latents, codes, 0.5, 0.01), whole, rtol=1e-6)


def test_weights_lie_between_nothing_and_the_chosen_code():
    gaps = torch.rand(20, 30, generator=torch.Generator().manual_seed(0)).double()
    weights = kernel_weights(gaps, 1e-3, 100.0)
    assert weights.min() >= 0
    assert weights.max() == 1
    assert (weights.gather(1, gaps.argmin(1, keepdim=True)) == 1).all()
