"""The disturbance that a listener would notice, and its constants: those of ITU-T P.862."""

import numpy as np
import pytest
import torch
from scipy.signal import butter, lfilter

from vpcodec.losses.loudness import SAMPLE_RATE, Disturbance, bark, hearing_threshold
from vpcodec.metrics.speech import pesq_wb


def test_equal_signals_do_not_disturb(speech: torch.Tensor) -> None:
    assert Disturbance()(speech, speech) < 1e-6


def test_what_is_shorter_than_a_window_does_not_disturb(speech: torch.Tensor) -> None:
    short = speech[:, :511].expand(3, -1)
    assert Disturbance()(0 * short, short).tolist() == [0, 0, 0]


def test_a_constant_gain_and_a_turned_sign_are_forgiven(speech: torch.Tensor) -> None:
    noisy = speech + 0.02 * torch.randn(speech.shape, generator=torch.Generator().manual_seed(0))
    disturbance = Disturbance()
    assert disturbance(-speech, speech) < 1e-3
    assert disturbance(0.8 * speech, speech) < 0.2 * disturbance(noisy, speech)


def test_what_is_added_disturbs_more_than_what_is_missing(speech: torch.Tensor) -> None:
    muffled = torch.from_numpy(lfilter(*butter(4, 2000, fs=16000), speech.numpy()).astype(np.float32))
    disturbance = Disturbance()
    assert disturbance(speech, muffled) > 1.5 * disturbance(muffled, speech)


def test_it_agrees_with_pesq(speech: torch.Tensor) -> None:
    """Rank correlation over kinds and degrees of damage; PESQ falls where the disturbance rises."""
    random = np.random.default_rng(0)
    clean = speech[0].numpy()
    noise = random.standard_normal(len(clean)).astype(np.float32)
    smeared = np.convolve(clean, random.standard_normal(400) * np.exp(-np.arange(400) / 80), "same")
    smeared = (smeared * clean.std() / smeared.std()).astype(np.float32)
    damaged = [clean + 0.05 * 10 ** (-decibels / 20) * noise for decibels in (5, 12, 20, 30)]
    damaged += [(1 - share) * clean + share * smeared for share in (0.05, 0.15, 0.4)]
    damaged += [lfilter(*butter(4, cutoff, fs=16000), clean).astype(np.float32) for cutoff in (1500, 3400)]
    damaged += [np.clip(clean, -limit, limit) for limit in (0.04, 0.1)]
    scores = [pesq_wb(signal.astype(np.float32), clean) for signal in damaged]
    signals = torch.from_numpy(np.stack(damaged).astype(np.float32))
    disturbances = Disturbance()(signals, speech.expand_as(signals)).numpy()
    ranks = [np.argsort(np.argsort(figures)) for figures in (scores, disturbances)]
    assert np.corrcoef(ranks[0], ranks[1])[0, 1] < -0.85


def test_the_ear_is_keenest_at_a_few_kilohertz() -> None:
    places = bark(torch.tensor([60.0, 3300.0, 12000.0]))
    low, middle, high = hearing_threshold(places)
    assert middle < 1 < low
    assert high > 1


def test_ten_times_the_power_is_1_7_times_as_loud() -> None:
    """Zwicker's law has the exponent 0.23; far above the threshold nothing else matters."""
    power = torch.full((1, 1, 49), 1e8)
    disturbance = Disturbance()
    ratio = disturbance.loudness(10 * power) / disturbance.loudness(power)
    assert ratio.median() == pytest.approx(10**0.23, rel=0.02)


def trembling(decibels: float) -> torch.Tensor:
    """Two seconds of noise whose lower and upper half change places in level every quarter second, by so many dB."""
    noise = 0.05 * torch.randn(2 * SAMPLE_RATE, generator=torch.Generator().manual_seed(0))
    spectrum = torch.fft.rfft(noise)
    low, high = spectrum.clone(), spectrum.clone()
    low[len(spectrum) // 6 :] = 0
    high[: len(spectrum) // 6] = 0
    turns = torch.where(torch.arange(2 * SAMPLE_RATE) // (SAMPLE_RATE // 4) % 2 == 0, 1.0, -1.0)
    gains = [10 ** (sign * turns * decibels / 40) for sign in (1, -1)]
    return (torch.fft.irfft(low) * gains[0] + torch.fft.irfft(high) * gains[1])[None]


def test_differences_too_small_to_hear_do_not_disturb_and_larger_ones_do() -> None:
    """P.862 forgives a quarter of the softer loudness, 4 dB in each band."""
    disturbance = Disturbance()
    plain = trembling(0.0)
    assert disturbance(trembling(1.0), plain) < 0.01
    assert disturbance(trembling(14.0), plain) > 2
