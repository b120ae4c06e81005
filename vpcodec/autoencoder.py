"""Network encoder, quantizer, network decoder: the one module that is trained and shipped."""

from typing import Any

import torch
from torch import Tensor, nn

from vpcodec.config import Network
from vpcodec.networks import build_network
from vpcodec.quantizers import build_quantizer
from vpcodec.quantizers.base import Quantized


class Autoencoder(nn.Module):
    """Signal to tokens and back.

        signal ─ network.encode ─ quantizer ─ network.decode ─ signal

    Args:
        kind: "speech" or "image".
        network: Sizes of the network.
        quantizer: `method` and the options of that quantizer.
    """

    def __init__(self, kind: str, network: Network, quantizer: dict[str, Any]) -> None:
        super().__init__()
        self.quantizer = build_quantizer(**quantizer)
        self.network = build_network(kind, network, self.quantizer.input_channels, self.quantizer.channels)
        # With several rates the decoder is told which one it hears; a single rate has nothing to tell.
        several = len(self.quantizer.rates) > 1
        self.rate_conditions = nn.Parameter(torch.zeros(len(self.quantizer.rates), network.width)) if several else None

    def forward(self, signal: Tensor, progress: float = 0.0, rate: int | None = None) -> tuple[Tensor, Quantized]:
        """Reconstruct whole hops of signal.

        Args:
            signal: [B, T*hop] or [B, H*hop, W*hop, 3].
            progress: Share of the training that is done, 0 to 1.
            rate: One of the quantizer's rates; None for the highest.

        Returns:
            The reconstruction, shaped like `signal`, and what the quantizer made of the latents.
        """
        quantized = self.quantizer(self.network.encode(signal), progress, rate)
        return self.network.decode(quantized.latents, self.condition(rate)), quantized

    def unquantized(self, signal: Tensor, rate: int | None = None) -> Tensor:
        """Reconstruct without a quantizer: what the network alone loses, to validate it by; shaped like `signal`."""
        latents = self.quantizer.unquantized(self.network.encode(signal), rate)
        return self.network.decode(latents, self.condition(rate))

    def decoder_parameters(self) -> list[nn.Parameter]:
        """What may change while tokens stay as they are."""
        conditions = [] if self.rate_conditions is None else [self.rate_conditions]
        return [*self.network.decoder.parameters(), *conditions]

    def encode(self, signal: Tensor, rate: int | None = None) -> Tensor:
        """[B, T*hop] or [B, H*hop, W*hop, 3] -> tokens [B, T] or [B, H, W], int64."""
        return self.quantizer.encode(self.network.encode(signal), rate)

    def decode(self, tokens: Tensor, rate: int | None = None) -> Tensor:
        """Tokens [B, T] or [B, H, W] -> [B, T*hop] or [B, H*hop, W*hop, 3]."""
        return self.network.decode(self.quantizer.decode(tokens, rate), self.condition(rate))

    def condition(self, rate: int | None) -> Tensor | None:
        """[width], what tells the decoder the rate; None where there is only one."""
        if self.rate_conditions is None:
            return None
        return self.rate_conditions[self.quantizer.rates.index(self.quantizer.checked_rate(rate))]
