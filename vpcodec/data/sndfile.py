"""Decode and encode compressed recordings with libsndfile, through Python streams and with one-line errors.

Every name works, since Python opens the files, and no error of a stream is lost inside a C library: the
callbacks keep it, and it is raised when the library returns.
"""

import hashlib
import io
import os
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from typing import BinaryIO, NoReturn

import numpy as np
import soundfile
from numpy.typing import NDArray

from vpcodec.data.audio import TAGS, AudioInfo
from vpcodec.data.mpeg import survey_mpeg
from vpcodec.data.pcm import bytes_of, depth_of, integers_of
from vpcodec.data.streams import LeftOut, failure, pieces_of
from vpcodec.data.survey import ORDERS, Part, survey_of
from vpcodec.data.wav import mpeg_inside
from vpcodec.errors import InputError

ENDLESS = 1 << 48  # libsndfile's count for a stream of unknown length is far above
SALVAGED = 1024  # samples of a damaged recording read at once: libsndfile drops all of a call that fails
TAKE_THE_REST = "encode --salvage takes what is there"
WRITE_FRAMES = 4096  # libsndfile's Vorbis encoder keeps a whole call on its stack


class Callbacks:
    """What libsndfile calls to read, write and seek. An error is kept in `error` and looks like the end of the file."""

    def __init__(self, stream: BinaryIO) -> None:
        self.stream = stream
        self.error: OSError | None = None

    def read(self, size: int) -> bytes:
        try:
            return self.stream.read(size)
        except OSError as error:
            self.error = error
            return b""

    def write(self, data: bytes) -> int:
        try:
            return self.stream.write(data)
        except OSError as error:
            self.error = self.error or error
            return 0

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        try:
            return self.stream.seek(offset, whence)
        except (OSError, ValueError):  # a damaged header sends us before the beginning
            return self.stream.tell()

    def tell(self) -> int:
        return self.stream.tell()


class Forward(soundfile.SoundFile):  # type: ignore[misc]  # it is untyped
    """A sound file that is only read or written onwards.

    Where soundfile takes a file for seekable it seeks after every block, which costs time, changes what MP3 and
    OGG decode to, and fails in a FLAC of unknown length.
    """

    def seekable(self) -> bool:
        return False


class Decoder:
    """Reads one recording of a file.

    Args:
        stream: The file, seekable.
        part: Where the recording is in it.
        name: What to call it in an error.

    Raises InputError for a recording that is damaged or truncated, here or in `blocks`.
    """

    def __init__(self, stream: BinaryIO, part: Part, name: str) -> None:
        self.part = part
        self.name = name
        self.callbacks = Callbacks(pieces_of(stream, part.pieces))
        try:
            self.file = Forward(self.callbacks)
        except (soundfile.SoundFileError, TypeError, ValueError) as error:
            self.refuse(error)
        self.sample_rate: int = self.file.samplerate
        self.channels: int = self.file.channels
        self.subtype: str = self.file.subtype
        self.frames: int | None = self.file.frames if self.file.frames < ENDLESS else None
        self.most = part.frames
        if part.form == "mp3" or (part.frames and self.frames and part.frames <= self.frames):
            self.frames = part.frames
        self.tags = {key: text for key, text in self.file.copy_metadata().items() if key in TAGS and text}

    def blocks(self, count: int) -> Iterator[NDArray[np.float32]]:
        """Its samples in blocks [n, channels], n of 1 to `count`."""
        skip, done, checksum = self.part.skip, 0, hashlib.md5(usedforsecurity=False)
        while skip and (dropped := len(self.read(min(count, skip)))):
            skip -= dropped
        while len(block := self.read(count if self.most is None else min(count, self.most - done))):
            done += len(block)
            if self.part.md5:
                checksum.update(bytes_of(block, self.subtype))
            yield block if self.part.order is None else block[:, self.part.order]
        if self.part.md5 and checksum.digest() != self.part.md5:
            what = f"{self.name}: its samples do not match their checksum (MD5)"
            raise InputError(what, hint=f"it is damaged; {TAKE_THE_REST}")
        if done < (self.frames or 0):
            what = f"{self.name}: ends after {done:,} of {self.frames:,} samples"
            raise InputError(what, hint=f"it is damaged or truncated; {TAKE_THE_REST}")

    def read(self, frames: int) -> NDArray[np.float32]:
        """Up to so many samples from libsndfile."""
        try:
            block: NDArray[np.float32] = self.file.read(frames, dtype="float32", always_2d=True)
        except (soundfile.SoundFileError, ValueError) as error:
            self.refuse(error)
        if self.callbacks.error:
            self.refuse(self.callbacks.error)
        return block

    def refuse(self, error: Exception) -> NoReturn:
        if self.callbacks.error:
            raise failure(self.name, self.callbacks.error) from None
        raise InputError(f"{self.name}: damaged or truncated ({reason_of(error)})", hint=TAKE_THE_REST) from None

    def close(self) -> None:
        self.file.close()


def reason_of(error: Exception) -> str:
    """What libsndfile says."""
    return str(getattr(error, "error_string", error)).removeprefix("Error : ").rstrip(".")


def read_between(stream: BinaryIO, start: float, stop: float) -> tuple[NDArray[np.float32], int]:
    """Samples [n, channels] of FLAC, WAV or Ogg between two times in seconds, and their rate.

    Nothing else of the file is read or checked. Raises InputError where it is damaged or truncated there.
    """
    callbacks = Callbacks(stream)
    try:
        with soundfile.SoundFile(callbacks) as file:
            first, last = (min(file.frames, round(seconds * file.samplerate)) for seconds in (start, stop))
            file.seek(first)
            samples: NDArray[np.float32] = file.read(last - first, dtype="float32", always_2d=True)
            order = ORDERS.get(file.channels) if file.format == "OGG" else None
            sample_rate: int = file.samplerate
    except (soundfile.SoundFileError, TypeError, ValueError) as error:
        raise InputError(f"a recording: damaged or truncated ({callbacks.error or reason_of(error)})") from None
    if callbacks.error or not len(samples) == last - first > 0:
        raise InputError(f"a recording: ends after {first + len(samples):,} of {last:,} samples")
    return samples if order is None else samples[:, order], sample_rate


class Chain:
    """The recordings of a file, one after the other, as one.

    Args:
        stream: The file, seekable.
        form: Its format, as `kinds` names it.
        name: What to call it in an error.
        salvage: Whether to take what can be read of a damaged file.

    Attributes:
        first: The first of them.
        frames: Samples a channel, if they are known beforehand.
        notes: What the user should know; complete once all blocks were read.

    Raises InputError for a file that is damaged, or whose recordings differ in rate or channels.
    """

    def __init__(self, stream: BinaryIO, form: str, name: str, *, salvage: bool) -> None:
        mpeg, missing = mpeg_inside(stream) if form == "wav" else (stream if form == "mp3" else None, 0)
        survey = survey_of(stream, form, name) if mpeg is None else survey_mpeg(mpeg, missing)
        self.stream = mpeg or stream
        self.name = name
        self.salvage = salvage
        if survey.damage and not salvage:
            raise InputError(f"{name}: damaged or truncated ({survey.damage[0]})", hint=TAKE_THE_REST)
        self.notes = [*survey.notes, *map(LeftOut, survey.damage)]
        if not survey.parts:
            raise InputError(f"{name}: holds no samples")
        if len(survey.parts) > 1 and not survey.damage:
            self.notes.append(f"{len(survey.parts)} recordings in a row are taken as one")
        self.others = survey.parts[1:]
        self.first = Decoder(self.stream, survey.parts[0], name)
        self.frames = None if self.others or salvage else self.first.frames

    def blocks(self, count: int) -> Iterator[NDArray[np.float32]]:
        """Their samples in blocks [n, channels], n of 1 to `count`."""
        decoder: Decoder | None = self.first
        for part in (None, *self.others):
            try:
                with closing(self.first if part is None else self.following(part)) as decoder:
                    yield from decoder.blocks(min(count, SALVAGED) if self.salvage else count)
            except InputError as error:
                if not self.salvage:
                    raise
                self.notes.append(LeftOut(error.what.removeprefix(f"{self.name}: ")))

    def following(self, part: Part) -> Decoder:
        """One of the other recordings."""
        decoder = Decoder(self.stream, part, self.name)
        if (decoder.sample_rate, decoder.channels) != (self.first.sample_rate, self.first.channels):
            decoder.close()
            what = f"{self.name}: holds recordings in a row that differ in rate or channels"
            raise InputError(what, hint="make a file of each")
        return decoder

    def close(self) -> None:
        self.first.close()


class Encoder:
    """Writes FLAC or OGG.

    Args:
        stream: Seekable and empty.
        info: Rate and channels.
        form: "flac" or "ogg".
        subtype: PCM_S8, PCM_16 or PCM_24 for FLAC, VORBIS for OGG.
        tags: Title, artist and so on.

    Raises InputError for a rate or number of channels that the format lacks; OSError from the stream.
    """

    def __init__(self, stream: BinaryIO, info: AudioInfo, form: str, subtype: str, tags: dict[str, str]) -> None:
        rate, channels = info.sample_rate, info.channels
        self.callbacks = Callbacks(stream)
        self.bits = 0 if form == "ogg" else depth_of(subtype).bits
        self.order = np.argsort(ORDERS[channels]) if form == "ogg" and channels in ORDERS else None
        try:
            self.file = Forward(self.callbacks, "w", rate, channels, subtype, format=form.upper())
        except (soundfile.SoundFileError, ValueError):
            raise InputError(
                f"{form} cannot hold {channels} channels at {rate:,} Hz", hint="use --format wav"
            ) from None
        for key, text in tags.items():
            setattr(self.file, key, text)

    def write(self, block: NDArray[np.float32]) -> None:
        """[n, channels]; integer formats round and stop at full scale."""
        samples: NDArray[np.float32] | NDArray[np.int32] = block if self.order is None else block[:, self.order]
        if self.bits:
            samples = integers_of(block, self.bits) << (32 - self.bits)
        for start in range(0, len(samples), WRITE_FRAMES):
            self.call(self.file.write, samples[start : start + WRITE_FRAMES])

    def close(self) -> None:
        self.call(self.file.close)

    def abandon(self) -> None:
        """Let go of a file that will not be completed, without touching its stream again."""
        self.callbacks.stream = io.BytesIO()
        with suppress(soundfile.SoundFileError):
            self.file.close()

    def call(self, function: Callable[..., object], *arguments: object) -> None:
        """Call libsndfile; where the stream failed meanwhile, that error is the one to know about."""
        try:
            function(*arguments)
        except soundfile.SoundFileError:
            if self.callbacks.error is None:
                raise
        if self.callbacks.error:
            raise self.callbacks.error
