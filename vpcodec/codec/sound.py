"""Recordings: how they are opened, coded, decoded whole or a range of them, checked and described; also as arrays."""

import io
import math
import os
from collections.abc import Iterable, Iterator
from itertools import repeat
from typing import Any, BinaryIO, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from vpcodec.codec.arrays import (
    MOST_CHANNELS,
    Recording,
    bytes_of_array,
    columns,
    floats_of,
    of_equal_size,
    subtype_of_array,
    whole_rate,
)
from vpcodec.codec.engines import Engine
from vpcodec.codec.signals import WHOLE, Coding, Reading, Signal, Span, Writing
from vpcodec.codec.sound_windows import Samples, SoundDecoder, SoundEncoder, levels_in, side_of
from vpcodec.codec.windows import CORES, Computation, in_order
from vpcodec.container import AudioFacts, Frame, Header, Index, Reader, Resync, SoundFacts, Writer
from vpcodec.container.header import fitting
from vpcodec.data.audio import AudioInfo, AudioSource, RawFormat, open_audio
from vpcodec.data.audio_sink import AudioSink, stored_as
from vpcodec.data.kinds import FileType
from vpcodec.data.pcm import FORMATS, subtype_of
from vpcodec.data.resample import Resampler, checked_rate, resampled_length
from vpcodec.data.streams import Common, at_start
from vpcodec.errors import ConfigError, ContainerError, InputError, counted
from vpcodec.registry import ModelFacts, ModelFolder

GROUP = 2.0  # seconds between short frames that stand alone: what a lost byte or the search for a range costs
LEAD = 4096  # samples at the model's rate around a range, more than the resampler's filter needs
SOON = 0.01  # seconds that are read at a time where latency counts
SILENT = 1  # the lowest level that brings a window down, to -119.5 dBFS; level 0 leaves what its tokens say as it is

Blocks: TypeAlias = Iterator[Samples]


class Sound(Signal):
    """Recordings of speech, each of whose channels has tokens of its own."""

    media = "speech"
    noun = "a recording"
    unit = "bit/s"
    asked = "bitrate"
    per = "second"
    streams = True
    needs_model = False
    axes = ("T",)
    dtype = np.float32

    def open(self, source: Any, reading: Reading, file_type: FileType | None = None) -> AudioSource:
        if hasattr(source, "read"):
            return open_audio(source, raw=reading.raw, salvage=reading.salvage, file_type=file_type)
        rate, block = whole_rate(reading.sample_rate), columns(source)
        raw = RawFormat(rate, block.shape[1], subtype_of_array(block.dtype))
        return open_audio(io.BytesIO(bytes_of_array(block)), raw=raw)

    def header(self, opened: AudioSource) -> tuple[SoundFacts, dict[str, bytes], tuple[str, ...]]:
        info = opened.info
        if info.channels > MOST_CHANNELS:
            raise InputError(f"{opened.name}: {info.channels} channels, a token file holds up to {MOST_CHANNELS}")
        kept, notes = fitting({name: text.encode() for name, text in info.tags.items()})
        return SoundFacts(info.sample_rate, info.channels, info.bit_depth, info.floating), kept, notes

    def windows(self, facts: ModelFacts, latency: float) -> tuple[int, int]:
        rate = facts.sample_rate / facts.hop
        context = facts.encoder_reach + facts.decoder_reach
        columns = int(latency * rate + 1e-6) - context
        if columns < 1:
            least = math.ceil((context + 1) / rate * 1000) / 1000
            raise ConfigError(f"a latency of {latency:g} s is less than the network needs", hint=f"use {least} or more")
        columns = min(columns, self.core)
        return columns, max(1, round(GROUP * rate / columns))

    def encode(self, coding: Coding, opened: AudioSource, out: BinaryIO, span: Span, *, live: bool) -> int:
        encoder = encoder_for(coding)

        def computations() -> Iterator[Computation[Frame]]:
            blocks = opened.blocks(SOON if coding.header.columns else None)
            for block in blocks if span == WHOLE else cut_out(blocks, *span.samples(opened.info.sample_rate)):
                yield from encoder.push(block)
            if not encoder.received:
                raise InputError(f"{opened.name}: ends before second {span.start:g}")
            yield from encoder.finish()

        writer = Writer(out, coding.header, coding.prior)
        for frame in in_order(coding.engine, computations(), coding.timer, live=live):
            writer.write(frame)
        writer.close(encoder.received)
        if encoder.narrows():
            what = f"has sound above {coding.facts.sample_rate / 2000:g} kHz, which {coding.model.name} leaves out"
            opened.note(Common(what))
        return encoder.received

    def decode(
        self, coding: Coding, reader: Reader | Index, out: BinaryIO, form: str, writing: Writing
    ) -> tuple[str, ...]:
        damage = self.resync(coding) if writing.resync else None
        if isinstance(reader, Index):
            blocks = decode_range(coding, reader, writing.span)
        else:
            blocks = decode_whole(coding, reader, writing.live, damage)
        with AudioSink(out, audio_info(coding.header), form) as sink:
            for block in blocks:
                sink.write(block)
        return sink.notes + (damage.notes if damage else ())

    def decode_in_memory(self, coding: Coding, reader: Reader) -> Recording:
        return Recording(np.concatenate(list(decode_whole(coding, reader))), sound_facts(coding.header).sample_rate)

    def resync(self, coding: Coding) -> Resync:
        signal, columns = sound_facts(coding.header), coding.header.columns or self.core
        silence = Frame(np.zeros((signal.rows, columns), np.int64), bytes([SILENT]) * signal.rows)
        # The last frame may be shorter than a blank one; what is too much is cut off with the footer's length.
        from fractions import Fraction

        return Resync(repeat(silence), Fraction(coding.facts.hop * signal.sample_rate, coding.facts.sample_rate))

    def join(self, header: Header, frames: Iterable[Frame], model: ModelFolder | None) -> NDArray[np.int64]:
        rows = sound_facts(header).rows
        try:
            return np.concatenate([np.zeros((rows, 0), np.int64), *(frame.tokens for frame in frames)], axis=1)
        except ValueError:
            raise ContainerError(f"a frame has not the {rows} rows of tokens that the header says") from None

    def split(self, tokens: NDArray[np.int64], levels: NDArray[Any], columns: int) -> Iterator[Frame]:
        columns = columns or self.core
        for number, start in enumerate(range(0, tokens.shape[1], columns)):
            side = side_of(levels[min(number, len(levels) - 1)])
            yield Frame(np.ascontiguousarray(tokens[:, start : start + columns]), side)

    def described(self, ids: NDArray[np.int64], info: dict[str, Any], facts: ModelFacts) -> tuple[SoundFacts, int]:
        rate, most = int(info.get("sample_rate") or facts.sample_rate), ids.shape[1] * facts.hop
        together, channels = facts.network.channels, int(info.get("channels") or 0)
        if -(-channels // together) != len(ids):
            channels = len(ids) * together
        signal = SoundFacts(rate, channels, info.get("bit_depth", 16), info.get("floating", False))
        samples = int(info.get("samples") or 0)
        if not most - facts.hop < resampled_length(samples, rate, facts.sample_rate) <= most:
            samples = most * rate // facts.sample_rate
        return signal, samples

    def shape(self, facts: ModelFacts) -> tuple[int, ...]:
        return (0,) if facts.network.channels == 1 else (0, facts.network.channels)

    def encode_arrays(
        self, model: ModelFolder, engine: Engine, rows: list[NDArray[Any]], sample_rate: float | None, rate: int
    ) -> list[tuple[NDArray[np.int64], list[int], list[float]]]:
        facts, hertz = model.facts, checked_rate(whole_rate(sample_rate), "the signal")
        channels = facts.network.channels
        sizes = {len(row) for row in rows}
        if channels == 1 and len(sizes) == 1 and 0 < (size := sizes.pop()) < len(rows) and size <= MOST_CHANNELS:
            raise ConfigError(
                f"[{len(rows)}, {size}] is read as [B, n]: {len(rows):,} sounds of {counted(size, 'sample')}",
                hint="give a recording [n, channels] as [channels, n], a sound a channel: signal.T",
            )
        sounds = []
        for row in rows:
            block = columns(row)
            if block.shape[1] != channels:
                raise ConfigError(f"a sound of shape {list(row.shape)} has not {channels} channels")
            if not len(block):
                raise ConfigError("a sound has no samples")
            sounds.append(floats_of(block))
        found: dict[int, tuple[NDArray[np.int64], list[int], list[float]]] = {}
        for places in of_equal_size([len(sound) for sound in sounds]):
            encoder = SoundEncoder(facts, rate, len(places) * channels, hertz)
            block = np.concatenate([sounds[place] for place in places], axis=1)
            frames = [compute(engine) for compute in encoder.push(block) + encoder.finish()]
            ids, length = np.concatenate([frame.tokens for frame in frames], axis=1), encoder.resampler.emitted
            levels = np.array([levels_in(frame) for frame in frames])
            for number, place in enumerate(places):
                found[place] = ids[number], [length], levels[:, number].tolist()
        return [found[place] for place in range(len(rows))]

    def decode_arrays(
        self,
        model: ModelFolder,
        engine: Engine,
        rows: list[NDArray[np.int64]],
        levels: Samples,
        sizes: list[list[int]],
        rate: int,
    ) -> list[NDArray[Any]]:
        facts = model.facts
        lengths = [size[0] if size else len(row) * facts.hop for row, size in zip(rows, sizes, strict=True)]
        for row, length in zip(rows, lengths, strict=True):
            if not 1 <= length <= len(row) * facts.hop:
                raise InputError(f"{len(row)} ids are not a sound of {length} samples")
        found: dict[int, Samples] = {}
        for places in of_equal_size(lengths):
            length = lengths[places[0]]
            ids = np.stack([rows[place][: -(-length // facts.hop)] for place in places])
            decoder, windows = SoundDecoder(facts, rate), []
            for frame in self.split(ids, levels[places].T, 0):
                windows += decoder.push(frame)
            sounds = np.concatenate([compute(engine) for compute in windows + decoder.finish(length)])
            each = sounds.reshape(len(sounds), -1, *self.shape(facts)[1:])
            found.update({place: each[:, number] for number, place in enumerate(places)})
        return [found[place] for place in range(len(rows))]

    def check(self, target: str, header: Header, length: int, form: str) -> tuple[str, str]:
        if form == "raw":
            info = audio_info(header)
            return f"{os.path.getsize(target)}", f"{length * info.channels * FORMATS[stored_as(form, info)].size}"
        with open_audio(target) as audio:
            return f"{sum(len(block) for block in audio.blocks())}", f"{length}"

    def describe(self, stream: BinaryIO) -> dict[str, Any]:
        """Read to its end where only that tells its length, or whether it is all there."""
        checked = at_start(stream)
        with open_audio(stream) as audio:
            info, frames = audio.info, audio.info.frames
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


class Audio(Sound):
    """Recordings of any sound: pairs of channels share their tokens where the model has two channels."""

    def facts_for(self, facts: SoundFacts, model: ModelFacts) -> AudioFacts:
        return AudioFacts(**{**vars(facts), "channels_per_token": model.network.channels})


def sound_facts(header: Header) -> SoundFacts:
    """The header's facts about a recording. Raises ContainerError for more channels than a frame can hold."""
    facts = cast(SoundFacts, header.signal)
    if facts.channels > MOST_CHANNELS:
        raise ContainerError(f"the header says {facts.channels:,} channels, a token file has at most {MOST_CHANNELS}")
    return facts


def encoder_for(coding: Coding) -> SoundEncoder:
    """What makes the frames of a recording."""
    header, facts = coding.header, sound_facts(coding.header)
    return SoundEncoder(coding.facts, header.rate, facts.channels, facts.sample_rate, header.columns)


def decoder_for(coding: Coding, first: int = 0) -> tuple[SoundDecoder, Resampler]:
    """What makes windows of a recording of its frames, from number `first` on, and brings them to its own rate."""
    header, facts = coding.header, sound_facts(coding.header)
    decoder = SoundDecoder(coding.facts, header.rate, first, header.columns, facts.channels)
    return decoder, Resampler(coding.facts.sample_rate, facts.sample_rate, facts.channels)


def model_length(coding: Coding, length: int) -> int:
    """Samples at the model's rate of so many of the recording."""
    return resampled_length(length, sound_facts(coding.header).sample_rate, coding.facts.sample_rate)


def audio_info(header: Header) -> AudioInfo:
    """What a decoded recording is to be written as."""
    signal = sound_facts(header)
    tags = {name: text.decode(errors="replace") for name, text in header.metadata}
    return AudioInfo(signal.sample_rate, signal.channels, subtype_of(signal.bit_depth, signal.floating), tags=tags)


def decode_whole(coding: Coding, reader: Reader, live: bool = False, on_damage: Resync | None = None) -> Blocks:
    """Blocks [n, channels] of a recording at its own rate, to the sample as long as it was.

    Args:
        live: Whether to compute frame by frame, instead of many at once, which is faster.
        on_damage: What stands for lost frames; None where damage is to raise ContainerError.
    """
    decoder, resampler = decoder_for(coding)

    def computations() -> Iterator[Computation[Samples]]:
        for frame in reader.frames(coding.prior, on_damage=on_damage):
            yield from decoder.push(frame)
        yield from decoder.finish(model_length(coding, reader.length))

    for window in in_order(coding.engine, computations(), coding.timer, live=live):
        yield resampler.push(window)
    yield resampler.finish(reader.length)


def decode_range(coding: Coding, index: Index, span: Span) -> Blocks:
    """Blocks [n, channels] of a range of a recording; only the frames around it are read.

    Raises:
        InputError: The recording ends before the range begins.
        ContainerError: The token file is damaged, or its frames end before the range does.
    """
    own, rate, hop = sound_facts(index.header).sample_rate, coding.facts.sample_rate, coding.facts.hop
    start, stop = span.samples(own)
    stop = min(index.length, index.length if stop is None else stop)
    if start >= stop:
        raise InputError(f"the recording ends before second {span.start:g}")
    # Resampling starts where a sample at the model's rate and one at the source's fall on the same instant.
    step = rate // math.gcd(rate, own)
    core = (index.header.columns or CORES[index.header.kind]) * hop
    decoder, resampler = decoder_for(coding, max(0, start * rate // own - LEAD - step) // core)
    begin = decoder.begin(decoder.decoded) * hop
    skipped = -begin % step
    offset = (begin + skipped) * own // rate
    last = model_length(coding, stop) + LEAD

    def computations() -> Iterator[Computation[Samples]]:
        for number in range(decoder.received, len(index)):
            yield from decoder.push(index.read(number, coding.prior))
            if decoder.begin(decoder.decoded) * hop > last:
                return
        yield from decoder.finish()

    def resampled() -> Blocks:
        windows = in_order(coding.engine, computations(), coding.timer)
        for window in cut_out(windows, skipped, model_length(coding, index.length) - begin):
            yield resampler.push(window)
        yield resampler.finish()

    missing = stop - start
    for block in cut_out(resampled(), start - offset, stop - offset):
        missing -= len(block)
        yield block
    if missing:
        raise ContainerError(f"the frames end {missing:,} samples before the end that the footer states")


def cut_out(blocks: Blocks, start: int, stop: int | None) -> Blocks:
    """The part of a signal from sample `start` to `stop`; nothing behind it is read."""
    place = 0
    for block in blocks:
        piece = block[max(0, start - place) : None if stop is None else max(0, stop - place)]
        if len(piece):
            yield piece
        place += len(block)
        if stop is not None and place >= stop:
            return
