"""TokenBridge: trained on samples, coded by the percentiles of a normal law."""

import pytest
import torch

from vpcodec.errors import ConfigError
from vpcodec.metrics.usage import Usage
from vpcodec.quantizers.tokenbridge import TokenBridge, normal_bins


def one_number(values):
    """A quantizer of one channel, and latents with these means and variance one."""
    means = torch.tensor(values).view(1, -1, 1)
    return TokenBridge([4]).eval(), torch.cat([means, torch.zeros_like(means)], -1)


def test_bins_are_the_golden_ones(golden):
    case = golden["tokenbridge"]
    edges, values = normal_bins(4, 3.0)
    assert edges.tolist() == pytest.approx(case["edges4_clip3"][1:-1], abs=1e-9)
    assert values.tolist() == pytest.approx(case["recon4_clip3"], abs=1e-9)
    assert normal_bins(4, 30.0)[1].tolist() == pytest.approx(case["recon4_unclipped"], abs=1e-9)


def test_a_number_belongs_to_the_bin_it_lies_in(golden):
    quantizer, latents = one_number(golden["tokenbridge"]["probe"])
    assert quantizer.encode(latents).flatten().tolist() == golden["tokenbridge"]["probe_bin_by_edge"]


@pytest.mark.parametrize("rate", [256, 1024, 4096, 16384])
def test_four_bins_a_channel_make_the_codebook(golden, rate):
    quantizer = TokenBridge([rate])
    assert quantizer.channels == golden["tokenbridge"]["dims_for_K"][str(rate)]
    assert quantizer.input_channels == 2 * quantizer.channels
    assert quantizer.radices() == (4,) * quantizer.channels


def test_normal_numbers_use_all_bins_alike():
    evenly = torch.special.ndtri((torch.arange(20_000) + 0.5) / 20_000).tolist()
    quantizer, latents = one_number(evenly)
    assert Usage.of(quantizer.encode(latents).numpy(), 4).figures().cvu == pytest.approx(1.0, abs=1e-3)


def test_values_lie_inside_of_their_bins_and_mirror_each_other():
    for bins in (3, 4, 8):
        edges, values = normal_bins(bins, 3.0)
        assert (values[:-1] < edges).all()
        assert (edges < values[1:]).all()
        assert torch.allclose(values, -values.flip(0))


def test_training_samples_around_the_means():
    quantizer = TokenBridge([256]).train()
    latents = torch.cat([torch.full((1, 5000, 4), 2.0), torch.full((1, 5000, 4), -2.0)], -1)
    sample = quantizer(latents).latents
    assert sample.mean().item() == pytest.approx(2.0, abs=0.02)
    assert sample.var().item() == pytest.approx(torch.tensor(-2.0).exp().item(), rel=0.05)
    assert not torch.equal(sample, quantizer(latents).latents)


def test_tokens_come_from_the_means_and_never_from_a_sample():
    quantizer = TokenBridge([256])
    latents = torch.randn(1, 200, 8, generator=torch.Generator().manual_seed(0))
    expected = quantizer.eval().encode(latents)
    assert torch.equal(quantizer.train()(latents).tokens, expected)
    other_variance = torch.cat([latents[..., :4], latents[..., 4:] + 3], -1)
    assert torch.equal(quantizer.encode(other_variance), expected)


def test_the_divergence_is_zero_for_a_standard_normal_law_only():
    quantizer = TokenBridge([4], kl_weight=2.0).train()
    assert quantizer(torch.zeros(1, 3, 2)).loss == 0
    assert quantizer(torch.tensor([[[1.0, 0.0]]])).loss.item() == pytest.approx(2 * 0.5)
    assert quantizer(torch.tensor([[[0.0, 1.0]]])).loss.item() == pytest.approx(2 * 0.5 * (torch.e - 2), rel=1e-5)


def test_extreme_log_variances_stay_finite():
    quantizer = TokenBridge([4]).train()
    latents = torch.tensor([[[0.0, 1e4], [0.0, -1e4]]]).requires_grad_()
    quantized = quantizer(latents)
    (quantized.latents.sum() + quantized.loss).backward()
    assert quantized.latents.isfinite().all()
    assert latents.grad.isfinite().all()


def test_means_of_another_scale_are_standardized_at_the_end_of_training():
    generator = torch.Generator().manual_seed(0)
    latents = torch.cat([7 + 5 * torch.randn(4000, 4, generator=generator), torch.zeros(4000, 4)], -1)
    quantizer = TokenBridge([256]).eval()
    assert Usage.of(quantizer.encode(latents).numpy(), 256).figures().cvu < 0.2
    quantizer.finish(iter(latents.split(1000)))
    assert Usage.of(quantizer.encode(latents).numpy(), 256).figures().cvu > 0.9
    error = quantizer(latents[None]).latents - latents[None, :, :4]
    assert error.var() < 0.25 * 25


@pytest.mark.parametrize("codes", [512, 2, 1, 0, -4])
def test_a_codebook_that_is_no_power_of_the_bins_is_refused(codes):
    with pytest.raises(ConfigError, match=f"power of its 4 bins as codebook size, got {codes}"):
        TokenBridge([codes])
