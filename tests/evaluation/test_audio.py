"""Any sound is evaluated at 48 kHz in stereo, by models and by the codecs that people use for music."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.codec.conftest import untrained
from tests.evaluation.test_rivals import rival
from vpcodec.errors import InputError
from vpcodec.evaluation.candidates import ModelCandidate
from vpcodec.evaluation.cards import run_section
from vpcodec.evaluation.datasets import Dataset, open_dataset
from vpcodec.evaluation.evaluate import Outputs, run_evaluation
from vpcodec.evaluation.signals import read_stereo
from vpcodec.metrics.audio import log_spectral_distance
from vpcodec.registry import ModelFolder

RATE = 48_000


def music(seconds: float, channels: int = 2, rate: int = RATE) -> np.ndarray:
    """[N, channels] chords that decay, another in each channel."""
    time = np.arange(int(rate * seconds))[:, None] / rate
    notes = sum(np.sin(2 * np.pi * 220 * (1 + 0.25 * np.arange(channels)) * n * time) / n for n in range(1, 30))
    return (0.1 * notes * np.exp(-4 * (time % 0.5))).astype(np.float32)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> ModelFolder:
    return ModelFolder(untrained("audio", tmp_path_factory.mktemp("models")))


@pytest.fixture
def recordings(tmp_path: Path) -> Dataset:
    """Two channels at 44.1 kHz and one at 48 kHz."""
    folder = tmp_path / "music"
    folder.mkdir()
    soundfile.write(folder / "stereo.flac", music(0.6, 2, 44_100), 44_100)
    soundfile.write(folder / "mono.flac", music(0.5, 1), RATE)
    return open_dataset(str(folder))


def test_recordings_keep_one_or_two_channels_at_48_khz(recordings: Dataset, tmp_path: Path) -> None:
    mono, stereo = (read_stereo(item.path) for item in recordings.items)
    assert (mono.shape, stereo.shape) == ((24_000, 1), (28_800, 2))
    soundfile.write(tmp_path / "surround.wav", music(0.1, 6), RATE)
    with pytest.raises(InputError, match="6 channels"):
        read_stereo(tmp_path / "surround.wav")


def test_a_model_of_any_sound_is_measured_with_the_metrics_of_sound(
    recordings: Dataset, model: ModelFolder, tmp_path: Path
) -> None:
    dataset = recordings.seen_as("audio")
    metrics = ["mel_distance_48", "lsd_high", "level_error", "phase_error"]
    outputs = Outputs(report=tmp_path / "page.html", json=tmp_path / "found.json")
    results = run_evaluation(dataset, [ModelCandidate(model, engine="torch")], ["opus:24"], outputs, metrics=metrics)
    mono, stereo = (row for row in results.rows if row.candidate == "audio-tiny")
    assert (mono.extent, stereo.extent) == (0.5, 0.6)
    assert set(mono.values) == {"mel_distance_48", "lsd_high"}
    assert set(stereo.values) == set(metrics)
    assert results.failures() == 0
    page = outputs.report.read_text()
    assert "audio/ogg" in page
    assert "0 to 24 kHz" in page
    assert json.loads(outputs.json.read_text())["kind"] == "audio"
    section = run_section(results.summary)
    assert "0.0 minutes at 48 kHz, rates of all channels together" in section
    assert "*LSD*: log-spectral distance" in section


def test_a_model_of_speech_can_code_any_sound_and_photos_stay_photos(recordings: Dataset, tmp_path: Path) -> None:
    speech = ModelCandidate(ModelFolder(untrained("speech", tmp_path)), engine="torch", kind="audio")
    assert speech.kind == "audio"
    assert speech.decode(speech.encode(music(0.3))).shape == (14_400, 2)
    image = ModelCandidate(ModelFolder(untrained("image", tmp_path)), engine="torch", kind="audio")
    assert image.kind == "image"
    assert recordings.seen_as("image") == recordings


@pytest.mark.parametrize("spec", ["opus:96", "aac:128", "mp3:128"])
def test_a_codec_of_music_gives_back_both_channels_in_time(spec: str) -> None:
    codec, signal = rival(spec, "audio"), music(1.0)
    decoded = codec.decode(codec.encode(signal))
    assert abs(len(decoded) - RATE) <= RATE // 10
    size = min(len(decoded), RATE)
    errors = [
        log_spectral_distance(np.roll(decoded[:size], shift, 0), signal[:size], 0, 4000) for shift in (-960, 0, 960)
    ]
    assert errors[1] < min(errors[0], errors[2])
    power = np.abs(np.fft.rfft(decoded[: RATE // 2], axis=0)) ** 2
    assert power[110, 0] > 100 * power[110, 1]  # 220 Hz is in the left channel alone
    assert power[137:139, 1].sum() > 100 * power[137:139, 0].sum()  # 275 Hz in the right one


@pytest.mark.parametrize(("name", "budget"), [("opus", 4000), ("aac", 16_000), ("mp3", 9000)])
def test_a_matched_codec_of_music_uses_most_of_the_bytes_and_no_more(name: str, budget: int) -> None:
    content = rival(name, "audio").encode(music(1.5), budget=budget)
    assert 0.6 * budget < len(content) <= budget
