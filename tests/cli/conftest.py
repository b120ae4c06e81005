"""The command as a process, in a folder of its own, with two tiny models installed."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from vpcodec.registry import DEFAULT_MODELS

MEDIA = Path(__file__).resolve().parents[1] / "media"
PATIENCE = 120  # seconds after which a test gives up; nothing is measured by it
DROP_FROM_BOUNDING_SET, OVERRIDE_MODES, SEARCH_ALL = 24, 1, 2  # prctl, capabilities


@dataclass
class Command:
    """Runs `vpcodec` in a folder."""

    folder: Path
    environment: dict[str, str]

    def start(self, *arguments: str | bytes, **options: Any) -> "subprocess.Popen[bytes]":
        """Start it; pipes on all sides unless told otherwise."""
        line = [sys.executable, "-m", "vpcodec", *arguments]
        pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
        prepared = {**pipes, "preexec_fn": hear_interrupts, **options}
        return subprocess.Popen(line, cwd=self.folder, env=self.environment, **prepared)

    def __call__(
        self, *arguments: str | bytes, given: bytes = b"", **options: Any
    ) -> "subprocess.CompletedProcess[bytes]":
        """Run it to its end. There is never a traceback."""
        process = self.start(*arguments, **options)
        out, err = process.communicate(given, PATIENCE)
        assert b"Traceback" not in err, err.decode()
        return subprocess.CompletedProcess(arguments, process.returncode, out, err)

    def names(self, pattern: str = "*") -> list[str]:
        """Files in the folder, hidden ones too."""
        return sorted(str(path.relative_to(self.folder)) for path in self.folder.rglob(pattern) if path.is_file())


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with tiny models that bear the names of the default ones, trained for two steps."""
    from vpcodec.graphs import write_graphs
    from vpcodec.recipe import override
    from vpcodec.training.loop import Run, train
    from vpcodec.training.recipes import find_recipe

    root = tmp_path_factory.mktemp("models")
    for kind, name in DEFAULT_MODELS.items():
        recipe = override(find_recipe(f"{kind}-fsp-tiny"), ["training.steps=2"])
        write_graphs(train(recipe, Run(data=MEDIA, out=root / name, device="cpu")))
    return root


@pytest.fixture
def vpcodec(tmp_path: Path, models: Path) -> Command:
    """The command, in an empty folder."""
    return Command(tmp_path, {**os.environ, "VPCODEC_MODELS": str(models), "OMP_NUM_THREADS": "1", "NO_COLOR": "1"})


@pytest.fixture
def media(vpcodec: Command) -> Path:
    """The command's folder with half a second of speech (8 kHz stereo, 24 bits), and a small photo."""
    samples, rate = soundfile.read(MEDIA / "speech.flac", frames=8000)
    soundfile.write(vpcodec.folder / "speech.wav", np.stack((samples, samples[::-1]), 1), rate // 2, "PCM_24")
    shutil.copy(MEDIA / "cat.png", vpcodec.folder / "photo.png")
    return vpcodec.folder


@pytest.fixture(scope="session")
def token_files(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with speech.tok and photo.tok."""
    from vpcodec.codec.pipeline import Codec

    folder = tmp_path_factory.mktemp("tokens")
    samples, rate = soundfile.read(MEDIA / "speech.flac", frames=16_000, dtype="float32")
    speech, image = (Codec.load(str(models / name)) for name in DEFAULT_MODELS.values())
    (folder / "speech.tok").write_bytes(speech.encode(samples, sample_rate=rate))
    (folder / "photo.tok").write_bytes(image.encode(MEDIA / "cat.png"))
    return folder


@pytest.fixture
def tokens(vpcodec: Command, token_files: Path) -> Path:
    """The command's folder with speech.tok and photo.tok."""
    shutil.copytree(token_files, vpcodec.folder, dirs_exist_ok=True)
    return vpcodec.folder


def wait_until(happened: Callable[[], Any], process: "subprocess.Popen[bytes] | None" = None) -> None:
    """Wait for something that a process does. Fails if it ends before."""
    deadline = time.monotonic() + PATIENCE
    while not happened():
        assert time.monotonic() < deadline, "nothing happened"
        assert process is None or process.poll() is None or happened(), process.stderr.read().decode()
        time.sleep(0.02)


def hear_interrupts() -> None:
    """In a child process: do not inherit the deafness of tests that run in the background of a shell."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def obey_modes() -> None:
    """In a child process: take from root the right to read and write where the mode forbids it."""
    import ctypes

    if os.geteuid() == 0:
        for right in (OVERRIDE_MODES, SEARCH_ALL):
            ctypes.CDLL(None).prctl(DROP_FROM_BOUNDING_SET, right, 0, 0, 0)
