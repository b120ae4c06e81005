"""How much a listener would be disturbed: differences of loudness on the Bark scale, as PESQ weighs them.

The steps are those of ITU-T P.862, made smooth and short enough to train on: power in critical bands, what a
listener forgives (a constant colouring, slow changes of gain) taken out, loudness by Zwicker's law, a dead zone
for differences too small to hear, and a second, harsher sum for what was added where little was.
There is no time alignment and no filter of a telephone. On decoded clips the disturbance agrees with PESQ-WB
to a correlation of about -0.9, so a model trained on it must be judged by
other scores beside PESQ.                                       B batch, F frames, Z bands
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SAMPLE_RATE = 16_000  # Hz
WINDOW = 512  # samples, half overlapped
BANDS = 49
NOMINAL_LEVEL = 84.0  # dB SPL at which a signal of NOMINAL_RMS is heard
NOMINAL_RMS = 0.05
EXPONENT = 0.23  # of Zwicker's law
SONE = 0.1866  # makes 40 dB SPL at 1 kHz one sone
DEAD_ZONE = 0.25  # share of the softer loudness that a difference must exceed
SYMMETRIC, ASYMMETRIC = 0.5, 0.0309  # weights of the two sums; P.862 writes the first one with bands scaled to 0.1


class Disturbance(nn.Module):
    """Audible disturbance of [B, N] recordings at 16 kHz, [B]: 0 for equal ones, about 1 to 3 for coded speech."""

    window: Tensor
    filters: Tensor
    threshold: Tensor

    def __init__(self) -> None:
        super().__init__()
        hertz = torch.linspace(0, SAMPLE_RATE / 2, WINDOW // 2 + 1)
        top = float(bark(hertz[-1:]))
        self.band_width = top / (BANDS - 1)  # in Bark
        bands = torch.arange(BANDS)
        filters = (1 - (bark(hertz)[:, None] / self.band_width - bands).abs()).clamp(min=0)
        filters[0] = 0  # a constant offset is not heard
        window = torch.hann_window(WINDOW)
        nominal = NOMINAL_RMS**2 * float(window.square().sum()) * WINDOW / 2
        self.register_buffer("window", window, persistent=False)
        self.register_buffer("filters", filters * 10 ** (NOMINAL_LEVEL / 10) / nominal, persistent=False)
        self.register_buffer("threshold", hearing_threshold(bands * self.band_width), persistent=False)

    def forward(self, reconstruction: Tensor, target: Tensor) -> Tensor:
        """Both [B, N] -> [B]; 0 for recordings shorter than a window."""
        if target.shape[1] < WINDOW:
            return target.new_zeros(len(target))
        ours = self.power(reconstruction)
        with torch.no_grad():
            theirs = self.power(target)
            theirs = theirs * self.colouring(ours, theirs)
            wanted = self.loudness(theirs)
        ours = ours * self.gain(ours, theirs)
        loudness = self.loudness(ours)
        difference = F.relu((loudness - wanted).abs() - DEAD_ZONE * torch.minimum(loudness, wanted))
        ratio = ((ours + 50) / (theirs + 50)).detach() ** 1.2
        added = ratio.clamp(max=12) * (ratio >= 3)
        audible = 1 / (((self.audible(theirs).sum(-1) + 1e5) / 1e7) ** 0.04)  # loud frames hide a little more
        symmetric = ((difference * self.band_width).square().sum(-1) + 1e-14).sqrt() * audible
        asymmetric = (difference * added * self.band_width).sum(-1) * audible
        return SYMMETRIC * root_mean_square(symmetric) + ASYMMETRIC * root_mean_square(asymmetric)

    def power(self, signal: Tensor) -> Tensor:
        """[B, N] -> [B, F, Z], power in units of the threshold at 0 dB SPL."""
        spectrum = torch.stft(signal, WINDOW, WINDOW // 2, window=self.window, center=False, return_complex=True)
        return (spectrum.real.square() + spectrum.imag.square()).transpose(1, 2) @ self.filters

    def loudness(self, power: Tensor) -> Tensor:
        """[B, F, Z] -> sones a Bark, by Zwicker's law."""
        quiet = SONE * (self.threshold / 0.5) ** EXPONENT
        return quiet * ((0.5 + 0.5 * power / self.threshold) ** EXPONENT - 1).clamp(min=0)

    def audible(self, power: Tensor, margin: float = 1.0) -> Tensor:
        """The power that exceeds `margin` times the threshold of its band; 0 elsewhere."""
        return power * (power > margin * self.threshold)

    @torch.no_grad()
    def colouring(self, ours: Tensor, theirs: Tensor) -> Tensor:
        """[B, 1, Z]: how much each band is raised or lowered throughout, within 20 dB."""
        means = [self.audible(power, 100).mean(1, keepdim=True) + 1000 for power in (ours, theirs)]
        return (means[0] / means[1]).clamp(0.01, 100)

    @torch.no_grad()
    def gain(self, ours: Tensor, theirs: Tensor) -> Tensor:
        """[B, F, 1]: the gain that would make up for slow changes of level."""
        totals = [self.audible(power).sum(-1, keepdim=True) + 5e3 for power in (ours, theirs)]
        ratio = totals[1] / totals[0]
        return torch.cat((ratio[:, :1], 0.8 * ratio[:, 1:] + 0.2 * ratio[:, :-1]), dim=1).clamp(3e-4, 5)


def bark(hertz: Tensor) -> Tensor:
    """Frequency on the Bark scale (Wang, Sekey and Gersho, 1992)."""
    return 6 * torch.asinh(hertz / 600)


def hearing_threshold(barks: Tensor) -> Tensor:
    """Power of the softest audible tone at each place of the Bark scale (Terhardt, 1979); 1 is 0 dB SPL."""
    kilohertz = (0.6 * torch.sinh(barks / 6)).clamp(min=0.03)
    decibels = 3.64 * kilohertz**-0.8 - 6.5 * torch.exp(-0.6 * (kilohertz - 3.3) ** 2) + 1e-3 * kilohertz**4
    return torch.as_tensor(10 ** (decibels / 10))


def root_mean_square(frames: Tensor) -> Tensor:
    """[B, F] -> [B]; bad moments weigh more than their share."""
    return (frames.square().mean(1) + 1e-14).sqrt()
