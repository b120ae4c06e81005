"""Sound as a stream: samples in, frames of tokens out, and back, in bounded memory.

What is to be computed for a window comes out as a function of the engine, so that the caller decides when and where:
at once for a stream, side by side for a file (`windows.in_order`).

Every window is brought to the level that the network was trained at, and the level goes into the file as one
byte, or two, per row and window. Both sides of the codec apply the same gain, so that a quiet, a loud and a
changing recording come back as they were. Long windows have a constant gain each, and it glides where two of them
meet. Short windows, for low latency, cannot wait for the level of the next one: each begins with the gain of the one
before and glides to its own, and that level is a running one.

A model of any sound may code two channels with one stream of tokens: the first and the second, the third and the
fourth. They share a level too. A last one without a partner is coded beside its copy, and both are averaged when
decoded. So below, a row is what has tokens of its own: a channel, or such a pair. Where the channels of a pair are
equal all through a window, as of a mono recording stored as stereo, its level says so, and they are averaged, too.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from vpcodec.codec.engines import Engine
from vpcodec.codec.windows import CORES, Computation, window
from vpcodec.container import Frame
from vpcodec.data.level import (
    EQUAL,
    LOUDEST,
    QUIETEST,
    STEP,
    RunningLevel,
    bytes_of_levels,
    equal_rows,
    gain_of,
    levels_of,
    measure_level,
)
from vpcodec.data.resample import Resampler
from vpcodec.errors import ConfigError, ContainerError
from vpcodec.registry import WIDE, ModelFacts

CLEAR = 1e-4  # share of the energy, -40 dB: what is above the model's band is mentioned from here on
GLIDE = 0.03  # seconds before and after the border of long windows over which the gain moves

Samples = NDArray[np.float32]


class SoundEncoder:
    """Samples in, frames out; holds two long windows of signal at most.

    Args:
        facts: Of the engine's model.
        rate: One of the model's rates.
        channels: Number of channels.
        sample_rate: Hz of the samples; the model's are made of them.
        columns: Positions of a short window, for low latency; 0 for long ones.

    Attributes:
        received: Samples of each channel so far.
        energy: Of the samples so far, and of what was made of them at the model's rate.
    """

    def __init__(self, facts: ModelFacts, rate: int, channels: int, sample_rate: int, columns: int = 0) -> None:
        self.received = 0
        self.energy = [0.0, 0.0]
        self.resampler = Resampler(sample_rate, facts.sample_rate, channels)
        self.facts = facts
        self.rate = rate
        self.channels = channels
        self.core = columns or CORES[facts.kind]
        self.held: Samples = rows_of_channels(np.zeros((0, channels), np.float32), facts)
        self.running = RunningLevel(len(self.held), facts.sample_rate) if columns else None
        self.held_from = 0  # position of the first sample held
        self.measured = 0  # positions that the running level knows
        self.levels: dict[int, list[int]] = {}  # of windows near the next one, for each row
        self.encoded = 0  # windows

    def push(self, samples: Samples) -> list[Computation[Frame]]:
        """Take in samples [n, channels]; returns what computes the frames that can now be made."""
        self.received += len(samples)
        self.energy[0] += float(np.vdot(samples, samples))
        return self.encode_windows(self.resampler.push(samples))

    def encode_windows(self, samples: Samples) -> list[Computation[Frame]]:
        """What computes the frames that can be made once these samples at the model's rate are in."""
        self.energy[1] += float(np.vdot(samples, samples))
        rows = rows_of_channels(samples.astype(np.float32, copy=False), self.facts)
        self.held = np.concatenate((self.held, rows), axis=1)
        # A long window glides towards the level of the next one, so that one must be here whole.
        ahead = self.facts.encoder_reach if self.running else self.core
        frames = []
        while self.positions() >= (self.encoded + 1) * self.core + ahead:
            frames.append(self.encode_window(self.positions()))
        return frames

    def finish(self) -> list[Computation[Frame]]:
        """What computes the remaining frames, once all samples are in; the last hop is filled up with silence."""
        frames, hop = self.encode_windows(self.resampler.finish()), self.facts.hop
        filling = np.zeros_like(self.held, shape=(len(self.held), -self.held.shape[1] % hop, *self.held.shape[2:]))
        self.held = np.concatenate((self.held, filling), axis=1)
        length = self.positions()
        while self.encoded * self.core < length:
            frames.append(self.encode_window(length))
        return frames

    def narrows(self) -> bool:
        """Whether people hear that sound above half the model's sample rate is missing, once all samples are in."""
        before, after = self.energy
        ratio = self.resampler.source_rate / self.facts.sample_rate
        return ratio > 1 and self.facts.sample_rate < WIDE and before - after * ratio > CLEAR * before

    def positions(self) -> int:
        """Whole positions of signal seen so far."""
        return self.held_from + self.held.shape[1] // self.facts.hop

    def encode_window(self, length: int) -> Computation[Frame]:
        """What computes the next window of a signal that is known up to `length` positions."""
        place = window(self.encoded, length, self.core, self.facts.encoder_reach)
        self.measure(place.stop, length)
        hop = self.facts.hop
        glide, short = round(GLIDE * self.facts.sample_rate), self.running is not None
        gains = gain_curve(self.levels, self.core * hop, place.start * hop, place.stop * hop, glide, short)
        held = self.slice(place.start, place.stop)
        leveled = held * gains.reshape(*gains.shape, *[1] * (held.ndim - 2))
        marked = zip(self.levels[self.encoded], self.equal(length), strict=True)
        side = bytes_of_levels([level + EQUAL * equal for level, equal in marked])
        self.encoded += 1
        start = max(0, self.encoded * self.core - self.facts.encoder_reach)
        drop_before(self.levels, start // self.core - 1)
        self.held = self.slice(start, self.positions(), rest=True).copy()
        self.held_from = start

        def compute(engine: Engine) -> Frame:
            return Frame(engine.encode(leveled, self.rate)[:, place.kept].copy(), side)

        return compute

    def measure(self, stop: int, length: int) -> None:
        """Find the level of the next window; of a short one with what the network sees of it, up to `stop`."""
        if self.running:
            self.levels[self.encoded] = self.running.update(loudness(self.slice(self.measured, stop)))
            self.measured = stop
            return
        for index in (self.encoded, self.encoded + 1):
            if index not in self.levels and index * self.core < length:
                core = self.slice(index * self.core, min((index + 1) * self.core, length))
                self.levels[index] = [measure_level(row, self.facts.sample_rate) for row in loudness(core)]

    def equal(self, length: int) -> list[bool]:
        """For each row whether it is a pair of channels, both the same in the next window."""
        held = self.slice(self.encoded * self.core, min((self.encoded + 1) * self.core, length))
        if held.ndim == 2:
            return [False] * len(held)
        pairs = self.channels // held.shape[2]  # a channel without a partner is coded beside its copy anyway
        return [number < pairs and bool((row == row[:, :1]).all()) for number, row in enumerate(held)]

    def slice(self, start: int, stop: int, *, rest: bool = False) -> Samples:
        """Held samples [rows, n(, 2)] of the positions `start` to `stop`; with `rest` up to the last one."""
        hop = self.facts.hop
        return self.held[:, (start - self.held_from) * hop : None if rest else (stop - self.held_from) * hop]


class SoundDecoder:
    """Frames in, samples at the model's rate out; holds the frames that the network sees at a time.

    A long window is a frame. Short ones end before the frame that completes them, by as much as the network sees
    ahead, so that nothing waits for a frame after that.

    Args:
        facts: Of the engine's model.
        rate: One of the model's rates.
        first: Number of the first window to decode; the frames from `received` on are pushed.
        columns: Positions of a short frame, as the header says; 0 for long ones.
        channels: Of the recording; None for as many as the tokens make.
    """

    def __init__(
        self, facts: ModelFacts, rate: int, first: int = 0, columns: int = 0, channels: int | None = None
    ) -> None:
        self.facts = facts
        self.rate = rate
        self.core = columns or CORES[facts.kind]
        self.channels = channels
        self.rows = None if channels is None else -(-channels // facts.network.channels)
        self.short = bool(columns)
        self.frames: dict[int, Frame] = {}
        self.decoded = first
        self.received = self.oldest()

    def begin(self, number: int) -> int:
        """First position of a window."""
        return max(0, number * self.core - (self.facts.decoder_reach if self.short else 0))

    def oldest(self) -> int:
        """Number of the first frame that the next window needs: what the network sees, and the level before."""
        begin = self.begin(self.decoded)
        return max(0, min((begin - self.facts.decoder_reach) // self.core, begin // self.core - 1))

    def push(self, frame: Frame) -> list[Computation[Samples]]:
        """Take in the next frame; returns what computes the windows [n, channels] that can now be made."""
        if self.channels is not None and (rows := -(-self.channels // self.facts.network.channels)) != len(
            frame.tokens
        ):
            raise ContainerError(f"a frame has {len(frame.tokens)} rows of tokens, the header says {rows}")
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
        windows = []
        while self.positions() >= self.begin(self.decoded + 1) + self.facts.decoder_reach:
            windows += self.decode_window(self.positions() * self.facts.hop)
        return windows

    def finish(self, length: int | None = None) -> list[Computation[Samples]]:
        """What computes the last windows, once all frames are in.

        Args:
            length: Samples of the whole signal, so that the filling of the last hop is left out; None to keep it.

        Raises:
            ContainerError: The frames hold fewer samples, or the last frame lies behind all of them.
        """
        hop = self.facts.hop
        starts = max(0, self.received - 1) * self.core * hop
        holds = self.positions() * hop
        if length is not None and not starts <= length <= holds:
            raise ContainerError(
                f"the frames hold {holds} samples at {self.facts.sample_rate} Hz, the footer states {length}"
            )
        windows, length = [], holds if length is None else length
        while self.begin(self.decoded) * hop < length:
            windows += self.decode_window(length)
        return windows

    def positions(self) -> int:
        """Positions of all frames so far."""
        last = self.frames.get(self.received - 1)
        return (self.received - 1) * self.core + last.tokens.shape[1] if last else 0

    def decode_window(self, length: int) -> list[Computation[Samples]]:
        """What computes the next window, of a signal of `length` samples; nothing for one that would end before it."""
        hop, reach = self.facts.hop, self.facts.decoder_reach
        begin, end = self.begin(self.decoded), self.begin(self.decoded + 1)
        self.decoded += 1
        if begin == end:
            return []
        first, last = max(0, begin - reach), min(self.positions(), end + reach)
        offset = min(self.frames) * self.core
        tokens = np.concatenate([frame.tokens for frame in self.frames.values()], axis=1)
        tokens = np.ascontiguousarray(tokens[:, first - offset : last - offset])
        start, stop = begin * hop, min(end * hop, length)
        kept = slice(start - first * hop, stop - first * hop)
        levels = {number: levels_of(frame.side, len(frame.tokens)) for number, frame in self.frames.items()}
        size = self.core * hop
        gains = gain_curve(levels, size, start, stop, round(GLIDE * self.facts.sample_rate), self.short)
        equal = {number: equal_rows(frame.side, len(frame.tokens)) for number, frame in self.frames.items()}
        drop_before(self.frames, min(self.oldest(), self.received - 1))

        def compute(engine: Engine) -> Samples:
            rows = engine.decode(tokens, self.rate)[:, kept]
            for number, marked in equal.items() if rows.ndim == 3 else ():
                place = slice(max(0, number * size - start), max(0, (number + 1) * size - start))
                rows[marked, place] = rows[marked, place].mean(axis=-1, keepdims=True)
            return channels_of_rows(rows / gains.reshape(*gains.shape, *[1] * (rows.ndim - 2)), self.channels)

        return [compute]


def rows_of_channels(samples: Samples, facts: ModelFacts) -> Samples:
    """[n, channels] -> [channels, n], or [pairs, n, 2] for a model of two channels."""
    together = facts.network.channels
    if together == 1:
        return samples.T
    samples = np.concatenate((samples, samples[:, -1:].repeat(-samples.shape[1] % together, axis=1)), axis=1)
    return samples.reshape(len(samples), samples.shape[1] // together, together).swapaxes(0, 1)


def channels_of_rows(rows: Samples, channels: int | None) -> Samples:
    """The inverse of `rows_of_channels`: [n, channels]."""
    if rows.ndim == 2:
        return rows.T
    samples = rows.swapaxes(0, 1).reshape(rows.shape[1], rows.shape[0] * rows.shape[2])
    if channels is not None and channels < samples.shape[1]:
        samples[:, channels - 1] = samples[:, channels - 1 :].mean(axis=1)
        samples = samples[:, :channels]
    return samples


def loudness(rows: Samples) -> Samples:
    """Rows [rows, n] whose energy is that of the rows, the mean of both channels of a pair."""
    return rows if rows.ndim == 2 else np.sqrt(np.square(rows).mean(axis=2))


def drop_before(kept: dict[int, Frame] | dict[int, list[int]], number: int) -> None:
    """Forget what belongs to earlier windows."""
    for earlier in [key for key in kept if key < number]:
        del kept[earlier]


def levels_in(frame: Frame) -> list[float]:
    """dBFS of each row of a frame of sound; nothing of a frame without levels."""
    return [QUIETEST + STEP * level for level in levels_of(frame.side, len(frame.tokens))]


def side_of(levels: NDArray[Any]) -> bytes:
    """Levels [rows] in dBFS as a frame holds them. Raises ConfigError for one that it cannot hold."""
    stored = np.rint((levels - QUIETEST) / STEP)
    if not (fits := (stored >= 0) & (stored <= LOUDEST)).all():
        raise ConfigError(f"a level of {levels[~fits][0]:g} dBFS is not one of -120 to 200")
    return bytes_of_levels(stored.astype(int).tolist())


def gain_curve(levels: dict[int, list[int]], size: int, start: int, stop: int, glide: int, short: bool) -> Samples:
    """[rows, stop - start]: the gain of a range of samples.

    Args:
        levels: Stored level of each row, by number of the window, of the windows around the range.
        size: Samples of a core.
        start: First sample of the range.
        stop: Where the range ends.
        glide: Half the samples over which the gain moves.
        short: Whether the gain glides at the beginning of a window, towards a level that knows what is to come;
            otherwise it glides around the border of two windows.
    """
    before, after = (min(2 * glide, size), 0) if short else (glide, glide)
    knots = [time for number in levels for time in (number * size + before, (number + 1) * size - after)]
    logarithms = np.log([[gain_of(level) for level in each] for each in levels.values() for _ in range(2)])
    time = np.arange(start, stop) + 0.5
    return np.exp([np.interp(time, knots, channel) for channel in logarithms.T]).astype(np.float32)
