"""Open recordings and read them as blocks of float32 samples [n, channels], full scale 1, in bounded memory.

WAV and raw PCM are read by this package, from pipes as well as files. libsndfile reads FLAC, OGG, MP3, AIFF and
compressed WAV; PyAV reads the formats of the extra `media`. Both need to seek, so a pipe is first copied to a
temporary file.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import BinaryIO, NamedTuple, Self, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from vpcodec.data.kinds import PYAV_FORMATS, FileType, file_type_of
from vpcodec.data.pcm import FORMATS, depth_of, samples_of, whole_frames
from vpcodec.data.resample import checked_rate
from vpcodec.data.streams import (
    HEAD_BYTES,
    Seen,
    Source,
    at_start,
    open_input,
    peek,
    read_exactly,
    seekable,
    shown,
    size_of,
)
from vpcodec.data.wav import is_plain, read_header, wav_blocks
from vpcodec.errors import ConfigError, InputError, counted

BLOCK_SAMPLES = 1 << 16  # in a block, all channels together
MOST_CHANNELS = 255
# Files that some programs put an ID3v2 tag before.
TAGGED = (b"RIFF", b"RF64", b"BW64", b"FORM", b"fLaC", b"OggS", b"\xff\xf1")
TAGS = ("title", "artist", "album", "date", "tracknumber", "genre", "comment", "copyright", "license")
LOUDEST = 2.0**31  # beyond it a number is no sample; samples at the scale of integers still pass


class AudioInfo(NamedTuple):
    """What a recording is, apart from its samples.

    Attributes:
        sample_rate: Hz.
        channels: Number of channels.
        subtype: How samples are stored, in libsndfile's words: PCM_16, FLOAT, VORBIS.
        frames: Samples a channel; None where only reading to the end tells (pipes, chains).
        tags: Those of `TAGS` that it has.
    """

    sample_rate: int
    channels: int = 1
    subtype: str = "PCM_16"
    frames: int | None = None
    tags: Mapping[str, str] = {}

    @property
    def bit_depth(self) -> int:
        """Bits a sample; 16 for lossy formats, which have no depth of their own."""
        return depth_of(self.subtype).bits

    @property
    def floating(self) -> bool:
        return depth_of(self.subtype).floating


@dataclass(frozen=True)
class RawFormat:
    """What nobody can tell from samples without a header. Raises ConfigError for what no recording has."""

    sample_rate: int
    channels: int = 1
    subtype: str = "PCM_16"

    def __post_init__(self) -> None:
        if self.subtype not in FORMATS:
            raise ConfigError(f"unknown sample format {self.subtype!r}", hint=f"use {', '.join(FORMATS)}")
        if not 1 <= self.channels <= MOST_CHANNELS:
            raise ConfigError(f"channels must be 1 to {MOST_CHANNELS}, got {self.channels}")


Blocks: TypeAlias = Callable[[int], Iterator[NDArray[np.float32]]]  # [n, channels] each, n at most a number
Opened: TypeAlias = tuple[AudioInfo, Blocks, list[str]]  # the list gets notes while blocks are read


class AudioSource:
    """A recording being read; a context manager.

    Attributes:
        name: What to call it in messages.
        info: What it is.
    """

    def __init__(self, name: str, info: AudioInfo, blocks: Blocks, notes: list[str], resources: ExitStack) -> None:
        self.name = name
        self.info = info
        self._blocks = blocks
        self._notes = notes
        self._resources = resources
        self._cleaned = 0

    def note(self, text: str) -> None:
        """Add a warning of whoever reads the recording."""
        self._notes.append(text)

    @property
    def notes(self) -> tuple[str, ...]:
        """Warnings so far; complete once all blocks were read."""
        if not self._cleaned:
            return tuple(self._notes)
        said = "{} infinite or not a number and {} read as silence"
        cleaned = counted(self._cleaned, said.format("sample was", "is"), said.format("samples were", "are"))
        return *self._notes, cleaned

    def blocks(self, seconds: float | None = None) -> Iterator[NDArray[np.float32]]:
        """Blocks [n, channels] up to the end, n of 1 or more. Numbers that are no samples become silence.

        Args:
            seconds: Length of a block, where somebody waits for each; None for what is read quickly.

        Raises InputError where the recording turns out to be damaged, truncated or empty.
        """
        size = BLOCK_SAMPLES // self.info.channels if seconds is None else round(seconds * self.info.sample_rate)
        empty = True
        for block in self._blocks(max(1, size)):
            block, strays = silence_strays(block)
            self._cleaned += strays
            empty = False
            yield block
        if empty:
            raise InputError(f"{self.name}: holds no samples")

    def read_all(self) -> NDArray[np.float32]:
        """The whole recording [n, channels], for those known to be short. Raises InputError as `blocks`."""
        return np.concatenate(list(self.blocks()))

    def close(self) -> None:
        self._resources.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def silence_strays(block: NDArray[np.float32]) -> tuple[NDArray[np.float32], int]:
    """A block with silence in place of numbers that are no samples, and how many there were."""
    sound = np.abs(block) <= LOUDEST  # False for NaN, too
    strays = int(np.count_nonzero(~sound))
    return (np.where(sound, block, np.float32(0)) if strays else block), strays


def open_audio(
    source: Source, *, raw: RawFormat | None = None, salvage: bool = False, file_type: FileType | None = None
) -> AudioSource:
    """Open a recording.

    Args:
        source: A path, `-` for standard input, or a binary stream, seekable or not.
        raw: What the samples are, for input without a header.
        salvage: Whether to take what is there of a recording that is damaged or truncated, with a note.
        file_type: What the file is, where that was recognized before; None to look.

    Raises:
        InputError: Nothing readable is there, or it is no recording, or it is damaged.
        ConfigError: Standard input is a terminal.
    """
    name = shown(source)
    with ExitStack() as resources:
        stream = resources.enter_context(open_input(source))
        if raw:
            opened = open_raw(stream, raw)
        else:
            opened = open_with_header(stream, name, resources, salvage, file_type)
        info = opened[0]
        checked_rate(info.sample_rate, name)
        if info.channels > MOST_CHANNELS:
            raise InputError(f"{name}: {info.channels:,} channels are more than {MOST_CHANNELS}")
        return AudioSource(name, *opened, resources.pop_all())


@contextmanager
def peek_sample_rate(stream: BinaryIO, file_type: FileType) -> Iterator[tuple[int, BinaryIO]]:
    """Hz of a recording in any stream, pipes too, and the stream to read it from. Raises InputError."""
    head, stream = peek(stream)
    with nullcontext(stream) if file_type.format == "wav" and is_plain(head) else seekable(stream) as whole:
        pipe = None if at_start(whole) else Seen(whole)
        with open_audio(cast(BinaryIO, pipe or whole), file_type=file_type) as audio:
            sample_rate = audio.info.sample_rate
        if pipe is None:
            whole.seek(0)
        yield sample_rate, pipe.again() if pipe else whole


def open_raw(stream: BinaryIO, raw: RawFormat) -> Opened:
    """Samples without a header."""
    frame_bytes, notes = raw.channels * FORMATS[raw.subtype].size, list[str]()
    frames = size_of(stream) // frame_bytes if at_start(stream) else None

    def blocks(count: int) -> Iterator[NDArray[np.float32]]:
        for data in whole_frames(stream, frame_bytes, count, None, notes):
            yield samples_of(data, raw.subtype).reshape(-1, raw.channels)

    return AudioInfo(raw.sample_rate, raw.channels, raw.subtype, frames), blocks, notes


def behind_tag(head: bytes, stream: BinaryIO) -> tuple[bytes, BinaryIO]:
    """The beginning and the stream of what an ID3v2 tag was put before, unless that is MP3, where it belongs."""
    from vpcodec.data.mpeg import ID3_BYTES, id3_size

    if len(head) < ID3_BYTES:
        return head, stream
    size = id3_size(head)
    head, stream = peek(stream, size + HEAD_BYTES)
    if not head.startswith(TAGGED, size):
        return head, stream
    read_exactly(stream, size)
    return peek(stream)


def open_with_header(
    stream: BinaryIO, name: str, resources: ExitStack, salvage: bool, file_type: FileType | None
) -> Opened:
    """A recording that says what it is. Raises InputError."""
    head, stream = peek(stream)
    if head.startswith(b"ID3"):
        (head, stream), file_type = behind_tag(head, stream), None
    file_type = file_type or file_type_of(head, name)
    if file_type.kind != "speech":
        raise InputError(f"{name}: is a photo ({file_type.format}), not a recording")
    if file_type.format == "wav" and is_plain(head):
        header = read_header(stream, name, salvage=salvage)
        frames = None if header.piped else header.frames
        info = AudioInfo(header.sample_rate, header.channels, header.subtype, frames, dict(header.tags))
        return info, partial(wav_blocks, stream, header, name), header.notes
    whole = resources.enter_context(seekable(stream))
    if file_type.format in PYAV_FORMATS:
        from vpcodec.data.pyav import PyavDecoder

        sound = PyavDecoder(whole, file_type.format, name, salvage=salvage)
        resources.callback(sound.close)
        return AudioInfo(sound.sample_rate, sound.channels, sound.subtype, None, sound.tags), sound.blocks, sound.notes
    from vpcodec.data.sndfile import Chain

    chain = Chain(whole, file_type.format, name, salvage=salvage)
    resources.callback(chain.close)
    first = chain.first
    info = AudioInfo(first.sample_rate, first.channels, first.subtype, chain.frames, first.tags)
    return info, chain.blocks, chain.notes
