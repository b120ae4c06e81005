"""The network of sound: waveform, short-time spectra, latents, and back. A hop of 6 ms makes 166.67 positions a second.

    waveform [B, T*hop] ─ frames of 4 hops ─ DFT ─ log magnitude, cosine, sine ─ trunk ─ latents [B, T, C]
    waveform [B, T*hop] ─ overlap and add ─ inverse DFT ─ magnitude and phase ── trunk ─ latents [B, T, C]

Speech is one channel at 16 kHz with a hop of 96. Two channels [B, T*hop, 2] share their positions: the network sees
and writes their middle and side, (left + right) / 2^0.5 and (left - right) / 2^0.5, side by side.

With a stride of n, n spectra stand side by side as the channels of one position: latents come n times more rarely,
and the trunk works on n times fewer positions. A trunk at the rate of the spectra may stand before it, and another
behind it in the decoder.

The window is four hops long, so framing is four shifted views of the same blocks and the transforms are
matrix products: the whole network is plain tensor algebra that every runtime executes alike.
The magnitude and phase head follows Vocos (Siuzdak, arXiv 2306.00814).
"""

import math
from typing import ClassVar

import torch
from torch import Tensor, nn

from vpcodec.config import Network
from vpcodec.networks.blocks import SignalNetwork, Trunk, reach

OVERLAP = 4  # hops in a window
FLOOR = 1e-3 / 96  # share of a full-scale sine's magnitude below which the logarithm levels off
LOUDEST = math.exp(7.0) / 96  # times that magnitude is the largest that the head may ask for


class SpectraToTokens(Trunk):
    """A trunk at the rate of the tokens, before it perhaps one at the rate of the spectra.

    Args:
        inputs: Channels of a spectrum.
        outputs: Channels of a position.
        options: Sizes of both trunks; between them, the spectra of a position share its width.
    """

    def __init__(self, inputs: int, outputs: int, options: Network) -> None:
        self.stride = options.stride
        spectral, share = options.spectral_encoder_blocks, options.width // options.stride
        super().__init__(self.stride * (share if spectral else inputs), outputs, options.encoder_blocks, options, 1)
        self.spectral = Trunk(inputs, share, spectral, options, 1) if spectral else nn.Identity()

    def forward(self, spectra: Tensor, condition: Tensor | None = None) -> Tensor:
        """[B, 1, T*stride, inputs] -> [B, 1, T, outputs]."""
        return super().forward(self.spectral(spectra).unflatten(2, (-1, self.stride)).flatten(3), condition)


class TokensToSpectra(Trunk):
    """A trunk at the rate of the tokens, behind it perhaps one at the rate of the spectra; see `SpectraToTokens`."""

    def __init__(self, inputs: int, outputs: int, options: Network) -> None:
        self.stride = options.stride
        spectral, share = options.spectral_decoder_blocks, options.width // options.stride
        super().__init__(inputs, self.stride * (share if spectral else outputs), options.decoder_blocks, options, 1)
        self.spectral = Trunk(share, outputs, spectral, options, 1) if spectral else nn.Identity()

    def forward(self, latents: Tensor, condition: Tensor | None = None) -> Tensor:
        """[B, 1, T, inputs] -> [B, 1, T*stride, outputs]."""
        return self.spectral(super().forward(latents, condition).unflatten(3, (self.stride, -1)).flatten(2, 3))


class SoundNetwork(SignalNetwork):
    """Waveform [B, T*hop], or [B, T*hop, 2] of two channels, to latents [B, T, C] and back."""

    axes: ClassVar[int] = 1
    window: Tensor
    analysis: Tensor
    synthesis: Tensor

    def __init__(self, options: Network, latent_inputs: int, latent_channels: int) -> None:
        super().__init__()
        stride, bins = options.stride, OVERLAP * options.hop // 2 + 1
        self.hop = options.hop * stride
        self.channels = options.channels
        self.encoder = SpectraToTokens(3 * bins * self.channels, latent_inputs, options)
        self.decoder = TokensToSpectra(latent_channels, 2 * bins * self.channels, options)

        def positions(blocks: int, spectral_blocks: int) -> int:
            spectra = reach(spectral_blocks, options.kernel) + OVERLAP // 2  # a window exceeds its hop
            return reach(blocks, options.kernel) + math.ceil(spectra / stride)

        self.encoder_reach = positions(options.encoder_blocks, options.spectral_encoder_blocks)
        self.decoder_reach = positions(options.decoder_blocks, options.spectral_decoder_blocks)
        window, analysis, synthesis = transforms(OVERLAP * options.hop)
        self.register_buffer("window", window, persistent=False)
        self.register_buffer("analysis", analysis, persistent=False)
        self.register_buffer("synthesis", synthesis, persistent=False)

    def encode(self, signal: Tensor) -> Tensor:
        if self.channels == 1:
            return self.encoder(self.features(signal).unsqueeze(1))[:, 0]
        features = [self.features(channel) for channel in middle_and_side(signal).unbind(2)]
        return self.encoder(torch.cat(features, dim=-1).unsqueeze(1))[:, 0]

    def decode(self, latents: Tensor, condition: Tensor | None = None) -> Tensor:
        written = self.decoder(latents.unsqueeze(1), condition)[:, 0].float()
        if self.channels == 1:
            return self.waveform(written)
        channels = [self.waveform(channel) for channel in written.chunk(self.channels, dim=-1)]
        return middle_and_side(torch.stack(channels, dim=2))

    def features(self, signal: Tensor) -> Tensor:
        """[B, F*hop] -> [B, F, 3*bins]: log magnitude, cosine and sine of the phase of every bin."""
        size = len(self.window)
        margin, hop = (size - size // OVERLAP) // 2, size // OVERLAP
        blocks = torch.nn.functional.pad(signal, (margin, margin)).unflatten(1, (-1, hop))
        views = [blocks[:, shift : shift + 1 - OVERLAP or None] for shift in range(OVERLAP)]
        real, imaginary = (torch.cat(views, dim=-1) @ self.analysis).split([size // 2 + 1] * 2, dim=-1)
        magnitude = torch.sqrt(real.square() + imaginary.square() + (FLOOR * hop) ** 2)
        return torch.cat((torch.log(magnitude), real / magnitude, imaginary / magnitude), dim=-1)

    def waveform(self, written: Tensor) -> Tensor:
        """[B, F, 2*bins], log magnitude and phase -> [B, F*hop]."""
        size = len(self.window)
        magnitude, phase = written.split([size // 2 + 1] * 2, dim=-1)
        magnitude = torch.exp(magnitude.clamp(max=math.log(LOUDEST * size / OVERLAP)))
        spectrum = torch.cat((magnitude * torch.cos(phase), magnitude * torch.sin(phase)), dim=-1)
        frames = spectrum @ self.synthesis
        envelope = self.window.square().expand_as(frames[:1])
        signal = overlap_add(torch.cat((frames, envelope)), size // OVERLAP)
        return signal[:-1] / signal[-1:]


def middle_and_side(stereo: Tensor) -> Tensor:
    """[B, N, 2], left and right -> middle and side, of the same energy; its own inverse."""
    left, right = stereo.unbind(2)
    return torch.stack((left + right, left - right), dim=2) * 0.5**0.5


def overlap_add(frames: Tensor, hop: int) -> Tensor:
    """[B, T, 4*hop] -> [B, T*hop]: frames summed at every hop, the margins cut off."""
    parts = frames.split([hop] * OVERLAP, dim=-1)
    pad = torch.nn.functional.pad
    blocks = sum(pad(part, (0, 0, shift, OVERLAP - 1 - shift)) for shift, part in enumerate(parts))
    assert isinstance(blocks, Tensor)
    margin = (OVERLAP - 1) * hop // 2  # samples by which a window exceeds its hop on either side
    return blocks.flatten(1)[:, margin:-margin]


def transforms(size: int) -> tuple[Tensor, Tensor, Tensor]:
    """Hann window [size], windowed DFT [size, 2*bins], windowed inverse DFT [2*bins, size]; real before imaginary."""
    bins = size // 2 + 1
    time = torch.arange(size, dtype=torch.float64)
    window = 0.5 - 0.5 * torch.cos(2 * math.pi * time / size)
    angle = 2 * math.pi * time[:, None] * torch.arange(bins, dtype=torch.float64) / size
    forward = torch.cat((torch.cos(angle), -torch.sin(angle)), dim=1)
    twice = torch.full((bins,), 2.0, dtype=torch.float64)  # every bin but the outer two stands for a pair
    twice[0] = twice[-1] = 1.0
    backward = forward.T * torch.cat((twice, twice))[:, None] / size
    return window.float(), (window[:, None] * forward).float(), (backward * window).float()
