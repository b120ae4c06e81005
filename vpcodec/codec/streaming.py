"""Speech as it comes: samples pushed in and a token file's bytes out, and back; nothing is read or waited for.

Both objects compute with what files and pipes compute with, so a stream gives the bytes and samples of the whole,
however it is cut. All that changes in them is in `state`, and `reset()` makes it new.
"""

import io
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, BinaryIO, cast

import numpy as np
from numpy.typing import DTypeLike, NDArray

from vpcodec.codec.arrays import InMemory, bytes_of_array, columns, subtype_of_array
from vpcodec.codec.engines import Engine, checked_tokens
from vpcodec.codec.signals import Coding
from vpcodec.codec.speech import RecordingDecoder, RecordingEncoder
from vpcodec.codec.speech_windows import Samples, SpeechDecoder, SpeechEncoder
from vpcodec.codec.tensors import line_of, same_kind, side_of
from vpcodec.codec.token_files import check_model, prior_of
from vpcodec.codec.workers import Computation
from vpcodec.container import Frame, Reader, SpeechFacts, Writer
from vpcodec.data.level import QUIETEST, STEP, levels_of
from vpcodec.data.pcm import samples_of
from vpcodec.data.resample import Resampler, checked_rate
from vpcodec.errors import ConfigError, InputError
from vpcodec.registry import ModelFolder


@dataclass(frozen=True)
class Piece:
    """What a `StreamEncoder` gives out.

    Attributes:
        content: The next bytes of the token file; may be empty.
        tokens: Those in these bytes, [channels, T] int64; T is 0 where no window was completed.
    """

    content: bytes
    tokens: NDArray[np.int64]


@dataclass
class EncoderState:
    """Where a `StreamEncoder` stands.

    Attributes:
        recording: The samples that wait for their window, and the levels of its neighbours.
        writer: Sizes of the frames so far.
        out: Bytes written and not yet given out.
        finished: Whether the token file is complete.
    """

    recording: RecordingEncoder
    writer: Writer
    out: io.BytesIO
    finished: bool = False


class StreamEncoder:
    """Samples in, a token file out, piece by piece; made by `Codec.encoder`.

    A window leaves once the one after it is in: 25 s of speech wait at most.

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
        out = io.BytesIO()
        writer = Writer(out, self.coding.header, self.coding.prior)
        self.state = EncoderState(RecordingEncoder(self.coding.facts, self.coding.header), writer, out)

    def push(self, samples: InMemory) -> Piece:
        """Take in the next samples.

        Args:
            samples: [n] or [n, channels] of the stream's type, or a list of numbers, any n.

        Raises:
            ConfigError: They have another type or number of channels, or the stream is finished.
            InputError: One of them is not a number, infinite or far beyond full scale.
        """
        state = self.checked_state()
        block = columns(samples, self.dtype)
        channels = state.recording.channels
        if block.shape[1] != channels or subtype_of_array(block.dtype) != self.subtype:
            raise ConfigError(
                f"samples of {block.dtype} in {block.shape[1]} channels were pushed into a stream of {self.dtype} "
                f"in {channels}"
            )
        sound = samples_of(bytes_of_array(block), self.subtype).reshape(-1, channels)
        return self.piece(state.recording.push(sound))

    def finish(self) -> Piece:
        """The rest of the token file. Raises InputError where no sample was pushed."""
        state = self.checked_state()
        if not state.recording.received:
            raise InputError("the stream ended before its first sample")
        state.finished = True
        return self.piece(state.recording.finish())

    def checked_state(self) -> EncoderState:
        """The state. Raises ConfigError where the stream is finished."""
        if self.state.finished:
            raise ConfigError("the stream is finished", hint="reset() begins another")
        return self.state

    def piece(self, computations: list[Computation[Frame]]) -> Piece:
        """Frames as bytes; before them the header, behind them the footer, where it is time for these."""
        state = self.state
        frames = [compute(self.coding.engine) for compute in computations]
        for frame in frames:
            state.writer.write(frame)
        if state.finished:
            state.writer.close(state.recording.received)
        content = state.out.getvalue()
        state.out.seek(0)
        state.out.truncate()
        none = np.zeros((state.recording.channels, 0), np.int64)
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


@dataclass(frozen=True)
class OpenFile:
    """A token file whose header is known.

    Attributes:
        reader: Of the token file; knows the frames so far.
        recording: Frames that wait for the next one.
        prior: The one that the header names.
    """

    reader: Reader
    recording: RecordingDecoder
    prior: bytes | None


@dataclass
class DecoderState:
    """Where a `StreamDecoder` stands.

    Attributes:
        inbox: Bytes that are not yet read.
        file: None until the header is complete.
        finished: Whether the recording is complete.
    """

    inbox: Inbox = field(default_factory=Inbox)
    file: OpenFile | None = None
    finished: bool = False


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
        self.state = DecoderState()

    @property
    def facts(self) -> SpeechFacts | None:
        """Sample rate, channels and sample format of the recording; None until the header is complete."""
        return self.state.file.recording.signal if self.state.file else None

    def push(self, content: bytes) -> list[Samples]:
        """Take in the next bytes of a token file, any number of them.

        Returns:
            The blocks [n, channels] of sound that they complete, none or several, at the recording's own rate.

        Raises:
            ContainerError: The token file is damaged; only `reset` helps.
            ModelError: It was made with another model.
            InputError: It holds a picture.
            ConfigError: The stream is finished.
        """
        self.checked_state().inbox.content += content
        return self.blocks()

    def finish(self) -> list[Samples]:
        """The last blocks. Raises ContainerError where the token file is incomplete."""
        state = self.checked_state()
        state.inbox.ended = True
        blocks = self.blocks()
        assert state.file is not None  # that a header is missing was an error
        recording, length = state.file.recording, state.file.reader.length
        blocks += [*self.computed(recording, recording.finish(length)), recording.resampler.finish(length)]
        state.finished = True
        return [block for block in blocks if len(block)]

    def checked_state(self) -> DecoderState:
        """The state. Raises ConfigError where the stream is finished."""
        if self.state.finished:
            raise ConfigError("the stream is finished", hint="reset() begins another")
        return self.state

    def computed(self, recording: RecordingDecoder, computations: list[Computation[Samples]]) -> list[Samples]:
        """Windows at the recording's own rate."""
        return [recording.resampler.push(compute(self.engine)) for compute in computations]

    def blocks(self) -> list[Samples]:
        """The sound of all frames that are here."""
        file = self.state.file = self.state.file or self.open()
        blocks = []
        if file is not None:
            with suppress(BlockingIOError):  # the reader stands at the first frame that is not here whole
                for frame in file.reader.frames(file.prior):
                    blocks += self.computed(file.recording, file.recording.push(frame))
        return [block for block in blocks if len(block)]

    def open(self) -> OpenFile | None:
        """Read the header; None while it is not here whole."""
        inbox = self.state.inbox
        seen = bytes(inbox.content)
        try:
            reader = Reader(cast(BinaryIO, inbox))
        except BlockingIOError:
            inbox.content[:0] = seen
            return None
        check_model(self.model, reader.header)
        recording = RecordingDecoder(self.model.facts, reader.header)
        return OpenFile(reader, recording, prior_of(reader.header, self.model))


class TokenDecoder:
    """Ids in, sound out, as they come; made by `Codec.token_decoder`.

    Args:
        model: A speech model.
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
        self.decoder = SpeechDecoder(self.model.facts, self.rate, columns=self.block)
        self.waiting: NDArray[np.int64] = np.zeros(0, np.int64)
        self.like = same_kind(self.waiting)

    def push(self, ids: Any) -> Any:
        """Take in ids, any number of them.

        Args:
            ids: [T], or [1, T] as a language model gives them, or one id; an array, a tensor or a list.

        Returns:
            The samples [n] that they complete: those of all ids but the last `decoder_reach` of the model, rounded down
            to whole blocks. numpy gives numpy, torch gives torch on the same device.

        Raises:
            InputError: An id is outside the vocabulary.
            ConfigError: They are not of one sound.
        """
        new, self.like = line_of(ids)
        self.waiting = np.concatenate((self.waiting, checked_tokens(new, self.model.vocabulary(self.rate))))
        windows = []
        while len(self.waiting) >= self.block:
            windows += self.decoder.push(Frame(self.waiting[None, : self.block].copy(), self.side))
            self.waiting = self.waiting[self.block :]
        return self.computed(windows)

    def finish(self) -> Any:
        """The samples [n] of the last ids; the next ones begin another sound."""
        windows = self.decoder.push(Frame(self.waiting[None].copy(), self.side)) if len(self.waiting) else []
        samples = self.computed(windows + self.decoder.finish())
        self.reset()
        return samples

    def computed(self, windows: list[Computation[Samples]]) -> Any:
        none = np.zeros(0, np.float32)
        return self.like(np.concatenate([none, *(compute(self.engine)[:, 0] for compute in windows)]))


class TokenEncoder:
    """Samples in, ids out, as they come; made by `Codec.token_encoder`.

    Args:
        model: A speech model.
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
        self.resampler = Resampler(self.sample_rate, facts.sample_rate, 1)
        self.encoder = SpeechEncoder(facts, self.rate, 1, self.block)
        self.like = same_kind(np.zeros(0))

    def push(self, samples: Any) -> Any:
        """Take in samples.

        Args:
            samples: [n], any number of them, floating point at full scale 1 or integers at their own.

        Returns:
            The ids [T] that they complete. numpy gives numpy, torch gives torch on the same device.

        Raises:
            InputError: One of them is not a number, infinite or far beyond full scale.
            ConfigError: They are not of one sound.
        """
        new, self.like = line_of(samples)
        block = columns(new)
        sound = samples_of(bytes_of_array(block), subtype_of_array(block.dtype)).reshape(-1, 1)
        return self.computed(self.encoder.push(self.resampler.push(sound)))

    def finish(self) -> Any:
        """The ids [T] of the last samples; the next ones begin another sound."""
        ids = self.computed(self.encoder.push(self.resampler.finish()) + self.encoder.finish())
        self.reset()
        return ids

    def computed(self, windows: list[Computation[Frame]]) -> Any:
        frames = [compute(self.engine) for compute in windows]
        self.levels = [QUIETEST + STEP * levels_of(frame.side, 1)[0] for frame in frames]
        return self.like(np.concatenate([np.zeros(0, np.int64), *(frame.tokens[0] for frame in frames)]))


def checked_block(block: int) -> int:
    """Raises ConfigError for what is no number of ids."""
    if block < 1 or block % 1:
        raise ConfigError(f"a block is a whole number of ids, got {block!r}")
    return int(block)
