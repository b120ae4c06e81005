"""VQGAN-FC, factorized codes: lookup by angle in a space of few dimensions.

Latents and codes are scaled to length one before they are compared, so a code cannot lose by its length and large
codebooks stay in use. Search, losses and output all live on the sphere. Only the quantizer is meant: nothing here
is adversarial.

Sources: Yu et al., Vector-quantized Image Modeling with Improved VQGAN, arXiv 2110.04627, section 3.2; in the form
of Sun et al., LlamaGen, arXiv 2406.06525.   C channels, K codes
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from vpcodec.quantizers.codebook import CodebookQuantizer

SHORTEST = 1e-12  # what is shorter has no direction


class VQGANFC(CodebookQuantizer):
    """Vector quantization on the unit sphere.

    Args:
        rates: One codebook size K.
        channels: Size C of the latents. The sphere has one dimension less.
        beta: Weight of the commitment of the latents, beside 1 for the codes.
    """

    def __init__(self, rates: Sequence[int] = (1024,), channels: int = 8, *, beta: float = 0.25) -> None:
        super().__init__(rates, channels, beta=beta)
        codes = self.rates[0]
        self.codebook = nn.Parameter(torch.empty(codes, channels).uniform_(-1 / codes, 1 / codes))

    def build(self) -> Tensor:
        return on_sphere(self.codebook)

    def prepare(self, latents: Tensor) -> Tensor:
        return on_sphere(latents)


def on_sphere(vectors: Tensor) -> Tensor:
    """[..., C] -> the same directions with length one; zero stays zero and gets no gradient."""
    length = torch.linalg.vector_norm(vectors, dim=-1, keepdim=True)
    return torch.where(length > SHORTEST, vectors / length.clamp_min(SHORTEST), 0.0)
