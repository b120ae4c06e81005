"""The nearest code is found exactly, wherever the codes lie; k-means finds good codes, and always the same ones."""

import os
import subprocess
import sys

import pytest
import torch

from vpcodec.errors import ConfigError, DataError
from vpcodec.quantizers import codebook
from vpcodec.quantizers.codebook import fit_centroids, nearest
from vpcodec.quantizers.vq import VQ


def by_differences(latents, codes):
    return (latents.double()[:, None] - codes.double()[None]).square().sum(-1).argmin(-1)


def random_table(codes, channels, seed=0):
    return torch.randn(codes, channels, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(("codes", "channels"), [(1000, 3), (700, 5), (50, 64)])
def test_the_nearest_code_is_the_one_that_differences_find(codes, channels):
    table, latents = random_table(codes, channels), random_table(300, channels, seed=1)
    assert torch.equal(nearest(latents, table), by_differences(latents, table))


def test_close_codes_far_from_the_origin_are_told_apart():
    """Squares of these numbers, in float32, are wrong by more than the codes' distances."""
    table = 3e4 + 0.01 * random_table(200, 4)
    latents = table[torch.arange(200)]
    assert torch.equal(latents[nearest(latents, table)], latents)
    between = 3e4 + 0.01 * random_table(200, 4, seed=1)
    assert torch.equal(nearest(between, table), by_differences(between, table))


def test_a_tie_goes_to_the_lowest_id(golden):
    table = torch.tensor(golden["vq"]["codebook"])
    tie = torch.tensor([[0.5, 0.0]])
    assert nearest(tie, table).item() == 0
    assert nearest(tie, table.flip(0)).item() == 2
    assert nearest(tie, tie.expand(5, 2)).item() == 0


def test_a_tie_between_blocks_of_codes_goes_to_the_lowest_id():
    table = random_table(200, 5)
    twice = torch.cat([table, table])  # 400 codes: three whole blocks and a part of one
    assert torch.equal(nearest(table, twice), torch.arange(200))
    last = random_table(1, 5, seed=1) + 50
    assert nearest(last, torch.cat([twice, last])).item() == 400


def test_the_size_of_the_chunks_changes_nothing(monkeypatch):
    table, latents = random_table(100, 4), random_table(77, 4, seed=1)
    expected = nearest(latents, table)
    for cells in (1, 130, 10**6):
        monkeypatch.setitem(codebook.CELLS, "cpu", cells)
        assert torch.equal(nearest(latents, table), expected)


def test_no_more_distances_are_held_than_allowed(monkeypatch):
    monkeypatch.setitem(codebook.CELLS, "cpu", 1000)
    sizes = [found.numel() for _, found in codebook.distances_in_chunks(random_table(77, 4), random_table(100, 4))]
    assert len(sizes) == 8
    assert max(sizes) <= 1000


@pytest.mark.parametrize("channels", [4, 64])
def test_the_search_holds_no_more_distances_even_where_every_code_may_be_the_nearest(monkeypatch, channels):
    monkeypatch.setitem(codebook.CELLS, "cpu", 1280)
    sizes = []
    for name in ("addmm", "where"):
        compute = getattr(torch, name)
        monkeypatch.setattr(
            torch, name, lambda *a, f=compute, **k: sizes.append((found := f(*a, **k)).numel()) or found
        )
    same = random_table(1, channels).expand(128, channels)
    assert not nearest(random_table(77, channels), same).any()
    assert len(sizes) == 16
    assert max(sizes) <= 1280


def test_reduced_matrix_precision_elsewhere_does_not_reach_the_search():
    table, latents = random_table(500, 8), random_table(300, 8, seed=1)
    expected = nearest(latents, table)
    before = torch.get_float32_matmul_precision()
    try:
        torch.set_float32_matmul_precision("medium")
        with torch.autocast("cpu", dtype=torch.bfloat16):
            assert torch.equal(nearest(latents, table), expected)
    finally:
        torch.set_float32_matmul_precision(before)


def test_one_codebook_serves_one_rate():
    with pytest.raises(ConfigError, match="one codebook size"):
        VQ([256, 1024])
    with pytest.raises(ConfigError, match="beta"):
        VQ([256], beta=-1.0)


# K-means


def error_of(rows, codes):
    return (rows - codes[nearest(rows, codes)]).square().sum(-1).mean().item()


def plain_lloyd(rows, codes, iterations=15):
    """The textbook, from codes drawn at random."""
    centres = rows[torch.randperm(len(rows), generator=torch.Generator().manual_seed(1))[:codes]]
    for _ in range(iterations):
        ids = nearest(rows, centres)
        centres = torch.stack(
            [rows[ids == code].mean(0) if (ids == code).any() else centres[code] for code in range(codes)]
        )
    return error_of(rows, centres)


def test_known_points_get_the_known_centres(golden):
    case = golden["kmeans1d"]
    points = torch.tensor(case["points"]).unsqueeze(-1)
    found = fit_centroids(points, 3)
    assert found.flatten().sort().values.tolist() == pytest.approx(case["centroids"], abs=1e-6)
    assert error_of(points, found) == pytest.approx(case["mse"], rel=1e-5)


def test_the_centres_are_as_good_as_those_of_the_textbook_and_none_is_idle():
    rows = random_table(3000, 4)
    found = fit_centroids(rows, 32)
    assert error_of(rows, found) < 1.01 * plain_lloyd(rows, 32)
    assert (torch.bincount(nearest(rows, found), minlength=32) > 0).all()


def test_clumps_do_not_take_all_the_codes():
    """Two percent of the rows are spread out and make nearly all of the error."""
    clumped = torch.cat([0.01 * random_table(4000, 2), 10 * random_table(96, 2, seed=1)])
    assert error_of(clumped, fit_centroids(clumped, 64)) < 0.5 * plain_lloyd(clumped, 64)


def test_a_codebook_fitted_to_some_of_the_rows_is_nearly_as_good_as_one_fitted_to_all(monkeypatch):
    rows = random_table(60_000, 3)
    some = error_of(rows, fit_centroids(rows, 64))
    monkeypatch.setattr(codebook, "LATENTS_PER_CODE", 10**9)
    assert some < 1.02 * error_of(rows, fit_centroids(rows, 64))


def test_far_from_the_origin_and_at_any_scale_the_centres_are_the_same():
    rows = random_table(2000, 3).double()
    plain = fit_centroids(rows, 50)
    moved = fit_centroids(1e-3 * rows + 1e4, 50)
    assert torch.allclose((moved - 1e4) / 1e-3, plain, atol=1e-3)
    assert moved.dtype == torch.float64


def test_the_seed_decides_the_centres():
    first, again, other = (fit_centroids(random_table(3000, 4), 100, seed=seed) for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


REPEATED = """
import sys, torch
from vpcodec.quantizers.codebook import fit_centroids
torch.set_num_threads(int(sys.argv[1]))
rows = torch.randn(20_000, 5, generator=torch.Generator().manual_seed(0))
(torch.randn(500, 500) @ torch.randn(500, 500)).sort()  # torch's threads are at work before those of faiss
print(fit_centroids(rows, 256).numpy().tobytes().hex())
torch.randn(500, 500) @ torch.randn(500, 500)
"""


def test_two_processes_agree_to_the_last_bit_whatever_their_number_of_threads():
    runs = [
        subprocess.run([sys.executable, "-c", REPEATED, threads], capture_output=True, check=True, env=environment)
        for threads, environment in (("1", None), ("2", None), ("2", {**os.environ, "OMP_NUM_THREADS": "2"}))
    ]
    assert runs[0].stdout == runs[1].stdout == runs[2].stdout
    assert len(runs[0].stdout) > 256 * 5 * 8
    assert not any(run.stderr for run in runs)


def test_as_many_codes_as_rows_make_no_error():
    rows = random_table(50, 4)
    assert error_of(rows, fit_centroids(rows, 50)) < 1e-12


def test_fewer_different_rows_than_codes_are_no_trouble():
    silence = torch.tensor([[0.0, 0.0], [1.0, 1.0], [2.0, 0.0]]).repeat_interleave(40, 0)
    found = fit_centroids(silence, 8)
    assert error_of(silence, found) < 1e-6
    assert found.isfinite().all()
    assert fit_centroids(torch.zeros(40, 2), 8).tolist() == torch.zeros(8, 2).tolist()


@pytest.mark.parametrize(
    ("broken", "message"), [(lambda rows: rows[:7], "too few"), (lambda rows: rows * torch.nan, "not all finite")]
)
def test_rows_that_give_no_codes_are_refused(broken, message):
    with pytest.raises(DataError, match=message):
        fit_centroids(broken(random_table(100, 3)), 8)
