"""The codec: recordings and photos to token files and back.

    codec = Codec.load("speech-fsp-1024")
    content = codec.encode("speech.wav")                 bytes of a token file
    recording = codec.decode(content)                    samples at the source's own rate

Speech streams: bytes leave before the last sample is in, and memory does not grow with the length.
"""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from vpcodec.codec.engines import Engine, open_engine
from vpcodec.codec.image import decode_tiles, encode_tiles, join
from vpcodec.codec.recordings import WHOLE, Span, audio_facts, decode_recording, decode_span, encode_recording
from vpcodec.container import Header, Index, Reader, Writer, prior_identity
from vpcodec.container import ImageFacts as ImageHeader
from vpcodec.container import SpeechFacts as SpeechHeader
from vpcodec.data.audio import AudioSource, RawFormat, open_audio
from vpcodec.data.audio_sink import AudioSink
from vpcodec.data.image import ImageFacts, Photo, is_srgb, open_image
from vpcodec.data.image_sink import Canvas
from vpcodec.data.kinds import peek_medium
from vpcodec.data.streams import Source, open_input, shown
from vpcodec.errors import ContainerError, InputError, ModelError
from vpcodec.registry import ModelFolder, find_model

MOST_CHANNELS = 32  # as many as a frame can hold
PROFILE = "icc"  # name of a colour profile among the metadata
THINGS = {"speech": "a recording", "image": "a photo"}
TOGETHER = 64  # frames that are read at once where nobody waits for the first
DEFAULT_MODELS = {"speech": "speech-fsp-1024", "image": "image-fsp-1024"}


@dataclass(frozen=True)
class Recording:
    """Decoded sound.

    Attributes:
        samples: [n, channels] float32, full scale 1.
        sample_rate: Hz.
    """

    samples: NDArray[np.float32]
    sample_rate: int


@dataclass(frozen=True)
class Picture:
    """A decoded photo.

    Attributes:
        pixels: [height, width, 3] uint8.
    """

    pixels: NDArray[np.uint8]


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
        cls, model: str | ModelFolder, *, engine: str = "auto", device: str = "auto", threads: int | None = None
    ) -> "Codec":
        """The codec of a model, by name, path of its folder or `ModelFolder`; see `open_engine` for the rest.

        Raises:
            ModelError: There is no such model, or it is damaged.
        """
        folder = model if isinstance(model, ModelFolder) else find_model(model)
        return cls(folder, open_engine(folder, engine, device, threads))

    @classmethod
    def for_header(cls, header: Header, *, engine: str = "auto", device: str = "auto") -> "Codec":
        """The codec that a token file was made with.

        Raises:
            ModelError: That model is not installed, or its weights are others.
        """
        codec = cls.load(header.model, engine=engine, device=device)
        check_model(codec.model, header)
        return codec

    def encode(self, source: Source, *, rate: int | None = None) -> bytes:
        """The token file of a recording or photo, given by path or stream. Raises as `encode_to`."""
        content = io.BytesIO()
        self.encode_to(source, content, rate=rate)
        return content.getvalue()

    def encode_samples(self, samples: NDArray[np.float32], sample_rate: int, *, rate: int | None = None) -> bytes:
        """The token file of sound in memory.

        Args:
            samples: [n] or [n, channels], full scale 1.
            sample_rate: Hz.
            rate: One of the model's rates; None for the highest.
        """
        columns = np.asarray(samples, "<f4").reshape(len(samples), -1)
        content = io.BytesIO()
        raw = RawFormat(sample_rate, columns.shape[1], "FLOAT")
        self.encode_to(io.BytesIO(columns.tobytes()), content, rate=rate, raw=raw)
        return content.getvalue()

    def encode_to(
        self,
        source: Source,
        out: BinaryIO,
        *,
        rate: int | None = None,
        raw: RawFormat | None = None,
        span: Span = WHOLE,
    ) -> tuple[str, ...]:
        """Write the token file of a recording or photo to a stream; returns what the user should know.

        Args:
            source: Path, `-` for standard input, or a binary stream.
            out: Where the bytes go; need not seek.
            rate: One of the model's rates; None for the highest.
            raw: What the samples are, for sound without a header.
            span: The stretch of a recording to encode.

        Raises:
            InputError: The source cannot be read, or is not of the model's kind.
            ConfigError: The model lacks the rate.
        """
        chosen = self.model.checked_rate(rate)
        kind = self.model.facts.kind
        with open_input(source) as stream:
            if raw is None:
                medium, stream = peek_medium(stream)
                if medium.kind != kind:
                    what = f"{shown(source)}: is {THINGS[medium.kind]}, and {self.model.name} codes {kind}"
                    raise InputError(what, hint="choose another --model")
            if kind == "image":
                if span != WHOLE:
                    raise InputError(f"{shown(source)}: a photo has no seconds to choose from")
                photo = open_image(stream)
                self.encode_photo(photo, out, chosen)
                return photo.notes
            with open_audio(stream, raw=raw) as audio:
                encode_recording(self.engine, self.model, self.speech_header(audio, chosen), audio, out, span)
                return audio.notes

    def encode_photo(self, photo: Photo, out: BinaryIO, rate: int) -> None:
        """Write the token file of a photo, tile by tile."""
        facts = photo.facts
        signal = ImageHeader(facts.width, facts.height, facts.channels, 8 if facts.bit_depth <= 8 else 16)
        metadata = {} if is_srgb(facts.icc) else {PROFILE: facts.icc}
        writer = Writer(out, self.header(rate, signal, metadata), self.model.prior(rate))
        for tile in encode_tiles(self.engine, self.model.facts, rate, photo.window, facts.height, facts.width):
            writer.write(tile)
        writer.close()

    def speech_header(self, audio: AudioSource, rate: int) -> Header:
        """The header of a recording's token file. Raises InputError for more channels than it can hold."""
        facts = audio.facts
        if facts.channels > MOST_CHANNELS:
            raise InputError(f"{audio.name}: {facts.channels} channels, a token file holds up to {MOST_CHANNELS}")
        signal = SpeechHeader(facts.sample_rate, facts.channels, facts.bit_depth, facts.floating)
        return self.header(rate, signal, {name: text.encode() for name, text in facts.tags.items()})

    def header(self, rate: int, signal: SpeechHeader | ImageHeader, metadata: dict[str, bytes]) -> Header:
        """The header of a token file of this model."""
        return Header(
            model=self.model.name,
            weights=self.model.checksum,
            rate=rate,
            levels=self.model.radices(rate),
            signal=signal,
            metadata=tuple(metadata.items()),
            prior=prior_identity(self.model.prior(rate)),
        )

    def tokens(self, content: bytes) -> NDArray[np.int64]:
        """The tokens of a token file: [channels, T] of speech, [H, W] of an image."""
        reader = Reader(io.BytesIO(content))
        check_model(self.model, reader.header)
        frames = list(reader.frames(self.model.prior(reader.header.rate), together=TOGETHER))
        signal = reader.header.signal
        if isinstance(signal, SpeechHeader):
            return np.concatenate([frame.tokens for frame in frames], axis=1)
        hop = self.model.facts.hop
        return join(frames, -(-signal.height // hop), -(-signal.width // hop))

    def decode(self, content: bytes) -> Recording | Picture:
        """The sound or picture of a token file. Raises ContainerError for a damaged one."""
        reader = Reader(io.BytesIO(content))
        check_model(self.model, reader.header)
        signal = reader.header.signal
        if isinstance(signal, SpeechHeader):
            blocks = list(decode_recording(self.engine, self.model, reader, TOGETHER))
            return Recording(np.concatenate(blocks), signal.sample_rate)
        pixels = np.empty((signal.height, signal.width, 3), np.uint8)
        for tile, top, left in self.decode_photo(reader, signal):
            pixels[top : top + tile.shape[0], left : left + tile.shape[1]] = tile
        return Picture(pixels)

    def decode_to(self, reader: Reader, out: BinaryIO, form: str, *, live: bool = False) -> tuple[str, ...]:
        """Write the sound or picture of a token file to a stream; returns what the user should know.

        Args:
            reader: Of the token file.
            out: Where the bytes go.
            form: "wav", "flac", "ogg" or "raw" for speech; "png", "webp" or "jpeg" for an image.
            live: Whether sound is to be heard as soon as its frame is in, instead of as fast as possible.
        """
        signal = reader.header.signal
        if isinstance(signal, SpeechHeader):
            with AudioSink(out, audio_facts(reader.header), form) as sink:
                for block in decode_recording(self.engine, self.model, reader, 1 if live else TOGETHER):
                    sink.write(block)
            return sink.notes
        profile = dict(reader.header.metadata).get(PROFILE, b"")
        canvas = Canvas(ImageFacts(signal.width, signal.height, signal.channels, icc=profile), form)
        for tile, top, left in self.decode_photo(reader, signal):
            canvas.paste(tile, top, left)
        canvas.save(out)
        return ()

    def decode_span_to(self, index: Index, out: BinaryIO, form: str, span: Span) -> tuple[str, ...]:
        """Write a stretch of a recording to a stream, reading only the frames around it."""
        with AudioSink(out, audio_facts(index.header), form) as sink:
            for block in decode_span(self.engine, self.model, index, span):
                sink.write(block)
        return sink.notes

    def decode_photo(self, reader: Reader, signal: ImageHeader) -> Iterator[tuple[NDArray[np.uint8], int, int]]:
        """The tiles of a picture with their places: [h, w, 3], top, left."""
        rate = reader.header.rate
        frames = list(reader.frames(self.model.prior(rate), together=TOGETHER))
        return decode_tiles(self.engine, self.model.facts, rate, frames, signal.height, signal.width)


def check_model(model: ModelFolder, header: Header) -> None:
    """Raise ModelError or ContainerError unless a token file was made with this very model."""
    if header.model != model.name or header.weights != model.checksum:
        raise ModelError(
            f"the token file was made with {header.model} ({header.weights.hex()}), "
            f"not with this {model.name} ({model.checksum.hex()})",
            hint="install the version of the model that made it",
        )
    if header.kind != model.facts.kind or header.rate not in model.facts.rates:
        raise ContainerError(f"the token file does not fit the model {header.model}")
    if header.levels != model.radices(header.rate):
        raise ContainerError(f"levels {header.levels} are not those of {header.model} at rate {header.rate}")
