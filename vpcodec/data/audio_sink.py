"""Recordings to files and pipes: WAV and raw PCM written here, FLAC and OGG by libsndfile."""

import shutil
import tempfile
from contextlib import ExitStack
from types import TracebackType
from typing import BinaryIO, Self

import numpy as np
from numpy.typing import NDArray

from vpcodec.data.audio import AudioInfo
from vpcodec.data.pcm import beyond_full_scale, bytes_of, depth_of, subtype_of
from vpcodec.data.sndfile import Encoder
from vpcodec.data.streams import at_start
from vpcodec.data.wav import write_header
from vpcodec.errors import ConfigError

# The sample formats that each file format can hold, and what the others become.
FORMATS: dict[str, tuple[str, ...]] = {
    "wav": ("PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE"),
    "raw": ("PCM_U8", "PCM_S8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE"),
    "flac": ("PCM_S8", "PCM_16", "PCM_24"),
    "ogg": ("VORBIS",),
}
# Tags with a place in the format.
CARRIED_TAGS: dict[str, tuple[str, ...]] = {
    "wav": ("title", "artist", "album", "date", "tracknumber", "genre", "comment", "copyright"),
    "raw": (),
    "flac": ("title", "artist", "album", "date", "tracknumber", "genre", "comment", "copyright", "license"),
    "ogg": ("title", "artist", "album", "date", "tracknumber", "genre", "comment", "copyright", "license"),
}


def stored_as(form: str, info: AudioInfo) -> str:
    """The sample format in which a file format keeps a recording: its own, or the nearest that loses least."""
    if info.subtype in FORMATS[form]:
        return info.subtype
    if form == "ogg":
        return "VORBIS"
    if form == "flac":
        return {8: "PCM_S8", 16: "PCM_16"}.get(info.bit_depth, "PCM_24")
    return subtype_of(info.bit_depth, info.floating)


class AudioSink:
    """A recording being written; a context manager that completes it.

    Args:
        stream: Where to; standing at its beginning. FLAC and OGG need it seekable and take a detour if it is not.
        info: Rate, channels, sample format, tags; `frames` where the length is known beforehand, so that even
            a WAV in a pipe has the right sizes.
        form: "wav", "flac", "ogg" or "raw".

    Attributes:
        notes: What the format does not keep, and samples that were clipped; complete after `close`.

    Raises:
        InputError: The format lacks this rate or number of channels.
        ConfigError: There is no such format.
        OSError: The stream takes no more.
    """

    def __init__(self, stream: BinaryIO, info: AudioInfo, form: str = "wav") -> None:
        if form not in FORMATS:
            raise ConfigError(f"cannot write sound as {form!r}", hint=f"use {', '.join(FORMATS)}")
        self.stream = stream
        self.info = info
        self.form = form
        self.subtype = stored_as(form, info)
        self.frames = 0
        self.clipped = 0
        self.tags = {key: text for key, text in info.tags.items() if key in CARRIED_TAGS[form]}
        self._resources = ExitStack()
        self._encoder: Encoder | None = None
        self._spool: BinaryIO | None = None
        self._seekable = at_start(stream)
        if form in ("flac", "ogg"):
            if not self._seekable:
                spool = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the sink
                self._spool = self._resources.enter_context(spool)
            self._encoder = Encoder(
                self._spool or stream, form, info.sample_rate, info.channels, self.subtype, self.tags
            )
        elif form == "wav":
            self.stream.write(self._header(info.frames))

    @property
    def notes(self) -> tuple[str, ...]:
        notes = []
        if lost := sorted(self.info.tags.keys() - self.tags.keys()):
            notes.append(f"{self.form} has no place for {', '.join(lost)}")
        if self.form != "ogg" and depth_of(self.subtype) != depth_of(self.info.subtype):
            notes.append(f"{self.form} has no {self.info.subtype} samples; they are written as {self.subtype}")
        if self.clipped:
            notes.append(f"{self.clipped:,} samples were beyond full scale and are clipped")
        return tuple(notes)

    def write(self, block: NDArray[np.float32]) -> None:
        """Append a block [n, channels], full scale 1."""
        self.frames += len(block)
        if self.subtype.startswith("PCM"):
            self.clipped += beyond_full_scale(block)
        if self._encoder:
            self._encoder.write(block)
        else:
            self.stream.write(bytes_of(block, self.subtype))

    def close(self) -> None:
        """Complete the file. The stream itself stays open."""
        with self._resources:
            if self._encoder:
                self._encoder.close()
                self._encoder = None
            if self._spool:
                self._spool.seek(0)
                shutil.copyfileobj(self._spool, self.stream)
                self._spool = None
            elif self.form == "wav":
                self._complete_wav()

    def _complete_wav(self) -> None:
        if self.frames * self.info.channels * len(bytes_of(np.zeros(1, np.float32), self.subtype)) % 2:
            self.stream.write(b"\0")
        if self.frames != self.info.frames and self._seekable:
            header = self._header(self.frames)
            if len(header) == len(self._header(None)):  # beyond 4 GiB "until the end" has to do
                self.stream.seek(0)
                self.stream.write(header)
                self.stream.seek(0, 2)

    def _header(self, frames: int | None) -> bytes:
        return write_header(self.info.sample_rate, self.info.channels, self.subtype, frames, self.tags)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.close()
            return
        with self._resources:
            if self._encoder:
                self._encoder.abandon()
