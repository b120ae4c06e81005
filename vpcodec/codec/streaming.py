"""Speech as it comes: samples pushed in and a token file's bytes out, and back; nothing is read or waited for.

Both objects compute with what files and pipes compute with, so a stream gives the bytes and samples of the whole,
however it is cut. `reset()` begins anew.
"""

import io
from contextlib import suppress
from dataclasses import dataclass
from typing import BinaryIO, cast

import numpy as np
from numpy.typing import DTypeLike, NDArray

from vpcodec.codec.arrays import InMemory, columns, floats_of, subtype_of_array
from vpcodec.codec.engines import Engine
from vpcodec.codec.signals import Coding
from vpcodec.codec.sound import decoder_for, encoder_for, model_length, sound_facts
from vpcodec.codec.sound_windows import Samples, SoundDecoder
from vpcodec.codec.token_files import check_model
from vpcodec.codec.windows import Computation
from vpcodec.container import Frame, Reader, SoundFacts, Writer
from vpcodec.data.resample import Resampler
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
