"""What those who train generators call: ids as arrays or tensors, in both directions, and the latents behind them."""

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from vpcodec.codec.arrays import (
    Tokens,
    array_of,
    codebook_vectors,
    join_ids,
    levels_for,
    padded,
    rows_of,
    same_kind,
    sizes_for,
    split_ids,
    whole_rate,
)
from vpcodec.codec.engines import Engine, checked_tokens
from vpcodec.codec.signals import Signal
from vpcodec.data.level import TARGET
from vpcodec.errors import ConfigError, InputError
from vpcodec.registry import ModelFolder

if TYPE_CHECKING:
    from torch import Tensor

    from vpcodec.autoencoder import Autoencoder
    from vpcodec.codec.streaming import TokenDecoder, TokenEncoder

Codebook: TypeAlias = int | str | None  # a codebook size, 1024 or "2x1024"; None for the largest


class TokenCalls:
    """The part of `Codec` that goes without token files: ids and signals are those that token files hold, bit for bit.

    Attributes:
        model: The model.
        engine: What computes it.
        signal: What is known of all signals of this kind.
    """

    model: ModelFolder
    engine: Engine
    signal: Signal

    def encode_tokens(self, signal: Any, *, sample_rate: float | None = None, codebook: Codebook = None) -> Tokens:
        """The ids of a batch of signals, equal to those in their token files.

        >>> codec = Codec.load("speech-vp")
        >>> tokens = codec.encode_tokens(np.zeros((2, 16_000), np.float32), sample_rate=16_000)
        >>> tokens.ids.shape, codec.decode_tokens(tokens.ids, level=tokens.levels, lengths=tokens.lengths).shape
        ((2, 167), (2, 16000))

        Args:
            signal: Sound [B, n] or [n], with a last axis of 2 for a model of two channels, floating point at full scale
                1 or integers at their own; images [B, H, W, 3] or [H, W, 3] uint8; or a list of sounds [n] or images
                [H, W, 3] of any sizes. numpy gives numpy, torch gives torch on the same device.
            sample_rate: Hz, of sound.
            codebook: One of `codebooks`; None for the largest.

        Raises:
            ConfigError: It has another shape, its sample rate is missing, or the model lacks the codebook.
            InputError: It holds what is no number.
        """
        least, axes = self.signal.shape(self.model.facts), len(self.signal.axes)
        rows, rate = rows_of(signal, len(least), "a signal"), self.model.checked_codebook(codebook)
        found = self.signal.encode_arrays(self.model, self.engine, rows, sample_rate, rate)
        ids = padded([each for each, _, _ in found], (0,) * axes, np.int64)
        lengths = padded([np.array(length) for _, length, _ in found], (axes,), np.int64)
        levels = padded([np.array(level) for _, _, level in found], (0,), np.float32, TARGET)
        like = same_kind(signal)
        return Tokens(like(ids), like(lengths), like(levels))

    def decode_tokens(
        self, ids: Any, *, codebook: Codebook = None, level: Any = -20.0, lengths: Any | None = None
    ) -> Any:
        """Sound [B, n] float32 at `sample_rate`, or images [B, H, W, 3] uint8, of ids.

        Args:
            ids: [B, T] or [T] of sound, [B, H, W] or [H, W] of images, or a list; integers in an array or tensor.
            codebook: The one that they belong to; None for the largest.
            level: dBFS that sound is to have: one for all, [B], or [B, windows] as `encode_tokens` gives.
            lengths: Samples of each sound, [B] or [B, 1], or rows and columns of pixels, [B, 2]; one for all; None for
                all that the ids make. What is behind a shorter signal is 0.

        Raises:
            InputError: An id is outside the vocabulary, or there are fewer than the lengths need.
            ConfigError: Ids, levels or lengths have another shape, or the model lacks the codebook.
        """
        axes, rate = len(self.signal.axes), self.model.checked_codebook(codebook)
        rows, vocabulary = rows_of(ids, axes, "an array of ids"), self.model.vocabulary(rate)
        many = len(rows) > 1
        rows = [checked_tokens(row, vocabulary, (place,) * many) for place, row in enumerate(rows)]
        levels, sizes = levels_for(level, len(rows)), sizes_for(lengths, len(rows), axes)
        signals = self.signal.decode_arrays(self.model, self.engine, rows, levels, sizes, rate)
        return same_kind(ids)(padded(signals, self.signal.shape(self.model.facts), self.signal.dtype))

    def token_decoder(self, codebook: Codebook = None, *, level: float = -20.0, block: int = 2) -> "TokenDecoder":
        """What turns ids into sound while they come; the samples do not depend on how the ids are pushed.

        Sound comes out as soon as `decoder_reach` more ids are in, 26 of `speech-vp`, 0.16 s.

        Args:
            codebook: The one that they belong to; None for the largest.
            level: dBFS that the sound is to have.
            block: Ids that are decoded at a time: fewer come sooner and cost more. Two of `speech-vp` take a quarter of
                a core, eight a tenth.

        Raises:
            InputError: The model codes images.
            ConfigError: The model lacks the codebook, or cannot have the level.
        """
        from vpcodec.codec.streaming import TokenDecoder

        self.check_streams()
        return TokenDecoder(self.model, self.engine, self.model.checked_codebook(codebook), level, block)

    def token_encoder(self, codebook: Codebook = None, *, sample_rate: float, block: int = 4) -> "TokenEncoder":
        """What turns sound into ids while it comes, `encoder_reach` ids late: 14 of `speech-vp`, 0.08 s.

        The level runs along with the sound, so ids differ a little from those of `encode_tokens`.

        Args:
            codebook: One of `codebooks`; None for the largest.
            sample_rate: Hz of what will be pushed.
            block: Ids that are made at a time.

        Raises:
            InputError: The model codes images, or no sound has this sample rate.
            ConfigError: The model lacks the codebook.
        """
        from vpcodec.codec.streaming import TokenEncoder

        self.check_streams()
        rate = self.model.checked_codebook(codebook)
        return TokenEncoder(self.model, self.engine, rate, whole_rate(sample_rate), block)

    def codebook_vectors(self, codebook: Codebook = None) -> NDArray[np.float32]:
        """The latents [K, C] that ids stand for, or [G, K, C] of several codes a position; torch must be installed.

        Raises ConfigError for a codebook that the model lacks.
        """
        return codebook_vectors(self.model, self.model.checked_codebook(codebook))

    def latents(self, signal: "Tensor") -> "Tensor":
        """Latents [B, T, C] or [B, H, W, C] before quantization, with gradients. Torch engine only.

        Args:
            signal: Whole hops of what the network sees: sound [B, T*hop] or [B, T*hop, 2] at `sample_rate` and
                -20 dBFS, or images [B, H*hop, W*hop, 3] in [-1, 1]; all of it as one window.

        Raises ConfigError on another engine, and for another shape.
        """
        network, given = self.autoencoder.network, self.on_device(signal)
        sides = given.shape[1 : 1 + len(self.signal.axes)]
        if given.ndim != len(self.signal.shape(self.model.facts)) + 1 or any(
            side % self.hop or not side for side in sides
        ):
            raise ConfigError(
                f"a tensor of shape {list(given.shape)} is no batch of whole hops", hint=f"a hop is {self.hop}"
            )
        latents: Tensor = network.encode(given)
        return latents

    def decode_latents(self, latents: "Tensor", codebook: Codebook = None) -> "Tensor":
        """The inverse of `latents`; the decoder is told which codebook they come from. Torch engine only."""
        condition = self.autoencoder.condition(self.model.checked_codebook(codebook))
        signal: Tensor = self.autoencoder.network.decode(self.on_device(latents), condition)
        return signal

    def split_ids(self, ids: Any, codebook: Codebook = None) -> Any:
        """Ids [...] as those of their G codes [..., G]: of "2x1024", ids below 1,048,576 as two below 1,024."""
        codes = self.model.codes(self.model.checked_codebook(codebook))
        return same_kind(ids)(split_ids(array_of(ids), *codes))

    def join_ids(self, codes: Any, codebook: Codebook = None) -> Any:
        """The inverse of `split_ids`: [..., G] to [...] int64. Raises InputError for what these codes cannot be."""
        sizes = self.model.codes(self.model.checked_codebook(codebook))
        return same_kind(codes)(join_ids(array_of(codes), *sizes))

    def vocabulary(self, codebook: Codebook = None) -> int:
        """Number of ids that can occur, 0 to one less."""
        return self.model.vocabulary(self.model.checked_codebook(codebook))

    @property
    def name(self) -> str:
        """The model's, as token files name it."""
        return self.model.name

    @property
    def kind(self) -> str:
        """What the model codes: "speech" or "image"."""
        return self.model.facts.kind

    @property
    def codebooks(self) -> tuple[int | str, ...]:
        """Codebook sizes to choose from, the largest last: 1024, or `2x1024` for two codes a position."""
        return self.model.codebooks

    @property
    def bits(self) -> dict[int | str, float]:
        """Bits a second of one channel, or a pixel, that files take with each codebook, as measured on test media."""
        return dict(zip(self.codebooks, self.signal.bits(self.model), strict=True))

    @property
    def hop(self) -> int:
        """Samples of sound a token, or pixels along either axis."""
        return self.model.facts.hop

    @property
    def sample_rate(self) -> int:
        """Hz of the sound that the network sees and `decode_tokens` gives."""
        self.check_streams()
        return self.model.facts.sample_rate

    @property
    def token_rate(self) -> float:
        """Tokens a second of sound, or a pixel."""
        return self.signal.tokens_per_unit(self.model.facts)

    @property
    def channels(self) -> int:
        """Channels of the signal that share a token: 1 of speech, 1 or 2 of any sound, 3 colors."""
        return (self.signal.shape(self.model.facts)[len(self.signal.axes) :] or (1,))[0]

    @property
    def device(self) -> str:
        """Where the network computes: "cpu" or "cuda:0"."""
        return str(getattr(self.engine, "device", "cpu"))

    def __repr__(self) -> str:
        sizes = ", ".join(map(str, self.codebooks))
        rate = f"{self.token_rate:.6g} tokens per {self.signal.per}"
        return f"<Codec {self.model.name}: {self.signal.kind}, {rate}, codebooks {sizes}; {self.engine.name}>"

    def on_device(self, given: "Tensor") -> "Tensor":
        """A tensor as the network takes it: float32, where it computes."""
        import torch

        return torch.as_tensor(given, dtype=torch.float32, device=self.device)

    @property
    def autoencoder(self) -> "Autoencoder":
        """The trained module. Raises ConfigError on an engine without it."""
        from vpcodec.codec.torch_engine import TorchEngine

        if not isinstance(self.engine, TorchEngine):
            raise ConfigError(f"the engine {self.engine.name} has no latents", hint="load it with engine='torch'")
        return self.engine.autoencoder

    def check_streams(self) -> None:
        """Raise InputError for a model of images, which have no beginning and no end."""
        if not self.signal.streams:
            raise InputError(f"{self.model.name} codes images, which have no stream", hint="use encode for photos")
