"""The contract of every quantizer: latents to tokens and back, and a stand-in to train through.

A quantizer never sees signals. It treats the axes between batch and channel as *positions*, so one class
serves speech and images alike.

    B  batch        ...  positions: T frames of speech, or H, W patches of a photo        C  latent channels

    training      latents --relax--> latents with useful gradients
    evaluation    latents --encode--> tokens --decode--> latents

`Quantizer.forward` chooses between the two, so what a model hears in evaluation is always what its token
file will decode to, bit for bit.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import ClassVar, Self

import torch
from torch import Tensor, nn

from vpcodec.errors import ConfigError, DependencyError
from vpcodec.quantizers.ranks import rank

RANK_STRIDE = 2**29 + 11  # keeps the seeds of neighbouring ranks far apart


@dataclass(frozen=True)
class Quantized:
    """What a quantizer made of a batch of latents.

    Attributes:
        latents: [B, ..., C] float32, what the decoder of the network receives.
        tokens: [B, ...] int64, or None where the training stand-in has none.
        loss: Scalar to add to the training loss, already weighted.
        stats: Named scalars for the training log, on the device of the latents: whoever writes the log brings all of
            them over at once.
    """

    latents: Tensor
    tokens: Tensor | None
    loss: Tensor
    stats: dict[str, Tensor] = field(default_factory=dict)


class HostState(nn.Module):
    """A module of which some buffers stay on the CPU: reading a counter must not wait for a graphics card."""

    on_host: ClassVar[tuple[str, ...]] = ()  # names of these buffers

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        kept = {name: self._buffers[name] for name in self.on_host}
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        self._buffers.update(kept)
        return self


class Noise(HostState):
    """Random numbers for training, whose future is in the `state_dict`: a fresh, seeded generator for every draw.

    `torch.manual_seed` before the quantizer is built decides all of its noise. The seed and the number of draws
    so far are a buffer, so a resumed run goes on with the numbers that the uninterrupted one would have drawn.
    """

    training_only = True  # not shipped with a model
    on_host = ("state",)
    state: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("state", torch.stack([torch.randint(2**31, ()), torch.tensor(0)]))

    def generator(self, device: torch.device | str, *, same_on_all_ranks: bool = False) -> torch.Generator:
        """The generator of the next draw. Ranks get different numbers unless asked otherwise."""
        seed, draws = self.state.tolist()
        self.state[1] += 1
        offset = 0 if same_on_all_ranks else rank() * RANK_STRIDE
        return torch.Generator(device).manual_seed(seed + draws + offset)

    def uniform(self, like: Tensor) -> Tensor:
        """Numbers from [0, 1), shaped like `like`."""
        return torch.rand(like.shape, device=like.device, generator=self.generator(like.device))

    def normal(self, like: Tensor) -> Tensor:
        """Standard normal numbers, shaped like `like`."""
        return torch.randn(like.shape, device=like.device, generator=self.generator(like.device))


class Quantizer(HostState, ABC):
    """Turns latents into integers and back.

    Args:
        rates: Nominal codebook sizes K that can be asked for; one for most methods, several for VP-VAE.
        channels: Size C of the latents.

    Laws, tested for every method: `decode` after `encode` is what `forward` returns in evaluation; evaluation
    draws no random number and changes no state; equal latents get equal tokens, ties go to the lowest id;
    everything that influences the future is in the `state_dict`. What must stay fixed is a buffer; what is
    learned is a parameter, and no parameter of a quantizer may be decayed by the optimizer: to shrink a code is
    to move it. `vpcodec.testing.quantizers` holds these tests for methods of your own.
    """

    packages: tuple[str, ...] = ()  # beside torch, what training and `finish` import

    def __init__(self, rates: Sequence[int], channels: int) -> None:
        super().__init__()
        if not rates or list(rates) != sorted(set(rates)) or min(rates) < 2:
            raise ConfigError(f"quantizer.rates must be increasing codebook sizes of 2 or more, got {list(rates)}")
        if channels < 1:
            raise ConfigError(f"quantizer.channels must be 1 or more, got {channels}")
        self.rates = tuple(rates)
        self.channels = channels

    @property
    def input_channels(self) -> int:
        """Numbers a position must bring to `forward` and `encode`: C, or more where a method needs more to train.

        TokenBridge takes 2 C of them, a mean and a log variance for each latent channel.
        """
        return self.channels

    def radices(self, rate: int | None = None) -> tuple[int, ...]:
        """Base of each digit of a token, first digit fastest; one where a token is the row of a codebook."""
        return (self.vocabulary(rate),)

    @property
    def ready(self) -> bool:
        """Whether `encode` has all it needs; False before `finish` for methods that fit a codebook afterwards."""
        return True

    def check_packages(self) -> None:
        """Raises DependencyError, before a training and not after, where one of `packages` is not installed."""
        for package in self.packages:
            if find_spec(package) is None:
                what = f"training this quantizer needs {package}, which is not installed"
                raise DependencyError(what, hint="pip install 'vpcodec[full]'")

    @abstractmethod
    def vocabulary(self, rate: int | None = None) -> int:
        """Number of ids that can occur at a rate (K_actual); FSP at 1024 has 8 * 5 * 5 * 5 = 1000."""

    @abstractmethod
    def relax(self, latents: Tensor, progress: float, rate: int) -> Quantized:
        """Training's stand-in for quantization, with useful gradients.

        Args:
            latents: [B, ..., input_channels] float32.
            progress: Share of the training that is done, 0 to 1.
            rate: One of `rates`.
        """

    @abstractmethod
    def encode(self, latents: Tensor, rate: int | None = None) -> Tensor:
        """[B, ..., input_channels] float -> [B, ...] int64, the nearest code. Pure."""

    @abstractmethod
    def decode(self, tokens: Tensor, rate: int | None = None) -> Tensor:
        """[B, ...] int64 -> [B, ..., C] float32. Pure."""

    def unquantized(self, latents: Tensor, rate: int | None = None) -> Tensor:
        """What `decode` would give if codes lay infinitely close: [..., input_channels] -> [..., C] float32. Pure.

        `Autoencoder.unquantized` uses it to tell what the network loses from what the quantizer loses.
        """
        return latents.float()

    def freeze(self) -> None:
        """Compute once what `encode` and `decode` derive from the weights, which never change from here on."""

    def finish(self, latents: Iterable[Tensor]) -> None:
        """Build what encoding still lacks from latents of the training set, such as VP-VAE's codebooks.

        Under distributed training all ranks call it and end with the same, each having brought latents of its own.

        Args:
            latents: Batches [..., input_channels] of any float type.

        Raises:
            DataError: The latents of all ranks are too few for the codes, or not finite.
        """

    def unfinish(self) -> None:
        """Forget what `finish` built: training goes on from here, and the latents will move away from it."""

    def training_state(self) -> set[str]:
        """Names in the `state_dict` that only training needs: those of submodules marked `training_only`."""
        return {
            f"{path}.{name}"
            for path, module in self.named_modules()
            if getattr(module, "training_only", False)
            for name in module.state_dict()
        }

    def extra_repr(self) -> str:
        return f"rates={self.rates}, channels={self.channels}"

    def checked_rate(self, rate: int | None) -> int:
        """The rate asked for, or the highest one. Raises ConfigError for one that this quantizer lacks."""
        if rate is None:
            return self.rates[-1]
        if rate not in self.rates:
            raise ConfigError(f"rate {rate} is not offered", hint=f"choose from {', '.join(map(str, self.rates))}")
        return rate

    def forward(self, latents: Tensor, progress: float = 0.0, rate: int | None = None) -> Quantized:
        """Relaxed in training, coded and decoded otherwise; in float32 whatever surrounds it. See `relax`."""
        chosen = self.checked_rate(rate)
        with torch.autocast(latents.device.type, enabled=False):
            exact = latents.float()
            if self.training:
                return self.relax(exact, progress, chosen)
            tokens = self.encode(exact, chosen)
            return Quantized(self.decode(tokens, chosen), tokens, exact.new_zeros(()))


def moment_loss(
    latents: Tensor, variance: float | None, mean_weight: float = 0.1, variance_weight: float = 0.07
) -> Tensor:
    """Draw each channel's mean to zero and its variance to a target (VP-VAE, equations 11 and 14).

    Averaged over channels with the unbiased variance, as in the authors' code, so that their weights (0.1 and
    0.07) keep their meaning.

    Args:
        latents: [B, ..., C] float32; zero is returned for a single position, which has no variance.
        variance: None for no target (a law without variance).
        mean_weight: Weight of the squared mean.
        variance_weight: Weight of the squared distance from the target variance.
    """
    rows = latents.flatten(0, -2)
    if len(rows) < 2:
        return latents.sum() * 0.0
    loss = mean_weight * rows.mean(0).square().mean()
    if variance is not None:
        loss = loss + variance_weight * (rows.var(0) - variance).square().mean()
    return loss


def straight_through(latents: Tensor, target: Tensor) -> Tensor:
    """Exactly `target` in the forward pass, the identity on `latents` in the backward pass."""
    return target.detach() + (latents - latents.detach())


def only_rate(rates: Sequence[int]) -> int:
    """The rate of a method that offers one. Raises ConfigError for none or several."""
    if len(rates) != 1:
        raise ConfigError(
            f"this quantizer has one codebook size, got quantizer.rates = {list(rates)}",
            hint="train one model for each rate, or use vp, which offers several",
        )
    return rates[0]
