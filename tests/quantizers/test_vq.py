"""VQ-VAE: golden values of both forms, a start from the first latents, and dead codes that come back to life."""

import pytest
import torch

from vpcodec.errors import ConfigError
from vpcodec.quantizers.vq import EMA, VQ


def started(method, codes, channels=2, **options):
    """A quantizer in training whose codes are small random numbers, as if it had started there."""
    quantizer = method([codes], channels, **options).train()
    quantizer.started.fill_(True)
    return quantizer


def golden_vq(golden, method=VQ, **options):
    quantizer = started(method, 4, **options)
    quantizer.codebook.data.copy_(torch.tensor(golden["vq"]["codebook"]))
    return quantizer


def golden_ema(golden, **options):
    quantizer = golden_vq(golden, EMA, **options)
    quantizer.counts.copy_(torch.tensor(golden["vq_ema"]["count0"]))
    quantizer.sums.copy_(torch.tensor(golden["vq_ema"]["sum0"]))
    return quantizer


def golden_latents(golden):
    return torch.tensor(golden["vq"]["latents"]).unsqueeze(0).requires_grad_()


def test_codes_and_loss_are_the_golden_ones(golden):
    quantized = golden_vq(golden)(golden_latents(golden))
    assert quantized.tokens.tolist() == [golden["vq"]["ids"]]
    assert quantized.latents.tolist() == [golden["vq"]["q"]]
    assert quantized.loss.item() == pytest.approx(golden["vq"]["loss_beta_on_commitment"], abs=1e-6)
    assert quantized.stats["quantization_mse"] == pytest.approx(golden["vq"]["mse"], abs=1e-6)


def test_beta_weighs_the_commitment_and_not_the_codebook(golden):
    """The loss alone cannot tell, its two terms are equal; their gradients can."""
    quantizer, latents = golden_vq(golden), golden_latents(golden)
    quantizer(latents).loss.backward()
    assert torch.allclose(quantizer.codebook.grad, torch.tensor(golden["vq"]["codebook_grad"]), atol=1e-6)
    expected = torch.tensor(golden["vq"]["commitment_grad_times_beta"])
    assert torch.allclose(latents.grad[0], expected, atol=1e-6)


def test_the_decoders_gradient_goes_to_the_latents_only(golden):
    quantizer, latents = golden_vq(golden), golden_latents(golden)
    weights = torch.arange(10.0).view(1, 5, 2)
    (quantizer(latents).latents * weights).sum().backward()
    assert torch.equal(latents.grad, weights)
    assert quantizer.codebook.grad is None


def test_codes_that_no_latent_chose_get_no_gradient(golden):
    quantizer = golden_vq(golden)
    quantizer(golden_latents(golden)[:, :1]).loss.backward()
    assert (quantizer.codebook.grad[0] != 0).all()
    assert (quantizer.codebook.grad[1:] == 0).all()


def test_one_step_of_the_averages_is_the_golden_one(golden):
    quantizer, latents = golden_ema(golden), golden_latents(golden)
    quantized = quantizer(latents)
    assert quantized.tokens.tolist() == [golden["vq"]["ids"]]
    assert quantized.latents.tolist() == [golden["vq"]["q"]], "the codes of before the step"
    for buffer, key in ((quantizer.counts, "count1"), (quantizer.sums, "sum1"), (quantizer.codebook, "codebook1")):
        assert torch.allclose(buffer, torch.tensor(golden["vq_ema"][key]), atol=1e-5), key
    quantized.loss.backward()
    expected = torch.tensor(golden["vq"]["commitment_grad_times_beta"])
    assert torch.allclose(latents.grad[0], expected, atol=1e-6)


def test_averages_without_memory_are_a_step_of_kmeans(golden):
    quantizer = golden_ema(golden, decay=0.0)
    quantizer(golden_latents(golden))
    expected = torch.tensor(golden["vq_ema"]["batch_sum"]) / torch.tensor(golden["vq_ema"]["batch_count"])[:, None]
    assert torch.allclose(quantizer.codebook, expected, atol=1e-4)


def test_the_counts_tend_to_the_tokens_of_a_step(golden):
    quantizer = golden_ema(golden, decay=0.9)
    gap = quantizer.counts.sum() - 5
    quantizer(golden_latents(golden))
    assert torch.allclose(quantizer.counts.sum() - 5, 0.9 * gap, atol=1e-5)


def test_a_restarted_code_stays_where_it_was_put(golden):
    """Written to the codebook alone, it would be back at its old place after the next step."""
    case = golden["vq_restart"]
    quantizer = golden_ema(golden)
    quantizer(golden_latents(golden))
    before = torch.tensor(case["wrong_order_codebook3_after_step"])
    assert torch.allclose(quantizer.codebook[3], before, atol=1e-5)
    quantizer.place(torch.tensor([case["dead_code"]]), torch.tensor([case["replacement"]]), case["threshold"])
    assert torch.allclose(quantizer.codebook[3], torch.tensor(case["right_codebook3"]))
    quantizer(torch.zeros(1, 5, 2))
    assert torch.allclose(quantizer.codebook[3], torch.tensor(case["right_codebook3"]), atol=1e-3)


def two_clusters(step):
    sides = torch.tensor([-4.0, 4.0]).repeat(100)
    return torch.randn(1, 200, 2, generator=torch.Generator().manual_seed(step)) + sides[None, :, None]


def used_after(steps, **options):
    torch.manual_seed(0)
    quantizer = started(EMA, 16, **options)
    for step in range(steps):
        quantizer(two_clusters(step), step / steps)
    return len(quantizer.eval()(two_clusters(999)).tokens.unique())


def test_restarts_bring_dead_codes_back():
    assert used_after(150) < 10
    assert used_after(150, restart=True) == 16


def test_restarts_choose_different_latents():
    quantizer = started(EMA, 8, restart=True)
    quantizer.counts.zero_()
    quantizer.counts[0] = 100.0
    silence = torch.zeros(1, 500, 2)
    silence[0, ::100] = torch.randn(5, 2, generator=torch.Generator().manual_seed(0))
    assert quantizer(silence, 0.0).stats["restarts"] == 6, "five sounds and one silence"
    assert len(quantizer.codebook.unique(dim=0)) == 8


def test_codes_settle_at_the_end_of_the_training():
    quantizer = started(EMA, 8, restart=True)
    quantizer.counts.zero_()
    quantizer.counts[0] = 100.0
    assert quantizer(two_clusters(0), 0.95).stats["restarts"] == 0
    assert quantizer(two_clusters(0), 0.5).stats["restarts"] > 0


def test_few_tokens_for_many_codes_do_not_kill_all_of_them():
    """With 200 tokens a step, none of 256 evenly used codes ever sees two of them."""
    quantizer = EMA([256], 2, restart=True).train()
    quantizer.start_tokens = 2000
    restarts = [quantizer(two_clusters(step), 0.1).stats["restarts"] for step in range(40)]
    assert max(restarts) < 256 / 2


def test_a_decay_of_one_would_never_learn():
    with pytest.raises(ConfigError, match="decay"):
        EMA([16], decay=1.0)


# The start


def latents(tokens, seed=0, channels=2):
    return 5 + torch.randn(1, tokens, channels, generator=torch.Generator().manual_seed(seed))


def small(method=VQ, **options):
    quantizer = method([16], 2, **options)
    quantizer.start_tokens = 100
    return quantizer


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


def test_long_silence_starts_one_code_only():
    quantizer = small().train()
    quantizer(torch.cat([torch.zeros(1, 5000, 2), latents(100)], 1))
    assert len(quantizer.eval()(latents(100)).tokens.unique()) == 15


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


def test_the_same_seed_starts_the_same_codebook():
    def started(seed):
        torch.manual_seed(seed)
        quantizer = small().train()
        torch.rand(seed + 1)  # draws made elsewhere do not matter
        quantizer(latents(200))
        return quantizer.codebook.detach()

    assert torch.equal(started(3), started(3))
    assert not torch.equal(started(3), started(4))
