"""Ids to sound and sound to ids, as they come: what a system needs that speaks while it thinks."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from vpcodec.codec.arrays import array_of, columns, floats_of, line_of, same_kind
from vpcodec.codec.engines import Engine, checked_tokens
from vpcodec.codec.sound_windows import Samples, SoundDecoder, SoundEncoder, levels_in, side_of
from vpcodec.codec.windows import Computation
from vpcodec.container import Frame
from vpcodec.data.resample import checked_rate
from vpcodec.errors import ConfigError
from vpcodec.registry import ModelFolder


class TokenDecoder:
    """Ids in, sound out, as they come; made by `Codec.token_decoder`.

    Args:
        model: A model of sound.
        engine: What computes it.
        rate: One of the model's rates.
        level: dBFS of the sound.
        block: Ids that are decoded at a time.
    """

    def __init__(self, model: ModelFolder, engine: Engine, rate: int, level: float, block: int) -> None:
        self.model = model
        self.engine = engine
        self.rate = rate
        self.side = side_of(np.array([level]))
        self.block = checked_block(block)
        self.reset()

    def reset(self) -> None:
        """Forget everything: the next ids begin another sound."""
        self.decoder = SoundDecoder(self.model.facts, self.rate, columns=self.block)
        self.waiting: NDArray[np.int64] = np.zeros(0, np.int64)
        self.like = same_kind(self.waiting)

    def push(self, ids: Any) -> Any:
        """Take in ids, any number of them.

        Args:
            ids: [T], or [1, T] as a language model gives them, or one id; an array, a tensor or a list.

        Returns:
            The samples [n], or [n, 2] of a model of two channels, that they complete: those of all ids but the last
            `decoder_reach` of the model, rounded down to whole blocks. numpy gives numpy, torch gives
            torch on the same device.

        Raises:
            InputError: An id is outside the vocabulary.
            ConfigError: They are not of one sound.
        """
        new, self.like = line_of(ids), same_kind(ids)
        self.waiting = np.concatenate((self.waiting, checked_tokens(new, self.model.vocabulary(self.rate))))
        windows = []
        while len(self.waiting) >= self.block:
            windows += self.decoder.push(Frame(self.waiting[None, : self.block].copy(), self.side))
            self.waiting = self.waiting[self.block :]
        return self.computed(windows)

    def finish(self) -> Any:
        """The samples of the last ids; the next ones begin another sound."""
        windows = self.decoder.push(Frame(self.waiting[None].copy(), self.side)) if len(self.waiting) else []
        samples = self.computed(windows + self.decoder.finish())
        self.reset()
        return samples

    def computed(self, windows: list[Computation[Samples]]) -> Any:
        """The samples of windows, as ids were given."""
        none = np.zeros((0, self.model.facts.network.channels), np.float32)
        samples = np.concatenate([none, *(compute(self.engine) for compute in windows)])
        return self.like(samples[:, 0] if samples.shape[1] == 1 else samples)


class TokenEncoder:
    """Samples in, ids out, as they come; made by `Codec.token_encoder`.

    Args:
        model: A model of sound.
        engine: What computes it.
        rate: One of the model's rates.
        sample_rate: Hz of the samples.
        block: Ids that are made at a time.

    Attributes:
        levels: dBFS of each block of ids that the last `push` or `finish` gave.
    """

    def __init__(self, model: ModelFolder, engine: Engine, rate: int, sample_rate: int, block: int) -> None:
        self.model = model
        self.engine = engine
        self.rate = rate
        self.sample_rate = checked_rate(sample_rate, "the stream")
        self.block = checked_block(block)
        self.levels: list[float] = []
        self.reset()

    def reset(self) -> None:
        """Forget everything: the next samples begin another sound."""
        facts = self.model.facts
        self.encoder = SoundEncoder(facts, self.rate, facts.network.channels, self.sample_rate, self.block)
        self.like = same_kind(np.zeros(0))

    def push(self, samples: Any) -> Any:
        """Take in samples.

        Args:
            samples: [n], or [n, 2] of a model of two channels, any number of them, floating point at full scale 1 or
                integers at their own.

        Returns:
            The ids [T] that they complete. numpy gives numpy, torch gives torch on the same device.

        Raises:
            InputError: One of them is not a number, infinite or far beyond full scale.
            ConfigError: They are not of one sound.
        """
        channels = self.model.facts.network.channels
        new, self.like = line_of(samples) if channels == 1 else array_of(samples), same_kind(samples)
        block = columns(new)
        if block.shape[1] != channels:
            raise ConfigError(f"samples of shape {list(new.shape)} are not the next of {channels} channels")
        return self.computed(self.encoder.push(floats_of(block)))

    def finish(self) -> Any:
        """The ids [T] of the last samples; the next ones begin another sound."""
        ids = self.computed(self.encoder.finish())
        self.reset()
        return ids

    def computed(self, windows: list[Computation[Frame]]) -> Any:
        """The ids [T] of windows, as samples were given."""
        frames = [compute(self.engine) for compute in windows]
        self.levels = [levels_in(frame)[0] for frame in frames]
        return self.like(np.concatenate([np.zeros(0, np.int64), *(frame.tokens[0] for frame in frames)]))


def checked_block(block: int) -> int:
    """Raises ConfigError for what is no number of ids."""
    if block < 1 or block % 1:
        raise ConfigError(f"a block is a whole number of ids, got {block!r}")
    return int(block)
