"""Compressed recordings by libsndfile, through Python streams and with our errors.

Every name works, since Python opens the files, and no error of a stream is lost inside a C library: the
callbacks keep it, and it is raised when the library returns.
"""

import io
import os
from contextlib import suppress
from typing import BinaryIO, NoReturn

import numpy as np
import soundfile
from numpy.typing import NDArray

from vpcodec.data.pcm import FORMATS, integers_of
from vpcodec.data.streams import failure, size_of
from vpcodec.data.wav import SLACK
from vpcodec.errors import InputError

TAGS = ("title", "artist", "album", "date", "tracknumber", "genre", "comment", "copyright", "license")
ENDLESS = 1 << 48  # libsndfile's count for a stream of unknown length is far above
MP3_SLACK = 1152  # samples by which the length in an MP3 header may differ from what comes out
WRITE_FRAMES = 4096  # libsndfile's Vorbis encoder keeps a whole call on its stack
OGG_PAGE_BYTES = 65_307  # the largest page: 27 bytes, 255 lengths, 255 times 255 bytes
OGG_LAST_PAGE = 4  # flag in a page header


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
    """Reads a recording.

    Args:
        stream: Seekable, at its first byte.
        form: Its format as in `kinds`.
        name: What to call it in an error.

    Raises InputError for a recording that is damaged or cut short, here or in `read`.
    """

    def __init__(self, stream: BinaryIO, form: str, name: str) -> None:
        self.name = name
        self.notes: list[str] = []
        if form == "aiff":
            self.notes += check_aiff_size(stream, name)
        if form == "ogg" and not ends_with_last_page(stream):
            self.notes.append("the OGG stream has no last page; it may be cut short")
        stream.seek(0)
        self.callbacks = Callbacks(stream)
        try:
            self.file = Forward(self.callbacks)
        except (soundfile.SoundFileError, TypeError, ValueError) as error:
            self.refuse(error)
        self.sample_rate: int = self.file.samplerate
        self.channels: int = self.file.channels
        self.subtype: str = self.file.subtype
        self.exact = form != "mp3" and self.file.frames < ENDLESS
        self.frames: int | None = self.file.frames if self.exact else None
        self.tags = {key: text for key, text in self.file.copy_metadata().items() if key in TAGS and text}
        self.done = 0

    def read(self, frames: int) -> NDArray[np.float32]:
        """The next block [n, channels]; n is 0 at the end."""
        try:
            block: NDArray[np.float32] = self.file.read(frames, dtype="float32", always_2d=True)
        except (soundfile.SoundFileError, ValueError) as error:
            self.refuse(error)
        if self.callbacks.error:
            self.refuse(self.callbacks.error)
        self.done += len(block)
        if (
            len(block) == 0
            and self.done < self.file.frames - MP3_SLACK
            and self.file.frames < ENDLESS
            and not self.exact
        ):
            raise InputError(
                f"{self.name}: ends after {self.done:,} of {self.file.frames:,} samples",
                hint="the file is damaged or was cut short",
            )
        return block

    def refuse(self, error: Exception) -> NoReturn:
        if self.callbacks.error:
            raise failure(self.name, self.callbacks.error) from None
        reason = getattr(error, "error_string", str(error)).removeprefix("Error : ").rstrip(".")
        raise InputError(f"{self.name}: damaged or cut short ({reason})") from None

    def close(self) -> None:
        self.file.close()


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
        samples: NDArray[np.float32] | NDArray[np.int32] = block
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


def check_aiff_size(stream: BinaryIO, name: str) -> list[str]:
    """A note where the header of an AIFF file promises a few bytes too many.

    Raises InputError for a file that was cut short: libsndfile would read what is there.
    """
    size = size_of(stream)
    promised = int.from_bytes(stream.read(8)[4:], "big") + 8
    if size + SLACK < promised:
        raise InputError(
            f"{name}: ends after {size:,} of {promised:,} bytes",
            hint="the file was cut short: copy or record it again",
        )
    return [f"the header promises {promised - size} bytes more than there are"] if size < promised else []


def ends_with_last_page(stream: BinaryIO) -> bool:
    """Whether an OGG file ends with a whole page that is marked as the last one."""
    size = size_of(stream)
    stream.seek(max(0, size - OGG_PAGE_BYTES))
    tail = stream.read()
    page = tail[max(0, tail.rfind(b"OggS")) :]
    if len(page) < 27 or len(page) < 27 + page[26]:
        return False
    return bool(page[5] & OGG_LAST_PAGE) and len(page) >= 27 + page[26] + sum(page[27 : 27 + page[26]])
