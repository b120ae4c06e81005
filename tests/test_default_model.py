"""Which model encodes where none is named, and what is said of sound that it leaves out."""

import os
import shutil
import threading
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.codec.conftest import untrained
from tests.conftest import MEDIA
from vpcodec.codec.signals import Reading, Wanted
from vpcodec.corpus.coding import Coder
from vpcodec.corpus.plan import Item
from vpcodec.corpus.result import Result, Settings
from vpcodec.data.audio import RawFormat
from vpcodec.errors import ConfigError
from vpcodec.inspect import describe
from vpcodec.registry import FACTS, default_model

LEFT_OUT = "has sound above 8 kHz, which speech-vp leaves out"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with tiny models of speech and of any sound that bear the names of the default ones."""
    root = tmp_path_factory.mktemp("models")
    for kind in ("speech", "audio"):
        folder = untrained(kind, root).rename(root / f"{kind}-vp")
        facts = (folder / FACTS).read_text()
        (folder / FACTS).write_text(facts.replace(f'"{kind}-tiny"', f'"{kind}-vp"'))
    return root


@pytest.fixture
def both(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VPCODEC_MODELS", str(root))


@pytest.fixture
def speech_alone(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no model of any sound is installed, not even in the checkout."""
    shutil.copytree(root / "speech-vp", tmp_path / "models" / "speech-vp")
    monkeypatch.setattr("vpcodec.registry.model_roots", lambda: [tmp_path / "models"])


def noise(rate: int, seconds: float = 0.3) -> np.ndarray:
    return 0.1 * np.random.default_rng(0).standard_normal((round(seconds * rate), 2)).astype(np.float32)


def encoded(source: Path, **settings: object) -> Result:
    coder = Coder(Settings(task="encode", engine="torch", force=True, **settings))  # type: ignore[arg-type]
    result = coder.process(Item(0, str(source), f"{source}.tok", False))
    assert result.error == ""
    return result


@pytest.mark.parametrize("suffix", ["wav", "flac"])
@pytest.mark.parametrize(
    ("rate", "name"), [(8000, "speech-vp"), (24_000, "speech-vp"), (32_000, "audio-vp"), (192_000, "audio-vp")]
)
def test_recordings_of_32_khz_or_more_go_to_the_model_of_any_sound(
    both: None, tmp_path: Path, rate: int, name: str, suffix: str
) -> None:
    source = tmp_path / f"a.{suffix}"
    soundfile.write(source, noise(rate), rate)
    result = encoded(source)
    assert (result.model, result.amount) == (name, pytest.approx(0.3, abs=1e-4))
    assert describe(str(source))["default_model"] == name


def test_a_model_that_is_named_decides(both: None, tmp_path: Path) -> None:
    for name, rate in (("speech-vp", 48_000), ("audio-vp", 16_000)):
        soundfile.write(tmp_path / "a.wav", noise(rate), rate)
        assert encoded(tmp_path / "a.wav", model=name).model == name


def test_without_the_model_of_any_sound_all_recordings_go_to_that_of_speech(speech_alone: None, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", noise(48_000), 48_000)
    assert encoded(tmp_path / "a.wav").model == "speech-vp"
    assert describe(str(tmp_path / "a.wav"))["default_model"] == "speech-vp"


def test_photos_have_one_default_model(both: None) -> None:
    assert describe(str(MEDIA / "cat.png"))["default_model"] == default_model("image", 0) == "image-vp"


@pytest.mark.parametrize("suffix", ["wav", "flac"])
@pytest.mark.parametrize("wanted", [Wanted(), Wanted(target_size=40_000)])
def test_a_pipe_is_coded_as_the_file(both: None, tmp_path: Path, suffix: str, wanted: Wanted) -> None:
    source, pipe = tmp_path / f"a.{suffix}", tmp_path / "pipe"
    soundfile.write(source, noise(44_100, 1.0), 44_100)
    os.mkfifo(pipe)
    writer = threading.Thread(target=lambda: pipe.write_bytes(source.read_bytes()))
    writer.start()
    piped = encoded(pipe, wanted=wanted)
    writer.join()
    assert (piped.model, encoded(source, wanted=wanted).model) == ("audio-vp", "audio-vp")
    assert Path(piped.target).read_bytes() == Path(f"{source}.tok").read_bytes()


def test_raw_samples_go_by_the_rate_that_is_given(both: None, tmp_path: Path) -> None:
    (tmp_path / "a.raw").write_bytes(bytes(20_000))
    for rate, name in ((16_000, "speech-vp"), (44_100, "audio-vp")):
        assert encoded(tmp_path / "a.raw", reading=Reading(raw=RawFormat(rate))).model == name


def test_a_bit_rate_is_checked_against_the_model_of_any_sound_too(both: None) -> None:
    def lines(**wanted: float) -> list[str]:
        return Coder(Settings(task="encode", wanted=Wanted(**wanted))).check()  # type: ignore[arg-type]

    assert Coder(Settings(task="decode")).check() == []
    assert lines() == ["recordings of 32,000 Hz or more: audio-vp; below: speech-vp"]
    assert [line.partition(":")[0] for line in lines(bitrate=1500)] == [
        "recordings of 32,000 Hz or more",
        "speech-vp",
        "audio-vp",
    ]
    with pytest.raises(ConfigError, match=r"model speech-vp makes .*; model audio-vp makes"):
        lines(bitrate=90_000)


@pytest.mark.parametrize("decibels", [-50, -30])
def test_sound_above_the_band_of_speech_is_mentioned_where_it_is_clear(
    speech_alone: None, tmp_path: Path, decibels: float
) -> None:
    time = np.arange(44_100) / 44_100
    tone = 0.3 * (np.sin(2 * np.pi * 440 * time) + 10 ** (decibels / 20) * np.sin(2 * np.pi * 12_000 * time))
    soundfile.write(tmp_path / "a.flac", tone * np.hanning(44_100), 44_100)
    assert encoded(tmp_path / "a.flac").notes == ([LEFT_OUT] if decibels > -40 else [])


@pytest.mark.parametrize(("rate", "name"), [(16_000, "speech-vp"), (8000, "speech-vp"), (96_000, "audio-vp")])
def test_nothing_is_said_where_the_model_codes_the_band_that_is_heard(
    both: None, tmp_path: Path, rate: int, name: str
) -> None:
    soundfile.write(tmp_path / "a.wav", noise(rate), rate)
    result = encoded(tmp_path / "a.wav")
    assert (result.model, result.notes) == (name, [])
