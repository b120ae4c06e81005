"""What differs between sound and images above the network: one object a kind of signal answers the same questions.

`sound.py` and `image.py` hold one each, and `token_files.SIGNALS` lists them. Whoever works on signals of any kind asks
that table instead of comparing kinds.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, BinaryIO, ClassVar, NamedTuple

import numpy as np
from numpy.typing import DTypeLike, NDArray

from vpcodec.codec.arrays import Picture, Recording
from vpcodec.codec.engines import Engine, checked_tokens
from vpcodec.codec.windows import CORES, Timer
from vpcodec.container import Facts, Frame, Header, Index, Reader, Resync
from vpcodec.data.audio import RawFormat
from vpcodec.data.kinds import MOST_PIXELS, WRITTEN, FileType, Kind
from vpcodec.errors import ConfigError
from vpcodec.registry import ModelFacts, ModelFolder


@dataclass(frozen=True)
class Span:
    """A range of a recording in seconds; `stop` None for its end. Raises ConfigError where it is empty."""

    start: float = 0.0
    stop: float | None = None

    def __post_init__(self) -> None:
        if self.start < 0 or (self.stop is not None and self.stop <= self.start):
            raise ConfigError(f"from {self.start:g} to {self.stop} seconds is an empty range")

    def samples(self, rate: int) -> tuple[int, int | None]:
        """First sample, and the one after the last, at a sample rate."""
        return round(self.start * rate), None if self.stop is None else round(self.stop * rate)


WHOLE = Span()
NEAR = 1.08  # times the bits that are asked for: a codebook may take so much more
FAR = 2.0  # times as many or few bits as any codebook takes: more is an error


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """How large a token file is to be: one of these, or none for the model's largest codebook.

    Attributes:
        codebook: A codebook size: 1024, or "2x1024" for two codes a position.
        bitrate: Bits a second and channel, of recordings.
        bpp: Bits a pixel, of photos.
        target_size: Bytes that the file may have.

    Raises ConfigError for two of them, and for one that is not above 0.
    """

    codebook: int | str | None = None
    bitrate: float | None = None
    bpp: float | None = None
    target_size: int | None = None

    def __post_init__(self) -> None:
        given = {name: value for name, value in vars(self).items() if value is not None}
        if len(given) > 1:
            raise ConfigError(f"{' and '.join(given)} contradict each other", hint="keep one")
        for name in given.keys() - {"codebook"}:
            if not 0 < given[name] < math.inf:
                raise ConfigError(f"{name} must be above 0, got {given[name]}")

    @property
    def asked(self) -> str | None:
        """The field that asks for bits, if one does."""
        return next((name for name in ("bitrate", "bpp") if getattr(self, name) is not None), None)


ANY_SIZE = Wanted()


class Reading(NamedTuple):
    """How an input is read and cut into windows.

    Attributes:
        raw: What the samples are, for sound without a header.
        sample_rate: Hz, of samples in an array.
        span: Range of a recording to encode.
        most_pixels: That a photo may have.
        salvage: Whether to take what is there of a recording that is damaged or truncated.
        latency: Seconds from a sample that goes in to the same sample that comes out, at least, when a recording is
            encoded and decoded while it is made; None for long windows, which take fewer bytes.
    """

    raw: RawFormat | None = None
    sample_rate: float | None = None
    span: Span = WHOLE
    most_pixels: int = MOST_PIXELS
    salvage: bool = False
    latency: float | None = None


class Writing(NamedTuple):
    """How a token file is decoded.

    Attributes:
        span: Range of a recording to decode.
        live: Whether sound is to be heard as soon as its frame is in, instead of as fast as possible.
        resync: Whether to step over damage: what is lost becomes silence or gray.
    """

    span: Span = WHOLE
    live: bool = False
    resync: bool = False


@dataclass(frozen=True)
class Coding:
    """What a token file is made or decoded with: an engine, the model, the file's header, a timer of the network."""

    engine: Engine
    model: ModelFolder
    header: Header
    timer: Timer = field(default_factory=Timer)

    @property
    def facts(self) -> ModelFacts:
        """The model's."""
        return self.model.facts

    @cached_property
    def prior(self) -> bytes | None:
        """The prior that the header names."""
        return self.model.prior(self.header.rate) if self.header.prior else None


class Coded(NamedTuple):
    """What was learned while a file was encoded or decoded.

    Attributes:
        rate: Of the model's quantizer.
        length: Samples a channel; 0 for a photo.
        amount: Seconds or pixels.
        notes: What the user should know.
        network_seconds: Time during which the network computed.
    """

    rate: int
    length: int
    amount: float
    notes: tuple[str, ...]
    network_seconds: float


class Signal(ABC):
    """A kind of signal.

    Attributes:
        kind: Of its models and token files.
        media: Kind of its media files.
        noun: What one of them is called.
        unit: Of bit rates.
        asked: The field of `Wanted` that asks for bits of such signals.
        per: What tokens are counted by.
        streams: Whether it has a beginning and an end, so that parts of it can be coded as they come.
        needs_model: Whether its tokens cannot be read from a token file without the model.
        axes: Of the ids of a signal, or of a channel.
        dtype: Of decoded signals in arrays.
    """

    kind: str
    media: ClassVar[Kind]
    noun: ClassVar[str]
    unit: ClassVar[str]
    asked: ClassVar[str]
    per: ClassVar[str]
    streams: ClassVar[bool]
    needs_model: ClassVar[bool]
    axes: ClassVar[tuple[str, ...]]
    dtype: ClassVar[DTypeLike]

    def __init__(self, kind: str) -> None:
        self.kind = kind

    @property
    def formats(self) -> tuple[str, ...]:
        """What it can be written as; the first is the default."""
        return WRITTEN[self.media]

    @property
    def core(self) -> int:
        """Positions of a window along each axis, without its context."""
        return CORES[self.kind]

    @abstractmethod
    def open(self, source: Any, reading: Reading, file_type: FileType | None = None) -> AbstractContextManager[Any]:
        """A media file as a stream, or an array, opened; it has `notes`. `file_type` is what was recognized before.

        Raises InputError, and ConfigError for an array that is no such signal.
        """

    @abstractmethod
    def header(self, opened: Any) -> tuple[Facts, dict[str, bytes], tuple[str, ...]]:
        """The facts for the header of a token file, metadata, and notes on what is left out of these."""

    def facts_for(self, facts: Any, model: ModelFacts) -> Any:
        """Facts of a signal as the token files of a model state them."""
        return facts

    @abstractmethod
    def windows(self, facts: ModelFacts, latency: float) -> tuple[int, int]:
        """Positions of a window for a latency in seconds, and windows of a group whose first stands alone.

        Raises ConfigError for less than the network needs, and for signals that do not stream.
        """

    @abstractmethod
    def encode(self, coding: Coding, opened: Any, out: BinaryIO, span: Span, *, live: bool) -> int:
        """Write the token file; returns the length, in samples a channel or 0.

        Args:
            opened: What `open` gave.
            live: Whether the signal is still being made, so that each frame is to leave as soon as it can.

        Raises InputError where the input is damaged, or has no such range.
        """

    @abstractmethod
    def decode(
        self, coding: Coding, reader: Reader | Index, out: BinaryIO, form: str, writing: Writing
    ) -> tuple[str, ...]:
        """Write the signal of a token file as `form`; returns notes.

        Raises:
            ContainerError: The token file is damaged, or with `resync` nothing is left of it.
            InputError: It has no such range.
        """

    @abstractmethod
    def decode_in_memory(self, coding: Coding, reader: Reader) -> Recording | Picture:
        """The whole signal of a token file. Raises as `decode`."""

    @abstractmethod
    def resync(self, coding: Coding) -> Resync:
        """What stands for lost frames. Raises ContainerError for a header that cannot be true."""

    def tokens(self, header: Header, frames: Iterable[Frame], model: ModelFolder | None) -> NDArray[np.int64]:
        """What `join` gives. Raises InputError for ids that the vocabulary lacks."""
        return checked_tokens(self.join(header, frames, model), header.vocabulary)

    @abstractmethod
    def join(self, header: Header, frames: Iterable[Frame], model: ModelFolder | None) -> NDArray[np.int64]:
        """The tokens of all frames as one array: [rows, T], as frames have rows, or [H, W]. Raises ContainerError."""

    @abstractmethod
    def split(self, tokens: NDArray[np.int64], levels: NDArray[Any], columns: int) -> Iterator[Frame]:
        """The inverse of `join`.

        Args:
            tokens: [rows, T] or [H, W].
            levels: dBFS [windows, rows] of sound; the last ones hold for the windows behind them, too.
            columns: Of a frame, as the header says.
        """

    @abstractmethod
    def described(self, ids: NDArray[np.int64], info: dict[str, Any], facts: ModelFacts) -> tuple[Facts, int]:
        """What the header says of a signal with such tokens, and its length; both as an export's info says, if it fits.

        Args:
            ids: [rows, T] or [H, W].
            info: As in `export.Tokens`, all of it or nothing.
            facts: Of the model.
        """

    @abstractmethod
    def shape(self, facts: ModelFacts) -> tuple[int, ...]:
        """Of the smallest array that may hold a signal: (0,) for sound of a channel."""

    @abstractmethod
    def encode_arrays(
        self, model: ModelFolder, engine: Engine, rows: list[NDArray[Any]], sample_rate: float | None, rate: int
    ) -> list[tuple[NDArray[np.int64], list[int], list[float]]]:
        """Ids, lengths (one for each axis) and levels of each signal; those of one size are computed together.

        Raises ConfigError for arrays that are no such signals, InputError for their numbers.
        """

    @abstractmethod
    def decode_arrays(
        self,
        model: ModelFolder,
        engine: Engine,
        rows: list[NDArray[np.int64]],
        levels: NDArray[np.float32],
        sizes: list[list[int]],
        rate: int,
    ) -> list[NDArray[Any]]:
        """The inverse of `encode_arrays`; an empty size leaves a signal as long as its ids make it.

        Raises InputError for a size that the ids are too few for.
        """

    @abstractmethod
    def check(self, target: str, header: Header, length: int, form: str) -> tuple[str, str]:
        """Read a decoded file whole: what its size is, and what it should be. Raises InputError."""

    @abstractmethod
    def describe(self, stream: BinaryIO) -> dict[str, Any]:
        """What `info` says of a media file. Raises InputError."""

    def bits(self, model: ModelFolder) -> list[float]:
        """Bits a second of one channel, or a pixel, of files at each rate: as measured, else as the codebook says."""
        facts = model.facts
        per = self.tokens_per_unit(facts)
        return facts.bits or [per * math.log2(rate) for rate in facts.rates]

    def choose(self, model: ModelFolder, wanted: Wanted) -> int:
        """The rate of a model for what is wanted; for a target size the largest, which `Codec.encode_to` lowers.

        Of the rates that take at most 8 % more bits than are asked for, it is the nearest by logarithm; where there is
        none, the smallest.

        Raises:
            ConfigError: The model lacks the codebook, or takes less than half or more than twice the bits, or other
                signals are counted so.
        """
        if wanted.asked is None:
            return model.checked_codebook(wanted.codebook)
        if wanted.asked != self.asked:
            raise ConfigError(f"{wanted.asked} is not for {model.name}", hint=f"use {self.asked}, in {self.unit}")
        asked, bits = getattr(wanted, self.asked), self.bits(model)
        if not min(bits) / FAR <= asked <= max(bits) * FAR:
            span = f"{self.rate_text(min(bits))} to {self.rate_text(max(bits))}"
            what = f"model {model.name} makes {span}, not {self.rate_text(asked)}"
            raise ConfigError(what, hint="choose another model; `vpcodec models` lists their rates")
        near = [each for each in bits if each <= asked * NEAR] or [min(bits)]
        return model.facts.rates[bits.index(min(near, key=lambda each: abs(math.log(each / asked))))]

    @abstractmethod
    def tokens_per_unit(self, facts: ModelFacts) -> float:
        """Tokens a second of one channel, or a pixel."""

    @abstractmethod
    def rate_text(self, bits: float) -> str:
        """Bits a second or a pixel, for people: `2.05 kbit/s`."""
