"""The correlation of envelopes."""

import numpy as np
import pytest
import torch
from scipy.signal import butter, lfilter

from vpcodec.losses.intelligibility import EnvelopeDistance
from vpcodec.metrics.speech import stoi


def test_equal_signals_have_no_distance_whatever_their_level_and_sign(speech: torch.Tensor) -> None:
    distance = EnvelopeDistance()
    assert distance(speech, speech) < 1e-4
    assert distance(-0.3 * speech, speech) < 1e-3


def test_it_agrees_with_stoi(speech: torch.Tensor) -> None:
    """Noise, missing bands, smeared and clipped sound: near 1 - STOI, kind by kind."""
    random = np.random.default_rng(0)
    clean = speech[0].numpy()
    noise = random.standard_normal(len(clean)).astype(np.float32)
    smeared = np.convolve(clean, random.standard_normal(800) * np.exp(-np.arange(800) / 160), "same")
    smeared *= clean.std() / smeared.std()
    damaged = [clean + 0.05 * 10 ** (-decibels / 20) * noise for decibels in (0, 5, 12, 20)]
    damaged += [(1 - share) * clean + share * smeared for share in (0.4, 0.7, 1.0)]
    damaged += [lfilter(*butter(4, cutoff, fs=16000), clean) for cutoff in (800, 1500, 3400)]
    damaged += [np.clip(clean, -limit, limit) for limit in (0.01, 0.04)]
    signals = [signal.astype(np.float32) for signal in damaged]
    expected = [1 - stoi(signal, clean) for signal in signals]
    distance = EnvelopeDistance()
    found = [float(distance(torch.from_numpy(signal)[None], speech)) for signal in signals]
    assert np.abs(np.subtract(found, expected)).max() < 0.04
    assert np.corrcoef(found, expected)[0, 1] > 0.98


def test_shapes_are_those_of_the_docstrings(speech: torch.Tensor) -> None:
    distance = EnvelopeDistance()
    envelopes = distance.envelopes(speech[:, :16000].expand(2, -1))
    assert envelopes.shape == (2, 77, 15)  # 1 + (16000 - 410) // 205 frames
    steady = torch.ones(77, 15)
    steady[::2] = 1e-3  # 38 frames are heard, of which 9 runs of 30 can be cut
    assert [part.shape for part in distance.segments(steady, steady)] == [(9, 30, 15)] * 2


def test_silent_frames_of_the_original_do_not_count(speech: torch.Tensor) -> None:
    noise = 1e-3 * torch.randn(1, 16000, generator=torch.Generator().manual_seed(0))
    silence = torch.zeros(1, 16000)
    distance = EnvelopeDistance()(torch.cat((speech, noise), dim=1), torch.cat((speech, silence), dim=1))
    assert distance < 5e-3


@pytest.mark.parametrize("samples", [0, 100, 410, 6000])
def test_what_holds_no_segment_has_no_distance(speech: torch.Tensor, samples: int) -> None:
    short = speech[:, :samples].expand(3, -1)
    assert EnvelopeDistance()(0 * short, short) == 0
