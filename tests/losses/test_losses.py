"""What training reduces."""

from collections.abc import Callable

import numpy as np
import pytest
import soundfile
import torch

from tests.conftest import MEDIA
from vpcodec.losses import ImageCriterion, SoundCriterion
from vpcodec.losses.image import structural_similarity
from vpcodec.losses.intelligibility import EnvelopeDistance
from vpcodec.losses.loudness import Disturbance
from vpcodec.losses.sound import RESOLUTIONS, mel_filters
from vpcodec.recipe import ImageLoss, SpeechLoss


@pytest.fixture(scope="module")
def speech() -> torch.Tensor:
    samples, _ = soundfile.read(MEDIA / "speech.flac", dtype="float32")
    return torch.from_numpy(samples[:32000].reshape(2, 16000))


@pytest.fixture(scope="module")
def pictures() -> torch.Tensor:
    return torch.rand(2, 32, 40, 3, generator=torch.Generator().manual_seed(0)) * 2 - 1


def test_a_perfect_reconstruction_costs_nothing(speech: torch.Tensor, pictures: torch.Tensor) -> None:
    assert SoundCriterion(SpeechLoss(), 16_000)(speech, speech)[0] < 1e-6  # rows of one batch may round differently
    total, terms = ImageCriterion(ImageLoss(lpips=0.0), None)(pictures, pictures)
    assert abs(float(total)) < 1e-6
    assert set(terms) == {"absolute", "squared", "structure"}


def test_more_noise_costs_more_by_every_term(speech: torch.Tensor, pictures: torch.Tensor) -> None:
    for criterion, signal in (
        (SoundCriterion(SpeechLoss(), 16_000), speech),
        (ImageCriterion(ImageLoss(lpips=0.0), None), pictures),
    ):
        noise = torch.randn(signal.shape, generator=torch.Generator().manual_seed(1)) * signal.std()
        little, much = criterion(signal + 0.1 * noise, signal)[1], criterion(signal + 0.5 * noise, signal)[1]
        assert all(little[name] < much[name] for name in little)


def test_the_sum_is_the_terms_times_their_weights(speech: torch.Tensor) -> None:
    weights = SpeechLoss(mel=2.0, spectrum=0.0, complex_spectrum=0.5, waveform=0.25, loudness=0.125)
    total, terms = SoundCriterion(weights, 16_000)(0.5 * speech, speech)
    wanted = 2 * terms["mel"] + 0.5 * terms["complex_spectrum"] + 0.25 * terms["waveform"]
    wanted = wanted + 0.125 * terms["loudness"]
    torch.testing.assert_close(total, wanted)


def test_a_step_of_training_compares_left_and_right_or_middle_and_side_and_a_validation_both(
    speech: torch.Tensor,
) -> None:
    criterion = SoundCriterion(SpeechLoss(loudness=0.0), 16_000)
    stereo = speech.T[None]  # two different voices
    noisy = stereo + 0.05 * torch.randn(stereo.shape, generator=torch.Generator().manual_seed(1))
    middle_and_side = torch.stack((stereo.sum(2), stereo[..., 0] - stereo[..., 1]), dim=2) * 0.5**0.5
    turned = torch.stack((noisy.sum(2), noisy[..., 0] - noisy[..., 1]), dim=2) * 0.5**0.5
    pairs = [
        criterion(one.transpose(1, 2)[0], other.transpose(1, 2)[0])[0]
        for one, other in ((noisy, stereo), (turned, middle_and_side))
    ]
    torch.manual_seed(0)
    losses = {round(criterion(noisy.requires_grad_(), stereo)[0].item(), 3) for _ in range(20)}
    assert losses == {round(pair.item(), 3) for pair in pairs}
    torch.testing.assert_close(criterion(noisy.detach(), stereo)[0], sum(pairs) / 2)


@pytest.mark.parametrize(
    "distance", [lambda *pair: SoundCriterion(SpeechLoss(), 16_000)(*pair)[0], EnvelopeDistance(), Disturbance()]
)
def test_gradients_stay_finite_on_silence(distance: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]) -> None:
    silence = torch.zeros(2, 16000, requires_grad=True)
    distance(silence, torch.zeros(2, 16000)).sum().backward()
    assert silence.grad is not None
    assert silence.grad.isfinite().all()


@pytest.mark.parametrize("samples", [96, 480, 600])
def test_crops_shorter_than_a_window_are_compared_without_it(speech: torch.Tensor, samples: int) -> None:
    target = speech[:, 4000 : 4000 + samples]
    decoded = (0.5 * target).requires_grad_()
    total, terms = SoundCriterion(SpeechLoss(), 16_000)(decoded, target)
    total.backward()
    assert terms["mel"] > 0
    assert set(terms) == {"mel", "spectrum", "complex_spectrum", "waveform", "loudness"}
    assert decoded.grad is not None
    assert decoded.grad.isfinite().all()


def test_a_turned_phase_is_seen_by_the_complex_term_alone(speech: torch.Tensor) -> None:
    terms = SoundCriterion(SpeechLoss(), 16_000)(-speech, speech)[1]
    assert terms["mel"] < 1e-5
    assert terms["spectrum"] < 1e-5
    assert terms["complex_spectrum"] > 0.01


def test_mel_bands_cover_the_spectrum_and_each_weighs_one_at_most() -> None:
    filters = mel_filters(1024, 80, 16_000)
    assert filters.shape == (513, 80)
    assert (filters.sum(1)[1:-1] > 0).all()
    assert filters.sum(0).max() < 1 + 1e-5


def test_structure_falls_with_blur(pictures: torch.Tensor) -> None:
    planes = pictures.permute(0, 3, 1, 2)
    blurred = torch.nn.functional.avg_pool2d(planes, 3, 1, 1)
    assert structural_similarity(planes, planes) == pytest.approx(1, abs=1e-6)
    assert structural_similarity(blurred, planes) < 0.9
    assert np.isfinite(structural_similarity(torch.zeros(1, 3, 16, 16), torch.zeros(1, 3, 16, 16)).item())


def test_structure_is_the_similarity_of_scikit_image_under_flat_windows(pictures: torch.Tensor) -> None:
    oracle = pytest.importorskip("skimage.metrics", reason="scikit-image is not installed")
    noisy = (pictures + 0.3 * torch.randn(pictures.shape, generator=torch.Generator().manual_seed(1))).clamp(-1, 1)
    expected = [
        oracle.structural_similarity(
            ours.numpy(), theirs.numpy(), win_size=7, channel_axis=2, data_range=2, use_sample_covariance=False
        )
        for ours, theirs in zip(noisy, pictures, strict=True)
    ]
    found = structural_similarity(noisy.permute(0, 3, 1, 2), pictures.permute(0, 3, 1, 2))
    assert found.item() == pytest.approx(float(np.mean(expected)), abs=1e-4)


def test_spectra_of_every_window_are_in_units_of_full_scale() -> None:
    """A sine of full scale has the magnitude 1/2 whatever the window, so the resolutions weigh alike."""
    criterion = SoundCriterion(SpeechLoss(), 16_000)
    sine = torch.sin(2 * torch.pi * 1000 / 16_000 * torch.arange(16_000))[None]
    for window in RESOLUTIONS:
        assert float(criterion.spectrum(sine, window).abs()[..., 8:-8].max()) == pytest.approx(0.5, rel=0.01)
