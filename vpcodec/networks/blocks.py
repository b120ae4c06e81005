"""The contract of a network, and the trunk that all share: residual blocks on a grid, channels last.

    x [B, H, W, C] ──┬── depthwise convolution ── norm ── Linear C→eC ── GELU ── Linear eC→C ── gain ──(+)── x
                     └─────────────────────────────────────────────────────────────────────────────┘

Speech is a grid of height one. Nearly all work is in the two matrix products, at token rate; the depthwise
convolution is the only place where positions meet, so the receptive field is finite and easy to state.
The shape of the block is ConvNeXt's (Liu et al., arXiv 2201.03545).   B batch, H W positions, C channels
"""

from abc import ABC, abstractmethod
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vpcodec.config import Network

INITIAL_GAIN = 0.2  # of what a block adds


class SignalNetwork(nn.Module, ABC):
    """Signal to latents and back, at one latent vector per hop.

    Attributes:
        encoder: All that is learned of the way from signal to latents, and
        decoder: of the way back.
        hop: Samples of signal per position, along each axis of positions.
        axes: Number of position axes: 1 for sound, 2 for images.
        channels: Numbers per sample of sound, 1 or 2, or per pixel, 3.
        encoder_reach: A latent sees the signal of at most this many positions to either side of its own.
        decoder_reach: A position of signal is made from at most this many latents to either side of its own.
    """

    encoder: nn.Module
    decoder: nn.Module
    hop: int
    axes: ClassVar[int]
    channels: int
    encoder_reach: int
    decoder_reach: int

    def shape(self, positions: int) -> tuple[int, ...]:
        """Of a batch of one signal with so many positions, and one more along a second axis."""
        sizes = [positions * self.hop, (positions + 1) * self.hop][: self.axes]
        return (1, *sizes) if self.channels == 1 else (1, *sizes, self.channels)

    @abstractmethod
    def encode(self, signal: Tensor) -> Tensor:
        """Sound [B, T*hop] or [B, T*hop, 2], image [B, H*hop, W*hop, 3] -> latents [B, T, C], [B, H, W, C], float32."""

    @abstractmethod
    def decode(self, latents: Tensor, condition: Tensor | None = None) -> Tensor:
        """Latents [B, T, C] or [B, H, W, C] -> signal, the inverse of `encode`.

        `condition` [width] is added at the decoder's entrance; it tells the rate where there are several.
        """


class Block(nn.Module):
    """One residual block, [B, H, W, width] -> the same shape; height and width of its kernel are odd."""

    def __init__(self, width: int, hidden: int, kernel: tuple[int, int]) -> None:
        super().__init__()
        self.mix = nn.Conv2d(width, width, kernel, padding=(kernel[0] // 2, kernel[1] // 2), groups=width)
        self.norm = nn.LayerNorm(width)
        self.expand = nn.Linear(width, hidden)
        self.project = nn.Linear(hidden, width)
        self.gain = nn.Parameter(torch.full((width,), INITIAL_GAIN))

    def forward(self, x: Tensor) -> Tensor:
        mixed = self.mix(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        rows = self.norm(mixed).flatten(0, -2)  # products of two matrices, between which a graph computes no shapes
        return x + (self.gain * self.project(F.gelu(self.expand(rows)))).view_as(x)


class Trunk(nn.Module):
    """Features in, features out, both [B, H, W, channels]: a projection, some blocks, a projection.

    Args:
        inputs: Channels that come in.
        outputs: Channels that go out.
        blocks: Number of blocks.
        options: Width, expansion and kernel of the blocks.
        grid: 1 for positions on a line (H is 1), 2 for positions on a plane.
    """

    def __init__(self, inputs: int, outputs: int, blocks: int, options: Network, grid: int) -> None:
        super().__init__()
        kernel = (1 if grid == 1 else options.kernel, options.kernel)
        self.read = nn.Linear(inputs, options.width)
        self.read_norm = nn.LayerNorm(options.width)
        self.blocks = nn.ModuleList(Block(options.width, options.hidden, kernel) for _ in range(blocks))
        self.write_norm = nn.LayerNorm(options.width)
        self.write = nn.Linear(options.width, outputs)
        self.precision = torch.float32  # of the matrix products; training may lower it

    def forward(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        """[B, H, W, inputs] -> [B, H, W, outputs] float32; `condition` [width] is added to every position."""
        with torch.autocast(x.device.type, dtype=torch.bfloat16, enabled=self.precision == torch.bfloat16):
            x = self.read_norm(self.read(x))
            if condition is not None:
                x = x + condition
            for block in self.blocks:
                x = block(x)
            return self.write(self.write_norm(x)).float()


def reach(blocks: int, kernel: int) -> int:
    """Positions to either side that some blocks in a row can see."""
    return blocks * (kernel // 2)
