"""Speech measures are those of the reference packages; what has no value is named, never replaced."""

import math

import numpy as np
import pytest

from vpcodec.errors import DependencyError
from vpcodec.metrics import table
from vpcodec.metrics.speech import LOSSLESS, si_sdr
from vpcodec.metrics.table import METRICS, Scores, metrics_of, score

RATE = 16_000


def voice(seconds: float = 2.0, seed: int = 0) -> np.ndarray:
    """Syllables of a buzzing voice: harmonics of 120 Hz under a moving formant, with pauses."""
    random = np.random.default_rng(seed)
    time = np.arange(int(seconds * RATE)) / RATE
    formant = 900 + 500 * np.sin(2 * np.pi * 1.3 * time)
    harmonics = sum(
        np.exp(-(((120 * n - formant) / 500) ** 2)) * np.sin(2 * np.pi * 120 * n * time) for n in range(1, 40)
    )
    syllables = np.clip(np.sin(2 * np.pi * 2 * time), 0, None)
    return (0.1 * harmonics * syllables + 1e-4 * random.standard_normal(time.size)).astype(np.float32)


def scores(decoded: np.ndarray, original: np.ndarray, names: list[str] | None = None) -> Scores:
    return score(decoded, original, {name: METRICS[name].open("cpu") for name in names or metrics_of("speech")})


@pytest.fixture(scope="module")
def pair() -> tuple[np.ndarray, np.ndarray]:
    original = voice()
    noise = 0.01 * np.random.default_rng(1).standard_normal(original.size)
    return (original + noise).astype(np.float32), original


def test_pesq_equals_the_reference_package_in_both_bands(pair):
    package = pytest.importorskip("pesq")
    decoded, original = pair
    assert scores(decoded, original, ["pesq_wb", "pesq_nb"]).values == {
        f"pesq_{band}": package.pesq(RATE, original, decoded, band) for band in ("wb", "nb")
    }


def test_stoi_equals_the_reference_package(pair):
    package = pytest.importorskip("pystoi")
    decoded, original = pair
    assert scores(decoded, original, ["stoi"]).values == {"stoi": package.stoi(original, decoded, RATE)}


def test_si_sdr_is_the_ratio_of_the_two_powers_at_any_level():
    time = np.arange(RATE) / RATE
    tone, other = np.sin(2 * np.pi * 100 * time), np.cos(2 * np.pi * 100 * time)
    decoded = (0.3 * (tone + 0.1 * other) + 0.2).astype(np.float32)
    assert si_sdr(decoded, tone.astype(np.float32)) == pytest.approx(20.0, abs=1e-3)


def test_mel_distance_of_a_recording_at_twice_its_level_is_the_logarithm_of_two():
    noise = np.random.default_rng(0).uniform(-0.4, 0.4, RATE).astype(np.float32)
    assert scores(2 * noise, noise, ["mel_distance"]).values["mel_distance"] == pytest.approx(math.log(2))


def test_an_equal_recording_gets_the_best_of_every_score(pair):
    pytest.importorskip("pesq")
    values = scores(pair[1], pair[1]).values
    assert values["pesq_wb"] > 4.6
    assert values["pesq_nb"] > 4.5
    assert values["stoi"] == pytest.approx(1)
    assert (values["si_sdr"], values["mel_distance"]) == (LOSSLESS, 0)


@pytest.mark.filterwarnings("error")
def test_silence_has_no_score_and_says_so(pair):
    silence = np.zeros_like(pair[1])
    failures = scores(silence, silence).failures
    assert set(failures) == set(metrics_of("speech")) - {"mel_distance"}
    assert set(failures.values()) == {"the original is silent"}
    assert scores(silence, pair[1]).failures["pesq_wb"] == "the decoded recording is silent"


@pytest.mark.parametrize("length", [1, 100, 3000])
def test_a_recording_too_short_for_pesq_and_stoi_is_named(length, pair):
    pytest.importorskip("pesq")
    short = pair[1][2000 : 2000 + length]
    failures = scores(short, short, ["pesq_wb", "stoi"]).failures
    assert failures["pesq_wb"] == "Buffer needs to be at least 1/4 of a second long"
    assert failures["stoi"] == "less than 0.4 s above the silence threshold"


def test_a_measure_without_its_package_says_what_to_install(monkeypatch):
    monkeypatch.setattr(table, "find_spec", lambda package: None)
    with pytest.raises(DependencyError) as failure:
        METRICS["pesq_wb"].open("cpu")
    assert failure.value.hint == "pip install pesq"
    METRICS["si_sdr"].open("cpu")
