"""The codec: recordings and photos to token files and back.

Speech streams: bytes leave before the last sample is in, and memory does not grow with the length.
"""

import io
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, BinaryIO, TypeAlias, cast

import numpy as np
from numpy.typing import DTypeLike, NDArray

from vpcodec.codec.arrays import (
    MOST_CHANNELS,
    InMemory,
    array_of,
    bytes_of_array,
    columns,
    is_array,
    photo_of,
    subtype_of_array,
    whole_rate,
)
from vpcodec.codec.decoded import Picture, Recording
from vpcodec.codec.engines import Engine, open_engine
from vpcodec.codec.matching import check_model, new_header
from vpcodec.codec.photos import decode_photo, decode_pixels, encode_photo, photo_header, photo_info
from vpcodec.codec.recordings import (
    WHOLE,
    Span,
    audio_info,
    decode_recording,
    decode_span,
    encode_recording,
    recording_header,
    speech_facts,
)
from vpcodec.codec.resync import resync_for
from vpcodec.codec.streaming import StreamDecoder, StreamEncoder
from vpcodec.codec.tokens import tokens_of
from vpcodec.container import Index, Reader
from vpcodec.container import SpeechFacts as SpeechHeader
from vpcodec.data.audio import RawFormat, open_audio
from vpcodec.data.audio_sink import AudioSink
from vpcodec.data.image import ImageSink, Photo, open_image
from vpcodec.data.kinds import MOST_PIXELS, peek_file_type
from vpcodec.data.pcm import depth_of
from vpcodec.data.resample import checked_rate
from vpcodec.data.streams import Source, at_start, open_input, shown
from vpcodec.errors import ConfigError, InputError
from vpcodec.registry import ModelFolder, find_model

if TYPE_CHECKING:
    import torch

Device: TypeAlias = "str | torch.device"
Codebook: TypeAlias = int | str | None  # a codebook size, 1024 or "2x1024"; None for the largest

THINGS = {"speech": "a recording", "image": "a photo"}
DEFAULT_MODELS = {"speech": "speech-vp", "image": "image-vp"}


class Codec:
    """A model together with the engine that computes it.

    Args:
        model: The model.
        engine: What computes it.
    """

    def __init__(self, model: ModelFolder, engine: Engine) -> None:
        self.model = model
        self.engine = engine

    @classmethod
    def load(
        cls,
        model: str | ModelFolder,
        *,
        engine: str = "auto",
        device: "str | torch.device" = "auto",
        threads: int | None = None,
    ) -> "Codec":
        """The codec of a model, by name, path of its folder or `ModelFolder`; see `open_engine` for the rest.

        Raises:
            ModelError: There is no such model, or it is damaged.
        """
        folder = model if isinstance(model, ModelFolder) else find_model(model)
        return cls(folder, open_engine(folder, engine, str(device), threads))

    @property
    def name(self) -> str:
        """The model's, as token files name it."""
        return self.model.name

    @property
    def kind(self) -> str:
        """What the model codes: "speech" or "image"."""
        return self.model.facts.kind

    @property
    def codebooks(self) -> tuple[int | str, ...]:
        """Codebook sizes to choose from, the largest last: 1024, or `2x1024` for two codes a position."""
        return self.model.codebooks

    def encode(
        self, signal: Source | InMemory, *, sample_rate: float | None = None, codebook: Codebook = None
    ) -> bytes:
        """The token file of a recording or photo.

        Args:
            signal: Path, `-` for standard input, binary stream, or array, tensor or list: samples [n] or [n, channels],
                floating point at full scale 1 or integers at their own; pixels [height, width] or [height, width, 3]
                uint8.
            sample_rate: Hz, of samples in an array.
            codebook: One of `codebooks`; None for the largest.

        Raises:
            InputError: The signal cannot be read, is not of the model's kind, or holds what is no number.
            ConfigError: The model lacks the codebook, or an array is no recording or photo.
        """
        content = io.BytesIO()
        if self.kind == "speech" and is_array(signal):
            if sample_rate is None:
                raise ConfigError("the sample rate of an array is unknown", hint="add sample_rate=16_000, for example")
            return self.encode_samples(signal, sample_rate, codebook=codebook)
        if sample_rate is not None:
            raise ConfigError("sample_rate applies to arrays only", hint="remove it; files state their own")
        if is_array(signal):
            self.encode_photo(photo_of(array_of(signal)), content, self.model.checked_codebook(codebook))
        else:
            self.encode_to(cast(Source, signal), content, codebook=codebook)
        return content.getvalue()

    def encode_samples(self, samples: InMemory, sample_rate: float, *, codebook: Codebook = None) -> bytes:
        """The token file of samples [n] or [n, channels] in memory; see `encode`."""
        block = columns(samples)
        raw = RawFormat(whole_rate(sample_rate), block.shape[1], subtype_of_array(block.dtype))
        content = io.BytesIO()
        self.encode_to(io.BytesIO(bytes_of_array(block)), content, codebook=codebook, raw=raw)
        return content.getvalue()

    def encode_batch(
        self,
        signals: Iterable[Source | InMemory],
        *,
        sample_rate: float | None = None,
        codebook: Codebook = None,
        jobs: int = 1,
    ) -> list[bytes]:
        """The token files of many recordings or photos, in their order; raises as `encode`, at the first failure.

        Args:
            signals: Each as `encode` takes it, with the same `sample_rate` and `codebook`.
            jobs: Signals worked on at once; the bytes do not depend on it.
        """
        codec = self.sharing(jobs)
        with ThreadPoolExecutor(jobs) as pool:
            return list(pool.map(lambda each: codec.encode(each, sample_rate=sample_rate, codebook=codebook), signals))

    def encoder(
        self, sample_rate: float, channels: int = 1, *, dtype: DTypeLike = np.float32, codebook: Codebook = None
    ) -> StreamEncoder:
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

        Raises:
            InputError: The model codes images, or no recording has this sample rate.
            ConfigError: The model lacks the codebook, or samples do not have this type.
        """
        self.check_speech()
        if not 1 <= channels <= MOST_CHANNELS:
            raise ConfigError(f"channels must be 1 to {MOST_CHANNELS}, got {channels}")
        depth = depth_of(subtype_of_array(dtype))
        signal = SpeechHeader(checked_rate(whole_rate(sample_rate), "the stream"), channels, depth.bits, depth.floating)
        return StreamEncoder(
            self.engine, self.model, new_header(self.model, self.model.checked_codebook(codebook), signal, {}), dtype
        )

    def decoder(self) -> StreamDecoder:
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
        self.check_speech()
        return StreamDecoder(self.engine, self.model)

    def check_speech(self) -> None:
        """Raise InputError for a model of images, which have no beginning and no end."""
        if self.kind != "speech":
            raise InputError(f"{self.name} codes images; only speech can be streamed", hint="use encode for photos")

    def encode_to(
        self,
        source: Source,
        out: BinaryIO,
        *,
        codebook: Codebook = None,
        raw: RawFormat | None = None,
        span: Span = WHOLE,
        most_pixels: int = MOST_PIXELS,
        salvage: bool = False,
    ) -> tuple[str, ...]:
        """Write the token file of a recording or photo to a stream; returns what the user should know.

        Args:
            source: Path, `-` for standard input, or a binary stream.
            out: Where the bytes go; need not seek.
            codebook: One of `codebooks`; None for the largest.
            raw: What the samples are, for sound without a header.
            span: The stretch of a recording to encode.
            most_pixels: That a photo may have.
            salvage: Whether to take what is there of a recording that is damaged or truncated.

        Raises:
            InputError: The source cannot be read, or is not of the model's kind.
            DependencyError: The optional package that reads it is not installed.
            ConfigError: The model lacks the codebook.
        """
        chosen = self.model.checked_codebook(codebook)
        kind = self.model.facts.kind
        with open_input(source) as stream:
            live = not at_start(stream)
            if raw is None:
                file_type, stream = peek_file_type(stream)
                if file_type.kind != kind:
                    what = f"{shown(source)}: is {THINGS[file_type.kind]}, and {self.model.name} codes {kind}"
                    raise InputError(what, hint="choose another --model")
            if kind == "image":
                if span != WHOLE:
                    raise InputError(f"{shown(source)}: --from and --to are for recordings, not photos")
                return self.encode_photo(open_image(stream, most_pixels), out, chosen)
            with open_audio(stream, raw=raw, salvage=salvage) as audio:
                signal, metadata, notes = recording_header(audio)
                header = new_header(self.model, chosen, signal, metadata)
                encode_recording(self.engine, self.model, header, audio, out, span, live=live)
                return audio.notes + notes

    def encode_photo(self, photo: Photo, out: BinaryIO, rate: int) -> tuple[str, ...]:
        """Write the token file of a photo; returns what the user should know."""
        signal, metadata, notes = photo_header(photo.info)
        encode_photo(self.engine, self.model, new_header(self.model, rate, signal, metadata), photo, out)
        return photo.notes + notes

    def tokens(self, content: bytes | Source) -> NDArray[np.int64]:
        """The tokens of a token file: [channels, T] of speech, [H, W] of an image. Raises as `decode`."""
        with opened(content) as stream:
            return tokens_of(self.reader(stream), self.model)

    def decode(self, content: bytes | Source) -> Recording | Picture:
        """The sound or picture of a token file; `decode_recording` and `decode_picture` say which to a type checker.

        Args:
            content: The token file itself, its path, or a binary stream.

        Raises:
            ContainerError: It is damaged.
            ModelError: It was made with another model.
            InputError: It cannot be read.
        """
        return self.decode_recording(content) if self.kind == "speech" else self.decode_picture(content)

    def decode_recording(self, content: bytes | Source) -> Recording:
        """The sound of a token file; raises as `decode`, and InputError for a picture."""
        with opened(content) as stream:
            reader = self.reader(stream)
            sample_rate = speech_facts(reader.header).sample_rate
            return Recording(np.concatenate(list(decode_recording(self.engine, self.model, reader))), sample_rate)

    def decode_picture(self, content: bytes | Source) -> Picture:
        """The picture of a token file; raises as `decode`, and InputError for a recording."""
        with opened(content) as stream:
            reader = self.reader(stream)
            if isinstance(reader.header.signal, SpeechHeader):
                raise InputError("this token file holds a recording, not a picture")
            return Picture(decode_pixels(self.engine, self.model, reader))

    def decode_batch(self, contents: Iterable[bytes | Source], *, jobs: int = 1) -> list[Recording | Picture]:
        """The sounds or pictures of many token files, in their order; see `decode` and `encode_batch`."""
        with ThreadPoolExecutor(jobs) as pool:
            return list(pool.map(self.sharing(jobs).decode, contents))

    def sharing(self, jobs: int) -> "Codec":
        """This codec, or one that leaves cores to the other jobs."""
        return self if jobs == 1 else Codec(self.model, self.engine.crew()[0])

    def reader(self, stream: BinaryIO) -> Reader:
        """A reader of a token file that this model made. Raises as `decode`."""
        reader = Reader(stream)
        check_model(self.model, reader.header)
        return reader

    def decode_to(
        self, reader: Reader, out: BinaryIO, form: str, *, live: bool = False, resync: bool = False
    ) -> tuple[str, ...]:
        """Write the sound or picture of a token file to a stream; returns what the user should know.

        Args:
            reader: Of the token file.
            out: Where the bytes go.
            form: "wav", "flac", "ogg" or "raw" for speech; "png", "webp" or "jpeg" for an image.
            live: Whether sound is to be heard as soon as its frame is in, instead of as fast as possible.
            resync: Whether to step over damage: what is lost becomes silence or gray.

        Raises:
            ContainerError: The token file is damaged, or with `resync` nothing is left of it.
        """
        signal = reader.header.signal
        damage = resync_for(reader.header, self.engine, self.model.facts) if resync else None
        if isinstance(signal, SpeechHeader):
            with AudioSink(out, audio_info(reader.header), form) as sink:
                for block in decode_recording(self.engine, self.model, reader, live=live, on_damage=damage):
                    sink.write(block)
            return sink.notes + (damage.notes if damage else ())
        tiles = decode_photo(self.engine, self.model, reader, on_damage=damage)
        picture = ImageSink(photo_info(reader.header), form)
        for tile, top, left in tiles:
            picture.paste(tile, top, left)
        picture.save(out)
        return picture.notes + (damage.notes if damage else ())

    def decode_span_to(self, index: Index, out: BinaryIO, form: str, span: Span) -> tuple[str, ...]:
        """Write a stretch of a recording to a stream, reading only the frames around it."""
        with AudioSink(out, audio_info(index.header), form) as sink:
            for block in decode_span(self.engine, self.model, index, span):
                sink.write(block)
        return sink.notes


def opened(content: bytes | Source) -> AbstractContextManager[BinaryIO]:
    """A token file as a stream."""
    return open_input(io.BytesIO(content) if isinstance(content, bytes | bytearray | memoryview) else content)
