"""Recordings to token files and back, whole or a stretch, as streams of blocks."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from vpcodec.codec.arrays import MOST_CHANNELS
from vpcodec.codec.engines import Engine
from vpcodec.codec.in_order import Computation, in_order
from vpcodec.codec.matching import prior_of
from vpcodec.codec.speech import SpeechDecoder, SpeechEncoder
from vpcodec.codec.windows import CORES
from vpcodec.container import Frame, Header, Index, Reader, Resync, SpeechFacts, Writer
from vpcodec.container.header import fitting
from vpcodec.data.audio import AudioInfo, AudioSource
from vpcodec.data.pcm import subtype_of
from vpcodec.data.resample import Resampler, resampled_length
from vpcodec.errors import ConfigError, ContainerError, InputError
from vpcodec.registry import ModelFolder

SAMPLE_RATE = 16_000  # Hz, of every speech model
LEAD = 4096  # samples at 16 kHz around a stretch, more than the resampler's filter needs

Samples = NDArray[np.float32]


@dataclass(frozen=True)
class Span:
    """A stretch of a recording in seconds; `stop` None for its end."""

    start: float = 0.0
    stop: float | None = None

    def __post_init__(self) -> None:
        if self.start < 0 or (self.stop is not None and self.stop <= self.start):
            raise ConfigError(f"from {self.start:g} to {self.stop} seconds is an empty range")

    def samples(self, rate: int) -> tuple[int, int | None]:
        """First sample, and the one after the last, at a sample rate."""
        return round(self.start * rate), None if self.stop is None else round(self.stop * rate)


WHOLE = Span()


class RecordingEncoder:
    """Blocks of a recording at its own rate in, frames out.

    Args:
        model: Of the token file.
        header: Of the token file.

    Attributes:
        channels: Of the recording.
        received: Samples of each channel so far.
    """

    def __init__(self, model: ModelFolder, header: Header) -> None:
        signal = speech_facts(header)
        self.channels = signal.channels
        self.received = 0
        self.resampler = Resampler(signal.sample_rate, SAMPLE_RATE, signal.channels)
        self.encoder = SpeechEncoder(model.facts, header.rate, signal.channels)

    def push(self, block: Samples) -> list[Computation[Frame]]:
        """Take in a block [n, channels]; returns what computes the frames that can now be made."""
        self.received += len(block)
        return self.encoder.push(self.resampler.push(block))

    def finish(self) -> list[Computation[Frame]]:
        """What computes the remaining frames, once all samples are in."""
        return self.encoder.push(self.resampler.finish()) + self.encoder.finish()


class RecordingDecoder:
    """Frames in, windows of a recording out, and a resampler that brings these to its own rate.

    Args:
        model: Of the token file.
        header: Of the token file.

    Attributes:
        signal: What the header says about the recording.
        resampler: From the model's rate to the recording's.

    Raises:
        InputError: The token file holds a picture.
    """

    def __init__(self, model: ModelFolder, header: Header) -> None:
        self.signal = speech_facts(header)
        self.decoder = SpeechDecoder(model.facts, header.rate)
        self.resampler = Resampler(SAMPLE_RATE, self.signal.sample_rate, self.signal.channels)

    def push(self, frame: Frame) -> list[Computation[Samples]]:
        """Take in the next frame; returns what computes the window [n, channels] that can now be made.

        Raises ContainerError.
        """
        return self.decoder.push(checked(frame, self.signal))

    def finish(self, length: int) -> list[Computation[Samples]]:
        """What computes the last window, once all frames are in.

        Args:
            length: Samples of each channel in the whole recording, as the footer says.

        Raises:
            ContainerError: The frames hold fewer, or the last frame lies behind all of them.
        """
        return self.decoder.finish(resampled_length(length, self.signal.sample_rate, SAMPLE_RATE))


def encode_recording(
    engine: Engine,
    model: ModelFolder,
    header: Header,
    audio: AudioSource,
    out: BinaryIO,
    span: Span = WHOLE,
    *,
    live: bool = False,
) -> None:
    """Stream a recording into a token file.

    Args:
        engine: What computes the network.
        model: Of the token file.
        header: Of the token file.
        audio: The recording.
        out: Where the bytes go.
        span: The stretch of it to encode.
        live: Whether the recording is still being made, so that each frame is to leave as soon as it can.

    Raises:
        InputError: The recording is damaged, or ends before the stretch begins.
    """
    encoder = RecordingEncoder(model, header)

    def computations() -> Iterator[Computation[Frame]]:
        for block in stretch(audio.blocks(), *span.samples(audio.info.sample_rate)):
            yield from encoder.push(block)
        if not encoder.received:
            raise InputError(f"{audio.name}: ends before second {span.start:g}")
        yield from encoder.finish()

    writer = Writer(out, header, model.prior(header.rate))
    for frame in in_order(engine, computations(), live=live):
        writer.write(frame)
    writer.close(encoder.received)


def decode_recording(
    engine: Engine, model: ModelFolder, reader: Reader, *, live: bool = False, on_damage: Resync | None = None
) -> Iterator[Samples]:
    """Blocks [n, channels] of a recording at its own rate, to the sample as long as it was.

    Args:
        engine: What computes the network.
        model: Of the token file.
        reader: Of the token file.
        live: Whether the recording is to be heard as it comes: frame by frame, instead of many at once, which is
            faster.
        on_damage: What stands for lost frames; None where damage is to raise ContainerError.

    Raises:
        ContainerError: The token file is damaged.
    """
    decoder = RecordingDecoder(model, reader.header)

    def computations() -> Iterator[Computation[Samples]]:
        for frame in reader.frames(prior_of(reader.header, model), on_damage=on_damage):
            yield from decoder.push(frame)
        yield from decoder.finish(reader.length)

    for window in in_order(engine, computations(), live=live):
        yield decoder.resampler.push(window)
    yield decoder.resampler.finish(reader.length)


def decode_span(engine: Engine, model: ModelFolder, index: Index, span: Span) -> Iterator[Samples]:
    """Blocks [n, channels] of a stretch of a recording; only the frames around it are read.

    Raises:
        InputError: The recording ends before the stretch begins.
        ContainerError: The token file is damaged, or its frames end before the stretch does.
    """
    signal = speech_facts(index.header)
    start, stop = span.samples(signal.sample_rate)
    stop = min(index.length, index.length if stop is None else stop)
    if start >= stop:
        raise InputError(f"the recording ends before second {span.start:g}")
    core = CORES["speech"] * model.facts.hop
    # Resampling starts where a sample at 16 kHz and one at the source's rate fall on the same instant.
    step = SAMPLE_RATE // math.gcd(SAMPLE_RATE, signal.sample_rate)
    first = max(0, start * SAMPLE_RATE // signal.sample_rate - LEAD - step) // core
    last = (resampled_length(stop, signal.sample_rate, SAMPLE_RATE) + LEAD) // core
    skipped = -first * core % step
    offset = (first * core + skipped) * signal.sample_rate // SAMPLE_RATE
    ends = resampled_length(index.length, signal.sample_rate, SAMPLE_RATE) - first * core
    windows = stretch(in_order(engine, windows_of(model, index, first, last)), skipped, ends)
    missing = stop - start
    for block in stretch(resample_windows(windows, signal), start - offset, stop - offset):
        missing -= len(block)
        yield block
    if missing:
        raise ContainerError(f"the frames end {missing:,} samples before the end that the footer states")


def windows_of(model: ModelFolder, index: Index, first: int, last: int) -> Iterator[Computation[Samples]]:
    """What computes the windows [n, channels] at 16 kHz, from number `first` to `last` or the end.

    Raises ContainerError.
    """
    signal, prior = speech_facts(index.header), prior_of(index.header, model)
    decoder = SpeechDecoder(model.facts, index.header.rate, first)
    for number in range(max(0, first - 1), min(len(index), last + 2)):
        yield from decoder.push(checked(index.read(number, prior), signal))
    if last + 1 >= len(index):
        yield from decoder.finish()


def resample_windows(windows: Iterator[Samples], signal: SpeechFacts) -> Iterator[Samples]:
    """Windows at 16 kHz as blocks at the recording's rate."""
    resampler = Resampler(SAMPLE_RATE, signal.sample_rate, signal.channels)
    for window in windows:
        yield resampler.push(window)
    yield resampler.finish()


def speech_facts(header: Header) -> SpeechFacts:
    """The header's facts about a recording.

    Raises:
        InputError: The token file holds a picture.
        ContainerError: It claims more channels than a frame can hold.
    """
    signal = header.signal
    if not isinstance(signal, SpeechFacts):
        raise InputError("this token file holds a picture, not a recording")
    if signal.channels > MOST_CHANNELS:
        raise ContainerError(f"the header says {signal.channels:,} channels, a token file has at most {MOST_CHANNELS}")
    return signal


def recording_header(audio: AudioSource) -> tuple[SpeechFacts, dict[str, bytes], tuple[str, ...]]:
    """What the header of a token file says of a recording, its metadata, and notes on what is left out of them.

    Raises InputError for more channels than it can hold.
    """
    info = audio.info
    if info.channels > MOST_CHANNELS:
        raise InputError(f"{audio.name}: {info.channels} channels, a token file has at most {MOST_CHANNELS}")
    signal = SpeechFacts(info.sample_rate, info.channels, info.bit_depth, info.floating)
    return signal, *fitting({name: text.encode() for name, text in info.tags.items()})


def audio_info(header: Header, frames: int | None = None) -> AudioInfo:
    """What a decoded recording is to be written as."""
    signal = speech_facts(header)
    tags = {name: text.decode(errors="replace") for name, text in header.metadata}
    subtype = subtype_of(signal.bit_depth, signal.floating)
    return AudioInfo(signal.sample_rate, signal.channels, subtype, frames, tags)


def checked(frame: Frame, signal: SpeechFacts) -> Frame:
    """The frame, if it has as many channels as the header says. Raises ContainerError."""
    if len(frame.tokens) != signal.channels:
        raise ContainerError(f"a frame has {len(frame.tokens)} channels, the header says {signal.channels}")
    return frame


def stretch(blocks: Iterator[Samples], start: int, stop: int | None) -> Iterator[Samples]:
    """The part of a signal from sample `start` to `stop`; nothing behind it is read."""
    place = 0
    for block in blocks:
        piece = block[max(0, start - place) : None if stop is None else max(0, stop - place)]
        if len(piece):
            yield piece
        place += len(block)
        if stop is not None and place >= stop:
            return
