"""Measures of any sound give the values that follow from what was done to it; those of stereo leave mono out."""

import math
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr

from tests.conftest import MEDIA
from vpcodec.errors import DependencyError
from vpcodec.metrics import speech, table
from vpcodec.metrics.audio import log_spectral_distance
from vpcodec.metrics.table import METRICS, Scores, chosen, score

RATE = 48_000
OWN = [name for name in chosen("audio", None) if name != "visqol_audio"]  # what needs no package
BANDS = ("lsd_low", "lsd_middle", "lsd_high")


def scores(decoded: np.ndarray, original: np.ndarray, names: list[str] = OWN) -> Scores:
    return score(decoded, original, {name: METRICS[name].open("cpu") for name in names})


def noise(channels: int = 2, seconds: float = 1.0) -> np.ndarray:
    random = np.random.default_rng(0)
    return random.uniform(-0.4, 0.4, (int(RATE * seconds), channels)).astype(np.float32)


def stereo(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    return np.stack([left, right], axis=1).astype(np.float32)


def tone(hertz: float, degrees: float = 0.0) -> np.ndarray:
    return np.asarray(0.3 * np.sin(2 * np.pi * hertz * np.arange(RATE) / RATE + math.radians(degrees)))


@pytest.fixture(scope="module")
def full_band() -> np.ndarray:
    """[N, 1] the bundled speech at 48 kHz."""
    samples, rate = soundfile.read(MEDIA / "speech.flac", dtype="float32", always_2d=True)
    return np.asarray(soxr.resample(samples, rate, RATE))


def test_twice_the_level_is_the_logarithm_of_two_in_mel_spectra_and_6_db_in_every_band():
    values = scores(2 * noise(), noise()).values
    assert values["mel_distance_48"] == pytest.approx(math.log(2))
    assert [values[band] for band in BANDS] == pytest.approx([20 * math.log10(2)] * 3, abs=0.02)
    assert values["level_error"] == pytest.approx(0, abs=1e-4)
    assert values["phase_error"] == pytest.approx(0, abs=1e-4)


def test_a_low_pass_at_8_khz_is_seen_in_the_band_above_it_alone():
    original = noise()
    spectrum = np.fft.rfft(original, axis=0)
    spectrum[8_000 * len(original) // RATE :] = 0
    values = scores(np.fft.irfft(spectrum, axis=0).astype(np.float32), original).values
    assert values["lsd_low"] < 0.1
    assert values["lsd_middle"] < 5
    assert values["lsd_high"] > 50


def test_a_sine_of_full_scale_is_100_db_above_the_floor():
    sine = stereo(tone(1500), tone(1500)) / 0.3
    assert log_spectral_distance(np.zeros_like(sine), sine, 1499, 1501) == pytest.approx(100, abs=0.5)


def test_a_level_that_rises_and_falls_by_3_db_is_an_error_over_time_of_3_db_in_music_and_pauses_do_not_count():
    original = noise(seconds=2.0)
    original[RATE:] = 1e-6 * original[RATE:]
    gains = np.where(np.arange(2 * RATE) // (RATE // 4) % 2 == 0, 3.0, -3.0)[:, None]
    values = scores((original * 10 ** (gains / 20)).astype(np.float32), original).values
    assert values["loudness_error"] == pytest.approx(3.0, abs=1e-3)
    assert values["level_error"] == pytest.approx(0, abs=0.1)
    assert scores(2 * noise(), noise()).values["loudness_error"] == pytest.approx(20 * math.log10(2), abs=1e-3)


def test_distortion_is_counted_over_both_channels():
    decoded = stereo(tone(100), tone(200) + 0.1 * tone(200, 90))
    assert scores(decoded, stereo(tone(100), tone(200))).values["si_sdr_48"] == pytest.approx(23.0, abs=0.05)


def test_half_the_level_of_one_channel_is_a_level_error_of_6_db():
    original = noise(1).repeat(2, axis=1)
    assert scores(original * [1, 0.5], original).values["level_error"] == pytest.approx(20 * math.log10(2), abs=0.01)
    assert scores(original * [0.5, 0.5], original).values["level_error"] == pytest.approx(0, abs=1e-4)


def test_a_turned_channel_is_a_phase_error_of_as_many_degrees():
    decoded, original = stereo(tone(500), tone(500, 40)), stereo(tone(500), tone(500, 10))
    assert scores(decoded, original).values["phase_error"] == pytest.approx(30, abs=0.1)
    assert scores(stereo(tone(500, 77), tone(500, 87)), original).values["phase_error"] == pytest.approx(0, abs=0.3)


def test_mono_has_every_value_but_those_between_channels():
    found = scores(0.5 * noise(1), noise(1))
    assert set(found.values) == set(OWN) - {"level_error", "phase_error"}
    assert found.failures == {}


def test_silence_has_a_spectral_distance_and_no_other_value():
    found = scores(np.zeros_like(noise()), np.zeros_like(noise()))
    assert set(found.values) == {"mel_distance_48", *BANDS}
    assert set(found.failures.values()) == {"the original is silent"}


def test_pesq_of_full_band_speech_is_that_of_its_lower_band(full_band):
    pytest.importorskip("pesq")
    decoded = full_band + 0.003 * np.random.default_rng(0).standard_normal(full_band.shape).astype(np.float32)
    pair = [np.asarray(soxr.resample(samples[:, 0], RATE, 16_000)) for samples in (decoded, full_band)]
    found = scores(decoded.repeat(2, axis=1), full_band.repeat(2, axis=1), ["pesq_wb_16"]).values
    assert found["pesq_wb_16"] == pytest.approx(speech.pesq_wb(*pair), abs=1e-3)


def test_visqol_gives_equal_sound_what_its_conformance_test_gives_it(full_band):
    """4.7321 is what Google's program gives castanets against themselves."""
    pytest.importorskip("visqol", reason="needs the package visqol-python")
    cut = full_band[:RATE]
    assert scores(cut, cut, ["visqol_audio"]).values["visqol_audio"] == pytest.approx(4.7321, abs=1e-4)
    noisy = cut + 0.01 * np.random.default_rng(0).standard_normal(cut.shape).astype(np.float32)
    assert scores(noisy, cut, ["visqol_audio"]).values["visqol_audio"] < 4
    assert "ViSQOL finds nothing" in scores(cut[:100], cut[:100], ["visqol_audio"]).failures["visqol_audio"]


def test_visqol_gives_an_orchestra_below_3_5_khz_what_its_conformance_test_gives_it(shared: Path) -> None:
    """1.3889 is what Google's program gives the whole clip, of which these are three seconds."""
    pytest.importorskip("visqol", reason="needs the package visqol-python")
    signal = pytest.importorskip("scipy.signal")
    strauss, _ = soundfile.read(
        shared / "data" / "speech" / "robust" / "music_strauss_48k_stereo.flac", dtype="float32"
    )
    low = signal.fftconvolve(strauss, signal.firwin(1023, 3500, fs=RATE)[:, None], mode="same").astype(np.float32)
    assert scores(low, strauss, ["visqol_audio"]).values["visqol_audio"] == pytest.approx(1.3889, abs=0.02)


def test_visqol_of_speech_is_high_for_equal_and_low_for_noisy_speech(full_band):
    for package in table.VISQOL:
        pytest.importorskip(package, reason="needs the extra visqol")
    cut = full_band[: 2 * RATE]
    noisy = cut + 0.05 * np.random.default_rng(0).standard_normal(cut.shape).astype(np.float32)
    equal, worse = (scores(each, cut, ["visqol_speech"]).values["visqol_speech"] for each in (cut, noisy))
    assert equal > 4.4
    assert worse < 3


def test_visqol_without_its_package_names_the_extra(monkeypatch):
    monkeypatch.setattr(table, "find_spec", lambda package: None)
    with pytest.raises(DependencyError) as failure:
        METRICS["visqol_audio"].open("cpu")
    assert failure.value.hint == "pip install 'vpcodec[visqol]'"
