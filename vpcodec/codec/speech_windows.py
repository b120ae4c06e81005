"""Speech as a stream: samples in, frames of tokens out, and back, in bounded memory.

What is to be computed for a window comes out as a function of the engine, so that the caller decides when and where:
at once for a stream, side by side for a file (`workers.in_order`).

Every window is brought to the level that the network was trained at, and the level goes into the file as one
byte, or two, per channel and window. Where two windows meet the gain glides from one level to the other, on both
sides of the codec alike, so that a quiet, a loud and a changing recording come back as they were.
"""

import numpy as np
from numpy.typing import NDArray

from vpcodec.codec.engines import Engine
from vpcodec.codec.windows import CORES, window
from vpcodec.codec.workers import Computation
from vpcodec.container import Frame
from vpcodec.data.level import bytes_of_levels, gain_of, levels_of, measure_level
from vpcodec.errors import ContainerError
from vpcodec.registry import ModelFacts

GLIDE = 480  # samples before and after a border over which the gain moves, 30 ms of speech

Samples = NDArray[np.float32]


class SpeechEncoder:
    """Samples at the model's rate in, frames out; holds two windows of signal at most.

    Args:
        facts: Of the engine's model.
        rate: One of the model's rates.
        channels: Number of channels; each is coded by itself.
    """

    def __init__(self, facts: ModelFacts, rate: int, channels: int) -> None:
        self.facts = facts
        self.rate = rate
        self.core = CORES["speech"]
        self.held: Samples = np.zeros((channels, 0), np.float32)
        self.held_from = 0  # position of the first sample held
        self.levels: dict[int, list[int]] = {}  # of windows near the next one, for each channel
        self.encoded = 0  # windows

    def push(self, samples: Samples) -> list[Computation[Frame]]:
        """Take in samples [n, channels]; returns what computes the frames that can now be made."""
        self.held = np.concatenate((self.held, samples.T.astype(np.float32, copy=False)), axis=1)
        frames = []
        # A window glides towards the level of the next one, so that one must be here whole.
        while self.positions() >= (self.encoded + 2) * self.core:
            frames.append(self.encode_window(self.positions()))
        return frames

    def finish(self) -> list[Computation[Frame]]:
        """What computes the remaining frames, once all samples are in; the last hop is filled up with silence."""
        hop = self.facts.hop
        self.held = np.pad(self.held, ((0, 0), (0, -self.held.shape[1] % hop)))
        length = self.positions()
        return [self.encode_window(length) for _ in range(self.encoded, -(-length // self.core))]

    def positions(self) -> int:
        """Whole positions of signal seen so far."""
        return self.held_from + self.held.shape[1] // self.facts.hop

    def encode_window(self, length: int) -> Computation[Frame]:
        """What computes the next window of a signal that is known up to `length` positions."""
        place = window(self.encoded, length, self.core, self.facts.encoder_reach)
        for index in (self.encoded, self.encoded + 1):
            if index not in self.levels and index * self.core < length:
                core = self.slice(index * self.core, min((index + 1) * self.core, length))
                self.levels[index] = [measure_level(channel) for channel in core]
        hop = self.facts.hop
        gains = gain_curve(self.levels, self.encoded, self.core * hop, place.start * hop, place.stop * hop)
        leveled = self.slice(place.start, place.stop) * gains
        side = bytes_of_levels(self.levels[self.encoded])
        self.levels.pop(self.encoded - 1, None)
        self.encoded += 1
        self.forget(max(0, self.encoded * self.core - self.facts.encoder_reach))

        def compute(engine: Engine) -> Frame:
            return Frame(np.stack([engine.encode(channel, self.rate)[place.kept] for channel in leveled]), side)

        return compute

    def slice(self, start: int, stop: int) -> Samples:
        """Held samples of the positions `start` to `stop`, [channels, n]."""
        hop = self.facts.hop
        return self.held[:, (start - self.held_from) * hop : (stop - self.held_from) * hop]

    def forget(self, position: int) -> None:
        """Drop the samples before a position."""
        self.held = self.held[:, (position - self.held_from) * self.facts.hop :].copy()
        self.held_from = position


class SpeechDecoder:
    """Frames in, samples at the model's rate out; holds three frames at most.

    Args:
        facts: Of the engine's model.
        rate: One of the model's rates.
        first: Number of the first frame to decode. The one before it, if any, is pushed first, as context.
    """

    def __init__(self, facts: ModelFacts, rate: int, first: int = 0) -> None:
        self.facts = facts
        self.rate = rate
        self.core = CORES["speech"]
        self.frames: dict[int, Frame] = {}
        self.received = max(0, first - 1)
        self.decoded = first

    def push(self, frame: Frame) -> list[Computation[Samples]]:
        """Take in the next frame; returns what computes the window [n, channels] before it, if it can now be made."""
        previous = self.frames.get(self.received - 1)
        if previous is not None and previous.tokens.shape[1] != self.core:
            raise ContainerError(
                f"frame {self.received - 1} holds {previous.tokens.shape[1]} tokens a channel, but only the last "
                f"may hold fewer than {self.core}"
            )
        if frame.tokens.shape[1] > self.core or not levels_of(frame.side, len(frame.tokens)):
            raise ContainerError(f"frame {self.received} does not fit the model's windows")
        self.frames[self.received] = frame
        self.received += 1
        return [self.decode_window()] if self.received - self.decoded >= 2 else []

    def finish(self, length: int | None = None) -> list[Computation[Samples]]:
        """What computes the last window, once all frames are in.

        Args:
            length: Samples of the whole signal, so that the filling of the last hop is left out; None to keep it.

        Raises:
            ContainerError: The frames hold fewer samples, or the last frame lies behind all of them.
        """
        starts = max(0, self.received - 1) * self.core * self.facts.hop
        holds = self.positions() * self.facts.hop
        if length is not None and not starts <= length <= holds:
            raise ContainerError(
                f"the frames hold {holds} samples at {self.facts.sample_rate} Hz, the footer states {length}"
            )
        return [self.decode_window(length) for _ in range(self.decoded, self.received)]

    def positions(self) -> int:
        """Positions of all frames so far."""
        last = self.frames.get(self.received - 1)
        return (self.received - 1) * self.core + last.tokens.shape[1] if last else 0

    def decode_window(self, stop: int | None = None) -> Computation[Samples]:
        """What computes the next window, up to sample `stop`."""
        index, hop, length = self.decoded, self.facts.hop, self.positions()
        place = window(index, length, self.core, self.facts.decoder_reach)
        offset = min(self.frames) * self.core
        tokens = np.concatenate([frame.tokens for frame in self.frames.values()], axis=1)
        tokens = np.ascontiguousarray(tokens[:, place.start - offset : place.stop - offset])
        start, stop = place.core_start * hop, place.core_stop * hop if stop is None else stop
        kept = slice(start - place.start * hop, stop - place.start * hop)
        levels = {number: levels_of(frame.side, len(frame.tokens)) for number, frame in self.frames.items()}
        gains = gain_curve(levels, index, self.core * hop, start, stop)
        self.decoded += 1
        self.frames.pop(index - 1, None)

        def compute(engine: Engine) -> Samples:
            signal = np.stack([engine.decode(channel, self.rate)[kept] for channel in tokens])
            return np.asarray((signal / gains).T)

        return compute


def gain_curve(levels: dict[int, list[int]], index: int, size: int, start: int, stop: int) -> Samples:
    """[channels, stop - start]: the gain of a range near one window, constant inside windows, gliding between.

    Args:
        levels: Stored level of each channel, by number of the window; its neighbours may be missing.
        index: Number of the window.
        size: Samples of a core.
        start: First sample of the range.
        stop: Where the range ends.
    """
    near = [number for number in (index - 1, index, index + 1) if number in levels]
    knots = [time for number in near for time in (number * size + GLIDE, (number + 1) * size - GLIDE)]
    logarithms = np.repeat(np.log([[gain_of(level) for level in levels[number]] for number in near]), 2, axis=0)
    time = np.arange(start, stop) + 0.5
    return np.exp([np.interp(time, knots, channel) for channel in logarithms.T]).astype(np.float32)
