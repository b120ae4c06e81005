"""The Fréchet distance of features."""

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm

from tests.inception import save_averages
from vpcodec.errors import DataError, ModelError
from vpcodec.metrics.fid import Inception, frechet_distance, moments


def test_it_is_nothing_between_equal_sets_and_the_shift_between_shifted_ones() -> None:
    rows = np.random.default_rng(0).standard_normal((200, 6))
    assert frechet_distance(rows, rows) == pytest.approx(0, abs=1e-9)
    assert frechet_distance(rows + 2, rows) == pytest.approx(6 * 4)


def test_it_equals_the_definition_with_a_general_matrix_root() -> None:
    random = np.random.default_rng(1)
    ours = random.standard_normal((300, 5)) @ random.standard_normal((5, 5))
    theirs = random.standard_normal((250, 5)) + 1
    (mean_ours, spread_ours), (mean_theirs, spread_theirs) = moments(ours), moments(theirs)
    root = sqrtm(spread_ours @ spread_theirs).real
    wanted = np.square(mean_ours - mean_theirs).sum() + np.trace(spread_ours + spread_theirs - 2 * root)
    assert frechet_distance(ours, theirs) == pytest.approx(wanted, rel=1e-9)


def test_fewer_items_than_features_are_no_trouble() -> None:
    random = np.random.default_rng(2)
    assert frechet_distance(random.standard_normal((4, 50)), random.standard_normal((3, 50))) > 0
    with pytest.raises(DataError, match="two items"):
        frechet_distance(np.zeros((1, 5)), np.zeros((2, 5)))


def test_a_missing_or_wrong_network_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VPCODEC_INCEPTION", str(tmp_path / "inception.pt"))
    with pytest.raises(ModelError, match="no network for rFID"):
        Inception()
    (tmp_path / "inception.pt").write_bytes(b"not a network")
    with pytest.raises(ModelError, match="not a TorchScript file"):
        Inception()


def test_the_network_sees_whole_numbers_of_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VPCODEC_INCEPTION", save_averages(tmp_path))
    features = Inception()(torch.full((1, 3, 4, 4), 100.4 / 255))
    torch.testing.assert_close(features, torch.full((1, 12), 100.0))
