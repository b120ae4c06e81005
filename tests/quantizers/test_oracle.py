"""An independent library gives the same codes, tokens, losses and steps where it has the same method."""

import pytest
import torch

from vpcodec.quantizers.fsp import FSP
from vpcodec.quantizers.fsq import FSQ
from vpcodec.quantizers.simvq import SimVQ
from vpcodec.quantizers.vq import EMA, VQ
from vpcodec.quantizers.vqgan_fc import VQGANFC

library = pytest.importorskip("vector_quantize_pytorch", reason="vector-quantize-pytorch is not installed")

LEVELS = ([8, 6, 5], [8, 5, 5, 5], [7, 5, 5, 5, 5], [8, 8, 8, 6, 5])


def latents(channels, tokens=4000, seed=0):
    return 1.5 * torch.randn(1, tokens, channels, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("symmetric", [True, False])
@pytest.mark.parametrize("levels", LEVELS, ids=str)
def test_fsq(levels, symmetric):
    theirs = library.FSQ(levels, preserve_symmetry=symmetric).eval()
    ours = FSQ(levels=levels, symmetric=symmetric).eval()
    codes, tokens = theirs(latents(len(levels)))
    found = ours(latents(len(levels)))
    assert torch.equal(found.tokens, tokens.long())
    assert torch.allclose(found.latents, codes, atol=1e-6)
    every = torch.arange(ours.vocabulary())
    assert torch.allclose(ours.decode(every), theirs.indices_to_codes(every[None])[0], atol=1e-6)


@pytest.mark.parametrize("activation", ["tanh", "sigmoid", "normal", "laplace", "cauchy"])
@pytest.mark.parametrize("levels", LEVELS, ids=str)
def test_fsp(levels, activation):
    theirs = library.FSP(levels, act_name=activation).eval()
    ours = FSP(levels=levels, activation=activation).eval()
    codes, tokens, *_ = theirs(latents(len(levels)))
    found = ours(latents(len(levels)))
    assert torch.equal(found.tokens, tokens.long())
    assert torch.allclose(found.latents, codes, atol=1e-5)


def test_simvq():
    ours = SimVQ([64], 3).train()
    theirs = library.SimVQ(3, 64, codebook_transform=ours.map, rotation_trick=False)
    theirs.frozen_codebook.copy_(ours.frozen)
    codes, tokens, loss = theirs(latents(3))
    found = ours(latents(3))
    assert torch.equal(found.tokens, tokens)
    assert torch.allclose(found.latents, codes, atol=1e-5)
    assert torch.allclose(found.loss, loss, rtol=1e-5)


def test_vq():
    ours = VQ([64], 3).eval()
    ours.started.fill_(True)
    theirs = library.VectorQuantize(3, 64, rotation_trick=False).eval()
    ours.codebook.data.copy_(latents(3, 64, seed=1)[0])
    theirs._codebook.embed.copy_(ours.codebook.data[None])
    codes, tokens, _ = theirs(latents(3))
    found = ours(latents(3))
    assert torch.equal(found.tokens, tokens)
    assert torch.equal(found.latents, codes)


def test_ema_over_several_steps():
    ours = EMA([64], 3).train()
    ours.started.fill_(True)
    theirs = library.VectorQuantize(3, 64, decay=0.99, rotation_trick=False, commitment_weight=0.25).train()
    start = latents(3, 64, seed=1)[0]
    for buffer in (ours.codebook, ours.sums, theirs._codebook.embed[0], theirs._codebook.embed_avg[0]):
        buffer.copy_(start)
    for step in range(10):
        batch = latents(3, 500, seed=10 + step)
        codes, tokens, loss = theirs(batch)
        found = ours(batch)
        assert torch.equal(found.tokens, tokens)
        assert torch.allclose(found.latents, codes, atol=1e-5)
        assert found.loss.item() == pytest.approx(loss.item(), rel=1e-4)
    assert torch.allclose(ours.codebook, theirs._codebook.embed[0], atol=1e-5)
    assert torch.allclose(ours.counts, theirs._codebook.cluster_size[0], atol=1e-4)


def test_vqgan_fc():
    ours = VQGANFC([64], 8).eval()
    theirs = library.VectorQuantize(8, 64, use_cosine_sim=True, rotation_trick=False).eval()
    theirs._codebook.embed.copy_(ours.build().detach()[None])
    _, tokens, _ = theirs(latents(8))
    assert torch.equal(ours(latents(8)).tokens, tokens)
