"""Several codes a position; what every quantizer promises of them is in test_contract.py."""

import pytest
import torch

from vpcodec.errors import ConfigError
from vpcodec.quantizers import build_quantizer

ONE, TWO = 16, 16 * 16


@pytest.fixture
def grouped():
    """VP-VAE with one code of 16 a position, or two, or one of 32."""
    torch.manual_seed(0)
    quantizer = build_quantizer("vp", rates=[16, 32, "2x16"], channels=2, rows_per_code=16)
    quantizer.finish([torch.randn(4096, 4, generator=torch.Generator().manual_seed(1))])
    return quantizer.eval()


def latents_of(*positions):
    return torch.randn(*positions, 4, generator=torch.Generator().manual_seed(2))


def test_the_name_of_a_codebook_gives_its_groups_and_its_codes(grouped):
    assert grouped.rates == (16, 32, 256)
    assert [grouped.radices(rate) for rate in grouped.rates] == [(16,), (32,), (16, 16)]
    assert [grouped.vocabulary(rate) for rate in grouped.rates] == [16, 32, 256]
    assert grouped.channels == grouped.input_channels == 4


def test_the_digits_of_a_token_are_the_codes_of_its_groups(grouped):
    latents = latents_of(3, 50)
    first, second = grouped.parts
    tokens = grouped.encode(latents, TWO)
    assert torch.equal(tokens % 16, first.encode(latents[..., :2], 16))
    assert torch.equal(tokens // 16, second.encode(latents[..., 2:], 16))
    decoded = grouped.decode(tokens, TWO)
    assert torch.equal(decoded[..., :2], first.decode(tokens % 16, 16))
    assert torch.equal(decoded[..., 2:], second.decode(tokens // 16, 16))


def test_the_first_group_stands_alone_where_a_codebook_has_one(grouped):
    latents = latents_of(3, 50)
    assert torch.equal(grouped.encode(latents, ONE), grouped.encode(latents, TWO) % 16)
    assert not grouped.decode(grouped.encode(latents, ONE), ONE)[..., 2:].any()
    relaxed = grouped.train()(latents.requires_grad_(), 0.5, ONE)
    relaxed.latents.sum().backward()
    assert not relaxed.latents[..., 2:].any()
    assert not latents.grad[..., 2:].any()
    assert latents.grad[..., :2].all()


def test_every_group_moves_within_its_own_channels():
    torch.manual_seed(0)
    quantizer = build_quantizer("vp", rates=["2x16"], channels=2, rows_per_code=16).train()
    wide, narrow = torch.randn(2, 2000, 2).unbind()
    for step in range(4):
        latents = torch.cat([wide, 0.01 * narrow], -1)
        moved = (quantizer(latents, step / 4).latents - latents).square().mean(0).sqrt()
    assert (moved[:2] > 0.05).all()
    assert (moved[2:] < 0.01).all()
    assert (moved[2:] > 0.0005).all()


def test_the_loss_is_that_of_the_groups_in_use():
    quantizer = build_quantizer("vp", rates=[16, "2x16"], channels=2, rows_per_code=16).train()
    latents = torch.cat([latents_of(500)[:, :2], 5 + latents_of(500)[:, 2:]], -1)
    first, second = (
        part.relax(latents[:, 2 * place : 2 * place + 2], 0, 16).loss for place, part in enumerate(quantizer.parts)
    )
    assert quantizer(latents, 0, ONE).loss == first
    assert quantizer(latents, 0, TWO).loss == pytest.approx(float(first + second))
    assert second > 1 > first


@pytest.mark.parametrize("name", ["2x", "x16", "0x16", "2x16x2", "two", "-2x16", "2x1.5"])
def test_a_codebook_that_cannot_be_read_is_a_wrong_recipe(name):
    with pytest.raises(ConfigError, match="not a codebook size"):
        build_quantizer("vp", rates=[name])


def test_two_codebooks_of_as_many_bits_are_a_wrong_recipe():
    with pytest.raises(ConfigError, match="equal size"):
        build_quantizer("vp", rates=[256, "2x16"])
