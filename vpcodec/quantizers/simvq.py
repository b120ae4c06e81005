"""SimVQ and TransVQ: a frozen random codebook behind a learned map, one linear layer or a transformer.

In VQ-VAE a step moves only the codes that were chosen. Here a step moves the map, and with it every code, chosen
or not, so none is left behind. Latents are compared with the mapped codes, and tokens decode to them.

In TransVQ each code attends to all others, so the map can bend. Attention is linear, without a softmax, and costs
K m^2. A code's vector depends on the whole table: a few rows put through the transformer alone would come out
elsewhere, so tokens are looked up in the full result.

Sources: Zhu et al., Addressing Representation Collapse in Vector Quantized Models with One Linear Layer, arXiv
2411.02038; Lu et al., arXiv 2602.18896, after the authors' published code; linear attention by Katharopoulos et al.,
arXiv 2006.16236, equation 7.   K codes, C channels, m width of the transformer
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from vpcodec.quantizers.codebook import CodebookQuantizer

ATTENTION_FLOOR = 1e-6  # added to the sum of the attention weights


class SimVQ(CodebookQuantizer):
    """Codes that are a learned function of a frozen random table, drawn from N(0, 1/C).

    For the options see `CodebookQuantizer`. The authors use a `loss_weight` of 1 on images and 1000 on speech, with a
    warm-up.
    """

    frozen: Tensor

    def __init__(
        self,
        rates: Sequence[int] = (1024,),
        channels: int | None = None,
        *,
        beta: float = 0.25,
        loss_weight: float = 1.0,
    ) -> None:
        super().__init__(rates, channels, beta=beta, loss_weight=loss_weight)
        self.register_buffer("frozen", torch.randn(self.rates[0], self.channels) * self.channels**-0.5)
        self.map = self.build_map()

    def build_map(self) -> nn.Module:
        """The module that learns: [K, C] -> [K, C]."""
        return nn.Linear(self.channels, self.channels)

    def build(self) -> Tensor:
        codes: Tensor = self.map(self.frozen)
        return codes


class TransVQ(SimVQ):
    """SimVQ with a small transformer over the whole codebook, `width` channels wide, in place of the linear layer."""

    def __init__(
        self,
        rates: Sequence[int] = (1024,),
        channels: int | None = None,
        *,
        beta: float = 0.25,
        loss_weight: float = 1.0,
        width: int = 256,
    ) -> None:
        self.width = width
        super().__init__(rates, channels, beta=beta, loss_weight=loss_weight)

    def build_map(self) -> nn.Module:
        return CodebookTransformer(self.rates[0], self.channels, self.width)


class CodebookTransformer(nn.Module):
    """[K, C] -> [K, C]. Each code has a learned position; these K * m numbers are nearly all of the parameters."""

    def __init__(self, codes: int, channels: int, width: int) -> None:
        super().__init__()
        self.enter = nn.Linear(channels, width, bias=False)
        self.positions = nn.Parameter(torch.randn(codes, width) * 0.02)
        self.blocks = nn.Sequential(Block(width))
        self.norm = nn.LayerNorm(width)
        self.leave = nn.Linear(width, channels, bias=False)

    def forward(self, table: Tensor) -> Tensor:
        codes: Tensor = self.leave(self.norm(self.blocks(self.enter(table) + self.positions)))
        return codes


class Block(nn.Module):
    """Attention and feed-forward, each behind a norm and beside a shortcut. [K, m] -> [K, m]"""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(width)
        self.queries_keys_values = nn.Linear(width, 3 * width, bias=False)
        self.merge = nn.Linear(width, width)
        self.feed_forward = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width)
        )

    def forward(self, hidden: Tensor) -> Tensor:
        packed = self.queries_keys_values(self.attention_norm(hidden)).unflatten(-1, (3, 1, -1))
        queries, keys, values = packed.permute(1, 2, 0, 3)
        attended = linear_attention(queries, keys, values).transpose(0, 1).flatten(1)
        hidden = hidden + self.merge(attended)
        result: Tensor = hidden + self.feed_forward(hidden)
        return result


def linear_attention(queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    """Attention with weights phi(q) . phi(k), phi(x) = elu(x) + 1, for all codes at once; each [K, m]."""
    queries, keys = functional.elu(queries) + 1, functional.elu(keys) + 1
    weighted = queries @ (keys.transpose(-2, -1) @ values)
    weight = queries @ keys.sum(-2).unsqueeze(-1)
    return weighted / (weight + ATTENTION_FLOOR)
