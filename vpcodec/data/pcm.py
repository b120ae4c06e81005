"""Convert samples between bytes (little-endian) and float32 numbers whose full scale is 1.

Names of sample formats are libsndfile's: PCM_16, FLOAT, ULAW and so on. Integers map to k / 2^(bits-1), both
ways, so a recording that is only copied keeps every bit (24 at most: float32 has no more).
"""

import io
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vpcodec.data.streams import LeftOut, read_exactly


class SampleFormat(NamedTuple):
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
LAWS = ("ULAW", "ALAW")
DTYPES = {"PCM_16": "<i2", "PCM_32": "<i4", "FLOAT": "<f4", "DOUBLE": "<f8"}  # NumPy's; libsndfile converts the others
LOSSY_BITS = 16  # lossy formats have no depth of their own; this is the one that players give them


def depth_of(subtype: str) -> SampleFormat:
    """Bits and kind of a sample format of libsndfile, lossy ones included."""
    return FORMATS[subtype] if subtype in FORMATS and subtype not in LAWS else SampleFormat(LOSSY_BITS)


def subtype_of(bits: int, floating: bool) -> str:
    """The sample format to store a depth in: the smallest that holds it."""
    if floating:
        return "FLOAT" if bits <= 32 else "DOUBLE"
    return "PCM_U8" if bits <= 8 else "PCM_16" if bits <= 16 else "PCM_24" if bits <= 24 else "PCM_32"


def samples_of(data: bytes, subtype: str) -> NDArray[np.float32]:
    """Bytes -> [n] float32. The bytes must hold whole samples. A number too large for float32 becomes infinite."""
    if subtype in DTYPES:
        with np.errstate(over="ignore", invalid="ignore"):
            samples = np.frombuffer(data, DTYPES[subtype]).astype(np.float32)
        return samples if FORMATS[subtype].floating else samples / np.float32(1 << (FORMATS[subtype].bits - 1))
    import soundfile

    layout = {"format": "RAW", "subtype": subtype, "samplerate": 8000, "channels": 1, "endian": "LITTLE"}
    return np.asarray(soundfile.read(io.BytesIO(data), dtype="float32", **layout)[0])


def bytes_of(samples: NDArray[np.float32], subtype: str) -> bytes:
    """[...] float32 -> bytes; integer formats round and stop at full scale."""
    depth = FORMATS[subtype]
    if depth.floating:
        return samples.astype(DTYPES[subtype]).tobytes()
    integers = integers_of(samples.ravel(), depth.bits)
    if subtype in DTYPES:
        return integers.astype(DTYPES[subtype]).tobytes()
    import soundfile

    stored = io.BytesIO()
    soundfile.write(stored, integers << (32 - depth.bits), 8000, subtype, "LITTLE", "RAW")
    return stored.getvalue()


def integers_of(samples: NDArray[np.float32], bits: int) -> NDArray[np.int32]:
    """[...] float32 -> the same shape, int32 of that many bits, rounded and stopped at full scale."""
    scale = float(1 << (bits - 1))
    return np.clip(np.rint(samples.astype(np.float64) * scale), -scale, scale - 1).astype(np.int32)


def beyond_full_scale(samples: NDArray[np.float32]) -> int:
    """Samples that an integer format has to clip."""
    return int(np.count_nonzero(np.abs(samples) > 1))


def whole_frames(
    stream: BinaryIO, frame_bytes: int, count: int, length: int | None, notes: list[str]
) -> Iterator[bytes]:
    """Samples of all channels from where a stream stands, in blocks.

    Args:
        stream: Need not be seekable.
        frame_bytes: Of one sample of each channel.
        count: Frames in a block at most.
        length: Bytes of samples; None for all there are.
        notes: Gets a note where bytes are left that are no whole frame.
    """
    left = length
    while data := read_exactly(stream, frame_bytes * (count if left is None else min(count, left // frame_bytes))):
        rest = len(data) % frame_bytes
        if rest and left is None:
            notes.append(LeftOut(f"the last {rest} bytes are not a whole sample and are dropped"))
        if left is not None:
            left -= len(data)
        if len(data) > rest:
            yield data[: len(data) - rest]
