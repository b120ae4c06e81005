"""Recordings to token files and back, whole or a range, as streams of blocks."""

import io
import math
import os
from collections.abc import Iterable, Iterator
from itertools import repeat
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from vpcodec.codec.arrays import (
    MOST_CHANNELS,
    InMemory,
    Recording,
    bytes_of_array,
    columns,
    subtype_of_array,
    whole_rate,
)
from vpcodec.codec.signals import Coding, Reading, Signal, Span, Writing
from vpcodec.codec.speech_windows import Samples, SpeechDecoder, SpeechEncoder
from vpcodec.codec.windows import CORES
from vpcodec.codec.workers import Computation, in_order
from vpcodec.container import Frame, Header, Index, Reader, Resync, SpeechFacts, Writer
from vpcodec.container.header import fitting
from vpcodec.data.audio import AudioInfo, AudioSource, RawFormat, open_audio
from vpcodec.data.audio_sink import AudioSink, stored_as
from vpcodec.data.kinds import FileType
from vpcodec.data.pcm import FORMATS, subtype_of
from vpcodec.data.resample import Resampler, resampled_length
from vpcodec.data.streams import at_start
from vpcodec.errors import ConfigError, ContainerError, InputError
from vpcodec.registry import ModelFacts, ModelFolder

GROUP = 2.0  # seconds between short frames that stand alone: what a lost byte or the search for a range costs
SOON = 0.01  # seconds that are read at a time where latency counts
LEAD = 4096  # samples at the model's rate around a range, more than the resampler's filter needs
SILENT = 1  # the lowest level that brings a window down, to -119.5 dBFS; level 0 leaves what its tokens say as it is


class Speech(Signal):
    """Recordings of speech: each channel has tokens of its own."""

    kind = "speech"
    media = "speech"
    noun = "a recording"
    unit = "bit/s"
    asked = "bitrate"
    per = "second"
    streams = True
    needs_model = False

    def open(self, stream: BinaryIO, reading: Reading, file_type: FileType | None = None) -> AudioSource:
        return open_audio(stream, raw=reading.raw, salvage=reading.salvage, file_type=file_type)

    def open_array(self, array: InMemory, sample_rate: float | None) -> AudioSource:
        if sample_rate is None:
            raise ConfigError("the sample rate of an array is unknown", hint="add sample_rate=16_000, for example")
        block = columns(array)
        raw = RawFormat(whole_rate(sample_rate), block.shape[1], subtype_of_array(block.dtype))
        return open_audio(io.BytesIO(bytes_of_array(block)), raw=raw)

    def header(self, opened: AudioSource) -> tuple[SpeechFacts, dict[str, bytes], tuple[str, ...]]:
        info = opened.info
        if info.channels > MOST_CHANNELS:
            raise InputError(f"{opened.name}: {info.channels} channels, a token file holds up to {MOST_CHANNELS}")
        facts = SpeechFacts(info.sample_rate, info.channels, info.bit_depth, info.floating)
        return facts, *fitting({name: text.encode() for name, text in info.tags.items()})

    def windows(self, facts: ModelFacts, latency: float) -> tuple[int, int]:
        rate = facts.sample_rate / facts.hop
        context = facts.encoder_reach + facts.decoder_reach
        columns = int(latency * rate + 1e-6) - context
        if columns < 1:
            least = math.ceil((context + 1) / rate * 1000) / 1000
            raise ConfigError(f"a latency of {latency:g} s is less than the network needs", hint=f"use {least} or more")
        columns = min(columns, CORES[self.kind])
        return columns, max(1, round(GROUP * rate / columns))

    def encode(self, coding: Coding, opened: AudioSource, out: BinaryIO, span: Span, *, live: bool) -> int:
        encoder = RecordingEncoder(coding.facts, coding.header)

        def computations() -> Iterator[Computation[Frame]]:
            blocks = opened.blocks(SOON if coding.header.columns else None)
            for block in cut_out(blocks, *span.samples(opened.info.sample_rate)):
                yield from encoder.push(block)
            if not encoder.received:
                raise InputError(f"{opened.name}: ends before second {span.start:g}")
            yield from encoder.finish()

        writer = Writer(out, coding.header, coding.prior)
        for frame in in_order(coding.engine, computations(), coding.timer, live=live):
            writer.write(frame)
        writer.close(encoder.received)
        return encoder.received

    def decode(
        self, coding: Coding, reader: Reader | Index, out: BinaryIO, form: str, writing: Writing
    ) -> tuple[str, ...]:
        damage = self.resync(coding) if writing.resync else None
        with AudioSink(out, audio_info(coding.header), form) as sink:
            if isinstance(reader, Index):
                blocks = decode_range(coding, reader, writing.span)
            else:
                blocks = decode_whole(coding, reader, live=writing.live, on_damage=damage)
            for block in blocks:
                sink.write(block)
        return sink.notes + (damage.notes if damage else ())

    def decode_in_memory(self, coding: Coding, reader: Reader) -> Recording:
        sample_rate = speech_facts(coding.header).sample_rate
        return Recording(np.concatenate(list(decode_whole(coding, reader))), sample_rate)

    def resync(self, coding: Coding) -> Resync:
        signal = speech_facts(coding.header)
        columns = coding.header.columns or CORES[self.kind]
        silence = Frame(np.zeros((signal.rows, columns), np.int64), bytes([SILENT]) * signal.rows)
        # The last frame may be shorter than a blank one; what is too much is cut off with the footer's length.
        from fractions import Fraction

        return Resync(repeat(silence), Fraction(coding.facts.hop * signal.sample_rate, coding.facts.sample_rate))

    def join(self, header: Header, frames: Iterable[Frame], model: ModelFolder | None) -> NDArray[np.int64]:
        signal = speech_facts(header)
        none = np.zeros((signal.rows, 0), np.int64)
        return np.concatenate([none, *(checked(frame, signal).tokens for frame in frames)], axis=1)

    def check(self, target: str, header: Header, length: int, form: str) -> tuple[str, str]:
        if form == "raw":
            info = audio_info(header)
            size = FORMATS[stored_as(form, info)].size
            return f"{os.path.getsize(target)}", f"{length * info.channels * size}"
        with open_audio(target) as audio:
            return f"{sum(len(block) for block in audio.blocks())}", f"{length}"

    def describe(self, stream: BinaryIO) -> dict[str, Any]:
        """Read to its end where only that tells its length, or whether it is all there."""
        checked = at_start(stream)
        with open_audio(stream) as audio:
            info = audio.info
            frames = info.frames
            if frames is None or not checked:
                frames = sum(map(len, audio.blocks()))
        return {
            "sample_rate": info.sample_rate,
            "channels": info.channels,
            "samples": frames,
            "seconds": round(frames / info.sample_rate, 6),
            "sample_format": info.subtype,
            "tags": info.tags,
        }

    def tokens_per_unit(self, facts: ModelFacts) -> float:
        return facts.sample_rate / facts.hop

    def rate_text(self, bits: float) -> str:
        return f"{bits / 1000:,.2f} kbit/s"


class Audio(Speech):
    """Recordings of any sound: pairs of channels share their tokens where the model has two channels."""

    kind = "audio"


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


def audio_info(header: Header) -> AudioInfo:
    """What a decoded recording is to be written as."""
    signal = speech_facts(header)
    tags = {name: text.decode(errors="replace") for name, text in header.metadata}
    subtype = subtype_of(signal.bit_depth, signal.floating)
    return AudioInfo(signal.sample_rate, signal.channels, subtype, tags=tags)


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
