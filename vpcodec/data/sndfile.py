"""Compressed recordings by libsndfile, through Python streams and with our errors.

Every name works, since Python opens the files, and no error of a stream is lost inside a C library: the
callbacks keep it, and it is raised when the library returns.
"""

import hashlib
import io
import os
from contextlib import suppress
from typing import BinaryIO, NoReturn

import numpy as np
import soundfile
from numpy.typing import NDArray

from vpcodec.data.ogg import ORDERS
from vpcodec.data.parts import Part, Survey
from vpcodec.data.pcm import FORMATS, integers_of
from vpcodec.data.streams import LeftOut, failure, pieces_of
from vpcodec.errors import InputError

TAGS = ("title", "artist", "album", "date", "tracknumber", "genre", "comment", "copyright", "license")
ENDLESS = 1 << 48  # libsndfile's count for a stream of unknown length is far above
SALVAGED = 1024  # samples of a damaged recording read at once: libsndfile drops all of a call that fails
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

    Raises InputError for a recording that is damaged or cut short, here or in `read`.
    """

    def __init__(self, stream: BinaryIO, part: Part, name: str) -> None:
        self.part = part
        self.name = name
        self.callbacks = Callbacks(pieces_of(stream, part.ranges))
        try:
            self.file = Forward(self.callbacks)
        except (soundfile.SoundFileError, TypeError, ValueError) as error:
            self.refuse(error)
        self.sample_rate: int = self.file.samplerate
        self.channels: int = self.file.channels
        self.subtype: str = self.file.subtype
        self.frames: int | None = self.file.frames if self.file.frames < ENDLESS else None
        self.most = part.frames
        if self.subtype.startswith("MPEG"):  # inside a WAV only reading to the end tells
            self.frames = self.most = part.frames if part.form == "mp3" else None
        elif part.frames and self.frames and part.frames <= self.frames:
            self.frames = part.frames
        self.tags = {key: text for key, text in self.file.copy_metadata().items() if key in TAGS and text}
        self.skip = part.skip
        self.done = 0
        self.checksum = hashlib.md5(usedforsecurity=False)

    def read(self, frames: int) -> NDArray[np.float32]:
        """The next block [n, channels]; n is 0 at the end."""
        while self.skip and (dropped := len(self.decode(min(frames, self.skip)))):
            self.skip -= dropped
        block = self.decode(frames if self.most is None else min(frames, self.most - self.done))
        self.done += len(block)
        if self.part.md5:
            self.check(block)
        if len(block) == 0 and self.done < (self.frames or 0):
            raise InputError(
                f"{self.name}: ends after {self.done:,} of {self.frames:,} samples",
                hint="it is damaged or was cut short; encode --salvage takes what is there",
            )
        return block if self.part.order is None else block[:, self.part.order]

    def decode(self, frames: int) -> NDArray[np.float32]:
        """Up to so many samples from libsndfile."""
        try:
            block: NDArray[np.float32] = self.file.read(frames, dtype="float32", always_2d=True)
        except (soundfile.SoundFileError, ValueError) as error:
            self.refuse(error)
        if self.callbacks.error:
            self.refuse(self.callbacks.error)
        return block

    def check(self, block: NDArray[np.float32]) -> None:
        """Compare the checksum of all samples at the end. Raises InputError."""
        if len(block):
            size = self.part.bits // 8
            integers = integers_of(block, self.part.bits).astype("<i4").reshape(-1, 1)
            self.checksum.update(integers.view(np.uint8)[:, :size].tobytes())
        elif self.checksum.digest() != self.part.md5:
            raise InputError(
                f"{self.name}: its samples do not match their checksum (MD5)",
                hint="it is damaged; encode --salvage takes what is there",
            )

    def refuse(self, error: Exception) -> NoReturn:
        if self.callbacks.error:
            raise failure(self.name, self.callbacks.error) from None
        reason = getattr(error, "error_string", str(error)).removeprefix("Error : ").rstrip(".")
        raise InputError(
            f"{self.name}: damaged or cut short ({reason})", hint="encode --salvage takes what can be read"
        ) from None

    def close(self) -> None:
        self.file.close()


class Chain:
    """Reads the recordings of a file one after the other, as one.

    Args:
        stream: The file, seekable.
        survey: What is in it.
        name: What to call it in an error.
        salvage: Whether to take what can be read of a damaged file.

    Raises InputError for a file that is damaged, or whose recordings differ in rate or channels.
    """

    def __init__(self, stream: BinaryIO, survey: Survey, name: str, *, salvage: bool) -> None:
        self.stream = stream
        self.name = name
        self.salvage = salvage
        self.notes = list(survey.notes)
        if survey.damage and not salvage:
            raise InputError(
                f"{name}: damaged or cut short ({survey.damage[0]})", hint="encode --salvage takes what is there"
            )
        self.notes += [LeftOut(each) for each in survey.damage]
        if not survey.parts:
            raise InputError(f"{name}: holds no samples")
        if len(survey.parts) > 1 and not survey.damage:
            self.notes.append(f"{len(survey.parts)} recordings in a row are taken as one")
        self.left = survey.parts[1:]
        self.decoder = Decoder(stream, survey.parts[0], name)
        self.first = self.decoder

    @property
    def frames(self) -> int | None:
        """Samples a channel, if they are known beforehand."""
        return None if self.left or self.salvage else self.first.frames

    def read(self, frames: int) -> NDArray[np.float32]:
        """The next block [n, channels]; n is 0 at the end."""
        block = np.zeros((0, self.first.channels), np.float32)
        while not len(block):
            try:
                block = self.decoder.read(min(frames, SALVAGED) if self.salvage else frames)
            except InputError as error:
                if not self.salvage:
                    raise
                self.notes.append(LeftOut(error.what.removeprefix(f"{self.name}: ")))
            if not len(block):
                if not self.left:
                    break
                self.decoder.close()
                self.decoder = Decoder(self.stream, self.left.pop(0), self.name)
                if (self.decoder.sample_rate, self.decoder.channels) != (self.first.sample_rate, self.first.channels):
                    raise InputError(
                        f"{self.name}: holds recordings in a row that differ in rate or channels",
                        hint="make a file of each",
                    )
        return block

    def close(self) -> None:
        self.decoder.close()


class Encoder:
    """Writes FLAC or OGG.

    Args:
        stream: Seekable and empty.
        form: "flac" or "ogg".
        sample_rate: Hz.
        channels: Number of channels.
        subtype: PCM_S8, PCM_16 or PCM_24 for FLAC, VORBIS for OGG.
        tags: Title, artist and so on.

    Raises InputError for a rate or number of channels that the format lacks; OSError from the stream.
    """

    def __init__(
        self, stream: BinaryIO, form: str, sample_rate: int, channels: int, subtype: str, tags: dict[str, str]
    ) -> None:
        self.callbacks = Callbacks(stream)
        self.subtype = subtype
        self.order = np.argsort(ORDERS[channels]) if form == "ogg" and channels in ORDERS else None
        try:
            self.file = Forward(self.callbacks, "w", sample_rate, channels, subtype, format=form.upper())
        except (soundfile.SoundFileError, ValueError):
            raise InputError(
                f"{form} cannot hold {channels} channels at {sample_rate:,} Hz", hint="use --format wav"
            ) from None
        for key, text in tags.items():
            if key in TAGS:
                setattr(self.file, key, text)

    def write(self, block: NDArray[np.float32]) -> None:
        """[n, channels]; integer formats round and stop at full scale."""
        samples: NDArray[np.float32] | NDArray[np.int32] = block if self.order is None else block[:, self.order]
        if self.subtype in FORMATS:
            bits = FORMATS[self.subtype].bits
            samples = integers_of(block, bits) << (32 - bits)
        for start in range(0, len(samples), WRITE_FRAMES):
            self.call(self.file.write, samples[start : start + WRITE_FRAMES])

    def close(self) -> None:
        self.call(self.file.close)

    def abandon(self) -> None:
        """Let go of a file that will not be completed, without touching its stream again."""
        self.callbacks.stream = io.BytesIO()
        with suppress(soundfile.SoundFileError):
            self.file.close()

    def call(self, function, *arguments) -> None:  # type: ignore[no-untyped-def]
        """Call libsndfile; where the stream failed meanwhile, that error is the one to know about."""
        try:
            function(*arguments)
        except soundfile.SoundFileError:
            if self.callbacks.error is None:
                raise
        if self.callbacks.error:
            raise self.callbacks.error
