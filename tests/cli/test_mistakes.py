"""Every mistake of the table gets its line and its exit code, never a traceback."""

import os
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


def test_options_behind_names_are_options_in_a_strict_posix_environment(tmp_path: Path) -> None:
    command = Command(tmp_path, {**os.environ, "POSIXLY_CORRECT": "1"})
    answer = command("info", "nowhere.tok", "--json")
    assert answer.stderr.decode() == "vpcodec: nowhere.tok: no such file or directory\n"


def test_completion_is_added_to_a_file_that_is_no_utf_8_and_refused_where_none_can_be(tmp_path: Path) -> None:
    (tmp_path / ".bashrc").write_bytes(b"# caf\xe9\n")
    environment = {**os.environ, "SHELL": "bash", "HOME": str(tmp_path)}
    assert Command(tmp_path, environment)("--install-completion").returncode == 0
    assert (tmp_path / ".bashrc").read_bytes().startswith(b"# caf\xe9\n\n_vpcodec")
    blocked = tmp_path / "file"
    blocked.touch()
    answer = Command(tmp_path, {**environment, "HOME": str(blocked)})("--install-completion")
    assert (answer.returncode, answer.stderr.count(b"\n")) == (2, 1)


def matches(text: str, pattern: str) -> bool:
    """Whether a text is the pattern, in which `...` stands for anything."""
    literal = pattern.replace("[", "[[]").replace("?", "[?]").replace("*", "[*]")
    return "\n" not in text and fnmatchcase(text, literal.replace("...", "*"))
