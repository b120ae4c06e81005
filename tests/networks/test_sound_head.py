"""The head of the speech decoder: magnitudes and phases to a waveform."""

import math

import pytest
import torch

from vpcodec.config import Network
from vpcodec.networks.sound import SoundNetwork


@pytest.fixture
def network() -> SoundNetwork:
    return SoundNetwork(Network(width=8, encoder_blocks=1, decoder_blocks=1, kernel=3), 4, 4)


class Fixed(torch.nn.Module):
    """A decoder that asks for the same spectra whatever it is given."""

    def __init__(self, logarithms: torch.Tensor, phases: torch.Tensor) -> None:
        super().__init__()
        self.asked = torch.cat((logarithms, phases), dim=-1).unsqueeze(1)

    def forward(self, latents: torch.Tensor, condition: torch.Tensor | None = None) -> torch.Tensor:
        return self.asked


def test_a_sine_ten_times_full_scale_passes_unchanged(network: SoundNetwork) -> None:
    """Peaks of a quiet recording are far above full scale once its level is raised to the network's."""
    sine = 10 * torch.sin(2 * math.pi * 1000 / 16_000 * torch.arange(40 * 96))[None]
    logarithm, cosine, sinus = network.features(sine).split(193, dim=-1)
    network.decoder = Fixed(logarithm, torch.atan2(sinus, cosine))
    decoded = network.decode(torch.zeros(1, 40, 4))
    assert (decoded - sine)[:, 384:-384].abs().max() < 0.1


def test_a_head_that_asks_for_everything_gives_a_loud_sound_and_nothing_infinite(network: SoundNetwork) -> None:
    pulses = math.pi * torch.arange(193).expand(1, 40, -1)  # in the middle of each window
    network.decoder = Fixed(torch.full((1, 40, 193), 1000.0), pulses)
    decoded = network.decode(torch.zeros(1, 40, 4))
    assert decoded.isfinite().all()
    assert 100 < decoded.abs().max() < 10_000
