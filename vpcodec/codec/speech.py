"""What is known of recordings: how they are opened, written to token files, decoded, checked and described."""

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
from vpcodec.codec.recordings import RecordingEncoder, checked, cut_out, decode_range, decode_whole, speech_facts
from vpcodec.codec.signals import Coding, Reading, Signal, Span, Writing
from vpcodec.codec.windows import CORES
from vpcodec.codec.workers import Computation, in_order
from vpcodec.container import Frame, Header, Index, Reader, Resync, SpeechFacts, Writer
from vpcodec.container.header import fitting
from vpcodec.data.audio import AudioInfo, AudioSource, RawFormat, open_audio
from vpcodec.data.audio_sink import AudioSink, stored_as
from vpcodec.data.kinds import FileType
from vpcodec.data.pcm import FORMATS, subtype_of
from vpcodec.data.streams import at_start
from vpcodec.errors import ConfigError, InputError
from vpcodec.registry import ModelFacts, ModelFolder

GROUP = 2.0  # seconds between short frames that stand alone: what a lost byte or the search for a range costs
SOON = 0.01  # seconds that are read at a time where latency counts
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


def audio_info(header: Header) -> AudioInfo:
    """What a decoded recording is to be written as."""
    signal = speech_facts(header)
    tags = {name: text.decode(errors="replace") for name, text in header.metadata}
    subtype = subtype_of(signal.bit_depth, signal.floating)
    return AudioInfo(signal.sample_rate, signal.channels, subtype, tags=tags)
