"""SimVQ and TransVQ: a step moves all codes, and tokens decode to the moved ones."""

import pytest
import torch

from vpcodec.quantizers.simvq import SimVQ, TransVQ, linear_attention


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


# TransVQ


def test_linear_attention_is_the_golden_one(golden):
    case = golden["transvq"]
    tokens = torch.tensor(case["tokens"])
    attended = linear_attention(tokens, tokens, tokens)
    assert torch.allclose(attended, torch.tensor(case["linear_attention_qkv_identity"]), atol=1e-5)


def test_a_code_comes_out_elsewhere_without_the_others(golden):
    case = golden["transvq"]
    tokens = torch.tensor(case["tokens"])
    alone = linear_attention(tokens[1:2], tokens[1:2], tokens[1:2])
    assert torch.allclose(alone[0], torch.tensor(case["row1_alone"]), atol=1e-5)
    together = linear_attention(tokens, tokens, tokens)
    assert torch.allclose(together[1], torch.tensor(case["row1_in_full_codebook"]), atol=1e-5)


def test_some_tokens_decode_to_what_they_decode_to_among_all():
    quantizer = TransVQ([64], 3, width=16).eval()
    every = quantizer.decode(torch.arange(64))
    assert torch.equal(quantizer.decode(torch.tensor([5, 9])), every[[5, 9]])


def test_one_step_moves_all_codes():
    torch.manual_seed(0)
    quantizer = TransVQ([64], 3, width=16).train()
    before = quantizer.decode(torch.arange(64))
    quantized = quantizer(torch.randn(1, 5, 3))
    assert len(quantized.tokens.unique()) < 6
    quantized.loss.backward()
    torch.optim.SGD(quantizer.parameters(), lr=0.1).step()
    assert ((quantizer.decode(torch.arange(64)) - before).abs().sum(-1) > 0).all()


def test_frozen_for_a_graph_or_an_engine_the_transformer_runs_once():
    quantizer = TransVQ([64], 3, width=16).eval()
    expected = quantizer.decode(torch.arange(64))
    runs = []
    quantizer.map.register_forward_hook(lambda *_: runs.append(1))
    quantizer.freeze()
    for _ in range(3):
        quantizer(torch.randn(1, 5, 3))
    assert len(runs) == 1
    assert torch.equal(quantizer.decode(torch.arange(64)), expected)


def test_positions_are_the_bulk_of_the_parameters():
    quantizer = TransVQ([1024], 4)
    assert quantizer.map.positions.numel() == 1024 * 256
    assert quantizer.map.positions.numel() > 0.3 * sum(p.numel() for p in quantizer.parameters())
