"""`scripts/codebooks.py` gives a finished model codebooks between those it has."""

import itertools
from dataclasses import replace

import torch

from scripts.codebooks import conditions, with_codebooks
from vpcodec.autoencoder import Autoencoder
from vpcodec.training.recipes import find_recipe

SIGNALS = torch.randn(64, 9600, generator=torch.Generator().manual_seed(0)) * torch.linspace(0.01, 0.3, 64)[:, None]


def test_a_finished_model_gets_more_codebooks_and_keeps_the_tokens_of_its_own() -> None:
    recipe = find_recipe("speech-vp-tiny")
    recipe = replace(recipe, quantizer=recipe.quantizer | {"rates": [16, 128, "2x16", "2x64"]})
    torch.manual_seed(0)
    old = Autoencoder(recipe.kind, recipe.network, recipe.quantizer).eval().requires_grad_(False)
    old.rate_conditions.copy_(torch.randn(old.rate_conditions.shape))
    old.quantizer.finish([old.network.encode(SIGNALS)])
    wider = replace(recipe, quantizer=recipe.quantizer | {"rates": [8, 16, 64, 128, "2x16", "2x32", "2x64"]})
    new = with_codebooks(old, wider, itertools.repeat(SIGNALS), len(SIGNALS) * 100).requires_grad_(False)
    for rate in old.quantizer.rates:
        tokens = old.encode(SIGNALS[:4], rate)
        assert torch.equal(new.encode(SIGNALS[:4], rate), tokens)
        assert torch.equal(new.decode(tokens, rate), old.decode(tokens, rate))
    latents = new.network.encode(SIGNALS)
    errors = [
        float((new.quantizer.decode(new.quantizer.encode(latents, rate), rate) - latents).square().mean())
        for rate in new.quantizer.rates
    ]
    assert errors[:4] == sorted(errors[:4], reverse=True)
    assert errors[4:] == sorted(errors[4:], reverse=True)


def test_the_decoder_is_told_a_new_codebook_by_those_of_as_many_codes_a_position() -> None:
    known = torch.tensor([[1.0, 10.0], [3.0, 20.0], [7.0, 50.0], [9.0, 70.0]])
    codebooks = [(1, 256), (1, 1024), (2, 256), (2, 1024)]
    found = conditions(known, codebooks, [(1, 128), (1, 256), (1, 512), (2, 512), (2, 4096)])
    assert found.tolist() == [[1, 10], [1, 10], [2, 15], [8, 60], [9, 70]]
