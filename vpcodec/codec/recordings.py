"""Recordings as streams: blocks of sound to frames and back, whole or a range, at the rate and length they had."""

import math
from collections.abc import Iterator

from vpcodec.codec.arrays import MOST_CHANNELS
from vpcodec.codec.signals import Coding, Span
from vpcodec.codec.speech_windows import Samples, SpeechDecoder, SpeechEncoder
from vpcodec.codec.windows import CORES
from vpcodec.codec.workers import Computation, in_order
from vpcodec.container import Frame, Header, Index, Reader, Resync, SpeechFacts
from vpcodec.data.resample import Resampler, resampled_length
from vpcodec.errors import ContainerError, InputError
from vpcodec.registry import ModelFacts

LEAD = 4096  # samples at the model's rate around a range, more than the resampler's filter needs


class RecordingEncoder:
    """Blocks of a recording at its own rate in, frames out.

    Args:
        facts: Of the model.
        header: Of the token file.

    Attributes:
        channels: Of the recording.
        received: Samples of each channel so far.
    """

    def __init__(self, facts: ModelFacts, header: Header) -> None:
        signal = speech_facts(header)
        self.channels = signal.channels
        self.received = 0
        self.resampler = Resampler(signal.sample_rate, facts.sample_rate, signal.channels)
        self.encoder = SpeechEncoder(facts, header.rate, signal.channels, header.columns)

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
        facts: Of the model.
        header: Of the token file.

    Attributes:
        signal: What the header says about the recording.
        resampler: From the model's rate to the recording's.

    Raises:
        InputError: The token file holds a picture.
    """

    def __init__(self, facts: ModelFacts, header: Header) -> None:
        self.facts = facts
        self.signal = speech_facts(header)
        self.decoder = SpeechDecoder(facts, header.rate, columns=header.columns, channels=self.signal.channels)
        self.resampler = Resampler(facts.sample_rate, self.signal.sample_rate, self.signal.channels)

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
        return self.decoder.finish(resampled_length(length, self.signal.sample_rate, self.facts.sample_rate))


def decode_whole(
    coding: Coding, reader: Reader, *, live: bool = False, on_damage: Resync | None = None
) -> Iterator[Samples]:
    """Blocks [n, channels] of a recording at its own rate, to the sample as long as it was.

    Args:
        coding: What with.
        reader: Of the token file.
        live: Whether to compute frame by frame, instead of many at once, which is faster.
        on_damage: What stands for lost frames; None where damage is to raise ContainerError.

    Raises:
        ContainerError: The token file is damaged.
    """
    decoder = RecordingDecoder(coding.facts, coding.header)

    def computations() -> Iterator[Computation[Samples]]:
        for frame in reader.frames(coding.prior, on_damage=on_damage):
            yield from decoder.push(frame)
        yield from decoder.finish(reader.length)

    for window in in_order(coding.engine, computations(), coding.timer, live=live):
        yield decoder.resampler.push(window)
    yield decoder.resampler.finish(reader.length)


def decode_range(coding: Coding, index: Index, span: Span) -> Iterator[Samples]:
    """Blocks [n, channels] of a range of a recording; only the frames around it are read.

    Raises:
        InputError: The recording ends before the range begins.
        ContainerError: The token file is damaged, or its frames end before the range does.
    """
    signal, rate = speech_facts(index.header), coding.facts.sample_rate
    start, stop = span.samples(signal.sample_rate)
    stop = min(index.length, index.length if stop is None else stop)
    if start >= stop:
        raise InputError(f"the recording ends before second {span.start:g}")
    # Resampling starts where a sample at the model's rate and one at the source's fall on the same instant.
    step = rate // math.gcd(rate, signal.sample_rate)
    core = (index.header.columns or CORES[index.header.kind]) * coding.facts.hop
    first = max(0, start * rate // signal.sample_rate - LEAD - step) // core
    decoder = SpeechDecoder(coding.facts, index.header.rate, first, index.header.columns, signal.channels)
    begin = decoder.begin(first) * coding.facts.hop
    skipped = -begin % step
    offset = (begin + skipped) * signal.sample_rate // rate
    ends = resampled_length(index.length, signal.sample_rate, rate) - begin
    computations = windows_of(coding, index, decoder, resampled_length(stop, signal.sample_rate, rate) + LEAD)
    windows = cut_out(in_order(coding.engine, computations, coding.timer), skipped, ends)
    missing = stop - start
    for block in cut_out(resample_windows(windows, rate, signal), start - offset, stop - offset):
        missing -= len(block)
        yield block
    if missing:
        raise ContainerError(f"the frames end {missing:,} samples before the end that the footer states")


def windows_of(coding: Coding, index: Index, decoder: SpeechDecoder, stop: int) -> Iterator[Computation[Samples]]:
    """What computes the windows [n, channels] at the model's rate up to sample `stop`, or to the end.

    Raises ContainerError.
    """
    signal = speech_facts(index.header)
    for number in range(decoder.received, len(index)):
        yield from decoder.push(checked(index.read(number, coding.prior), signal))
        if decoder.begin(decoder.decoded) * coding.facts.hop > stop:
            return
    yield from decoder.finish()


def resample_windows(windows: Iterator[Samples], rate: int, signal: SpeechFacts) -> Iterator[Samples]:
    """Windows at the model's rate as blocks at the recording's."""
    resampler = Resampler(rate, signal.sample_rate, signal.channels)
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


def checked(frame: Frame, signal: SpeechFacts) -> Frame:
    """The frame, if it has tokens of as many channels as the header says. Raises ContainerError."""
    if len(frame.tokens) != signal.rows:
        raise ContainerError(f"a frame has {len(frame.tokens)} rows of tokens, the header says {signal.rows}")
    return frame


def cut_out(blocks: Iterator[Samples], start: int, stop: int | None) -> Iterator[Samples]:
    """The part of a signal from sample `start` to `stop`; nothing behind it is read."""
    place = 0
    for block in blocks:
        piece = block[max(0, start - place) : None if stop is None else max(0, stop - place)]
        if len(piece):
            yield piece
        place += len(block)
        if stop is not None and place >= stop:
            return
