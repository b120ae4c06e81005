"""What training on sound reduces: spectral and waveform distances; for speech, loudness and envelopes as well."""

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vpcodec.losses.intelligibility import EnvelopeDistance
from vpcodec.losses.loudness import Disturbance
from vpcodec.recipe import SpeechLoss

# Window of each short-time spectrum in samples at 16 kHz, with the number of mel bands drawn from it.
RESOLUTIONS: dict[int, int] = {2048: 120, 1024: 80, 512: 40, 256: 20, 128: 10}
COMPRESSION = 0.3  # exponent on magnitudes, near how loudness grows with intensity
SMALLEST = 1e-8  # power added where a root needs a slope at zero
QUIET = 1e-4  # mel magnitude below which the logarithm levels off


class SoundCriterion(nn.Module):
    """Spectral, waveform, loudness and envelope distances of sound; the latter two are for speech at 16 kHz.

    Windows last as long at every sample rate, in Hz.
    """

    def __init__(self, weights: SpeechLoss, sample_rate: int) -> None:
        super().__init__()
        self.weights = weights
        self.resolutions = {window * sample_rate // 16_000: bands for window, bands in RESOLUTIONS.items()}
        self.loudness = Disturbance() if weights.loudness else None
        self.envelopes = EnvelopeDistance() if weights.envelopes else None
        for window, bands in self.resolutions.items():
            self.register_buffer(f"window_{window}", torch.hann_window(window), persistent=False)
            self.register_buffer(f"mel_{window}", mel_filters(window, bands, sample_rate), persistent=False)

    def forward(self, reconstruction: Tensor, target: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Both [B, N], or [B, N, 2] in stereo -> the weighted sum and the terms by name."""
        if target.ndim == 3:
            views = stereo_views(reconstruction.requires_grad)
            reconstruction, target = views(reconstruction), views(target)
        reconstruction, target = reconstruction.float(), target.float()
        terms = {name: target.new_zeros(()) for name in ("mel", "spectrum", "complex_spectrum")}
        for window in self.resolutions:
            if window // 2 >= target.shape[1]:
                continue
            ours = self.views(reconstruction, window)
            with torch.no_grad():
                theirs = self.views(target, window)
            for name, view in ours.items():
                terms[name] = terms[name] + F.l1_loss(view, theirs[name])
        scale = target.square().mean(dim=1, keepdim=True).sqrt() + 0.01
        terms["waveform"] = ((reconstruction - target) / scale).abs().mean()
        if self.loudness is not None:
            terms["loudness"] = self.loudness(reconstruction, target).mean()
        if self.envelopes is not None:
            terms["envelopes"] = self.envelopes(reconstruction, target)
        total = torch.stack([value * getattr(self.weights, name) for name, value in terms.items()]).sum()
        return total, terms

    def views(self, signal: Tensor, window: int) -> dict[str, Tensor]:
        """[B, N] -> what the spectral terms of one resolution compare, by name."""
        spectrum = self.spectrum(signal, window)
        magnitude = (spectrum.real.square() + spectrum.imag.square() + SMALLEST).sqrt()
        compressed = magnitude.pow(COMPRESSION)
        views = {
            "mel": (magnitude.transpose(1, 2).matmul(self.get_buffer(f"mel_{window}")) + QUIET).log10(),
            "spectrum": compressed,
        }
        if self.weights.complex_spectrum:
            turn = compressed / magnitude
            views["complex_spectrum"] = torch.cat((spectrum.real * turn, spectrum.imag * turn), dim=1)
        return views

    def spectrum(self, signal: Tensor, window: int) -> Tensor:
        """[B, N] -> [B, window/2+1, frames] complex; a full-scale sine has magnitude 1/2."""
        taper = self.get_buffer(f"window_{window}")
        return torch.stft(signal, window, window // 4, window=taper / taper.sum(), return_complex=True)


def stereo_views(training: bool) -> Callable[[Tensor], Tensor]:
    """How [B, N, 2] is compared: as left and right and as middle and side, [4*B, N].

    A step of training draws one of the two, [2*B, N]: the same on average at half the work.
    """
    drawn = int(torch.randint(2, ())) if training else None

    def views(stereo: Tensor) -> Tensor:
        left, right = stereo.unbind(2)
        both = (left, right), ((left + right) * 0.5**0.5, (left - right) * 0.5**0.5)
        return torch.cat([view for index, pair in enumerate(both) if drawn in (None, index) for view in pair])

    return views


def mel_filters(window: int, bands: int, sample_rate: int) -> Tensor:
    """[window/2+1, bands]: triangles on the mel scale (O'Shaughnessy, 1987), each summing to 1 or less."""

    def to_mel(hertz: float) -> float:
        return 2595 * math.log10(1 + hertz / 700)

    edges = 700 * (10 ** (torch.linspace(to_mel(0), to_mel(sample_rate / 2), bands + 2) / 2595) - 1)
    bins = torch.linspace(0, sample_rate / 2, window // 2 + 1)[:, None]
    rising = (bins - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - bins) / (edges[2:] - edges[1:-1])
    triangles = torch.minimum(rising, falling).clamp(min=0)
    return triangles / triangles.sum(0).clamp(min=1)
