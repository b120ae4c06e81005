"""Neighbour distances are those of brute force, found without it."""

import numpy as np
import pytest
import torch

from vpcodec.quantizers.perturbation import Neighbours, blocked_distances

RANKS = (1, 8, 80)


def brute_force(points, rows, ranks):
    """Every distance in float64, sorted."""
    gaps = points.double().numpy()[:, None] - rows.double().numpy()[None]
    every = np.sort(np.sqrt((gaps**2).sum(-1)), axis=1)
    return torch.from_numpy(every[:, [rank - 1 for rank in ranks]])


@pytest.fixture
def rows():
    generator = torch.Generator().manual_seed(0)
    spread = torch.randn(3000, 5, generator=generator)
    return torch.cat([spread, spread[:100], torch.zeros(90, 5)])  # some twice, and digital silence


@pytest.fixture
def points(rows):
    return torch.cat([torch.randn(200, 5, generator=torch.Generator().manual_seed(1)), rows[:20], torch.zeros(3, 5)])


def test_the_tree_finds_the_distances_of_brute_force(points, rows):
    found = Neighbours(rows).distances(points, RANKS)
    assert found.dtype == torch.float32
    assert torch.equal(found, brute_force(points, rows, RANKS).float())


@pytest.mark.parametrize("block", [2000, 20000])
def test_blocks_of_any_size_find_the_distances_of_brute_force(points, rows, block):
    found = blocked_distances(points.double(), rows.double(), RANKS, block)
    torch.testing.assert_close(found, brute_force(points, rows, RANKS), rtol=1e-12, atol=0)
    assert torch.equal(found, blocked_distances(points.double(), rows.double(), RANKS))


@pytest.mark.parametrize("search", [lambda rows: Neighbours(rows).distances, None], ids=["tree", "blocks"])
def test_the_published_distances_come_out(golden, search):
    rows, points = (torch.tensor(golden["vp"][key], dtype=torch.float64) for key in ("queue", "query"))
    ranks = (1, 2, 3, 4, 5)
    found = search(rows)(points, ranks) if search else blocked_distances(points, rows, ranks)
    expected = torch.tensor(golden["vp"]["knn_distances_first5"], dtype=torch.float64)
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=0)


@pytest.mark.parametrize(
    "search", [lambda *given: Neighbours(given[1]).distances(given[0], given[2]), blocked_distances]
)
def test_close_points_far_from_the_origin_keep_their_small_distances(search):
    rows = 1000 + torch.arange(9).float()[:, None] / 1024 * torch.tensor([1.0, 0.0])
    points = torch.tensor([[1000.0, 1000.0]])
    rows[:, 1] = 1000
    assert search(points, rows, (1, 2, 9)).tolist() == [[0, 1 / 1024, 8 / 1024]]


def test_the_order_of_the_rows_changes_nothing(points, rows):
    shuffled = rows[torch.randperm(len(rows), generator=torch.Generator().manual_seed(2))]
    assert torch.equal(Neighbours(rows).distances(points, RANKS), Neighbours(shuffled).distances(points, RANKS))


def test_one_rank_may_be_asked_for_twice(points, rows):
    near = Neighbours(rows).distances(points, (8, 8))
    assert torch.equal(near[:, 0], near[:, 1])


@pytest.mark.parametrize("block", [10_000, 100_000])
def test_no_more_distances_are_held_than_allowed(points, rows, block, monkeypatch):
    sizes = []
    topk = torch.Tensor.topk
    monkeypatch.setattr(
        torch.Tensor, "topk", lambda given, *a, **k: sizes.append(given.numel()) or topk(given, *a, **k)
    )
    blocked_distances(points, rows, RANKS, block)
    assert max(sizes) <= 1.25 * block  # those of the block, and the nearest so far
    assert len(sizes) >= len(points) * len(rows) / block
