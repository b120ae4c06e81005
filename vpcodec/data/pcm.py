"""Samples as bytes, little-endian, and as float32 numbers whose full scale is 1.

Names of sample formats are libsndfile's: PCM_16, FLOAT, ULAW and so on. Integers map to k / 2^(bits-1), both
ways, so a recording that is only copied keeps every bit (24 at most: float32 has no more).
"""

import io
from dataclasses import dataclass
from functools import cache
from typing import BinaryIO

import numpy as np
import soundfile
from numpy.typing import NDArray

from vpcodec.data.streams import LeftOut, read_exactly


@dataclass(frozen=True)
class SampleFormat:
    """Bits of a stored sample, and whether it is a floating-point number."""

    bits: int
    floating: bool = False

    @property
    def size(self) -> int:
        return self.bits // 8


FORMATS: dict[str, SampleFormat] = {
    "PCM_U8": SampleFormat(8),
    "PCM_S8": SampleFormat(8),
    "PCM_16": SampleFormat(16),
    "PCM_24": SampleFormat(24),
    "PCM_32": SampleFormat(32),
    "FLOAT": SampleFormat(32, floating=True),
    "DOUBLE": SampleFormat(64, floating=True),
    "ULAW": SampleFormat(8),
    "ALAW": SampleFormat(8),
}

# What is read from 16 stored bits or more; lossy formats count as 16 bits, the depth that players give them.
LOSSY_BITS = 16


def depth_of(subtype: str) -> SampleFormat:
    """Bits and kind of a sample format of libsndfile, lossy ones included."""
    if subtype in ("ULAW", "ALAW"):
        return SampleFormat(LOSSY_BITS)
    return FORMATS.get(subtype, SampleFormat(LOSSY_BITS))


def subtype_of(bits: int, floating: bool) -> str:
    """The sample format to store a depth in: the smallest that holds it."""
    if floating:
        return "FLOAT" if bits <= 32 else "DOUBLE"
    return "PCM_U8" if bits <= 8 else "PCM_16" if bits <= 16 else "PCM_24" if bits <= 24 else "PCM_32"


def samples_of(data: bytes, subtype: str) -> NDArray[np.float32]:
    """Bytes -> [n] float32. The bytes must hold whole samples."""
    if subtype in ("ULAW", "ALAW"):
        return law_of(subtype)[np.frombuffer(data, np.uint8)]
    if subtype == "FLOAT":
        return np.frombuffer(data, "<f4").astype(np.float32)
    if subtype == "DOUBLE":
        with np.errstate(over="ignore"):  # too large for float32 becomes infinite, and is dealt with as such
            return np.frombuffer(data, "<f8").astype(np.float32)
    if subtype == "PCM_U8":
        return (np.frombuffer(data, np.uint8).astype(np.float32) - np.float32(128)) / np.float32(128)
    if subtype == "PCM_24":
        left = np.zeros((len(data) // 3, 4), np.uint8)
        left[:, 1:] = np.frombuffer(data, np.uint8).reshape(-1, 3)
        return left.view("<i4")[:, 0].astype(np.float32) / np.float32(1 << 31)
    integers = np.frombuffer(data, {"PCM_S8": "<i1", "PCM_16": "<i2", "PCM_32": "<i4"}[subtype])
    return integers.astype(np.float32) / np.float32(1 << (FORMATS[subtype].bits - 1))


def bytes_of(samples: NDArray[np.float32], subtype: str) -> bytes:
    """[...] float32 -> bytes; integer formats round and stop at full scale. The two laws are only read."""
    if FORMATS[subtype].floating:
        return samples.astype("<f4" if subtype == "FLOAT" else "<f8").tobytes()
    bits = FORMATS[subtype].bits
    integers = integers_of(samples, bits)
    if subtype == "PCM_U8":
        return (integers + 128).astype(np.uint8).tobytes()
    if subtype == "PCM_24":
        return integers.astype("<i4").reshape(-1, 1).view(np.uint8)[:, :3].tobytes()
    return integers.astype(f"<i{bits // 8}").tobytes()


def integers_of(samples: NDArray[np.float32], bits: int) -> NDArray[np.int32]:
    """[...] float32 -> the same shape, int32 of that many bits, rounded and stopped at full scale."""
    scale = float(1 << (bits - 1))
    return np.clip(np.rint(samples.astype(np.float64) * scale), -scale, scale - 1).astype(np.int32)


def beyond_full_scale(samples: NDArray[np.float32]) -> int:
    """Samples that an integer format has to clip."""
    return int(np.count_nonzero(np.abs(samples) > 1))


@cache
def law_of(subtype: str) -> NDArray[np.float32]:
    """The 256 values of the mu-law or A-law of ITU-T G.711."""
    codes = io.BytesIO(bytes(range(256)))
    layout = {"format": "RAW", "subtype": subtype, "samplerate": 8000, "channels": 1}
    values: NDArray[np.float32] = soundfile.read(codes, dtype="float32", **layout)[0]
    return values


class PcmReader:
    """Reads samples from where a stream stands.

    Args:
        stream: At the first sample; need not be seekable.
        channels: Number of channels.
        subtype: One of `FORMATS`.
        length: Bytes of samples; None for all there are.

    Attributes:
        left: Bytes that are still to come; None where nobody knows.
        notes: What the user should know.
    """

    def __init__(self, stream: BinaryIO, channels: int, subtype: str, length: int | None = None) -> None:
        self.stream = stream
        self.channels = channels
        self.subtype = subtype
        self.frame_bytes = channels * FORMATS[subtype].size
        self.left = length
        self.notes: list[str] = []

    def read(self, frames: int, /) -> NDArray[np.float32]:
        """The next block [n, channels]; n is 0 at the end."""
        return samples_of(self.fetch(frames * self.frame_bytes), self.subtype).reshape(-1, self.channels)

    def fetch(self, count: int) -> bytes:
        """The next bytes, up to a count, of whole samples of all channels."""
        if self.left is not None:
            count = min(count, self.left // self.frame_bytes * self.frame_bytes)
        data = read_exactly(self.stream, count)
        rest = len(data) % self.frame_bytes
        data = data[: len(data) - rest]
        if self.left is not None:
            self.left -= len(data)
        elif rest:
            self.notes.append(LeftOut(f"the last {rest} bytes are no whole sample; they are left out"))
        return data
