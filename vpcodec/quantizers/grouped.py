"""Several codes a position: the latents are split into groups, each with a quantizer of its own.

    latents [..., G * C] ── split ── group 0 [..., C] ── quantizer 0 ──┐
                                     group 1 [..., C] ── quantizer 1 ──┴── token = id 0 + V * id 1

Any method can be grouped. A codebook named `2x1024` uses two groups of 1,024 codes each; its token is one number, the
ids of the groups as its digits, group 0 lowest. A codebook of fewer groups than there are leaves the others out: their
latents are zero for the decoder. Training draws the codebook for each batch, so the first groups learn to stand alone,
as in residual codecs with quantizer dropout (Zeghidour et al., SoundStream, arXiv 2107.03312). Grouped codes are
product quantization (Jegou et al., 2011).   B batch, ... positions, G groups, C channels of a group, V ids of a group
"""

import math
from collections.abc import Callable, Iterable, Sequence
from functools import reduce
from operator import add

import torch
from torch import Tensor, nn

from vpcodec.errors import ConfigError
from vpcodec.quantizers.base import Quantized, Quantizer


def parse_codebook(name: int | str) -> tuple[int, int]:
    """Groups and codes of a group: `2x1024` -> (2, 1024), `1024` -> (1, 1024). Raises ConfigError for other words."""
    groups, separator, codes = str(name).rpartition("x")
    if (separator and not groups.isdecimal()) or not codes.isdecimal() or groups == "0":
        raise ConfigError(f"{name!r} is not a codebook size", hint="write 1024, or 2x1024 for two codes a position")
    return int(groups or 1), int(codes)


class Grouped(Quantizer):
    """Product quantization with any method, whose quantizer of a group `build` makes from its codebook sizes.

    Rates are codebooks such as 1024 and `2x1024`; the rate of `2x1024` is 1024^2, which has as many bits.
    """

    def __init__(self, rates: Sequence[int | str], build: Callable[[list[int]], Quantizer]) -> None:
        codebooks = {codes**groups: (groups, codes) for groups, codes in map(parse_codebook, rates)}
        most = max((groups for groups, _ in codebooks.values()), default=0)
        parts = [
            build(sorted({codes for groups, codes in codebooks.values() if groups > group})) for group in range(most)
        ]
        super().__init__(list(codebooks), sum(part.channels for part in parts))
        if len(codebooks) != len(rates):
            raise ConfigError(f"quantizer.rates has two codebooks of equal size: {list(rates)}")
        self.codebooks = codebooks
        self.parts = nn.ModuleList(parts)
        self.packages = parts[0].packages

    @property
    def input_channels(self) -> int:
        return sum(part.input_channels for part in self.quantizers())

    @property
    def ready(self) -> bool:
        return all(part.ready for part in self.quantizers())

    def quantizers(self, rate: int | None = None) -> list[Quantizer]:
        """Those of the groups that a rate uses; of all groups for None."""
        parts: list[Quantizer] = list(self.parts)  # type: ignore[arg-type]
        return parts if rate is None else parts[: self.codebooks[rate][0]]

    def radices(self, rate: int | None = None) -> tuple[int, ...]:
        chosen = self.checked_rate(rate)
        codes = self.codebooks[chosen][1]
        return reduce(add, (part.radices(codes) for part in self.quantizers(chosen)))

    def vocabulary(self, rate: int | None = None) -> int:
        chosen = self.checked_rate(rate)
        return math.prod(part.vocabulary(self.codebooks[chosen][1]) for part in self.quantizers(chosen))

    def relax(self, latents: Tensor, progress: float, rate: int) -> Quantized:
        """Each group relaxed by its own quantizer; no tokens where one of them has none."""
        groups = [part.relax(group, progress, codes) for part, group, codes in self.used(latents, rate)]
        stats = {name: torch.stack([group.stats[name] for group in groups]).mean() for name in groups[0].stats}
        ids = [group.tokens for group in groups if group.tokens is not None]
        tokens = self.join(ids, rate) if len(ids) == len(groups) else None
        loss = torch.stack([group.loss for group in groups]).sum()
        return Quantized(self.filled([group.latents for group in groups]), tokens, loss, stats)

    def encode(self, latents: Tensor, rate: int | None = None) -> Tensor:
        chosen = self.checked_rate(rate)
        return self.join([part.encode(group, codes) for part, group, codes in self.used(latents, chosen)], chosen)

    def decode(self, tokens: Tensor, rate: int | None = None) -> Tensor:
        chosen = self.checked_rate(rate)
        codes = self.codebooks[chosen][1]
        latents = []
        for part in self.quantizers(chosen):
            size = part.vocabulary(codes)
            latents.append(part.decode(tokens % size, codes))
            tokens = tokens // size
        return self.filled(latents)

    def unquantized(self, latents: Tensor, rate: int | None = None) -> Tensor:
        used = self.used(latents, self.checked_rate(rate))
        return self.filled([part.unquantized(group, codes) for part, group, codes in used])

    def freeze(self) -> None:
        for part in self.quantizers():
            part.freeze()

    def finish(self, latents: Iterable[Tensor]) -> None:
        rows = [batch.flatten(0, -2) for batch in latents]
        for place, part in enumerate(self.quantizers()):
            part.finish(self.split(batch)[place] for batch in rows)

    def unfinish(self) -> None:
        for part in self.quantizers():
            part.unfinish()

    def training_state(self) -> set[str]:
        return {
            f"parts.{place}.{name}" for place, part in enumerate(self.quantizers()) for name in part.training_state()
        }

    def split(self, latents: Tensor) -> tuple[Tensor, ...]:
        """[..., sum of input channels] -> what each group takes of them."""
        return latents.split([part.input_channels for part in self.quantizers()], dim=-1)

    def used(self, latents: Tensor, rate: int) -> list[tuple[Quantizer, Tensor, int]]:
        """The groups that a rate uses: the quantizer, its latents and its codebook size."""
        codes = self.codebooks[rate][1]
        return [(*pair, codes) for pair in zip(self.quantizers(rate), self.split(latents), strict=False)]

    def join(self, ids: Sequence[Tensor], rate: int) -> Tensor:
        """Ids [...] of each group -> tokens [...], group 0 as the lowest digit."""
        tokens, place = torch.zeros_like(ids[0]), 1
        for part, group in zip(self.quantizers(rate), ids, strict=True):
            tokens = tokens + place * group
            place *= part.vocabulary(self.codebooks[rate][1])
        return tokens

    def filled(self, latents: list[Tensor]) -> Tensor:
        """Latents [..., C] of the groups in use -> [..., G * C], zeros for the others."""
        missing = self.channels - sum(group.shape[-1] for group in latents)
        return nn.functional.pad(torch.cat(latents, dim=-1), (0, missing))
