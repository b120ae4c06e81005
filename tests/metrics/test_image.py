"""PSNR and SSIM are those of scikit-image, and refuse what they cannot compare."""

import numpy as np
import pytest
import torch

from vpcodec.errors import InputError
from vpcodec.metrics.image import LOSSLESS, psnr, ssim


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
