"""The search for the nearest code is exact, whatever the sizes and wherever the codes lie."""

import pytest
import torch

from vpcodec.errors import ConfigError
from vpcodec.quantizers import codebook
from vpcodec.quantizers.codebook import nearest
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


def test_ties_hold_off_the_grid_of_round_numbers():
    table = random_table(64, 5)
    twice = torch.cat([table, table])
    assert torch.equal(nearest(table, twice), torch.arange(64))
    assert nearest(random_table(200, 5, seed=1), twice).max() < 64


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


def test_permuting_the_codes_permutes_the_ids_only():
    table, latents = random_table(40, 3), random_table(200, 3, seed=1)
    order = torch.randperm(40, generator=torch.Generator().manual_seed(2))
    assert torch.equal(order[nearest(latents, table[order])], nearest(latents, table))


def test_one_codebook_serves_one_rate():
    with pytest.raises(ConfigError, match="one codebook size"):
        VQ([256, 1024])
    with pytest.raises(ConfigError, match="beta"):
        VQ([256], beta=-1.0)
