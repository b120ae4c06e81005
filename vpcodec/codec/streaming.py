"""Sound as it comes: samples pushed in, and the bytes of a token file or ids out, and back; nothing is waited for.

All compute with what files and pipes compute with, so the bytes of a stream and the samples of these are those of the
whole, however it is cut. `reset()` begins anew.
"""

import io
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, BinaryIO, cast

import numpy as np
from numpy.typing import DTypeLike, NDArray

from vpcodec.codec.arrays import InMemory, array_of, columns, floats_of, line_of, same_kind, subtype_of_array
from vpcodec.codec.engines import Engine, checked_tokens
from vpcodec.codec.signals import Coding
from vpcodec.codec.sound import decoder_for, encoder_for, model_length, sound_facts
from vpcodec.codec.sound_windows import Samples, SoundDecoder, SoundEncoder, levels_in, side_of
from vpcodec.codec.token_files import check_model
from vpcodec.codec.windows import Computation
from vpcodec.container import Frame, Reader, SoundFacts, Writer
from vpcodec.data.resample import Resampler, checked_rate
from vpcodec.errors import ConfigError, InputError
from vpcodec.registry import ModelFolder


@dataclass(frozen=True)
class Piece:
    """What a `StreamEncoder` gives out.

    Attributes:
        content: The next bytes of the token file; may be empty.
        tokens: Those in these bytes, [rows, T] int64, a row for each channel or pair; T is 0 where no window was
            completed.
    """

    content: bytes
    tokens: NDArray[np.int64]


class StreamEncoder:
    """Samples in, a token file out, piece by piece; made by `Codec.encoder`.

    A long window leaves once the one after it is in: 25 s of speech wait at most. Short ones, for a latency that was
    asked for, leave once the network has seen what it needs.

    Args:
        coding: Of the token file.
        dtype: Type of the samples that will be pushed.
    """

    def __init__(self, coding: Coding, dtype: DTypeLike) -> None:
        self.coding = coding
        self.subtype = subtype_of_array(dtype)
        self.dtype = np.dtype(dtype)
        self.reset()

    def reset(self) -> None:
        """Forget everything: the next samples begin a new token file."""
        self.encoder = encoder_for(self.coding)
        self.out = io.BytesIO()  # bytes written and not yet given out
        self.writer = Writer(self.out, self.coding.header, self.coding.prior)
        self.finished = False

    def push(self, samples: InMemory) -> Piece:
        """Take in the next samples.

        Args:
            samples: [n] or [n, channels] of the stream's type, or a list of numbers, any n.

        Raises:
            ConfigError: They have another type or number of channels, or the stream is finished.
            InputError: One of them is not a number, infinite or far beyond full scale.
        """
        check_open(self.finished)
        block = columns(samples, self.dtype)
        channels = sound_facts(self.coding.header).channels
        if block.shape[1] != channels or subtype_of_array(block.dtype) != self.subtype:
            raise ConfigError(
                f"samples of {block.dtype} in {block.shape[1]} channels were pushed into a stream of {self.dtype} "
                f"in {channels}"
            )
        return self.piece(self.encoder.push(floats_of(block)))

    def finish(self) -> Piece:
        """The rest of the token file. Raises InputError where no sample was pushed."""
        check_open(self.finished)
        if not self.encoder.received:
            raise InputError("the stream ended before its first sample")
        self.finished = True
        return self.piece(self.encoder.finish())

    def piece(self, computations: list[Computation[Frame]]) -> Piece:
        """Frames as bytes; before them the header, behind them the footer, where it is time for these."""
        frames = [compute(self.coding.engine) for compute in computations]
        for frame in frames:
            self.writer.write(frame)
        if self.finished:
            self.writer.close(self.encoder.received)
        content = self.out.getvalue()
        self.out.seek(0)
        self.out.truncate()
        none = np.zeros((len(self.encoder.held), 0), np.int64)
        return Piece(content, np.concatenate([none, *(frame.tokens for frame in frames)], axis=1))


class Inbox(io.RawIOBase):
    """Bytes that were pushed, as a stream. Reading beyond them raises BlockingIOError until it has `ended`."""

    def __init__(self) -> None:
        self.content = bytearray()
        self.ended = False

    def read(self, size: int = -1, /) -> bytes:
        if not self.content and not self.ended:
            raise BlockingIOError
        count = len(self.content) if size < 0 else size
        found = bytes(self.content[:count])
        del self.content[:count]
        return found


@dataclass
class OpenFile:
    """A token file whose header is known, and what its frames go through."""

    reader: Reader
    coding: Coding
    decoder: SoundDecoder
    resampler: Resampler  # to the recording's own rate


class StreamDecoder:
    """A token file in, piece by piece, samples out; made by `Codec.decoder`.

    Args:
        engine: What computes the network.
        model: The speech model that made the token file.
    """

    def __init__(self, engine: Engine, model: ModelFolder) -> None:
        self.engine = engine
        self.model = model
        self.reset()

    def reset(self) -> None:
        """Forget everything: the next bytes begin another token file."""
        self.inbox = Inbox()
        self.file: OpenFile | None = None  # until the header is complete
        self.finished = False

    @property
    def facts(self) -> SoundFacts | None:
        """Sample rate, channels and sample format of the recording; None until the header is complete."""
        return sound_facts(self.file.coding.header) if self.file else None

    def push(self, content: bytes) -> list[Samples]:
        """Take in the next bytes of a token file, any number of them.

        Returns:
            The blocks [n, channels] of sound that they complete, none or several, at the recording's own rate.

        Raises:
            ContainerError: The token file is damaged; only `reset` helps.
            ModelError: It was made with another model.
            ConfigError: The stream is finished.
        """
        check_open(self.finished)
        self.inbox.content += content
        return self.blocks()

    def finish(self) -> list[Samples]:
        """The last blocks. Raises ContainerError where the token file is incomplete."""
        check_open(self.finished)
        self.inbox.ended = True
        blocks = self.blocks()
        assert self.file is not None  # that a header is missing was an error
        file, length = self.file, self.file.reader.length
        last = file.decoder.finish(model_length(file.coding, length))
        blocks += [*self.computed(file, last), file.resampler.finish(length)]
        self.finished = True
        return [block for block in blocks if len(block)]

    def computed(self, file: OpenFile, computations: list[Computation[Samples]]) -> list[Samples]:
        """Windows at the recording's own rate."""
        return [file.resampler.push(compute(self.engine)) for compute in computations]

    def blocks(self) -> list[Samples]:
        """The sound of all frames that are here."""
        file = self.file = self.file or self.open()
        blocks = []
        if file is not None:
            with suppress(BlockingIOError):  # the reader stands at the first frame that is not here whole
                for frame in file.reader.frames(file.coding.prior):
                    blocks += self.computed(file, file.decoder.push(frame))
        return [block for block in blocks if len(block)]

    def open(self) -> OpenFile | None:
        """Read the header; None while it is not here whole."""
        seen = bytes(self.inbox.content)
        try:
            reader = Reader(cast(BinaryIO, self.inbox))
        except BlockingIOError:
            self.inbox.content[:0] = seen
            return None
        check_model(self.model, reader.header)
        coding = Coding(self.engine, self.model, reader.header)
        return OpenFile(reader, coding, *decoder_for(coding))


def check_open(finished: bool) -> None:
    """Raise ConfigError where a stream is finished."""
    if finished:
        raise ConfigError("the stream is finished", hint="reset() begins another")


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
