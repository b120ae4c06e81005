"""Write recordings to files and pipes: WAV and raw PCM by this module, FLAC and OGG by libsndfile."""

import struct
from contextlib import ExitStack
from typing import TYPE_CHECKING, BinaryIO, Self

import numpy as np
from numpy.typing import NDArray

from vpcodec.data.audio import TAGS as ALL_TAGS
from vpcodec.data.audio import AudioInfo
from vpcodec.data.pcm import FORMATS as SAMPLE_FORMATS
from vpcodec.data.pcm import beyond_full_scale, bytes_of, depth_of, subtype_of
from vpcodec.data.streams import at_start
from vpcodec.data.wav import EXTENSIBLE, FLOATING, GUID_TAIL, PCM, TAGS, UNKNOWN
from vpcodec.errors import ConfigError, counted

if TYPE_CHECKING:
    from vpcodec.data.sndfile import Encoder

# The sample formats that each file format can hold, and what the others become.
FORMATS: dict[str, tuple[str, ...]] = {
    "wav": ("PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE"),
    "raw": ("PCM_U8", "PCM_S8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE"),
    "flac": ("PCM_S8", "PCM_16", "PCM_24"),
    "ogg": ("VORBIS",),
}
# Tags with a place in the format.
CARRIED_TAGS = {"wav": tuple(TAGS.values()), "raw": (), "flac": ALL_TAGS, "ogg": ALL_TAGS}


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
            from vpcodec.data import sndfile

            if not self._seekable:
                import tempfile

                spool = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the sink
                self._spool = self._resources.enter_context(spool)
            self._encoder = sndfile.Encoder(self._spool or stream, info, form, self.subtype, self.tags)
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
            one, many = "sample was beyond full scale and is clipped", "samples were beyond full scale and are clipped"
            notes.append(counted(self.clipped, one, many))
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
                import shutil

                shutil.copyfileobj(self._spool, self.stream)
                self._spool = None
            elif self.form == "wav":
                self._complete_wav()

    def _complete_wav(self) -> None:
        if self.frames * self.info.channels * SAMPLE_FORMATS[self.subtype].size % 2:
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

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        if kind is None:
            self.close()
            return
        with self._resources:
            if self._encoder:
                self._encoder.abandon()


def write_header(
    sample_rate: int, channels: int, subtype: str, frames: int | None, tags: dict[str, str] | None = None
) -> bytes:
    """The bytes before the samples.

    Args:
        sample_rate: Hz.
        channels: Number of channels.
        subtype: One of `SUBTYPES`.
        frames: Samples a channel; None if unknown, for sizes of 0xFFFFFFFF. Beyond 4 GiB the header is RF64.
        tags: Title, artist and so on; those without a place in WAV are left out.
    """
    sample_bytes = SAMPLE_FORMATS[subtype].size
    frame_bytes = channels * sample_bytes
    tag = PCM if subtype.startswith("PCM") else FLOATING
    extensible = channels > 2 or (tag == PCM and sample_bytes > 2)
    fmt = struct.pack(
        "<HHIIHH",
        EXTENSIBLE if extensible else tag,
        channels,
        sample_rate,
        min(sample_rate * frame_bytes, UNKNOWN),
        frame_bytes,
        8 * sample_bytes,
    )
    if extensible:
        fmt += struct.pack("<HHIH", 22, 8 * sample_bytes, 0, tag) + GUID_TAIL
    elif tag != PCM:
        fmt += bytes(2)
    length = None if frames is None else frames * frame_bytes
    chunks = chunk_of(b"fmt ", fmt)
    if tag != PCM or extensible:
        chunks += chunk_of(b"fact", struct.pack("<I", UNKNOWN if frames is None else min(frames, UNKNOWN)))
    names = {name: identity for identity, name in TAGS.items()}
    texts = b"".join(chunk_of(names[key], text.encode() + b"\0") for key, text in (tags or {}).items() if key in names)
    if texts:
        chunks += chunk_of(b"LIST", b"INFO" + texts)
    if length is None:
        return struct.pack("<4sI4s", b"RIFF", UNKNOWN, b"WAVE") + chunks + struct.pack("<4sI", b"data", UNKNOWN)
    whole = 4 + len(chunks) + 8 + length + length % 2
    if whole < 0xFFFFF000:
        return struct.pack("<4sI4s", b"RIFF", whole, b"WAVE") + chunks + struct.pack("<4sI", b"data", length)
    sizes = chunk_of(b"ds64", struct.pack("<QQQI", whole + 36, length, frames, 0))
    return struct.pack("<4sI4s", b"RF64", UNKNOWN, b"WAVE") + sizes + chunks + struct.pack("<4sI", b"data", UNKNOWN)


def chunk_of(identity: bytes, contents: bytes) -> bytes:
    return identity + struct.pack("<I", len(contents)) + contents + bytes(len(contents) % 2)
