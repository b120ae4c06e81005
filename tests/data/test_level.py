"""The level of a recording, and the gain that the network hears it with."""

import numpy as np
import pytest

from vpcodec.data.level import gain_of, measure_level

SINE = np.sin(2 * np.pi * 440 * np.arange(16_000) / 16_000).astype(np.float32)


@pytest.mark.parametrize("amplitude", [1.0, 0.1, 0.001])
def test_a_steady_sound_is_brought_to_20_db_below_full_scale(amplitude: float) -> None:
    gain = gain_of(measure_level(amplitude * SINE))
    level = 20 * np.log10(gain * amplitude / np.sqrt(2))
    assert level == pytest.approx(-20, abs=0.26)  # levels are stored in half decibels


def test_pauses_hardly_change_the_level() -> None:
    paused = np.concatenate([SINE, np.zeros(160_000, np.float32)])
    assert measure_level(paused) == measure_level(SINE)
