"""The constants of hearing in the loudness loss: those of ITU-T P.862."""

import pytest
import torch

from vpcodec.losses.loudness import Disturbance
from vpcodec.losses.sound import RESOLUTIONS, SoundCriterion
from vpcodec.recipe import SpeechLoss

RATE = 16_000


def test_ten_times_the_power_is_1_7_times_as_loud() -> None:
    """Zwicker's law has the exponent 0.23; far above the threshold nothing else matters."""
    power = torch.full((1, 1, 49), 1e8)
    disturbance = Disturbance()
    ratio = disturbance.loudness(10 * power) / disturbance.loudness(power)
    assert ratio.median() == pytest.approx(10**0.23, rel=0.02)


def trembling(decibels: float) -> torch.Tensor:
    """Two seconds of noise whose lower and upper half change places in level every quarter second, by so many dB."""
    noise = 0.05 * torch.randn(2 * RATE, generator=torch.Generator().manual_seed(0))
    spectrum = torch.fft.rfft(noise)
    low, high = spectrum.clone(), spectrum.clone()
    low[len(spectrum) // 6 :] = 0
    high[: len(spectrum) // 6] = 0
    turns = torch.where(torch.arange(2 * RATE) // (RATE // 4) % 2 == 0, 1.0, -1.0)
    gains = [10 ** (sign * turns * decibels / 40) for sign in (1, -1)]
    return (torch.fft.irfft(low) * gains[0] + torch.fft.irfft(high) * gains[1])[None]


def test_differences_too_small_to_hear_do_not_disturb_and_larger_ones_do() -> None:
    """P.862 forgives a quarter of the softer loudness, 4 dB in each band."""
    disturbance = Disturbance()
    plain = trembling(0.0)
    assert disturbance(trembling(1.0), plain) < 0.01
    assert disturbance(trembling(14.0), plain) > 2


def test_spectra_of_every_window_are_in_units_of_full_scale() -> None:
    """A sine of full scale has the magnitude 1/2 whatever the window, so the resolutions weigh alike."""
    criterion = SoundCriterion(SpeechLoss(), 16_000)
    sine = torch.sin(2 * torch.pi * 1000 / RATE * torch.arange(RATE))[None]
    for window in RESOLUTIONS:
        assert float(criterion.spectrum(sine, window).abs()[..., 8:-8].max()) == pytest.approx(0.5, rel=0.01)
