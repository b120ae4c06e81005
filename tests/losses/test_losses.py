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
from vpcodec.losses.sound import RESOLUTIONS, CompressedSpectra, mel_filters, stereo_views
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


@pytest.fixture(scope="module")
def pair(speech: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Two voices as left and right, and the same with noise, [1, N, 2] each."""
    stereo = speech.T[None]
    return stereo + 0.05 * torch.randn(stereo.shape, generator=torch.Generator().manual_seed(1)), stereo


def turned(stereo: torch.Tensor) -> torch.Tensor:
    """[1, N, 2] -> [2, N], middle and side."""
    return torch.stack((stereo.sum(2), stereo[..., 0] - stereo[..., 1]), dim=1)[0] * 0.5**0.5


def test_a_step_of_training_compares_left_and_right_or_middle_and_side_and_a_validation_both(
    pair: tuple[torch.Tensor, torch.Tensor],
) -> None:
    ways = [[signal[0].T for signal in pair], [turned(signal) for signal in pair]]
    torch.manual_seed(0)
    drawn = [[views(signal) for signal in pair] for views in (stereo_views(training=True) for _ in range(20))]
    found = [[all(map(torch.allclose, one, way)) for way in ways] for one in drawn]
    assert {tuple(one) for one in found} == {(True, False), (False, True)}
    criterion = SoundCriterion(SpeechLoss(loudness=0.0), 16_000)
    torch.testing.assert_close(criterion(*pair)[0], sum(criterion(*way)[0] for way in ways) / 2)


def test_a_step_of_training_draws_every_fourth_frame_and_finds_the_distance_of_all_frames_on_average(
    pair: tuple[torch.Tensor, torch.Tensor],
) -> None:
    noisy, clean = (signal[..., 0] for signal in pair)
    criterion = SoundCriterion(SpeechLoss(waveform=0.0, loudness=0.0), 16_000)
    criterion.resolutions = {512: 40}
    torch.manual_seed(0)
    losses = {criterion(noisy.clone().requires_grad_(), clean)[0].item() for _ in range(40)}
    assert len(losses) == 4
    assert np.mean(list(losses)) == pytest.approx(criterion(noisy, clean)[0].item(), rel=5e-3)


def test_the_spectral_terms_are_those_of_torchs_spectra(pair: tuple[torch.Tensor, torch.Tensor]) -> None:
    signals = [signal[..., 0] for signal in pair]
    criterion = SoundCriterion(SpeechLoss(loudness=0.0), 16_000)
    wanted = {"mel": 0.0, "spectrum": 0.0, "complex_spectrum": 0.0}
    for window, bands in RESOLUTIONS.items():
        taper = torch.hann_window(window)
        spectra = [
            torch.stft(signal, window, window // 4, window=taper / taper.sum(), return_complex=True)
            for signal in signals
        ]
        magnitudes = [(spectrum.abs().square() + 1e-8).sqrt() for spectrum in spectra]
        filters = mel_filters(window, bands, 16_000)
        views = {
            "mel": [(filters.T @ magnitude + 1e-4).log10() for magnitude in magnitudes],
            "spectrum": [magnitude**0.3 for magnitude in magnitudes],
            "complex_spectrum": [
                torch.view_as_real(spectrum / magnitude**0.7)
                for spectrum, magnitude in zip(spectra, magnitudes, strict=True)
            ],
        }
        for name, (ours, theirs) in views.items():
            wanted[name] += float((ours - theirs).abs().mean())
    terms = criterion(*signals)[1]
    assert {name: float(terms[name]) for name in wanted} == pytest.approx(wanted, rel=1e-4)


def test_the_gradient_of_compressed_spectra_is_that_of_their_values() -> None:
    frames = torch.randn(2, 3, 16, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert torch.autograd.gradcheck(CompressedSpectra.apply, (frames.requires_grad_(),))


@pytest.mark.parametrize(
    "distance", [lambda *pair: SoundCriterion(SpeechLoss(), 16_000)(*pair)[0], EnvelopeDistance(), Disturbance()]
)
def test_gradients_stay_finite_on_silence(distance: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]) -> None:
    silence = torch.zeros(2, 16000, requires_grad=True)
    distance(silence, torch.zeros(2, 16000)).sum().backward()
    assert silence.grad is not None
    assert silence.grad.isfinite().all()


@pytest.mark.parametrize("samples", [96, 480, 520, 600])
def test_crops_shorter_than_a_window_are_compared_without_it(speech: torch.Tensor, samples: int) -> None:
    target = speech[:, 4000 : 4000 + samples]
    decoded = (0.5 * target).requires_grad_()
    torch.manual_seed(0)
    for _ in range(10):  # whichever frames are drawn
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
        spectra = torch.fft.rfft(criterion.frames(sine, window))
        assert float(spectra[:, 8:-8].abs().max()) == pytest.approx(0.5, rel=0.01)
