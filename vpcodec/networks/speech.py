"""The speech network: 16 kHz waveform, short-time spectra, latents at 166.67 a second, and back.

    waveform [B, T*96] ─ frames of 384, hop 96 ─ DFT ─ log magnitude, cosine, sine ─ trunk ─ latents [B, T, C]
    waveform [B, T*96] ─ overlap and add ─ inverse DFT ─ magnitude and phase ─────── trunk ─ latents [B, T, C]

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
from vpcodec.networks.base import SignalNetwork
from vpcodec.networks.blocks import Trunk, reach

SAMPLE_RATE = 16_000  # Hz
HOP = 96  # samples
OVERLAP = 4  # hops in a window
WINDOW = OVERLAP * HOP
BINS = WINDOW // 2 + 1
MARGIN = (WINDOW - HOP) // 2  # samples by which a window exceeds its hop on either side
FLOOR = 1e-3  # magnitude below which the logarithm levels off; a full-scale sine reaches 96
LOUDEST = 7.0  # logarithm of the largest magnitude that the head may ask for


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


class SpeechNetwork(SignalNetwork):
    """Waveform [B, T*hop] to latents [B, T, C] and back; hop is 96 times the stride."""

    axes: ClassVar[int] = 1
    window: Tensor
    analysis: Tensor
    synthesis: Tensor

    def __init__(self, options: Network, latent_inputs: int, latent_channels: int) -> None:
        super().__init__()
        stride = options.stride
        self.hop = HOP * stride
        self.encoder = SpectraToTokens(3 * BINS, latent_inputs, options)
        self.decoder = TokensToSpectra(latent_channels, 2 * BINS, options)

        def positions(blocks: int, spectral_blocks: int) -> int:
            spectra = reach(spectral_blocks, options.kernel) + OVERLAP // 2  # a window exceeds its hop
            return reach(blocks, options.kernel) + math.ceil(spectra / stride)

        self.encoder_reach = positions(options.encoder_blocks, options.spectral_encoder_blocks)
        self.decoder_reach = positions(options.decoder_blocks, options.spectral_decoder_blocks)
        window, analysis, synthesis = transforms()
        self.register_buffer("window", window, persistent=False)
        self.register_buffer("analysis", analysis, persistent=False)
        self.register_buffer("synthesis", synthesis, persistent=False)

    def encode(self, signal: Tensor) -> Tensor:
        return self.encoder(self.features(signal).unsqueeze(1)).squeeze(1)

    def decode(self, latents: Tensor, condition: Tensor | None = None) -> Tensor:
        magnitude, phase = self.decoder(latents.unsqueeze(1), condition).squeeze(1).float().chunk(2, dim=-1)
        magnitude = torch.exp(magnitude.clamp(max=LOUDEST))
        spectrum = torch.cat((magnitude * torch.cos(phase), magnitude * torch.sin(phase)), dim=-1)
        frames = spectrum @ self.synthesis
        envelope = overlap_add(self.window.square().expand(1, frames.shape[1], WINDOW))
        return overlap_add(frames) / envelope

    def features(self, signal: Tensor) -> Tensor:
        """[B, F*96] -> [B, F, 3*193]: log magnitude, cosine and sine of the phase of every bin."""
        padded = torch.nn.functional.pad(signal, (MARGIN, MARGIN))
        blocks = padded.unflatten(1, (-1, HOP))
        positions = blocks.shape[1] - OVERLAP + 1
        frames = torch.cat([blocks[:, shift : shift + positions] for shift in range(OVERLAP)], dim=-1)
        real, imaginary = (frames @ self.analysis).chunk(2, dim=-1)
        magnitude = torch.sqrt(real.square() + imaginary.square() + FLOOR**2)
        return torch.cat((torch.log(magnitude), real / magnitude, imaginary / magnitude), dim=-1)


def overlap_add(frames: Tensor) -> Tensor:
    """[B, T, 384] -> [B, T*96]: frames summed at every hop, the margins cut off."""
    parts = frames.unflatten(-1, (OVERLAP, HOP)).unbind(2)
    pad = torch.nn.functional.pad
    blocks = sum(pad(part, (0, 0, shift, OVERLAP - 1 - shift)) for shift, part in enumerate(parts))
    assert isinstance(blocks, Tensor)
    signal = blocks.flatten(1)
    return signal[:, MARGIN : signal.shape[1] - MARGIN]


def transforms() -> tuple[Tensor, Tensor, Tensor]:
    """Hann window [384], windowed DFT [384, 2*193] and windowed inverse DFT [2*193, 384]; real before imaginary."""
    time = torch.arange(WINDOW, dtype=torch.float64)
    window = 0.5 - 0.5 * torch.cos(2 * math.pi * time / WINDOW)
    angle = 2 * math.pi * time[:, None] * torch.arange(BINS, dtype=torch.float64) / WINDOW
    forward = torch.cat((torch.cos(angle), -torch.sin(angle)), dim=1)
    twice = torch.full((BINS,), 2.0, dtype=torch.float64)  # every bin but the outer two stands for a pair
    twice[0] = twice[-1] = 1.0
    backward = forward.T * torch.cat((twice, twice))[:, None] / WINDOW
    return window.float(), (window[:, None] * forward).float(), (backward * window).float()
