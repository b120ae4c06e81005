"""Random crops of recordings and photos to train on, and fixed ones to validate on.

A batch is decided by the seed and the number of the step alone, so a resumed run sees what an uninterrupted
one would have seen. Decoded media are kept in memory.
"""

import io
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vpcodec.config import Data
from vpcodec.data.audio import open_audio
from vpcodec.data.image import open_image
from vpcodec.data.kinds import Kind
from vpcodec.data.level import gain_of, measure_level
from vpcodec.data.pixels import to_signal
from vpcodec.data.resample import resample
from vpcodec.data.shards import Medium, list_media
from vpcodec.errors import DataError, InputError

LEVEL_RANGE = (-9.0, 6.0)  # dB around the codec's own level, drawn per crop
NARROW_SHARE = 0.15  # of speech crops are heard as through a telephone or an old microphone, without the upper band
BAND_RANGE = (3_400.0, 7_000.0)  # Hz, where such a band ends
SLOPE = 200.0  # Hz, over which it ends
ZOOM_SHARE = 0.8  # of the crops of photos are taken from a larger square and shrunk to
ZOOM_RANGE = (0.25, 1.0)  # of its sides, so that a network sees small things sharp


class Crops(ABC):
    """Crops of one size from one kind of media.

    Args:
        root: Folder of media files or tar shards, or one tar shard.
        options: Batch, crop and augmentation.
        hop: Samples or pixels per position.
        seed: Seed of all draws.
    """

    kind: Kind

    def __init__(self, root: Path, options: Data, hop: int, seed: int) -> None:
        self.media = list_media(root, self.kind)
        self.options = options
        self.size = options.crop * hop
        self.seed = seed
        self.decoded: dict[int, NDArray[np.generic]] = {}
        self.weights = self.weigh()

    def batch(self, step: int) -> NDArray[np.float32]:
        """The crops of a step: [batch, samples] or [batch, pixels, pixels, 3] in [-1, 1]."""
        random = np.random.default_rng((self.seed, step))
        chosen = random.choice(len(self.media), size=self.options.batch, p=self.weights)
        return np.stack([self.crop(self.load(int(index)), random) for index in chosen])

    def fixed(self, count: int) -> NDArray[np.float32]:
        """The same crops every time, one from the middle of each of the first media."""
        return np.stack([self.middle(self.load(index)) for index in range(min(count, len(self.media)))])

    def load(self, index: int) -> NDArray[np.generic]:
        """A decoded medium, read at most once."""
        if index not in self.decoded:
            with named(self.media[index]) as content:
                self.decoded[index] = self.decode(content)
        return self.decoded[index]

    @abstractmethod
    def weigh(self) -> NDArray[np.float64]:
        """Chance of each medium to be drawn."""

    @abstractmethod
    def decode(self, content: bytes) -> NDArray[np.generic]:
        """A medium in memory: int16 samples, or uint8 pixels [H, W, 3]."""

    @abstractmethod
    def crop(self, medium: NDArray[np.generic], random: np.random.Generator) -> NDArray[np.float32]:
        """A random crop, augmented if the options say so."""

    @abstractmethod
    def middle(self, medium: NDArray[np.generic]) -> NDArray[np.float32]:
        """The crop from the middle, as it is."""


class SpeechCrops(Crops):
    """Crops of mono speech at 16 kHz, at the level that the codec gives the network."""

    kind = "speech"
    sample_rate = 16_000

    def weigh(self) -> NDArray[np.float64]:
        seconds = np.array([self.duration(medium) for medium in self.media])
        return np.asarray(seconds / seconds.sum())

    def duration(self, medium: Medium) -> float:
        """Seconds of a recording, by its header where that tells."""
        with named(medium) as content, open_audio(io.BytesIO(content)) as audio:
            return (audio.facts.frames or len(audio.read_all())) / audio.facts.sample_rate

    def decode(self, content: bytes) -> NDArray[np.generic]:
        with open_audio(io.BytesIO(content)) as audio:
            mono = audio.read_all().mean(axis=1, keepdims=True)
            mono = resample(mono, audio.facts.sample_rate, self.sample_rate)[:, 0]
        leveled = mono * gain_of(measure_level(mono))
        return np.asarray(np.rint(np.clip(leveled, -8, 8) * 4096), dtype=np.int16)  # room for peaks above full scale

    def crop(self, medium: NDArray[np.generic], random: np.random.Generator) -> NDArray[np.float32]:
        start = int(random.integers(0, max(1, len(medium) - self.size + 1)))
        piece = self.cut(medium, start)
        if not self.options.augment:
            return piece
        decibels, sign = random.uniform(*LEVEL_RANGE), random.choice((-1.0, 1.0))
        piece *= np.float32(sign * 10 ** (decibels / 20))
        if random.random() < NARROW_SHARE:
            piece = without_upper_band(piece, random.uniform(*BAND_RANGE), self.sample_rate)
        return piece

    def middle(self, medium: NDArray[np.generic]) -> NDArray[np.float32]:
        return self.cut(medium, max(0, (len(medium) - self.size) // 2))

    def cut(self, medium: NDArray[np.generic], start: int) -> NDArray[np.float32]:
        piece = medium[start : start + self.size].astype(np.float32) / np.float32(4096)
        return np.pad(piece, (0, self.size - len(piece)))


class ImageCrops(Crops):
    """Square crops of RGB photos, in [-1, 1]."""

    kind = "image"

    def weigh(self) -> NDArray[np.float64]:
        return np.full(len(self.media), 1 / len(self.media))

    def decode(self, content: bytes) -> NDArray[np.generic]:
        pixels = open_image(io.BytesIO(content)).pixels
        short = [max(0, self.size - length) for length in pixels.shape[:2]]
        return np.pad(pixels, ((0, short[0]), (0, short[1]), (0, 0)), mode="edge")

    def crop(self, medium: NDArray[np.generic], random: np.random.Generator) -> NDArray[np.float32]:
        height, width = medium.shape[:2]
        size = self.size
        if self.options.augment and random.random() < ZOOM_SHARE:
            size = min(height, width, int(self.size / np.exp(random.uniform(*np.log(ZOOM_RANGE)))))
        top, left = int(random.integers(0, height - size + 1)), int(random.integers(0, width - size + 1))
        piece = medium[top : top + size, left : left + size]
        if size != self.size:
            zoomed = Image.fromarray(piece).resize((self.size, self.size), Image.Resampling.LANCZOS)
            piece = np.asarray(zoomed)
        if self.options.augment and random.random() < 0.5:
            piece = piece[:, ::-1]
        return to_signal(piece)

    def middle(self, medium: NDArray[np.generic]) -> NDArray[np.float32]:
        top, left = (medium.shape[0] - self.size) // 2, (medium.shape[1] - self.size) // 2
        return to_signal(medium[top : top + self.size, left : left + self.size])


def without_upper_band(samples: NDArray[np.float32], end: float, sample_rate: int) -> NDArray[np.float32]:
    """Samples [N] without what lies above a frequency in Hz."""
    frequencies = np.fft.rfftfreq(len(samples), 1 / sample_rate)
    passing = np.clip((end - frequencies) / SLOPE + 0.5, 0, 1)
    return np.fft.irfft(np.fft.rfft(samples) * passing, len(samples)).astype(np.float32)


@contextmanager
def named(medium: Medium) -> Iterator[bytes]:
    """The bytes of a medium; what is wrong with them is a DataError that names it."""
    try:
        yield medium.read()
    except InputError as error:
        raise DataError(f"{medium.path}: {medium.name}: {error.what}", hint=error.hint) from error
    except OSError as error:
        raise DataError(f"{medium.path}: {medium.name}: {error.strerror}") from error


CROPS: dict[str, type[Crops]] = {"speech": SpeechCrops, "image": ImageCrops}
