"""Every mistake of the table gets its line and its exit code, never a traceback."""

import shlex
import shutil
from concurrent.futures import ThreadPoolExecutor
from fnmatch import fnmatchcase
from pathlib import Path
from subprocess import CompletedProcess

import numpy as np
import pytest
import soundfile

from tests.cli.conftest import MEDIA, Command
from tests.cli.mistakes import MISTAKES, prepare

Answers = dict[str, "CompletedProcess[bytes]"]
AT_ONCE = 4


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory, models: Path, token_files: Path) -> Answers:
    """What the command says to each mistake."""
    import os

    folder = tmp_path_factory.mktemp("mistakes")
    samples, rate = soundfile.read(MEDIA / "speech.flac", frames=8000)
    soundfile.write(folder / "speech.wav", np.stack((samples, samples), 1), rate // 2)
    shutil.copy(MEDIA / "cat.png", folder / "photo.png")
    shutil.copytree(token_files, folder, dirs_exist_ok=True)
    prepare(folder)
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("SLURM", "RANK"))}
    command = Command(folder, {**environment, "VPCODEC_MODELS": str(models), "OMP_NUM_THREADS": "1"})
    lines = [line for line, _, _ in MISTAKES]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return dict(zip(lines, pool.map(lambda line: command(*shlex.split(line)), lines), strict=True))


@pytest.mark.parametrize(("line", "printed", "code"), MISTAKES)
def test_a_mistake_gets_one_line(answers: Answers, line: str, printed: str, code: int) -> None:
    answer = answers[line]
    said = answer.stderr.decode()
    assert matches(said.removesuffix("\n"), f"vpcodec: {printed}"), said
    assert (answer.returncode, answer.stdout) == (code, b"")


def test_there_are_forty_mistakes_and_more() -> None:
    assert len(MISTAKES) >= 40


def matches(text: str, pattern: str) -> bool:
    """Whether a text is the pattern, in which `...` stands for anything."""
    literal = pattern.replace("[", "[[]").replace("?", "[?]").replace("*", "[*]")
    return "\n" not in text and fnmatchcase(text, literal.replace("...", "*"))
