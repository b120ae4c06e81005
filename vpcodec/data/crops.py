"""Random crops of recordings and photos to train on, and fixed ones to validate on.

A crop is decided by the seed, the number of the step and its place in the batch alone. So a resumed run sees what an
uninterrupted one would have seen, on any number of processes. Decoded media stay in memory as far as a budget allows;
the ones used longest ago go first. A file that cannot be read is skipped, and another one drawn in its place.

Of a long FLAC, WAV or Ogg file only a part of some 20 seconds is read for a crop, and leveled as a recording of its
own. Other files are decoded whole.
"""

import io
import math
from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice

import numpy as np
import soundfile
from numpy.typing import NDArray
from PIL import Image

from vpcodec.data.audio import open_audio, silence_strays
from vpcodec.data.colors import to_signal
from vpcodec.data.image import open_image, unlimited
from vpcodec.data.kinds import Kind
from vpcodec.data.level import gain_of, measure_level
from vpcodec.data.media import MediaFile, Sources, list_media, measured
from vpcodec.data.resample import resample
from vpcodec.data.sndfile import read_between
from vpcodec.data.streams import failure
from vpcodec.errors import DataError, InputError, counted
from vpcodec.recipe import Data, Recipe

LEVEL_RANGE = (-9.0, 6.0)  # dB around the codec's own level, drawn per crop
NARROW_SHARE = 0.15  # of speech crops are heard as through a telephone or an old microphone, without the upper band
BAND_RANGE = (3_400.0, 7_000.0)  # Hz, where such a band ends
MONO_SHARE = 0.15  # of the crops of any sound have two equal channels; of the others, half change sides
SLOPE = 200.0  # Hz, over which it ends
ZOOM_SHARE = 0.8  # of the crops of photos are taken from a larger square and shrunk to
ZOOM_RANGE = (0.25, 1.0)  # of its sides, so that a network sees small things sharp
MEMORY = 1 << 30  # bytes of decoded media that are kept
LONG = 60.0  # seconds; longer recordings are read in parts
PART = 20.0  # seconds of a part, about; long enough to tell the level
SEEKABLE = (".flac", ".wav", ".ogg", ".oga", ".opus")  # files in which libsndfile finds a sample without decoding all
BAD_SHARE = 0.1  # of the files may be unreadable; more than that is no accident
Place = tuple[int, int]  # of a part: the number of its file in `media`, and its own in the file


class Crops(ABC):
    """Crops of one size from one kind of media.

    Args:
        sources: Folders of media files or tar shards, or what else `media` knows.
        options: Batch, crop and augmentation.
        hop: Samples or pixels per position.
        seed: Seed of all draws.
        memory: Bytes of decoded media that are kept; a single file may take more.
        sample_rate: Hz of the crops of sound.

    Attributes:
        amounts: Seconds or megapixels of each file, by its header; 0 where that does not tell.
        skipped: Why files could not be read, by their place in `media` and the part.

    Raises:
        DataError: There are no media, or more than `BAD_SHARE` of them cannot be read; from `batch` as well.
    """

    kind: Kind

    def __init__(
        self, sources: Sources, options: Data, hop: int, seed: int, memory: int = MEMORY, sample_rate: int = 16_000
    ) -> None:
        self.sample_rate = sample_rate
        self.media = list_media(sources, self.kind)
        self.options = options
        self.hop, self.size = hop, options.crop * hop
        self.seed = seed
        self.memory = memory
        self.decoded: OrderedDict[Place, NDArray[np.generic]] = OrderedDict()  # the one used last at the end
        self.held = 0  # bytes of them
        self.skipped: dict[Place, DataError] = {}
        self.places = range(options.batch)  # of the batch that this process draws
        self.amounts = np.zeros(len(self.media))
        for index, amount in enumerate(measured(self.media, self.kind, self.measure)):
            if isinstance(amount, DataError):
                self.skip((index, 0), amount)
            else:
                self.amounts[index] = amount
        self.weights = self.weigh()

    def share(self, rank: int, processes: int) -> None:
        """Leave the rest of each batch to other processes; together they draw what one alone would have drawn."""
        self.places = range(rank, self.options.batch, processes)

    def batch(self, step: int) -> NDArray[np.float32]:
        """The crops of a step, of this process: [n, samples] or [n, pixels, pixels, 3] in [-1, 1]."""
        return np.stack([self.draw(np.random.default_rng((self.seed, step, place))) for place in self.places])

    def draw(self, random: np.random.Generator) -> NDArray[np.float32]:
        """A random crop of a random part of a random file; of another one where that one cannot be read."""
        signal = None
        while signal is None:
            index = int(random.choice(len(self.media), p=self.weights))
            parts = self.parts(index)
            signal = self.load((index, int(random.integers(parts)) if parts > 1 else 0))
        return self.crop(signal, random)

    def fixed(self, count: int) -> NDArray[np.float32]:
        """The same crops every time, one from the middle of each of the first media that can be read."""
        places = ((index, self.parts(index) // 2) for index in range(len(self.media)))
        media = (signal for place in places if (signal := self.load(place)) is not None)
        return np.stack([self.middle(signal) for signal in islice(media, count)])

    def parts(self, index: int) -> int:
        """How many parts a file is read in; 1 for one that is decoded whole."""
        return 1

    def load(self, place: Place) -> NDArray[np.generic] | None:
        """A part of a file, decoded; None for one that cannot be read."""
        if place in self.skipped:
            return None
        if place in self.decoded:
            self.decoded.move_to_end(place)
            return self.decoded[place]
        try:
            with named(self.media[place[0]]):
                signal = self.decode(place)
        except DataError as error:
            self.skip(place, error)
            return None
        self.decoded[place] = signal
        self.held += signal.nbytes
        while self.held > self.memory and len(self.decoded) > 1:
            self.held -= self.decoded.popitem(last=False)[1].nbytes
        return signal

    def skip(self, place: Place, error: DataError) -> None:
        """Note a file that cannot be read. Raises DataError where there are too many of them."""
        self.skipped[place] = error
        bad = len({index for index, _ in self.skipped})
        if bad > BAD_SHARE * len(self.media):
            first = next(iter(self.skipped.values()))
            what = f"{bad} of {len(self.media)} {self.kind} files cannot be read; {first.what}"
            raise DataError(what, hint=first.hint)

    @abstractmethod
    def positions(self) -> float:
        """How many positions a network has in all of it."""

    @abstractmethod
    def extent(self) -> str:
        """How much there is, in words for the log."""

    @abstractmethod
    def measure(self, media: MediaFile) -> float:
        """Seconds or megapixels of a file, by its header. Raises DataError where it cannot be read."""

    @abstractmethod
    def weigh(self) -> NDArray[np.float64]:
        """Chance of each file to be drawn."""

    @abstractmethod
    def decode(self, place: Place) -> NDArray[np.generic]:
        """A part of a file, decoded: int16 samples, or uint8 pixels [H, W, 3]."""

    @abstractmethod
    def crop(self, signal: NDArray[np.generic], random: np.random.Generator) -> NDArray[np.float32]:
        """A random crop, augmented if the options say so."""

    @abstractmethod
    def middle(self, signal: NDArray[np.generic]) -> NDArray[np.float32]:
        """The crop from the middle, as it is."""


class SoundCrops(Crops):
    """Crops of one channel, at the level that the codec gives the network."""

    kind = "speech"

    def measure(self, media: MediaFile) -> float:
        try:
            with media.open() as file, soundfile.SoundFile(file) as header:
                return header.frames / header.samplerate
        except (OSError, soundfile.LibsndfileError):  # what libsndfile cannot read may be read all the same
            with named(media), media.open() as file, open_audio(file) as audio:
                return (audio.info.frames or len(audio.read_all())) / audio.info.sample_rate

    def weigh(self) -> NDArray[np.float64]:
        if not self.amounts.any():
            raise DataError(f"{self.media[0].source}: the recordings are empty")
        return np.asarray(self.amounts / self.amounts.sum())

    def positions(self) -> float:
        return float(self.amounts.sum()) * self.sample_rate / self.hop

    def extent(self) -> str:
        return f"{counted(len(self.media), 'recording')}, {self.amounts.sum() / 3600:.3g} hours"

    def parts(self, index: int) -> int:
        seekable = self.media[index].name.lower().endswith(SEEKABLE) and self.amounts[index] > LONG
        return max(1, int(self.amounts[index] / max(PART, 2 * self.size / self.sample_rate))) if seekable else 1

    def read(self, place: Place) -> tuple[NDArray[np.float32], int]:
        """Samples [n, channels] of a part of a file, and their rate. A part overlaps the next one by a crop."""
        index, part = place
        seconds, parts = float(self.amounts[index]), self.parts(index)
        with self.media[index].open() as file:
            if parts == 1:
                with open_audio(io.BytesIO(file.read())) as audio:
                    return audio.read_all(), audio.info.sample_rate
            stop = min(seconds, seconds * (part + 1) / parts + self.size / self.sample_rate)
            samples, sample_rate = read_between(file, seconds * part / parts, stop)
            return silence_strays(samples)[0], sample_rate

    def decode(self, place: Place) -> NDArray[np.generic]:
        samples, sample_rate = self.read(place)
        mono = resample(samples.mean(axis=1, keepdims=True), sample_rate, self.sample_rate)[:, 0]
        leveled = mono * gain_of(measure_level(mono, self.sample_rate))
        return np.asarray(np.rint(np.clip(leveled, -8, 8) * 4096), dtype=np.int16)  # room for peaks above full scale

    def crop(self, signal: NDArray[np.generic], random: np.random.Generator) -> NDArray[np.float32]:
        start = int(random.integers(0, max(1, len(signal) - self.size + 1)))
        piece = self.cut(signal, start)
        if not self.options.augment:
            return piece
        decibels, sign = random.uniform(*LEVEL_RANGE), random.choice((-1.0, 1.0))
        return self.varied(piece * np.float32(sign * 10 ** (decibels / 20)), random)

    def varied(self, piece: NDArray[np.float32], random: np.random.Generator) -> NDArray[np.float32]:
        """A crop, some of them without the upper band."""
        if random.random() < NARROW_SHARE:
            return without_upper_band(piece, random.uniform(*BAND_RANGE), self.sample_rate)
        return piece

    def middle(self, signal: NDArray[np.generic]) -> NDArray[np.float32]:
        return self.cut(signal, max(0, (len(signal) - self.size) // 2))

    def cut(self, signal: NDArray[np.generic], start: int) -> NDArray[np.float32]:
        piece = signal[start : start + self.size].astype(np.float32) / np.float32(4096)
        return np.pad(piece, (0, self.size - len(piece)))


class StereoCrops(SoundCrops):
    """Crops [samples, 2], at the level that the codec gives the network; mono stands twice."""

    def decode(self, place: Place) -> NDArray[np.generic]:
        samples = resample(*self.read(place), self.sample_rate)
        stereo = samples[:, :2] if samples.shape[1] > 1 else np.repeat(samples, 2, axis=1)
        return np.asarray(np.rint(np.clip(stereo, -8, 8) * 4096), dtype=np.int16)

    def varied(self, piece: NDArray[np.float32], random: np.random.Generator) -> NDArray[np.float32]:
        """A crop [samples, 2], some of them with equal channels, half of the others with its sides changed."""
        width = random.random()
        if width < MONO_SHARE:
            return np.repeat(piece.mean(axis=1, keepdims=True), 2, axis=1)
        return piece[:, ::-1] if width > (1 + MONO_SHARE) / 2 else piece

    def cut(self, signal: NDArray[np.generic], start: int) -> NDArray[np.float32]:
        piece = signal[start : start + self.size].astype(np.float32) / np.float32(4096)
        leveled = piece * np.float32(gain_of(measure_level(np.sqrt(np.square(piece).mean(axis=1)), self.sample_rate)))
        return np.pad(np.clip(leveled, -8, 8), ((0, self.size - len(piece)), (0, 0)))


class ImageCrops(Crops):
    """Square crops of RGB photos, in [-1, 1]."""

    kind = "image"

    def measure(self, media: MediaFile) -> float:
        try:
            with media.open() as file, unlimited(), Image.open(file) as header:
                return header.width * header.height / 1e6
        except (OSError, ValueError):
            return 0.0  # Pillow alone does not know it; decoding tells

    def weigh(self) -> NDArray[np.float64]:
        return np.full(len(self.media), 1 / len(self.media))

    def positions(self) -> float:
        return float(self.amounts.sum()) * 1e6 / self.hop**2 if self.amounts.all() else math.inf

    def extent(self) -> str:
        return f"{counted(len(self.media), 'photo')}, {self.amounts.sum():,.4g} megapixels"

    def decode(self, place: Place) -> NDArray[np.generic]:
        pixels = open_image(io.BytesIO(self.media[place[0]].read())).pixels
        short = [max(0, self.size - length) for length in pixels.shape[:2]]
        return np.pad(pixels, ((0, short[0]), (0, short[1]), (0, 0)), mode="edge")

    def crop(self, signal: NDArray[np.generic], random: np.random.Generator) -> NDArray[np.float32]:
        height, width = signal.shape[:2]
        size = self.size
        if self.options.augment and random.random() < ZOOM_SHARE:
            size = min(height, width, int(self.size / np.exp(random.uniform(*np.log(ZOOM_RANGE)))))
        top, left = int(random.integers(0, height - size + 1)), int(random.integers(0, width - size + 1))
        piece = signal[top : top + size, left : left + size]
        if size != self.size:
            zoomed = Image.fromarray(piece).resize((self.size, self.size), Image.Resampling.LANCZOS)
            piece = np.asarray(zoomed)
        if self.options.augment and random.random() < 0.5:
            piece = piece[:, ::-1]
        return to_signal(piece)

    def middle(self, signal: NDArray[np.generic]) -> NDArray[np.float32]:
        top, left = (signal.shape[0] - self.size) // 2, (signal.shape[1] - self.size) // 2
        return to_signal(signal[top : top + self.size, left : left + self.size])


def without_upper_band(samples: NDArray[np.float32], end: float, sample_rate: int) -> NDArray[np.float32]:
    """Samples [N] without what lies above a frequency in Hz."""
    frequencies = np.fft.rfftfreq(len(samples), 1 / sample_rate)
    passing = np.clip((end - frequencies) / SLOPE + 0.5, 0, 1)
    return np.fft.irfft(np.fft.rfft(samples) * passing, len(samples)).astype(np.float32)


@contextmanager
def named(file: MediaFile) -> Iterator[None]:
    """Makes what is wrong with a media file a DataError that names its file once."""
    name = f"{file.path}" if file.path.name == file.name else f"{file.path}: {file.name}"
    try:
        yield
    except InputError as error:
        problem = error.what.partition(": ")[2] or error.what  # without the name of a stream
        raise DataError(f"{name}: {problem}", hint=error.hint) from error
    except OSError as error:
        raise DataError(failure(name, error).what) from error


def open_crops(sources: Sources, recipe: Recipe, hop: int, memory: int = MEMORY) -> Crops:
    """The crops that a recipe trains on; `hop` samples or pixels are a position. Raises DataError as `Crops` does."""
    sound = StereoCrops if recipe.network.channels == 2 else SoundCrops
    crops = ImageCrops if recipe.kind == "image" else sound
    return crops(sources, recipe.data, hop, recipe.training.seed, memory, recipe.network.sample_rate)
