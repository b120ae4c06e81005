"""Convert the sample rate of a stream without delay or drift, to a length that is known beforehand.

n samples at rate a become ceil(n * b / a) samples at rate b, and on the way back exactly n again.
Method: the band-limited polyphase filters of libsoxr at its "HQ" quality (20 bits).
"""

import math

import numpy as np
from numpy.typing import NDArray

from vpcodec.errors import InputError

BLOCK = 2048  # frames handed to libsoxr at once, whatever the caller's blocks are
LOWEST_RATE, HIGHEST_RATE = 1_000, 1_000_000  # Hz


def resampled_length(frames: int, source_rate: int, target_rate: int) -> int:
    """Samples at the target rate that cover `frames` samples at the source rate."""
    return -(-frames * target_rate // source_rate)


def checked_rate(sample_rate: int, name: str) -> int:
    """The rate, if a recording can have it. Raises InputError."""
    if not LOWEST_RATE <= sample_rate <= HIGHEST_RATE:
        raise InputError(
            f"{name}: a sample rate of {sample_rate:,} Hz is not readable",
            hint=f"it must be {LOWEST_RATE:,} to {HIGHEST_RATE:,} Hz",
        )
    return sample_rate


class Resampler:
    """Resamples blocks as they come; the result does not depend on how the signal was cut.

    Args:
        source_rate: Hz.
        target_rate: Hz.
        channels: Number of channels.

    Raises InputError for a rate that no recording has.
    """

    def __init__(self, source_rate: int, target_rate: int, channels: int) -> None:
        for rate in (source_rate, target_rate):
            checked_rate(rate, "resampling")
        self.source_rate = source_rate
        self.target_rate = target_rate
        self.received = 0
        self.emitted = 0
        self.waiting = np.zeros((0, channels), np.float32)
        self.stream = None
        if source_rate != target_rate:
            import soxr

            self.stream = soxr.ResampleStream(source_rate, target_rate, channels, "float32", "HQ")

    def push(self, block: NDArray[np.float32]) -> NDArray[np.float32]:
        """[n, channels] at the source rate -> what is ready at the target rate, [m, channels]; m may be 0."""
        self.received += len(block)
        if self.stream is None:
            self.emitted += len(block)
            return block
        waiting = np.concatenate([self.waiting, block])
        whole = len(waiting) // BLOCK * BLOCK
        self.waiting = waiting[whole:]
        ready = [self.stream.resample_chunk(waiting[i : i + BLOCK]) for i in range(0, whole, BLOCK)]
        return self.counted(np.concatenate(ready) if ready else waiting[:0])

    def finish(self, length: int | None = None) -> NDArray[np.float32]:
        """The rest of the signal, [m, channels].

        Args:
            length: Samples that the whole result shall have; ceil(n * target / source) by default. The way back
                names the original length here, which may be some samples less.
        """
        if length is None:
            length = resampled_length(self.received, self.source_rate, self.target_rate)
        rest = self.waiting
        if self.stream is not None:
            # Silence beyond the end: libsoxr itself rounds the length down where we round up.
            missing = math.ceil(max(0, length - self.emitted) * self.source_rate / self.target_rate) - len(rest)
            silence = np.zeros((max(0, missing) + 2, rest.shape[1]), np.float32)
            rest = self.stream.resample_chunk(np.concatenate([rest, silence]), last=True)
        return self.counted(rest[: length - self.emitted])

    def counted(self, block: NDArray[np.float32]) -> NDArray[np.float32]:
        self.emitted += len(block)
        return block


def resample(
    signal: NDArray[np.float32], source_rate: int, target_rate: int, length: int | None = None
) -> NDArray[np.float32]:
    """A whole signal [n, channels], with the result that a `Resampler` gives it in blocks of any size."""
    resampler = Resampler(source_rate, target_rate, signal.shape[1])
    return np.concatenate([resampler.push(signal), resampler.finish(length)])
