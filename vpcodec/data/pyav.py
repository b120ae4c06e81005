"""Decode sound with FFmpeg through the optional package PyAV: AAC, AMR, WMA, WavPack, and the sound of films."""

import re
from collections.abc import Iterator
from itertools import chain
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from vpcodec.data.audio import TAGS
from vpcodec.data.kinds import PYAV_FORMATS, load_extra
from vpcodec.data.sndfile import TAKE_THE_REST
from vpcodec.data.streams import LeftOut, size_of
from vpcodec.errors import InputError

SUBTYPES = {"u8": "PCM_U8", "s16": "PCM_16", "s32": "PCM_24", "flt": "FLOAT", "dbl": "DOUBLE"}  # of lossless codecs
LOUDEST = {"u8": 1 << 7, "s16": 1 << 15, "s32": 1 << 31}
CLOCK = re.compile(r"(\d+):(\d+):([\d.]+)")
SLACK = 0.3  # seconds by which a header may promise more than comes out: what encoders put around the sound


class PyavDecoder:
    """Reads the sound of a file.

    Args:
        stream: The file, seekable.
        form: One of `PYAV_FORMATS`.
        name: What to call it in an error.
        salvage: Whether to take what can be read of a damaged file.

    Attributes:
        sample_rate: Hz.
        channels: Number of channels, in the order of WAV.
        subtype: As libsndfile would call it, or the name of a lossy codec.
        tags: Title, artist and so on.
        notes: What the user should know; complete once all blocks were read.

    Raises:
        InputError: The file is damaged, or holds no sound; from `blocks` too, where it ends early.
        DependencyError: PyAV is not installed.
    """

    def __init__(self, stream: BinaryIO, form: str, name: str, *, salvage: bool) -> None:
        self.av = load_extra("media", name, PYAV_FORMATS[form][0])
        self.form = form
        self.name = name
        self.salvage = salvage
        self.notes: list[str] = []
        size_of(stream)  # which goes back to the beginning
        try:
            self.container = self.av.open(stream, "r", format=PYAV_FORMATS[form][1], metadata_errors="replace")
        except (self.av.FFmpegError, OSError) as error:
            raise self.damaged(error) from None
        if not self.container.streams.audio:
            raise InputError(f"{name}: holds no sound")
        self.sound = self.container.streams.audio[0]
        self.note_others()
        self.frames = self.decoded()
        first = next(self.frames, None)
        if first is None:
            raise InputError(f"{name}: holds no samples")
        self.frames = chain([first], self.frames)
        self.sample_rate, self.channels = first.rate, first.layout.nb_channels
        codec = self.sound.codec_context.codec
        self.subtype = SUBTYPES.get(first.format.name.rstrip("p"), "") if codec.lossless else ""
        self.subtype = self.subtype or codec.canonical_name.upper()
        texts = {key.lower(): text for key, text in {**self.container.metadata, **self.sound.metadata}.items()}
        texts["tracknumber"] = texts.get("track", "")
        self.tags = {key: texts[key] for key in TAGS if texts.get(key)}

    def note_others(self) -> None:
        """Note what stands beside the sound."""
        others = [each for each in self.container.streams if each.type in ("audio", "video") and each is not self.sound]
        # A cover is a picture, too, but no film.
        left_out = [
            each.codec_context.name for each in others if not each.disposition & type(each.disposition).attached_pic
        ]
        if left_out:
            self.notes.append(LeftOut(f"{' and '.join(left_out)} beside the sound: left out"))

    def decoded(self) -> Iterator[Any]:
        """PyAV's frames of sound, without those that damage has spoilt."""
        try:
            for packet in self.container.demux(self.sound):
                try:
                    yield from packet.decode()
                except self.av.FFmpegError as error:
                    self.damage(error)
        except self.av.FFmpegError as error:
            self.damage(error)

    def blocks(self, count: int) -> Iterator[NDArray[np.float32]]:
        """The samples in blocks [n, channels], n of 1 to `count`."""
        done = 0
        for frame in self.frames:
            if (frame.rate, frame.layout.nb_channels) != (self.sample_rate, self.channels):
                what = f"{self.name}: its rate or number of channels changes on the way"
                raise InputError(what, hint="convert it to WAV first")
            samples = samples_of_frame(frame)
            done += len(samples)
            for start in range(0, len(samples), count):
                yield samples[start : start + count]
        found, promised = done / self.sample_rate, self.promised()
        if found < promised - SLACK:
            self.damage(f"ends after {found:.2f} of {promised:.2f} seconds")

    def promised(self) -> float:
        """Seconds by the header; 0 where it has none, and FFmpeg guesses by the size of the file."""
        if self.form in ("aac", "amr"):
            return 0
        if self.sound.duration is not None:
            return float(self.sound.duration * self.sound.time_base)
        if clock := CLOCK.fullmatch(self.sound.metadata.get("DURATION", "")):  # of Matroska
            return int(clock[1]) * 3600 + int(clock[2]) * 60 + float(clock[3])
        alone = len(self.container.streams) == 1
        return (self.container.duration or 0) / self.av.time_base if alone else 0

    def damage(self, what: object) -> None:
        """Note what is wrong. Raises InputError unless what is there is to be taken."""
        if not self.salvage:
            raise self.damaged(what) from None
        self.notes.append(LeftOut(f"damaged or truncated ({what})"))

    def damaged(self, what: object) -> InputError:
        reason = getattr(what, "strerror", None) or what
        return InputError(f"{self.name}: damaged or truncated ({reason})", hint=TAKE_THE_REST)

    def close(self) -> None:
        self.container.close()


def samples_of_frame(frame: Any) -> NDArray[np.float32]:
    """A frame of PyAV -> [n, channels], full scale 1."""
    samples = frame.to_ndarray()
    samples = samples.T if frame.format.is_planar else samples.reshape(-1, frame.layout.nb_channels)
    kind = frame.format.name.rstrip("p")
    if kind not in LOUDEST:
        return samples.astype(np.float32)
    return (samples.astype(np.float32) - np.float32(128 if kind == "u8" else 0)) / np.float32(LOUDEST[kind])
