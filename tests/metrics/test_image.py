"""PSNR and SSIM are those of scikit-image, the Fréchet distance is its definition; odd pairs are refused."""

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm

from tests.inception import save_averages
from vpcodec.errors import DataError, InputError, ModelError
from vpcodec.metrics.image import LOSSLESS, Inception, frechet_distance, moments, psnr, ssim


@pytest.fixture
def pair() -> tuple[torch.Tensor, torch.Tensor]:
    """Three smooth pictures and noisy copies, [3, 3, 40, 56] in [0, 1]."""
    random = torch.Generator().manual_seed(1)
    coarse = torch.rand(3, 3, 5, 7, generator=random)
    smooth = torch.nn.functional.interpolate(coarse, (40, 56), mode="bicubic").clamp(0, 1)
    noise = torch.randn(smooth.shape, generator=random) * torch.tensor([0.01, 0.05, 0.2]).view(3, 1, 1, 1)
    return (smooth + noise).clamp(0, 1), smooth


def test_psnr_and_ssim_equal_those_of_scikit_image(pair):
    oracle = pytest.importorskip("skimage.metrics", reason="scikit-image is not installed")
    ours, theirs = (pictures.permute(0, 2, 3, 1).double().numpy() for pictures in pair)
    window = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    for index in range(3):
        noise_ratio = oracle.peak_signal_noise_ratio(theirs[index], ours[index], data_range=1)
        similarity = oracle.structural_similarity(theirs[index], ours[index], channel_axis=2, data_range=1, **window)
        assert psnr(*pair)[index].item() == pytest.approx(noise_ratio, abs=1e-9)
        assert ssim(*pair)[index].item() == pytest.approx(similarity, abs=1e-9)


def test_psnr_is_the_error_of_one_level_in_decibels():
    grey = torch.full((1, 3, 16, 16), 0.5)
    assert psnr(grey + 1 / 255, grey).item() == pytest.approx(20 * np.log10(255), abs=1e-4)


def test_each_picture_of_a_batch_is_measured_for_itself(pair):
    alone = [ssim(ours[None], theirs[None]).item() for ours, theirs in zip(*pair, strict=True)]
    assert ssim(*pair).tolist() == pytest.approx(alone)
    assert alone[0] > alone[1] > alone[2]


def test_equal_pictures_have_a_finite_psnr_and_a_similarity_of_one(pair):
    assert psnr(pair[1], pair[1]).tolist() == [LOSSLESS] * 3
    assert ssim(pair[1], pair[1]).tolist() == pytest.approx([1.0] * 3)


@pytest.mark.parametrize("measure", [psnr, ssim])
def test_pictures_of_different_sizes_are_refused(measure):
    with pytest.raises(InputError, match="same size"):
        measure(torch.zeros(1, 3, 16, 16), torch.zeros(1, 3, 16, 17))


def test_a_picture_smaller_than_the_window_has_no_similarity():
    with pytest.raises(InputError, match="at least 11 pixels on each side, got 40x10"):
        ssim(torch.zeros(1, 3, 10, 40), torch.zeros(1, 3, 10, 40))


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
