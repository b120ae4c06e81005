import numpy as np
import pytest

from vpcodec.data.resample import Resampler, resample, resampled_length
from vpcodec.errors import InputError

RATES = [8_000, 11_025, 16_000, 22_050, 44_100, 48_000, 96_000]
LENGTHS = [1, 2, 95, 96, 97, 16_000, 16_001]

each_rate = pytest.mark.parametrize("rate", RATES)


def band_limited(frames: int, rate: int, channels: int = 1) -> np.ndarray:
    """Noise between 100 Hz and 3 kHz, faded in and out: it survives every rate tested here."""
    spectrum = np.random.default_rng(7).standard_normal((frames // 2 + 1, channels)) + 0j
    frequency = np.fft.rfftfreq(frames, 1 / rate)
    spectrum[(frequency < 100) | (frequency > 3000)] = 0
    signal = np.fft.irfft(spectrum, frames, axis=0) * np.hanning(frames)[:, None]
    return (0.5 * signal / np.abs(signal).max()).astype(np.float32)


@each_rate
@pytest.mark.parametrize("frames", LENGTHS)
def test_any_length_covers_the_model_rate_and_comes_back_exactly(rate, frames):
    signal = np.full((frames, 2), 0.25, np.float32)
    there = resample(signal, rate, 16_000)
    assert there.shape == (-(-frames * 16_000 // rate), 2)
    assert resample(there, 16_000, rate, length=frames).shape == (frames, 2)


@each_rate
def test_the_way_there_and_back_neither_delays_nor_changes_speech_band_sound(rate):
    signal = band_limited(rate, rate)
    back = resample(resample(signal, rate, 16_000), 16_000, rate, length=len(signal))
    correlation = np.fft.irfft(np.fft.rfft(back[:, 0]) * np.fft.rfft(signal[:, 0]).conj())
    assert np.argmax(correlation) == 0
    assert np.abs(back - signal).max() < 1e-3


@each_rate
def test_a_sine_keeps_its_phase_at_the_model_rate(rate):
    def sine(frames, at):
        return np.sin(2 * np.pi * 440 * np.arange(frames) / at).astype(np.float32)[:, None]

    there = resample(sine(rate, rate), rate, 16_000)
    middle = slice(4_000, 12_000)
    assert np.abs(there - sine(16_000, 16_000))[middle].max() < 1e-4


@each_rate
@pytest.mark.parametrize("step", [1_000, 2_049, 16_384])
def test_the_result_does_not_depend_on_how_the_signal_was_cut(rate, step):
    signal = band_limited(50_003, rate, channels=2)
    resampler = Resampler(rate, 16_000, 2)
    parts = [resampler.push(signal[i : i + step]) for i in range(0, len(signal), step)]
    assert np.array_equal(np.concatenate([*parts, resampler.finish()]), resample(signal, rate, 16_000))


def test_single_samples_pushed_one_by_one_give_the_same_bits():
    signal = band_limited(3_000, 44_100)
    resampler = Resampler(44_100, 16_000, 1)
    parts = [resampler.push(signal[i : i + 1]) for i in range(len(signal))]
    assert np.array_equal(np.concatenate([*parts, resampler.finish()]), resample(signal, 44_100, 16_000))


def test_channels_do_not_leak_into_each_other():
    signal = band_limited(10_000, 48_000, channels=2)
    signal[:, 1] = 0
    assert not resample(signal, 48_000, 16_000)[:, 1].any()


def test_a_stream_gives_sound_before_it_ends():
    resampler = Resampler(48_000, 16_000, 1)
    given = len(resampler.push(np.zeros((48_000, 1), np.float32)))
    assert given > 14_000


def test_an_empty_signal_stays_empty():
    assert resample(np.zeros((0, 3), np.float32), 48_000, 16_000).shape == (0, 3)


def test_the_model_rate_itself_is_handed_through_untouched(speech):
    assert np.array_equal(resample(speech, 16_000, 16_000), speech)


def test_ten_hours_have_the_length_that_a_calculator_gives():
    assert resampled_length(36_000 * 44_100, 44_100, 16_000) == 36_000 * 16_000
    assert resampled_length(36_000 * 11_025 + 1, 11_025, 16_000) == 36_000 * 16_000 + 2


@pytest.mark.parametrize("rate", [0, 7, 4_000_000_000])
def test_a_rate_that_no_recording_has_is_refused(rate):
    with pytest.raises(InputError, match="sample rate"):
        Resampler(rate, 16_000, 1)
