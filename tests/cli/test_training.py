"""`vpcodec train` as a process: it makes a model, stops when asked to, and goes on."""

import resource
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import MEDIA, Command, wait_until
from vpcodec.cli import training
from vpcodec.cli.messages import Messages
from vpcodec.cli.training import Watch
from vpcodec.registry import ModelFolder
from vpcodec.training.recipes import find_recipe

TRAIN = ("train", "--recipe", "speech-fsp-tiny", "--data", "data", "-o", "model", "--device", "cpu")
RESUME = ("train", "--resume", "--data", "data", "-o", "model", "--device", "cpu")


@pytest.fixture
def data(vpcodec: Command) -> Path:
    (vpcodec.folder / "data").mkdir()
    return Path(shutil.copy(MEDIA / "speech.flac", vpcodec.folder / "data"))


def test_a_model_is_trained_and_used_by_the_path_of_its_folder(vpcodec: Command, data: Path) -> None:
    trained = vpcodec(*TRAIN, "--set", "training.steps=3", "--valid", "data", "--threads", "1")
    assert trained.returncode == 0
    assert trained.stdout == b""
    assert ModelFolder(vpcodec.folder / "model").facts.steps == 3
    assert vpcodec("encode", "--model", "model", "data/speech.flac").returncode == 0


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_run_keeps_its_state_and_goes_on(vpcodec: Command, data: Path, number: int) -> None:
    process = vpcodec.start(*TRAIN, "--set", "training.steps=100000")
    wait_until(lambda: vpcodec.names("log.csv"), process)
    process.send_signal(number)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 128 + number
    assert b"; add --resume to go on\n" in err
    stopped_after = int(err.split(b"stopped after step ")[1].split(b";")[0].replace(b",", b""))
    resumed = vpcodec(*RESUME, "--set", f"training.steps={stopped_after + 2}")
    assert resumed.returncode == 0
    assert ModelFolder(vpcodec.folder / "model").facts.steps == stopped_after + 2


def test_a_failed_start_is_one_line_and_does_not_block_the_next_run(vpcodec: Command, data: Path) -> None:
    def little_space() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))

    assert vpcodec(*TRAIN, "--data", "nowhere").returncode == 1
    assert vpcodec(*TRAIN, "-o", "data/speech.flac").stderr == b"vpcodec: data/speech.flac: file exists\n"
    full = vpcodec(*TRAIN, preexec_fn=little_space)
    assert full.returncode == 1
    assert full.stderr.endswith(b"\nvpcodec: model/checkpoint.safetensors: file too large\n")
    assert vpcodec.names("model/*") == []
    assert vpcodec(*TRAIN, "--set", "training.steps=1").returncode == 0


@pytest.fixture
def handlers() -> Iterator[None]:
    """The signal handlers of the tests, back in place afterwards."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize(
    ("recipe", "amount"),
    [("speech-fsp-1024", 4 * 2.016), ("speech-low", 4 * 2.016), ("image-fsp-1024", 4)],
)
def test_the_speed_shown_counts_seconds_of_speech_or_images(handlers: None, recipe: str, amount: float) -> None:
    assert Watch(find_recipe(recipe), Messages()).per_step == pytest.approx(amount)


@pytest.mark.parametrize("resumed_at", [0.0, 0.5])
def test_without_a_terminal_a_run_prints_a_line_per_minute(
    handlers: None, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, resumed_at: float
) -> None:
    clock = [1000.0]
    monkeypatch.setattr(training.time, "monotonic", lambda: clock[0])
    watch = Watch(find_recipe("image-fsp-1024"), Messages())
    for step in range(1, 61):
        clock[0] += 2.5
        watch(step, resumed_at + (1 - resumed_at) * step / 240, 0.5)
    lines = capsys.readouterr().err.splitlines()
    assert [line.partition(",")[0].rpartition("step ")[2] for line in lines] == ["24", "48"]
    assert "loss 0.5" in lines[0]
    assert lines[0].endswith("about 9 minutes left")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_only_a_step_is_waited_for_when_a_run_is_stopped(handlers: None, number: signal.Signals) -> None:
    ended = (KeyboardInterrupt, SystemExit)
    watch = Watch(find_recipe("image-fsp-1024"), Messages())
    with pytest.raises(ended):  # while data are read
        signal.raise_signal(number)
    assert not watch.stopped
    watch(1, 0.0, 0.5)
    watch(2, 1.0, float("nan"))
    with pytest.raises(ended):  # while codebooks are fitted
        signal.raise_signal(number)
    assert watch.stopped
    watch = Watch(find_recipe("image-fsp-1024"), Messages())
    watch(1, 0.0, 0.5)
    signal.raise_signal(number)
    with pytest.raises(ended):
        watch(2, 0.5, 0.5)
    assert watch.stopped


def test_a_first_step_after_a_minute_of_reading_does_not_yet_tell_the_time_left(
    handlers: None, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [1000.0]
    monkeypatch.setattr(training.time, "monotonic", lambda: clock[0])
    watch = Watch(find_recipe("image-fsp-1024"), Messages())
    for step, now in ((1, 1090.0), (2, 1092.5)):
        clock[0] = now
        watch(step, (step - 1) / 241, 0.5)
    (line,) = capsys.readouterr().err.splitlines()
    assert "step 2" in line
    assert line.endswith("about 10 minutes left")


def test_a_run_prints_the_files_it_found_and_skipped(vpcodec: Command, data: Path) -> None:
    for copy in range(10):
        shutil.copy(data, data.with_name(f"{copy}.flac"))
    data.with_name("cut.flac").write_bytes(data.read_bytes()[:30_000])
    done = vpcodec(*TRAIN, "--set", "data.batch=16", "--set", "training.steps=4")
    assert done.returncode == 0
    assert b"12 recordings, 0.0143 hours" in done.stderr
    assert b"skipped.csv: skipped 1 file that could not be read" in done.stderr
    (line,) = Path(vpcodec.folder, "model", "skipped.csv").read_text().splitlines()[1:]
    assert line.count("cut.flac") == 1
