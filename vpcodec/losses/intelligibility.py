"""How much of speech can be understood: the correlation of its envelopes, as STOI measures it.

The steps are those of Taal et al., An Algorithm for Intelligibility Prediction of Time-Frequency Weighted Noisy
Speech, 2011: envelopes in third-octave bands, silent frames left out, short segments brought to one level, what
exceeds the original by far clipped, correlated band by band. Frames are taken at 16 kHz instead of 10 kHz, which
moves the result by about a hundredth.      B batch, F frames, Z bands, S segments of a recording, L = 30 frames of one
"""

import torch
from torch import Tensor, nn

from vpcodec.losses.loudness import SAMPLE_RATE

WINDOW = 410  # samples, 25.6 ms, half overlapped
TRANSFORM = 820  # samples with the zeros behind a window: bins as fine as STOI's
BANDS = 15
LOWEST = 150.0  # Hz, centre of the first band
SEGMENT = 30  # frames, 384 ms
RANGE = 40.0  # dB below the loudest frame at which silence begins
CLIP = 1 + 10 ** (15 / 20)  # times the original, which no envelope exceeds
SMALLEST = 1e-8


class EnvelopeDistance(nn.Module):
    """One less the mean correlation of envelopes of [B, N] recordings at 16 kHz, a scalar: about 1 - STOI."""

    window: Tensor
    bands: Tensor

    def __init__(self) -> None:
        super().__init__()
        hertz = torch.linspace(0, SAMPLE_RATE / 2, TRANSFORM // 2 + 1)
        centres = LOWEST * 2 ** (torch.arange(BANDS) / 3)
        inside = (hertz[:, None] >= centres * 2 ** (-1 / 6)) & (hertz[:, None] < centres * 2 ** (1 / 6))
        self.register_buffer("window", torch.hann_window(WINDOW), persistent=False)
        self.register_buffer("bands", inside.float(), persistent=False)

    def forward(self, reconstruction: Tensor, target: Tensor) -> Tensor:
        """Both [B, N] -> []; 0 where no recording holds a segment of sound."""
        if target.shape[1] < WINDOW:
            return target.new_zeros(())
        with torch.no_grad():
            wanted = self.envelopes(target)
        segments = [self.segments(*pair) for pair in zip(self.envelopes(reconstruction), wanted, strict=True)]
        ours, theirs = (torch.cat(parts) for parts in zip(*segments, strict=True))
        if len(theirs) == 0:
            return target.new_zeros(())
        level = theirs.square().sum(1, keepdim=True) / (ours.square().sum(1, keepdim=True) + SMALLEST)
        ours = torch.minimum(ours * (level + SMALLEST).sqrt(), CLIP * theirs)
        return 1 - (standardised(ours) * standardised(theirs)).sum(1).mean()

    def envelopes(self, signal: Tensor) -> Tensor:
        """[B, N] -> [B, F, Z], amplitudes."""
        frames = signal.unfold(1, WINDOW, WINDOW // 2) * self.window
        spectrum = torch.fft.rfft(frames, TRANSFORM)
        power = (spectrum.real.square() + spectrum.imag.square()) @ self.bands
        return (power + SMALLEST).sqrt()

    def segments(self, ours: Tensor, theirs: Tensor) -> tuple[Tensor, Tensor]:
        """[F, Z] each -> [S, L, Z] each: every run of L frames among those in which the original is not silent."""
        level = theirs.square().sum(1)
        audible = level > level.max() * 10 ** (-RANGE / 10)
        if int(audible.sum()) < SEGMENT:
            return ours.new_zeros(0, SEGMENT, BANDS), theirs.new_zeros(0, SEGMENT, BANDS)
        runs = [frames[audible].unfold(0, SEGMENT, 1).transpose(1, 2) for frames in (ours, theirs)]
        return runs[0], runs[1]


def standardised(segments: Tensor) -> Tensor:
    """[S, L, Z] -> the same about a mean of 0 and with a norm of 1 over L."""
    centred = segments - segments.mean(1, keepdim=True)
    return centred / (centred.square().sum(1, keepdim=True) + SMALLEST).sqrt()
