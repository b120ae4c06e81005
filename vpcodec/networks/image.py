"""The image network: pixels, overlapping patches at an eighth of the resolution, latents, and back.

    pixels [B, H*8, W*8, 3] ─ patches of 16x16, stride 8 ─ trunk ─ latents [B, H, W, C]
    pixels [B, H*8, W*8, 3] ─ overlap and add ──────────── trunk ─ latents [B, H, W, C]

A patch is a hop and half a hop around it, so four blocks of 8x8 make one patch and no block edge is ever an
edge of the picture: neighbours share every pixel near their border.
"""

from typing import ClassVar

import torch
from torch import Tensor

from vpcodec.config import Network
from vpcodec.networks.blocks import SignalNetwork, Trunk, reach

HOP = 8  # pixels
COLOURS = 3
PATCH = 2 * HOP
MARGIN = HOP // 2  # pixels by which a patch exceeds its hop on either side
BLOCK = HOP * HOP * COLOURS
CORNERS = ((0, 0), (0, 1), (1, 0), (1, 1))  # blocks of a patch


class ImageNetwork(SignalNetwork):
    """Pixels in [-1, 1], [B, H*8, W*8, 3], to latents [B, H, W, C] and back."""

    hop = HOP
    axes: ClassVar[int] = 2
    channels = COLOURS

    def __init__(self, options: Network, latent_inputs: int, latent_channels: int) -> None:
        super().__init__()
        self.encoder = Trunk(4 * BLOCK, latent_inputs, options.encoder_blocks, options, grid=2)
        self.decoder = Trunk(latent_channels, 4 * BLOCK, options.decoder_blocks, options, grid=2)
        self.encoder_reach = reach(options.encoder_blocks, options.kernel) + 1
        self.decoder_reach = reach(options.decoder_blocks, options.kernel) + 1

    def encode(self, signal: Tensor) -> Tensor:
        return self.encoder(patches(signal))

    def decode(self, latents: Tensor, condition: Tensor | None = None) -> Tensor:
        return overlap_add(self.decoder(latents, condition).float())


def patches(pixels: Tensor) -> Tensor:
    """[B, H*8, W*8, 3] -> [B, H, W, 4*192]: the four blocks under each 16x16 patch; grey beyond the edges."""
    padded = torch.nn.functional.pad(pixels, (0, 0, MARGIN, MARGIN, MARGIN, MARGIN))
    blocks = padded.unflatten(1, (-1, HOP)).unflatten(3, (-1, HOP)).transpose(2, 3).flatten(3)  # [B, H+1, W+1, 192]
    return torch.cat([blocks[:, y : y - 1 or None, x : x - 1 or None] for y, x in CORNERS], dim=-1)


def overlap_add(patch: Tensor) -> Tensor:
    """[B, H, W, 4*192] -> [B, H*8, W*8, 3]: patches summed at every hop, the margins cut off."""
    parts = patch.split([BLOCK] * 4, dim=-1)
    pad = torch.nn.functional.pad
    blocks = sum(pad(part, (0, 0, x, 1 - x, y, 1 - y)) for (y, x), part in zip(CORNERS, parts, strict=True))
    assert isinstance(blocks, Tensor)
    pixels = blocks.unflatten(-1, (HOP, HOP, COLOURS)).transpose(2, 3).flatten(1, 2).flatten(2, 3)
    return pixels[:, MARGIN:-MARGIN, MARGIN:-MARGIN]
