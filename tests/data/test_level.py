"""The level of a recording, and the gain that the network hears it with."""

import numpy as np
import pytest

from vpcodec.data.level import gain_of, measure_level

SINE = np.sin(2 * np.pi * 440 * np.arange(16_000) / 16_000).astype(np.float32)


@pytest.mark.parametrize("amplitude", [1.0, 0.1, 0.001])
def test_a_steady_sound_is_brought_to_20_db_below_full_scale(amplitude: float) -> None:
    gain = gain_of(measure_level(amplitude * SINE, 16_000))
    level = 20 * np.log10(gain * amplitude / np.sqrt(2))
    assert level == pytest.approx(-20, abs=0.26)  # levels are stored in half decibels


def test_pauses_hardly_change_the_level() -> None:
    paused = np.concatenate([SINE, np.zeros(160_000, np.float32)])
    assert measure_level(paused, 16_000) == measure_level(SINE, 16_000)


@pytest.mark.parametrize("sample_rate", [8_000, 48_000])
def test_the_level_of_a_sound_is_the_same_at_every_sample_rate(sample_rate: int) -> None:
    def shouts(rate: int) -> np.ndarray:
        """A tone that is there for 10 ms of every 20 ms."""
        time = np.arange(rate) / rate
        return (np.sin(2 * np.pi * 440 * time) * (time % 0.02 < 0.01)).astype(np.float32)

    assert abs(measure_level(shouts(sample_rate), sample_rate) - measure_level(shouts(16_000), 16_000)) <= 1
