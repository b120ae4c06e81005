"""TransVQ: codes come out of a transformer over all of them."""

import torch

from vpcodec.quantizers.transvq import TransVQ, linear_attention


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


def test_the_random_table_is_frozen():
    assert "frozen" in dict(TransVQ([16], 2, width=8).named_buffers())
