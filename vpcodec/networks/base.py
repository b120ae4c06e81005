"""The contract of a network: whole hops of signal to latents, latents to signal."""

from abc import ABC, abstractmethod
from typing import ClassVar

from torch import Tensor, nn


class SignalNetwork(nn.Module, ABC):
    """Signal to latents and back, at one latent vector per hop.

    Attributes:
        encoder: All that is learned of the way from signal to latents, and
        decoder: of the way back.
        hop: Samples of signal per position, along each axis of positions.
        axes: Number of position axes: 1 for speech, 2 for images.
        encoder_reach: A latent sees the signal of at most this many positions to either side of its own.
        decoder_reach: A position of signal is made from at most this many latents to either side of its own.
    """

    encoder: nn.Module
    decoder: nn.Module
    hop: int
    axes: ClassVar[int]
    encoder_reach: int
    decoder_reach: int

    @abstractmethod
    def encode(self, signal: Tensor) -> Tensor:
        """Speech [B, T*hop] or image [B, H*hop, W*hop, 3] -> latents [B, T, C] or [B, H, W, C], float32."""

    @abstractmethod
    def decode(self, latents: Tensor, condition: Tensor | None = None) -> Tensor:
        """Latents [B, T, C] or [B, H, W, C] -> signal, the inverse of `encode`.

        Args:
            latents: What a quantizer returned.
            condition: [width], added at the decoder's entrance; tells it the rate where there are several.
        """
