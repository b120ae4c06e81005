"""A codebook starts from the first latents of the training, and from nothing else."""

import pytest
import torch

from vpcodec.errors import ConfigError, DataError, ModelError
from vpcodec.quantizers.seeding import lloyd
from vpcodec.quantizers.vq import EMA, VQ


def latents(tokens, seed=0, channels=2):
    return 5 + torch.randn(1, tokens, channels, generator=torch.Generator().manual_seed(seed))


def small(method=VQ, **options):
    return method([16], 2, start_tokens=100, **options)


def test_latents_pass_through_until_enough_have_been_seen():
    quantizer = small().train()
    first = latents(60).requires_grad_()
    passed = quantizer(first)
    assert passed.tokens is None
    assert torch.equal(passed.latents, first)
    assert not quantizer.ready
    passed.loss.backward()
    assert quantizer.codebook.grad.abs().sum() == 0
    started = quantizer(latents(60, seed=1))
    assert quantizer.ready
    assert started.tokens.shape == (1, 60)
    assert len(quantizer.waiting) == 0


@pytest.mark.parametrize("method", [VQ, EMA])
def test_the_started_codebook_lies_where_the_latents_are(method):
    quantizer = small(method).train()
    quantizer(latents(200))
    error = (latents(200) - quantizer.eval()(latents(200)).latents).square().mean()
    assert error < 0.1 * latents(200).var()
    assert len(quantizer(latents(200)).tokens.unique()) == 16


@pytest.mark.parametrize("case", ["kmeans1d", "kmeans1d_empty_kept"])
def test_centres_of_a_line_are_found_even_if_one_of_them_loses_all_its_points(golden, case):
    points, first = (torch.tensor(golden[case][key]).unsqueeze(-1) for key in ("points", "init"))
    found = lloyd(points, first, 10).flatten().sort().values
    assert torch.allclose(found, torch.tensor(golden["kmeans1d"]["centroids"]), atol=1e-6)


def test_long_silence_starts_one_code_only():
    quantizer = small().train()
    quantizer(torch.cat([torch.zeros(1, 5000, 2), latents(100)], 1))
    assert len(quantizer.eval()(latents(100)).tokens.unique()) == 15


def test_evaluation_before_the_start_is_an_error_not_a_start():
    quantizer = small().eval()
    with pytest.raises(ModelError, match="not initialised"):
        quantizer(latents(500))
    assert not quantizer.ready


def test_a_short_run_can_be_finished_from_fresh_latents():
    quantizer = small()
    quantizer.train()(latents(30))
    quantizer.finish(iter([latents(40)[0], latents(50, seed=2)[0]]))
    assert quantizer.eval()(latents(40)).tokens.shape == (1, 40)


def test_finishing_leaves_a_started_codebook_alone():
    quantizer = small()
    quantizer.train()(latents(200))
    before = quantizer.codebook.detach().clone()
    quantizer.finish(iter([latents(500, seed=3)]))
    assert torch.equal(quantizer.codebook, before)


def test_too_few_latents_for_the_codes_are_an_error():
    with pytest.raises(DataError, match="10 latents cannot start a codebook of 16 codes"):
        small().finish(iter([latents(10)]))


def test_the_same_seed_starts_the_same_codebook():
    def started(seed):
        torch.manual_seed(seed)
        quantizer = small().train()
        torch.rand(seed + 1)  # draws made elsewhere do not matter
        quantizer(latents(200))
        return quantizer.codebook.detach()

    assert torch.equal(started(3), started(3))
    assert not torch.equal(started(3), started(4))


def test_a_uniform_start_needs_no_latents():
    quantizer = small(start="uniform").eval()
    assert quantizer.ready
    assert quantizer.decode(torch.arange(16)).abs().max() <= 1 / 16


def test_wrong_starts_are_refused():
    with pytest.raises(ConfigError, match="unknown quantizer"):
        VQ([16], start="zeros")
    with pytest.raises(ConfigError, match="start_tokens"):
        VQ([16], start_tokens=15)
