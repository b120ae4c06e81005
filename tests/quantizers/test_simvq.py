"""SimVQ: a step moves all codes, and tokens decode to the moved ones."""

import pytest
import torch

from vpcodec.quantizers.simvq import SimVQ


def golden_quantizer(golden, **options):
    case = golden["simvq"]
    quantizer = SimVQ([4], 2, **options).train()
    quantizer.frozen.copy_(torch.tensor(case["frozen"]))
    quantizer.map.weight.data.copy_(torch.tensor(case["W"]))
    quantizer.map.bias.data.copy_(torch.tensor(case["b"]))
    return quantizer


def latents(golden):
    return torch.tensor(golden["vq"]["latents"]).unsqueeze(0)


def test_codes_and_loss_are_the_golden_ones(golden):
    case = golden["simvq"]
    quantizer = golden_quantizer(golden)
    quantized = quantizer(latents(golden))
    assert quantized.tokens.tolist() == [case["ids"]]
    assert quantized.stats["quantization_mse"] == pytest.approx(case["mse"], abs=1e-6)
    assert quantized.loss.item() == pytest.approx(1.25 * case["mse"], abs=1e-6)


def test_tokens_decode_to_the_mapped_codes(golden):
    decoded = golden_quantizer(golden).eval().decode(torch.arange(4))
    assert torch.allclose(decoded, torch.tensor(golden["simvq"]["codebook"]), atol=1e-6)


def test_the_codebook_term_moves_the_map_as_published(golden):
    case = golden["simvq"]
    quantizer = golden_quantizer(golden)
    quantizer(latents(golden)).loss.backward()
    assert torch.allclose(quantizer.map.weight.grad, torch.tensor(case["grad_W"]), atol=1e-6)
    assert torch.allclose(quantizer.map.bias.grad, torch.tensor(case["grad_b"]), atol=1e-6)


def test_one_step_moves_codes_that_no_latent_chose(golden):
    case = golden["simvq"]
    quantizer = golden_quantizer(golden)
    assert 0 not in case["used_codes"]
    before = quantizer.decode(torch.arange(4))
    quantizer(latents(golden)).loss.backward()
    torch.optim.SGD(quantizer.parameters(), lr=1.0).step()
    moved = quantizer.decode(torch.arange(4)) - before
    assert torch.allclose(moved, torch.tensor(case["codebook_shift_after_sgd_lr1"]), atol=1e-5)


def test_the_random_table_is_frozen(golden):
    quantizer = golden_quantizer(golden)
    before = quantizer.frozen.clone()
    optimizer = torch.optim.AdamW(quantizer.parameters(), lr=1.0, weight_decay=0.5)
    for _ in range(3):
        quantizer(latents(golden)).loss.backward()
        optimizer.step()
    assert torch.equal(quantizer.frozen, before)
    assert "frozen" in quantizer.state_dict()


def test_the_weight_of_the_loss_weighs_all_of_it(golden):
    light, heavy = golden_quantizer(golden), golden_quantizer(golden, loss_weight=1000.0)
    assert heavy(latents(golden)).loss.item() == pytest.approx(1000 * light(latents(golden)).loss.item())
