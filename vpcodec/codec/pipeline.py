"""The codec: recordings and photos to token files and back.

Speech streams: bytes leave before the last sample is in, and memory does not grow with the length.
"""

import io
import warnings
from bisect import bisect_right
from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import TYPE_CHECKING, Any, BinaryIO, Self, TypeGuard, TypeVar, cast

import numpy as np
from numpy.typing import DTypeLike, NDArray

from vpcodec.codec.arrays import MOST_CHANNELS, InMemory, Picture, Recording, subtype_of_array, whole_rate
from vpcodec.codec.engines import Engine, open_engine
from vpcodec.codec.signals import ANY_SIZE, Coded, Coding, Reading, Wanted, Writing
from vpcodec.codec.token_calls import Codebook, TokenCalls
from vpcodec.codec.token_files import SIGNALS, check_model, new_header
from vpcodec.container import Header, Index, Reader, SoundFacts
from vpcodec.data.kinds import FileType
from vpcodec.data.pcm import depth_of
from vpcodec.data.resample import checked_rate
from vpcodec.data.streams import Common, Source, at_start, open_input, seekable
from vpcodec.errors import ConfigError, InputError
from vpcodec.registry import ModelFolder, find_model

if TYPE_CHECKING:
    import torch

    from vpcodec.codec.streaming import StreamDecoder, StreamEncoder

Decoded = TypeVar("Decoded", Recording, Picture)


class Codec(TokenCalls):
    """A model together with the engine that computes it.

    Args:
        model: The model.
        engine: What computes it.
    """

    def __init__(self, model: ModelFolder, engine: Engine) -> None:
        self.model = model
        self.engine = engine
        self.signal = SIGNALS[model.facts.kind]

    @classmethod
    def load(
        cls,
        model: str | ModelFolder,
        *,
        engine: str = "auto",
        device: "str | torch.device" = "auto",
        threads: int | None = None,
        effort: int = 0,
    ) -> "Codec":
        """The codec of a model, by name, path of its folder or `ModelFolder`; see `open_engine` for the rest.

        Raises:
            ModelError: There is no such model, or it is damaged.
        """
        folder = model if isinstance(model, ModelFolder) else find_model(model)
        return cls(folder, open_engine(folder, engine, str(device), threads, effort))

    def to(self, device: "str | torch.device") -> Self:
        """This model on another device, computed by torch. Raises ConfigError for one that is not there."""
        return type(self)(self.model, open_engine(self.model, "torch", str(device)))

    def encode(
        self,
        signal: Source | InMemory,
        *,
        sample_rate: float | None = None,
        codebook: Codebook = None,
        bitrate: float | None = None,
        bpp: float | None = None,
        target_size: int | None = None,
    ) -> bytes:
        """The token file of a recording or photo.

        Args:
            signal: Path, `-` for standard input, binary stream, or array, tensor or list: samples [n] or [n, channels],
                floating point at full scale 1 or integers at their own; pixels [height, width] or [height, width, 3]
                uint8.
            sample_rate: Hz, of samples in an array.
            codebook: One of `codebooks`; None for the largest.
            bitrate: Instead of a codebook, bits a second and channel. The codebook is the nearest by `bits` of those
                that take at most 8 % more.
            bpp: Likewise, bits a pixel.
            target_size: Instead of these, bytes that the token file may have. The codebook is the largest that fits;
                the signal is encoded two or three times.

        Raises:
            InputError: The signal cannot be read, is not of the model's kind, holds what is no number, or takes more
                than the target size.
            ConfigError: The model lacks the codebook or rate, or an array is no recording or photo.
        """
        wanted = Wanted(codebook=codebook, bitrate=bitrate, bpp=bpp, target_size=target_size)
        out = io.BytesIO()
        coded = self.encode_to(signal, out, wanted=wanted, reading=Reading(sample_rate=sample_rate))
        for note in coded.notes:
            if not isinstance(note, Common):  # of the model that whoever calls this has chosen
                warnings.warn(note, stacklevel=2)
        return out.getvalue()

    def encode_batch(
        self,
        signals: Iterable[Source | InMemory],
        *,
        sample_rate: float | None = None,
        codebook: Codebook = None,
        bitrate: float | None = None,
        bpp: float | None = None,
        target_size: int | None = None,
        jobs: int = 1,
    ) -> list[bytes]:
        """The token files of many recordings or photos, in their order; raises as `encode`, at the first failure.

        Args:
            signals: Each as `encode` takes it, with the same `sample_rate`, and the same codebook or size.
            jobs: Signals worked on at once; the bytes do not depend on it.
        """
        from concurrent.futures import ThreadPoolExecutor

        size: dict[str, Any] = {"codebook": codebook, "bitrate": bitrate, "bpp": bpp, "target_size": target_size}
        encode = partial(self.sharing(jobs).encode, sample_rate=sample_rate, **size)
        with ThreadPoolExecutor(jobs) as pool:
            return list(pool.map(encode, signals))

    def encoder(
        self,
        sample_rate: float,
        channels: int = 1,
        *,
        dtype: DTypeLike = np.float32,
        codebook: Codebook = None,
        bitrate: float | None = None,
        latency: float | None = None,
    ) -> "StreamEncoder":
        """An encoder of speech that comes piece by piece.

        >>> codec = Codec.load("speech-vp")
        >>> encoder = codec.encoder(sample_rate=16_000)
        >>> second = np.zeros(16_000, np.float32)
        >>> pieces = [encoder.push(second) for _ in range(30)]
        >>> [number for number, piece in enumerate(pieces) if piece.tokens.size]
        [24]
        >>> content = b"".join(piece.content for piece in [*pieces, encoder.finish()])
        >>> content == codec.encode(np.zeros(30 * 16_000, np.float32), sample_rate=16_000)
        True

        Args:
            sample_rate: Hz.
            channels: Number of channels.
            dtype: Type of the samples that will be pushed: floating point at full scale 1, or integers at their own.
            codebook: One of `codebooks`; None for the largest.
            bitrate: Instead of a codebook, bits a second and channel, as `encode` takes them.
            latency: Seconds from a sample pushed here to the same sample out of `decoder`, at least; None for 25 s,
                with fewer bytes.

        Raises:
            InputError: The model codes images, or no recording has this sample rate.
            ConfigError: The model lacks the codebook, samples do not have this type, or the network needs more time.
        """
        from vpcodec.codec.streaming import StreamEncoder

        self.check_streams()
        if not 1 <= channels <= MOST_CHANNELS:
            raise ConfigError(f"channels must be 1 to {MOST_CHANNELS}, got {channels}")
        depth = depth_of(subtype_of_array(dtype))
        facts = SoundFacts(checked_rate(whole_rate(sample_rate), "the stream"), channels, depth.bits, depth.floating)
        rate = self.signal.choose(self.model, Wanted(codebook=codebook, bitrate=bitrate))
        header = new_header(self.model, rate, facts, {}, latency)
        return StreamEncoder(self.coding(header), dtype)

    def decoder(self) -> "StreamDecoder":
        """A decoder of speech whose token file comes piece by piece. Raises InputError for a model of images.

        >>> codec = Codec.load("speech-vp")
        >>> content = codec.encode("tests/media/speech.flac")
        >>> decoder = codec.decoder()
        >>> blocks = []
        >>> for start in range(0, len(content), 100):
        ...     blocks += decoder.push(content[start : start + 100])
        >>> blocks += decoder.finish()
        >>> decoder.facts.sample_rate, sum(len(block) for block in blocks)
        (16000, 68480)
        """
        from vpcodec.codec.streaming import StreamDecoder

        self.check_streams()
        return StreamDecoder(self.engine, self.model)

    def encode_to(
        self,
        source: Source | InMemory,
        out: BinaryIO,
        *,
        wanted: Wanted = ANY_SIZE,
        reading: Reading | None = None,
        file_type: FileType | None = None,
    ) -> Coded:
        """Write the token file of a recording or photo to a stream.

        Args:
            source: Path, `-` for standard input, binary stream or array.
            out: Where the bytes go; need not seek.
            wanted: How large the token file is to be. For a target size, a pipe is read to its end first.
            reading: How the source is read; None for a file as it is, all of it.
            file_type: What the source is, where that was recognized before; None to look.

        Raises as `encode`, and DependencyError where the optional package that reads the source is not installed.
        """
        rate, reading = self.signal.choose(self.model, wanted), reading or Reading()
        if wanted.target_size is not None:
            return self.encode_fitting(source, out, wanted.target_size, reading, file_type)
        stored = not is_array(source)
        if stored and reading.sample_rate is not None:
            raise ConfigError("sample_rate applies to arrays only", hint="remove it; files state their own")
        self.engine.prepare(rate, decode=False)
        with opened_signal(source) as stream:
            live = stored and not at_start(stream)
            with self.signal.open(stream, reading, file_type) as signal:
                facts, metadata, notes = self.signal.header(signal)
                coding = self.coding(new_header(self.model, rate, facts, metadata, reading.latency))
                length = self.signal.encode(coding, signal, out, reading.span, live=live)
                notes = (*signal.notes, *notes)
        return Coded(rate, length, coding.header.amount(length), notes, coding.timer.seconds)

    def encode_fitting(
        self, source: Source | InMemory, out: BinaryIO, most: int, reading: Reading, file_type: FileType | None
    ) -> Coded:
        """Write the token file of the largest codebook that fits into so many bytes. Raises InputError if none does."""
        made: dict[int, tuple[bytes, Coded]] = {}
        with opened_signal(source) as given, nullcontext(given) if is_array(given) else seekable(given) as stream:

            def size(rate: int) -> int:
                if hasattr(stream, "seek"):
                    stream.seek(0)
                content, one = io.BytesIO(), Wanted(codebook=rate)
                coded = self.encode_to(stream, content, wanted=one, reading=reading, file_type=file_type)
                made[rate] = content.getvalue(), coded
                return len(made[rate][0])

            rates = self.model.facts.rates
            fitting = bisect_right(rates, most, key=size)
        if not fitting:
            least = len(made[rates[0]][0])
            hint = f"{self.name} makes {least:,} at least; choose a smaller model or a larger size"
            raise InputError(f"does not fit into {most:,} bytes", hint=hint)
        content, coded = made[rates[fitting - 1]]
        out.write(content)
        return coded

    def coding(self, header: Header) -> Coding:
        """What a token file with this header is coded with."""
        return Coding(self.engine, self.model, header)

    def tokens(self, content: bytes | Source) -> NDArray[np.int64]:
        """The tokens of a token file: [channels, T] of speech, [H, W] of an image. Raises as `decode`."""
        with opened(content) as stream:
            reader = self.reader(stream)
            return self.signal.tokens(reader.header, reader.frames(self.coding(reader.header).prior), self.model)

    def decode(self, content: bytes | Source) -> Recording | Picture:
        """The sound or picture of a token file; `decode_recording` and `decode_picture` say which to a type checker.

        Args:
            content: The token file itself, its path, or a binary stream.

        Raises:
            ContainerError: It is damaged.
            ModelError: It was made with another model.
            InputError: It cannot be read.
        """
        with opened(content) as stream:
            reader = self.reader(stream)
            return self.signal.decode_in_memory(self.coding(reader.header), reader)

    def decode_recording(self, content: bytes | Source) -> Recording:
        """The sound of a token file; raises as `decode`, and InputError for a photo."""
        return self.decoded_as(Recording, content)

    def decode_picture(self, content: bytes | Source) -> Picture:
        """The picture of a token file; raises as `decode`, and InputError for a recording."""
        return self.decoded_as(Picture, content)

    def decoded_as(self, wanted: type[Decoded], content: bytes | Source) -> Decoded:
        """What is in a token file, if it is of this class; raises InputError otherwise."""
        decoded = self.decode(content)
        if not isinstance(decoded, wanted):
            raise InputError(f"this token file holds {decoded.noun}, not {wanted.noun}")
        return decoded

    def decode_batch(self, contents: Iterable[bytes | Source], *, jobs: int = 1) -> list[Recording | Picture]:
        """The sounds or pictures of many token files, in their order; see `decode` and `encode_batch`."""
        from concurrent.futures import ThreadPoolExecutor

        with ThreadPoolExecutor(jobs) as pool:
            return list(pool.map(self.sharing(jobs).decode, contents))

    def sharing(self, jobs: int) -> "Codec":
        """This codec, or one that leaves cores to the other jobs."""
        return self if jobs == 1 else Codec(self.model, self.engine.workers()[0])

    def reader(self, stream: BinaryIO) -> Reader:
        """A reader of a token file that this model made. Raises as `decode`."""
        reader = Reader(stream)
        check_model(self.model, reader.header)
        return reader

    def decode_to(
        self, reader: Reader | Index, out: BinaryIO, form: str | None = None, writing: Writing | None = None
    ) -> Coded:
        """Write the sound or picture of a token file to a stream.

        Args:
            reader: Of the token file; an `Index` for a range of it.
            out: Where the bytes go.
            form: "wav", "flac", "ogg" or "raw" for speech; "png", "webp" or "jpeg" for an image. None for the first.
            writing: How it is decoded; None for all of it, at full speed.

        Raises:
            ContainerError: The token file is damaged, or with `resync` nothing is left of it.
            InputError: There is no such range.
        """
        check_model(self.model, reader.header)
        header, coding = reader.header, self.coding(reader.header)
        self.engine.prepare(header.rate, decode=True)
        notes = self.signal.decode(coding, reader, out, form or self.signal.formats[0], writing or Writing())
        return Coded(header.rate, reader.length, header.amount(reader.length), notes, coding.timer.seconds)


def is_array(signal: object) -> TypeGuard[InMemory]:
    """Whether a signal is in memory: an array, a tensor, or a list of numbers."""
    return isinstance(signal, list | tuple) or hasattr(signal, "__array__")


def opened(content: bytes | Source) -> AbstractContextManager[BinaryIO]:
    """A token file as a stream."""
    return open_input(io.BytesIO(content) if isinstance(content, bytes | bytearray | memoryview) else content)


def opened_signal(source: Source | InMemory) -> AbstractContextManager[Any]:
    """A media file as a stream, an array as it is."""
    return nullcontext(source) if is_array(source) else open_input(cast(Source, source))
