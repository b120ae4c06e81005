"""VQGAN-FC: search, losses and output live on the unit sphere."""

import pytest
import torch

from vpcodec.quantizers.vqgan_fc import VQGANFC


def golden_quantizer(golden):
    quantizer = VQGANFC([4], 2)
    quantizer.codebook.data.copy_(torch.tensor(golden["vqgan_fc"]["codebook_raw"]))
    return quantizer


def latents(golden):
    return torch.tensor(golden["vq"]["latents"]).unsqueeze(0)


def test_codes_and_loss_are_the_golden_ones(golden):
    case = golden["vqgan_fc"]
    quantized = golden_quantizer(golden).train()(latents(golden))
    assert quantized.tokens.tolist() == [case["ids"]]
    assert torch.allclose(quantized.latents[0], torch.tensor(case["q"]), atol=1e-6)
    assert quantized.stats["quantization_mse"] == pytest.approx(case["mse"], abs=1e-6)
    assert quantized.loss.item() == pytest.approx(1.25 * case["mse"], abs=1e-6)


def test_tokens_decode_to_unit_vectors(golden):
    decoded = golden_quantizer(golden).decode(torch.arange(4))
    assert torch.allclose(decoded, torch.tensor(golden["vqgan_fc"]["codebook_unit"]), atol=1e-6)


def test_lengths_of_latents_and_codes_do_not_matter(golden):
    quantizer = golden_quantizer(golden).eval()
    expected = quantizer(latents(golden))
    longer = quantizer(4 * latents(golden))
    assert torch.equal(longer.tokens, expected.tokens)
    quantizer.train().codebook.data *= torch.tensor([[2.0], [0.25], [8.0], [1.0]])
    assert torch.equal(quantizer.eval()(latents(golden)).latents, expected.latents)


def test_gradients_turn_a_latent_but_do_not_lengthen_it(golden):
    turned = latents(golden).requires_grad_()
    quantized = golden_quantizer(golden).train()(turned)
    (quantized.latents.sum() + quantized.loss).backward()
    along = (turned.grad * turned).sum(-1)
    assert torch.allclose(along, torch.zeros(1, 5), atol=1e-5)
    assert turned.grad.abs().max() > 0.1


def test_a_latent_without_direction_gets_a_token_and_no_gradient(golden):
    nothing = torch.zeros(1, 3, 2).requires_grad_()
    quantized = golden_quantizer(golden).train()(nothing)
    (quantized.latents.sum() + quantized.loss).backward()
    assert len(quantized.tokens.unique()) == 1
    assert nothing.grad.tolist() == torch.zeros(1, 3, 2).tolist()
