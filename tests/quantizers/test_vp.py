"""VP-VAE moves latents as published, keeps their distribution, forgets nothing, and fits one codebook a rate."""

import copy
import itertools
import math
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp

from vpcodec.errors import ConfigError, DataError
from vpcodec.quantizers import vp
from vpcodec.quantizers.codebook import fit_centroids
from vpcodec.quantizers.perturbation import Neighbours, SampleQueue, acceptance, uniform_in_ball
from vpcodec.quantizers.vp import VP


def gaussian(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def build(*rates, channels=3, rows=None, seed=0, **options):
    """A VP in training, its queue holding `rows`."""
    torch.manual_seed(seed)
    quantizer = VP(rates, channels, **options).train()
    if rows is not None:
        quantizer.queue.push(rows)
    return quantizer


@pytest.fixture(scope="module")
def law():
    """The published queue for 256 codes in 3 channels, and latents of the same law."""
    return gaussian(256 * 48, 3, seed=1), gaussian(4096, 3, seed=2)


def brute_force(points, rows, ranks):
    every = np.sort(np.sqrt(((points[:, None] - rows[None]) ** 2).sum(-1)), axis=1)
    return every[:, [rank - 1 for rank in ranks]]


def reference_move(points, rows, rate, noise, eta=1.0, k=8):
    """One move written from the formulas: numpy, float64, every distance."""
    normal, share, coin = noise.normal(points), noise.uniform(points[:, :1]), noise.uniform(points[:, 0])
    z, s, d = points.double().numpy(), rows.double().numpy(), points.shape[1]
    m = math.ceil(len(s) / rate)
    near = brute_force(z, s, (k, m))
    v = normal.double().numpy()
    u = eta * near[:, 1:] * share.double().numpy() ** (1 / d) * v / np.linalg.norm(v, axis=1, keepdims=True)
    there = brute_force(z + u, s, (k, m))
    alpha = np.minimum(1, (near.prod(1) / there.prod(1)) ** d)
    alpha[np.linalg.norm(u, axis=1) > eta * there[:, 1]] = 0
    taken = coin.double().numpy() < alpha
    return z + u * taken[:, None], taken, eta * near[:, 1]


# The move


def test_a_move_is_the_one_of_the_formulas():
    rows, points = gaussian(400, 3, seed=1), gaussian(300, 3, seed=2)
    quantizer = build(16, rows_per_code=25, rows=rows)
    noise = copy.deepcopy(quantizer.noise)
    expected, taken, _ = reference_move(points, rows, 16, noise)
    moved, stats = quantizer.perturb(points, 16)
    np.testing.assert_allclose(moved.numpy(), expected, atol=1e-5)
    assert torch.equal((moved != points).any(-1), torch.from_numpy(taken))
    assert stats["accepted"].item() == pytest.approx(taken.mean())


def test_acceptance_is_the_published_one(golden):
    rows = torch.tensor(golden["vp"]["queue"], dtype=torch.float64)
    for case in golden["vp"]["accept_cases"]:
        points = torch.tensor([case["z"], case["z_prime"]], dtype=torch.float64)
        near = Neighbours(rows).distances(points, (case["k"], case["M"]))
        step = (points[0] - points[1]).norm()[None]
        chance = acceptance(near[:1], near[1:], step, case["eta"], 2)
        assert chance.item() == pytest.approx(case["alpha"], abs=1e-9), case


def test_the_radius_is_the_distance_to_the_row_that_fills_a_code(golden):
    case, rows = golden["vp"]["K4_M_and_radius"], torch.tensor(golden["vp"]["queue"])
    points = torch.tensor(golden["vp"]["query"])
    quantizer = build(4, channels=2, rows=rows, rows_per_code=3, density_rank=1, reach=case["eta"])
    assert quantizer.perturb(points, 4)[1]["radius"].item() == pytest.approx(np.mean(case["R"]), rel=1e-6)


def test_forward_and_backward_moves_are_in_balance():
    rows = gaussian(400, 3, seed=1).double()
    points = gaussian(500, 3, seed=2).double()
    there = points + 0.2 * gaussian(500, 3, seed=3)
    step = (there - points).norm(dim=-1)
    near, near_there = (Neighbours(rows).distances(some, (8, 25)) for some in (points, there))
    forward = acceptance(near, near_there, step, 1.0, 3) * (near[:, 0] * near[:, 1]) ** -3
    backward = acceptance(near_there, near, step, 1.0, 3) * (near_there[:, 0] * near_there[:, 1]) ** -3
    assert ((forward > 0) == (backward > 0)).all()
    assert (forward > 0).sum() > 200
    torch.testing.assert_close(forward, backward, rtol=1e-9, atol=0)


@pytest.mark.parametrize("channels", [2, 3, 4, 5])
def test_proposals_are_uniform_in_the_ball(golden, channels):
    ball = uniform_in_ball(
        gaussian(40_000, channels), torch.rand(40_000, 1, generator=torch.Generator().manual_seed(1))
    )
    length = ball.norm(dim=-1)
    assert length.max() <= 1 + 1e-6
    assert length.mean().item() == pytest.approx(golden["vp"]["unit_ball_mean_radius"][str(channels)], abs=0.005)
    assert length.square().mean().item() == pytest.approx(
        golden["vp"]["unit_ball_mean_sq_radius"][str(channels)], abs=0.005
    )
    assert ball.mean(0).abs().max() < 0.02


def test_nothing_moves_further_than_its_radius(law):
    rows, points = law
    moved, _ = build(256, rows=rows).perturb(points, 256)
    radius = Neighbours(rows).distances(points, (48,))[:, 0]
    assert ((moved - points).norm(dim=-1) <= radius * (1 + 1e-6)).all()
    assert (moved != points).any()


def test_moves_are_accepted_as_often_as_published(golden, law):
    rows, points = law
    expected = golden["stat"]["vp_gaussian"]["d3_K256"]
    stats = build(256, rows=rows).perturb(points, 256)[1]
    assert stats["accepted"].item() == pytest.approx(expected["accept_rate"], abs=0.05)
    assert stats["reversible"].item() == pytest.approx(expected["reverse_support_rate"], abs=0.05)
    assert stats["radius"].item() == pytest.approx(expected["mean_D_M"], rel=0.05)


def test_moves_are_as_long_as_quantization_errors_to_the_published_factor(golden, law):
    rows, points = law
    moved, _ = build(256, rows=rows).perturb(points, 256)
    lengths = (moved - points).norm(dim=-1)
    accepted = lengths > 1e-6
    factor = quantization_errors(points, rows, 256)[accepted].mean() / lengths[accepted].mean()
    assert factor.item() == pytest.approx(golden["stat"]["vp_gaussian"]["d3_K256"]["eta_match_accepted"], abs=0.05)


def quantization_errors(points, rows, codes):
    return Neighbours(fit_centroids(rows, codes)).distances(points, (1,))[:, 0]


def spread_after(quantizer, points, times=6):
    """How much the variance of the latents has grown after several moves of each."""
    moved = points
    for _ in range(times):
        moved = quantizer.perturb(moved, 256)[0]
    return (moved.var(0) - points.var(0)).mean().item()


def test_the_distribution_stays_and_would_spread_if_every_move_were_taken(law):
    rows, points = law
    kept = spread_after(build(256, rows=rows), points)
    spread = spread_after(build(256, rows=rows, metropolis=False), points)
    assert spread > 0.15
    assert kept < 0.5 * spread


def test_several_moves_go_further_and_keep_the_distribution(law):
    rows, points = law
    one, four = build(256, rows=rows), build(256, rows=rows, moves=4)
    energy = [(quantizer.perturb(points, 256)[0] - points).square().sum(-1).mean() for quantizer in (one, four)]
    assert 2 < energy[1] / energy[0] < 4.5
    assert spread_after(four, points, times=2) < 0.1


def test_scaling_the_latents_scales_the_radius_and_changes_no_decision(law):
    rows, points = law
    plain, scaled = build(256, rows=rows), build(256, rows=8 * rows)
    moved, stats = plain.perturb(points, 256)
    moved_too, stats_too = scaled.perturb(8 * points, 256)
    assert torch.equal((moved != points).any(-1), (moved_too != 8 * points).any(-1))
    assert stats_too["radius"].item() == pytest.approx(8 * stats["radius"].item(), rel=1e-5)


def test_silence_stays_where_it_is_and_is_counted(law):
    rows = torch.cat([law[0][:8192], torch.zeros(4096, 3)])
    points = torch.cat([torch.zeros(50, 3), law[1][:200], torch.full((10, 3), 1e-3)])
    moved, stats = build(256, rows=rows).perturb(points, 256)
    assert torch.equal(moved[:50], points[:50])
    assert stats["degenerate"] == 50
    assert moved.isfinite().all()


def test_latents_that_are_not_finite_are_passed_on_and_not_remembered(law, monkeypatch):
    points = law[1][:100].clone()
    points[7] = torch.nan
    monkeypatch.setattr(vp, "PUSH_SHARE", 1.0)
    quantizer = build(16, rows=law[0][:768])
    moved, stats = quantizer.perturb(points, 16)
    quantizer.remember(points, 0.0)
    assert stats["unperturbed"] == 1
    assert moved.isnan().any(-1).nonzero().tolist() == [[7]]
    assert quantizer.queue.rows.isfinite().all()


# Training


def test_the_gradient_passes_as_if_nothing_had_moved(law):
    latents = law[1][:512].view(2, 16, 16, 3).clone().requires_grad_()
    weights = gaussian(2, 16, 16, 3, seed=5)
    quantized = build(256, rows=law[0])(latents, 0.5)
    (quantized.latents * weights).sum().backward()
    assert torch.equal(latents.grad, weights)
    assert (quantized.latents != latents).any()


def test_training_has_no_tokens_to_mislead_a_usage_figure(law):
    assert build(256, rows=law[0])(law[1][None], 0.5).tokens is None


def test_the_loss_is_the_published_norm_loss(golden):
    batch = torch.tensor(golden["norm_loss"]["batch"])[None]
    loss = build(16, channels=2)(batch, 0.0).loss
    assert loss.item() == pytest.approx(golden["norm_loss"]["mean_over_dims_unbiased_target1"], rel=1e-5)
    assert build(16, channels=2)(batch[:, :1], 0.0).loss == 0


def test_until_the_queue_is_long_enough_nothing_moves(law):
    quantizer = build(256, rows=law[0][: 8 * 256 - 1])
    moved, stats = quantizer.perturb(law[1], 256)
    assert torch.equal(moved, law[1])
    assert stats["warmup"] == len(law[1])
    quantizer.queue.push(law[0][:1])
    assert quantizer.perturb(law[1], 256)[1]["warmup"] == 0


def test_a_batch_is_no_neighbour_of_its_own(law, monkeypatch):
    monkeypatch.setattr(vp, "PUSH_SHARE", 1.0)
    monkeypatch.setattr(vp, "REFRESH", 0.0)
    quantizer = build(256, rows=law[0])
    assert quantizer(law[1][None], 0.5).stats["degenerate"] == 0
    assert quantizer(law[1][None], 0.5).stats["radius"] > 0


def test_at_most_so_many_tokens_move_as_are_asked_for(law):
    quantizer = build(256, rows=law[0], perturbed_tokens=500)
    everyone = torch.zeros(1000, dtype=torch.bool)
    for _ in range(20):
        moved, stats = quantizer.perturb(law[1][:1000], 256)
        assert 0 < (moved != law[1][:1000]).any(-1).sum() <= 500
        assert stats["unperturbed"] == 500
        everyone |= (moved != law[1][:1000]).any(-1)
    assert everyone.float().mean() > 0.99  # each has its turn


def test_the_queue_turns_over_in_a_tenth_of_the_training():
    quantizer = build(64, rows_per_code=8)
    for step in range(100):
        quantizer(gaussian(1, 90, 3, seed=step), step / 100)
    assert int(quantizer.queue.pushed) == pytest.approx(0.99 * 512 / 0.1, rel=0.05)


def test_the_queue_goes_on_turning_over_where_a_training_is_extended():
    quantizer = build(64, rows_per_code=8)
    for step in [*range(100), *range(50, 100)]:  # twice as long as was planned at first
        quantizer(gaussian(1, 90, 3, seed=step), step / 100)
    assert int(quantizer.queue.pushed) == pytest.approx((0.99 + 0.49) * 512 / 0.1, rel=0.05)


def test_a_follower_searches_the_rows_that_it_was_given_last(law):
    leader, follower = build(64, rows=law[0][:3000]), build(64)
    for rows in (law[0][:3000], law[0][3000:6000]):
        leader.queue.push(rows)
        leader.rows_for(64)
        for kept, new in zip(follower.buffers(), leader.buffers(), strict=True):
            kept.copy_(new)
        assert torch.equal(follower.rows_for(64).rows, leader.rows_for(64).rows)


# The queue, and several rates on one


def test_the_queue_is_a_ring(golden):
    queue = SampleQueue(5, 1)
    for number, expected in enumerate(golden["vp"]["fifo_trace_capacity5"], 1):
        rows = [[number + 0.1 * i] for i in range(expected["pushed"])]
        queue.push(torch.tensor(rows))
        torch.testing.assert_close(queue.rows[:, 0], torch.tensor(expected["rows"]))
        assert int(queue.pushed) % 5 == expected["write_pos"]


def test_each_rate_sees_what_a_queue_of_its_own_would_hold():
    shared, alone = (build(*rates, rows_per_code=16) for rates in ((16, 64), (16,)))
    alone.noise.load_state_dict(shared.noise.state_dict())
    for step in range(12):
        rows, points = gaussian(100, 3, seed=step) * (1 + step), gaussian(80, 3, seed=50 + step) * (1 + step)
        shared.queue.push(rows)
        alone.queue.push(rows)
        assert torch.equal(shared.perturb(points, 16)[0], alone.perturb(points, 16)[0])
    assert len(shared.rows_for(16).rows) == 256
    assert len(shared.rows_for(64).rows) == 1024


def test_rows_are_renewed_before_more_than_the_share_allowed_is_new(law, monkeypatch):
    monkeypatch.setattr(vp, "REFRESH", 0.25)
    quantizer = build(16, rows_per_code=16, rows=law[0][:256])
    seen = []
    for step in range(12):
        seen.append(quantizer.rows_for(16).rows)
        quantizer.queue.push(law[0][1000 + 20 * step :][:20])
    renewed = [not torch.equal(one, other) for one, other in itertools.pairwise(seen)]
    assert renewed == [False, False, False, True] * 2 + [False, False, False]


def test_slightly_old_rows_move_latents_as_fresh_ones_do(law, monkeypatch):
    """The statistics behind `REFRESH`: balance holds on any fixed rows, and a tenth of news hardly shows."""
    figures = []
    for refresh in (0.0, 0.1):
        monkeypatch.setattr(vp, "REFRESH", refresh)
        quantizer = build(256, rows=law[0])
        quantizer.rows_for(256)
        quantizer.queue.push(gaussian(1200, 3, seed=9))
        moved, stats = quantizer.perturb(law[1], 256)
        figures.append(
            (float(stats["accepted"]), float(stats["radius"]), (moved - law[1]).square().sum(-1).mean().item())
        )
        assert (moved.var(0) - law[1].var(0)).abs().max() < 0.05
    assert int(quantizer.taken[0]) < int(quantizer.queue.pushed)
    np.testing.assert_allclose(figures[0], figures[1], rtol=0.05)


def test_a_fifth_of_the_rows_gives_nearly_the_same_radius(law):
    full, fifth = build(256, rows=law[0], density_rank=8), build(256, rows=law[0], search_share=0.2)
    assert len(fifth.rows_for(256).rows) == round(0.2 * len(law[0]))
    radii = [quantizer.perturb(law[1], 256)[1]["radius"].item() for quantizer in (full, fifth)]
    assert radii[1] == pytest.approx(radii[0], rel=0.05)


def test_the_calibrated_reach_gives_moves_the_energy_of_quantization_errors(law):
    quantizer = build(64, rows=law[0][: 64 * 48], calibrate=True)
    quantizer(law[1][None], 0.5)
    assert 1.2 < float(quantizer.reach) < 2
    moved, _ = quantizer.perturb(law[1], 64)
    ratio = (moved - law[1]).square().sum(-1).mean() / quantization_errors(law[1], law[0], 64).square().mean()
    assert ratio.item() == pytest.approx(1, abs=0.15)


def test_a_resumed_run_goes_on_bit_for_bit(monkeypatch):
    monkeypatch.setattr(vp, "REFRESH", 0.3)
    options = {"rows_per_code": 10, "perturbed_tokens": 90, "calibrate": True}

    def run(quantizer, steps):
        return [quantizer(gaussian(2, 60, 3, seed=step), step / 40, (16, 32)[step % 2]).latents for step in steps]

    uninterrupted = build(16, 32, **options)
    run(uninterrupted, range(13))
    saved = copy.deepcopy(uninterrupted.state_dict())
    resumed = build(16, 32, seed=77, **options)
    resumed.load_state_dict(saved)
    assert int(saved["taken"].min()) > 0
    assert int(saved["taken"].min()) < int(saved["queue.pushed"])  # the rows searched are not the newest
    for one, other in zip(run(uninterrupted, range(13, 30)), run(resumed, range(13, 30)), strict=True):
        assert torch.equal(one, other)
    assert all(torch.equal(value, resumed.state_dict()[name]) for name, value in uninterrupted.state_dict().items())


# Codebooks


@pytest.fixture(scope="module")
def finished(law):
    quantizer = build(16, 64)
    quantizer.finish([law[0][:6000].view(2, 3000, 3), law[0][6000:]])
    return quantizer.eval()


def test_every_rate_has_a_codebook_and_more_codes_err_less(finished, law):
    errors = []
    for rate in (16, 64):
        tokens = finished.encode(law[1], rate)
        assert tokens.max() == rate - 1
        assert finished.vocabulary(rate) == rate
        errors.append((finished.decode(tokens, rate) - law[1]).square().mean())
    assert errors[1] < 0.6 * errors[0]


def test_codes_are_fitted_once_and_alike(finished, law):
    again = build(16, 64, seed=5)
    again.finish([law[0]])
    assert torch.equal(again.codebook(64), finished.codebook(64))


def test_a_finished_model_ships_no_queue(finished, law):
    assert finished.state_dict()["queue.rows"].numel() == 0
    shipped = build(16, 64)
    shipped.load_state_dict(finished.state_dict())
    assert torch.equal(shipped.eval().encode(law[1], 16), finished.encode(law[1], 16))


def test_a_model_that_was_finished_may_be_trained_on(finished, law):
    quantizer = copy.deepcopy(finished).train()
    for step in range(8):
        stats = quantizer(law[1][None], step / 10, 16).stats
    assert stats["warmup"] == 0


def test_too_few_latents_leave_the_codebooks_as_they_were(finished):
    quantizer = copy.deepcopy(finished)
    with pytest.raises(DataError, match="too few for 64 codes"):
        quantizer.finish([gaussian(40, 3)])
    with pytest.raises(DataError, match="0 latents are too few"):
        quantizer.finish([])
    assert torch.equal(quantizer.codebook(16), finished.codebook(16))


@pytest.mark.parametrize(
    "options", [{"reach": -1}, {"moves": 0}, {"search_share": 0}, {"search_share": 1.1}, {"density_rank": 49}]
)
def test_options_that_make_no_sense_are_refused(options):
    with pytest.raises(ConfigError, match="quantizer"):
        build(16, **options)


# Two processes


def work(number: int, folder: Path) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=number, world_size=2)
    quantizer = build(16, rows_per_code=10)
    moved = []
    for step in range(8):
        both = gaussian(1, 150, 3, seed=step)
        moved.append(quantizer((both[:, :70], both[:, 70:])[number], step / 10).latents)
    torch.save({"moved": moved, **quantizer.state_dict()}, folder / f"{number}.pt")
    dist.destroy_process_group()


def test_two_processes_share_one_queue(tmp_path):
    mp.spawn(work, (tmp_path,), nprocs=2)
    one, other = (torch.load(tmp_path / f"{number}.pt") for number in range(2))
    assert one.pop("moved")[-1].shape != other.pop("moved")[-1].shape
    assert one["queue.rows"].abs().sum(-1).all()
    assert one.keys() == other.keys()
    assert all(torch.equal(value, other[name]) for name, value in one.items())
