"""Levels of music, whatever a network makes of it: here one that hears and writes every sample as it is.

What comes back wrong is then the fault of the gains: pumping, steps between windows, pauses that get loud.
"""

from pathlib import Path

import numpy as np
import pytest

from tests.clips import RATE, castanets, crescendo, strings, sweep
from vpcodec.codec.sound_windows import SoundDecoder, SoundEncoder
from vpcodec.data.level import levels_of
from vpcodec.registry import ModelFolder

WINDOW = 2048 * 288 / RATE  # seconds of a long window
NOISE = 1e-2  # of a codec, as it were: 20 dB below the level that the network hears


class Transparent:
    """An engine whose tokens are the numbers of the hops that it was given.

    Args:
        noise: Rms of what it adds to what it hears.
    """

    name = "transparent"

    def __init__(self, noise: float = 0.0) -> None:
        self.hops = np.zeros((0, 288, 2), np.float32)
        self.noise = noise

    def encode(self, signals: np.ndarray, rate: int) -> np.ndarray:
        hops = signals.reshape(-1, 288, 2)
        first, self.hops = len(self.hops), np.concatenate((self.hops, hops))
        return np.arange(first, first + len(hops)).reshape(len(signals), -1)

    def decode(self, tokens: np.ndarray, rate: int) -> np.ndarray:
        sound = self.hops[tokens].reshape(len(tokens), -1, 2)
        noise = np.random.default_rng(0).standard_normal(sound.shape, np.float32)
        return sound + self.noise * noise

    def workers(self) -> tuple["Transparent", int]:
        return self, 1


def passed(folder: Path, samples: np.ndarray, columns: int, noise: float = 0.0) -> tuple[np.ndarray, list[int]]:
    """A stereo recording through both sides of the codec, and the stored levels of its windows."""
    facts, engine = ModelFolder(folder).facts, Transparent(noise)
    encoder = SoundEncoder(facts, facts.rates[-1], 2, RATE, columns)
    decoder = SoundDecoder(facts, facts.rates[-1], columns=columns, channels=2)
    frames = [compute(engine) for compute in encoder.push(samples) + encoder.finish()]
    windows = [compute for frame in frames for compute in decoder.push(frame)]
    back = np.concatenate([compute(engine) for compute in windows + decoder.finish(len(samples))])
    return back, [levels_of(frame.side, 1)[0] for frame in frames]


def short_time(samples: np.ndarray, seconds: float = 0.02) -> np.ndarray:
    """dB of every 20 ms."""
    size = round(seconds * RATE)
    blocks = samples[: len(samples) // size * size].reshape(-1, size * samples.shape[1])
    return 10 * np.log10(np.square(blocks.astype(np.float64)).mean(axis=1) + 1e-20)


@pytest.mark.parametrize("columns", [0, 48])
@pytest.mark.parametrize("clip", [crescendo, castanets, strings, sweep])
def test_what_the_network_keeps_comes_back_at_its_own_level(
    model_folders: dict[str, Path], clip: object, columns: int
) -> None:
    """Through three long windows, or many short ones: to -100 dB of the sample, and to 0.001 dB every 20 ms."""
    samples = clip(2.1 * WINDOW if columns == 0 else 5.0)  # type: ignore[operator]
    back, _ = passed(model_folders["audio"], samples, columns)
    assert np.abs(back - samples).max() < 1e-5 * np.abs(samples).max()
    assert np.abs(short_time(back) - short_time(samples)).max() < 1e-3


def test_the_noise_of_the_codec_swells_with_a_crescendo_and_does_not_pump(model_folders: dict[str, Path]) -> None:
    """Short windows: 19 to 23 dB below the music all the way, and never 1.5 dB louder than 20 ms before."""
    samples = crescendo(8.0)
    noise = short_time(passed(model_folders["audio"], samples, 48, NOISE)[0] - samples)
    music = short_time(samples)
    below = (music - noise)[10:-10]
    assert 19 < below.min() < below.max() < 23
    assert np.diff(noise).max() < 1.5


@pytest.mark.parametrize("clip", [strings, sweep])
@pytest.mark.parametrize("columns", [0, 48])
def test_the_gain_of_a_steady_sound_is_steady(model_folders: dict[str, Path], clip: object, columns: int) -> None:
    """A step of half a decibel would be heard as a modulation of a sustained tone."""
    samples = clip(2.1 * WINDOW if columns == 0 else 5.0)  # type: ignore[operator]
    levels = passed(model_folders["audio"], samples, columns)[1]
    assert len(set(levels[1:])) == 1  # the first one of a sweep is of tones too low for its 20 ms


def test_the_noise_between_castanets_stays_below_their_level_by_as_much_as_in_steady_sound(
    model_folders: dict[str, Path],
) -> None:
    samples = castanets(5.0)
    noise = short_time(passed(model_folders["audio"], samples, 48, NOISE)[0] - samples)
    assert short_time(samples).max() - noise.max() > 19
    assert noise[25:].max() - noise[25:].min() < 1.5
