"""What training on sound reduces: spectral and waveform distances; for speech, loudness and envelopes as well."""

import math
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vpcodec.losses.intelligibility import EnvelopeDistance
from vpcodec.losses.loudness import Disturbance
from vpcodec.recipe import SpeechLoss

# Window of each short-time spectrum in samples at 16 kHz, with the number of mel bands drawn from it.
RESOLUTIONS: dict[int, int] = {2048: 120, 1024: 80, 512: 40, 256: 20, 128: 10}
COMPRESSION = 0.3  # exponent on magnitudes, near how loudness grows with intensity
OVERLAP = 4  # frames that hold a sample
SMALLEST = 1e-8  # power added where a root needs a slope at zero
QUIET = 1e-4  # mel magnitude below which the logarithm levels off


class SoundCriterion(nn.Module):
    """Spectral, waveform, loudness and envelope distances of sound; the latter two are for speech at 16 kHz.

    Windows last as long at every sample rate, in Hz. Without a gradient, as in validation, all frames count.
    """

    def __init__(self, weights: SpeechLoss, sample_rate: int) -> None:
        super().__init__()
        self.weights = weights
        self.resolutions = {window * sample_rate // 64_000 * 4: bands for window, bands in RESOLUTIONS.items()}
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
            drawn = draw(target.shape[1], window) if reconstruction.requires_grad else (1, 0)
            ours = self.views(self.frames(reconstruction, window, *drawn), window)
            with torch.no_grad():
                theirs = self.views(self.frames(target, window, *drawn), window)
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

    def views(self, frames: Tensor, window: int) -> dict[str, Tensor]:
        """[B, F, window] -> what the spectral terms of one resolution compare, by name."""
        magnitude, compressed, parts = CompressedSpectra.apply(frames)  # type: ignore[no-untyped-call]
        mel = (magnitude.matmul(self.get_buffer(f"mel_{window}")) + QUIET).log10()
        return {"mel": mel, "spectrum": compressed, "complex_spectrum": parts}

    def frames(self, signal: Tensor, window: int, every: int = 1, first: int = 0) -> Tensor:
        """[B, N] -> [B, F, window], tapered; a full-scale sine has magnitude 1/2 in their spectra.

        A frame begins every quarter of the window. `every` and `first` tell which of them are wanted.
        """
        quarter = window // OVERLAP
        padded = F.pad(signal[:, None], (window // 2, window // 2), mode="reflect")[:, 0, first * quarter :]
        taper = self.get_buffer(f"window_{window}")
        return padded.unfold(1, window, every * quarter) * (taper / taper.sum())


class CompressedSpectra(torch.autograd.Function):
    """Frames [..., W] -> magnitudes, and compressed magnitudes, [..., W/2+1]; compressed spectra [2, ..., W/2+1].

    The gradient is written out: it is what torch would find, in half the time, and its transform is a real one.
    """

    @staticmethod
    def forward(ctx: Any, frames: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        spectrum = torch.fft.rfft(frames)
        parts = torch.stack((spectrum.real, spectrum.imag))
        power = torch.addcmul(parts[0].square().add_(SMALLEST), parts[1], parts[1])
        magnitude = power.sqrt()
        factor = power.pow_((COMPRESSION - 1) / 2)
        ctx.save_for_backward(parts, magnitude, factor)
        return magnitude, magnitude * factor, parts * factor

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        for_magnitude, for_compressed, for_parts = gradients
        parts, magnitude, factor = ctx.saved_tensors
        # The factor falls, and the compressed magnitude grows, by so much as the magnitude grows.
        of_magnitude = torch.addcmul(for_parts[0] * parts[0], for_parts[1], parts[1]).div_(magnitude)
        of_magnitude = of_magnitude.mul_(COMPRESSION - 1).add_(for_compressed, alpha=COMPRESSION).mul_(factor)
        of_magnitude = of_magnitude.add_(for_magnitude).div_(magnitude)
        of_parts = torch.addcmul(for_parts * factor, parts, of_magnitude)
        spectrum = torch.complex(of_parts[0], of_parts[1])
        spectrum[..., [0, -1]] *= 2  # an inverse transform takes every other bin for two
        return torch.fft.irfft(spectrum, norm="forward") / 2


def draw(samples: int, window: int) -> tuple[int, int]:
    """Which frames a step of training compares: every fourth, from one of the first four on; see `frames`.

    The same on average at a quarter of the work. The gradient of the weights on four crops of music has a cosine of
    0.999 with that of all frames, while that of other crops has one of 0.5 to 0.8.
    """
    frames = 1 + samples // (window // OVERLAP)
    return OVERLAP, int(torch.randint(min(OVERLAP, frames), ()))


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
