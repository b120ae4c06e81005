"""SimVQ: a frozen random codebook behind one learned linear map.

In VQ-VAE a step moves only the codes that were chosen. Here a step moves the map, and with it every code, chosen
or not, so none is left behind. Latents are compared with the mapped codes, and tokens decode to them.

Source: Zhu et al., Addressing Representation Collapse in Vector Quantized Models with One Linear Layer,
arXiv 2411.02038.   K codes, C channels
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from vpcodec.quantizers.codebook import CodebookQuantizer


class MappedCodebook(CodebookQuantizer):
    """Codes that are a learned function of a frozen random table, drawn from N(0, 1/C).

    Args:
        rates: One codebook size K.
        channels: Size C of the latents.
        beta: Weight of the commitment of the latents, beside 1 for the codes.
        loss_weight: Weight of both; the authors use 1 on images and 1000 on speech, with a warm-up.
    """

    frozen: Tensor
    map: nn.Module  # [K, C] -> [K, C], made by the subclass

    def __init__(
        self, rates: Sequence[int], channels: int | None = None, *, beta: float = 0.25, loss_weight: float = 1.0
    ) -> None:
        super().__init__(rates, channels, beta=beta, loss_weight=loss_weight)
        self.register_buffer("frozen", torch.randn(self.rates[0], self.channels) * self.channels**-0.5)

    def build(self) -> Tensor:
        codes: Tensor = self.map(self.frozen)
        return codes


class SimVQ(MappedCodebook):
    """SimVQ, see `MappedCodebook` for the options."""

    def __init__(
        self,
        rates: Sequence[int] = (1024,),
        channels: int | None = None,
        *,
        beta: float = 0.25,
        loss_weight: float = 1.0,
    ) -> None:
        super().__init__(rates, channels, beta=beta, loss_weight=loss_weight)
        self.map = nn.Linear(self.channels, self.channels)
