"""The header of a token file: which model made the tokens, of what signal. Bytes as in `format.py`."""

import math
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, TypeAlias

from vpcodec.container.fields import Fields, varint, word
from vpcodec.errors import ContainerError

MAGIC = b"\xd6VP"
VERSION = 1
LARGEST_VOCABULARY = 1 << 62  # so that ids and their sums fit int64; no table is ever as large
LARGEST_BODY = 1 << 16  # bytes; metadata is kept small
LARGEST_METADATA = LARGEST_BODY - 512  # bytes that there is always room for: all else in a body takes 432 at most
IDENTITY_SIZE = 8  # bytes of the weights' SHA-256 that are kept
PRIOR_SIZE = 4  # and of the prior's
LARGEST_FRAME = 1 << 16  # tokens
LARGEST_GROUP = 1 << 12  # frames

# Sample formats by their number in the file: bits, and whether they are floating point.
DEPTHS = ((8, False), (16, False), (24, False), (32, False), (32, True), (64, True))


@dataclass(frozen=True)
class SoundFacts:
    """The recording before it was resampled for the model.

    Attributes:
        kind: What `Header.kind` says.
        streams: Whether frames may have columns of their own, and be continued.
        numbers: What the header holds of it, in this order, and what to call that.
        sample_rate: Hz.
        channels: Number of channels.
        bit_depth: Bits a sample: 8, 16, 24, 32 or, floating, 32 or 64.
        floating: Whether its samples were floating-point numbers.
    """

    kind: ClassVar[str] = "speech"
    streams: ClassVar[bool] = True
    numbers: ClassVar[dict[str, str]] = {"sample_rate": "sample rate", "channels": "number of channels"}

    sample_rate: int
    channels: int = 1
    bit_depth: int = 16
    floating: bool = False

    @property
    def rows(self) -> int:
        """Of a frame."""
        return self.channels

    def amount(self, length: int) -> float:
        """Seconds of so many samples."""
        return length / self.sample_rate


@dataclass(frozen=True)
class AudioFacts(SoundFacts):
    """A recording of any sound, likewise; its frames have a row for each group of channels, in their order.

    Attributes:
        channels_per_token: Channels of a group; the last one may have fewer.
    """

    kind: ClassVar[str] = "audio"
    numbers: ClassVar[dict[str, str]] = {**SoundFacts.numbers, "channels_per_token": "number of channels a token"}

    channels_per_token: int = 2

    @property
    def rows(self) -> int:
        return -(-self.channels // self.channels_per_token)


@dataclass(frozen=True)
class ImageFacts:
    """The photo before it was converted for the model.

    Attributes:
        width: Pixels.
        height: Pixels.
        channels: 1 grey, 2 grey and alpha, 3 RGB, 4 RGB and alpha.
        bit_depth: Bits a sample: 8, 16, 24, 32 or, floating, 32 or 64.
        floating: Whether its samples were floating-point numbers.
    """

    kind: ClassVar[str] = "image"
    streams: ClassVar[bool] = False
    numbers: ClassVar[dict[str, str]] = {"width": "width", "height": "height", "channels": "channels"}
    rows: ClassVar[int] = 0  # frames differ in them

    width: int
    height: int
    channels: int = 3
    bit_depth: int = 8
    floating: bool = False

    def amount(self, length: int) -> float:
        """Pixels."""
        return float(self.width * self.height)


Facts: TypeAlias = SoundFacts | ImageFacts
# Classes of facts, by the number of their kind in the file.
KINDS: tuple[type[Facts], ...] = (SoundFacts, ImageFacts, AudioFacts)


@dataclass(frozen=True)
class Header:
    """All that a decoder must know before the first frame.

    Attributes:
        model: Name of the model, at most 255 bytes of UTF-8.
        weights: First 8 bytes of the SHA-256 of its weights.
        rate: Nominal codebook size K.
        levels: Radices whose product is the vocabulary: (8, 5, 5, 5) for a scalar method, (K,) for a codebook.
        signal: Facts about the source; their class is the kind of the file.
        metadata: Names and contents to carry along, such as ("title", b"...") or ("icc", profile).
        prior: First 4 bytes of the SHA-256 of the prior that frames may be coded with; empty for none.
        columns: Of sound: columns of each frame but the last; 0 where they are those of the model's windows.
        group: How many frames there are from one that stands alone to the next; the others may continue the frame
            before them. More than 1 only where `columns` are given.

    Raises ContainerError for values that the file cannot hold.
    """

    model: str
    weights: bytes
    rate: int
    levels: tuple[int, ...]
    signal: Facts
    metadata: tuple[tuple[str, bytes], ...] = ()
    prior: bytes = b""
    columns: int = 0
    group: int = 1

    def __post_init__(self) -> None:
        if len(self.weights) != IDENTITY_SIZE:
            raise ContainerError(f"identity of the weights has {len(self.weights)} bytes, expected {IDENTITY_SIZE}")
        if len(self.prior) not in (0, PRIOR_SIZE):
            raise ContainerError(f"identity of the prior has {len(self.prior)} bytes, expected {PRIOR_SIZE} or none")
        if not 1 <= len(self.levels) <= 32 or min(self.levels) < 2 or self.vocabulary > LARGEST_VOCABULARY:
            raise ContainerError(
                f"levels {list(self.levels)} are not 1 to 32 radices of 2 or more with a product up to 2^62"
            )
        most = (LARGEST_FRAME, LARGEST_GROUP) if self.columns and self.signal.streams else (0, 1)
        if not 0 <= self.columns <= most[0] or not 1 <= self.group <= most[1]:
            raise ContainerError(f"frames of {self.columns} columns in groups of {self.group} are none of {self.kind}")
        if (self.signal.bit_depth, self.signal.floating) not in DEPTHS:
            number = "floating-point numbers" if self.signal.floating else "integers"
            raise ContainerError(f"{self.signal.bit_depth}-bit {number} are not a known sample format")
        if not 1 <= self.rate <= LARGEST_VOCABULARY:
            raise ContainerError(f"rate is {self.rate}, expected 1 to 2^62")
        for name, what in self.signal.numbers.items():
            if not 1 <= (value := getattr(self.signal, name)) < 1 << 32:
                raise ContainerError(f"{what} is {value}, expected 1 to 2^32 - 1")

    @property
    def kind(self) -> str:
        """ "speech", "audio" or "image"."""
        return self.signal.kind

    @property
    def vocabulary(self) -> int:
        """Number of ids that can occur."""
        return math.prod(self.levels)

    @property
    def frame_sizes(self) -> tuple[int, int, int]:
        """Rows, columns and side bytes of most frames, where the columns are given; else zeros."""
        return (self.signal.rows, self.columns, self.signal.rows) if self.columns else (0, 0, 0)

    def amount(self, length: int) -> float:
        """Seconds of a recording of so many samples, pixels of a photo."""
        return self.signal.amount(length)

    def to_bytes(self) -> bytes:
        """The whole header. Raises ContainerError where name or metadata are too long."""
        depth = DEPTHS.index((self.signal.bit_depth, self.signal.floating))
        facts = [getattr(self.signal, name) for name in self.signal.numbers]
        name = self.model.encode()
        if len(name) > 255:
            raise ContainerError(f"name of the model has {len(name)} bytes, expected 255 or less")
        kind = KINDS.index(type(self.signal))
        traits = kind & 1 | kind >> 1 << 6 | depth << 1 | bool(self.prior) << 4 | bool(self.columns) << 5
        body = bytes([traits]) + self.weights + self.prior
        if self.columns:
            body += varint(self.columns) + varint(self.group)
        for number in (self.rate, len(self.levels), *self.levels, *facts, len(name)):
            body += varint(number)
        body += name
        body += b"".join(entry(*each) for each in self.metadata)
        if len(body) > LARGEST_BODY:
            raise ContainerError(
                f"header has {len(body):,} bytes, expected {LARGEST_BODY:,} or less", hint="leave metadata out"
            )
        whole = MAGIC + bytes([VERSION]) + varint(len(body)) + body
        return whole + word(zlib.crc32(whole))


def entry(key: str, content: bytes) -> bytes:
    """One piece of metadata as it is written."""
    return varint(len(key.encode())) + key.encode() + varint(len(content)) + content


def fitting(metadata: Mapping[str, bytes]) -> tuple[dict[str, bytes], tuple[str, ...]]:
    """What a header has room for, without the largest pieces if need be, and a note for each left out."""
    kept, notes = dict(metadata), []
    while sum(len(entry(*each)) for each in kept.items()) > LARGEST_METADATA:
        largest = max(kept, key=lambda key: len(kept[key]))
        notes.append(
            f"{largest} ({len(kept.pop(largest)):,} bytes) is left out: "
            f"a token file has room for {LARGEST_METADATA:,} bytes of metadata"
        )
    return kept, tuple(notes)


def header_from_body(body: bytes) -> Header:
    """The header of a body whose checksum was right. Raises ContainerError for one that makes no sense."""
    fields = Fields(body, "header")
    traits = fields.take(1, "traits")[0]
    depth = traits >> 1 & 7
    kind = traits & 1 | traits >> 6 << 1
    if kind >= len(KINDS) or depth >= len(DEPTHS):
        raise ContainerError(f"header: traits {traits:#04x} are unknown to version {VERSION}")
    weights = fields.take(IDENTITY_SIZE, "weights")
    prior = fields.take(PRIOR_SIZE, "prior") if traits >> 4 & 1 else b""
    columns, group = 0, 1
    if traits >> 5 & 1:
        columns, group = fields.varint("columns", 1, LARGEST_FRAME), fields.varint("group", 1, LARGEST_GROUP)
    rate = fields.varint("rate")
    levels = tuple(fields.varint("level") for _ in range(fields.varint("number of levels", 1, 32)))
    numbers = {name: fields.varint(what) for name, what in KINDS[kind].numbers.items()}
    bits, floating = DEPTHS[depth]
    signal = KINDS[kind](**numbers, bit_depth=bits, floating=floating)
    model = fields.text("name of the model", 255)
    metadata = []
    while fields.ahead(1):
        key = fields.text("name of metadata", LARGEST_BODY)
        metadata.append((key, fields.take(fields.varint("length of metadata"), f"metadata {key!r}")))
    return Header(model, weights, rate, levels, signal, tuple(metadata), prior, columns, group)
