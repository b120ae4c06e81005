"""Rule 13 of the command line: completion, installed and typed into real shells."""

import os
import pty
import select
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.cli.conftest import PATIENCE, Command
from vpcodec.cli.completion import SCRIPTS


def typed(shell: str, text: str, wanted: str, folder: Path, environment: dict[str, str]) -> str:
    """What an interactive shell shows for typed text, up to the words that are waited for."""
    process, terminal = pty.fork()
    if process == 0:
        os.chdir(folder)
        os.execvpe(shell, [shell, "-i"], environment)
    shown = ""
    deadline = time.monotonic() + PATIENCE
    try:
        shown = read_until(terminal, "ready> ", deadline)
        os.write(terminal, text.encode())
        shown += read_until(terminal, wanted, deadline)
    finally:
        os.close(terminal)
        os.kill(process, 9)
        os.waitpid(process, 0)
    return shown


def read_until(terminal: int, wanted: str, deadline: float) -> str:
    """The output of a terminal until it holds the words, or until it ends or the time is over."""
    shown = b""
    while wanted.encode() not in shown and time.monotonic() < deadline:
        if select.select([terminal], [], [], 1)[0]:
            try:
                shown += os.read(terminal, 1 << 12)
            except OSError:  # the shell has gone
                break
    return shown.decode(errors="replace")


PROMPTS = {
    "bash": (".bashrc", "PS1='ready> '\n"),
    "zsh": (".zshrc", "PROMPT='ready> '\n"),
    "fish": (".config/fish/config.fish", "function fish_prompt; echo -n 'ready> '; end\nfunction fish_greeting; end\n"),
}


@pytest.mark.parametrize(
    ("text", "rest"),
    [
        ("vpcodec encode --model speech-f", "sp-1024"),
        ("vpcodec eval", "uate"),
        ("vpcodec train --recipe speech-tokenb", "ridge-tiny"),
        ("vpcodec encode --target", "-size"),
        ("vpcodec encode note", "s.txt"),
    ],
    ids=["models", "commands", "recipes", "options", "files"],
)
@pytest.mark.parametrize("shell", SCRIPTS)
def test_rule_13_installed_completion_works_in_a_real_shell(
    vpcodec: Command, tmp_path: Path, shell: str, text: str, rest: str
) -> None:
    if not shutil.which(shell):
        pytest.skip(f"needs {shell}")
    home = tmp_path / "home"
    name, prompt = PROMPTS[shell]
    (home / name).parent.mkdir(parents=True)
    (home / name).write_text(prompt)
    programs = Path(sys.executable).parent
    environment = {
        **vpcodec.environment,
        "HOME": str(home),
        "PATH": f"{programs}:{os.environ['PATH']}",
        "TERM": "xterm",
        "XDG_CONFIG_HOME": str(home / ".config"),
        "XDG_DATA_HOME": str(home / ".local/share"),
    }
    (tmp_path / "notes.txt").touch()
    # The shell stays the parent of the command, which asks its parent what shell it is. The second time adds nothing.
    install = [shell, "-c", "vpcodec --install-completion; vpcodec --install-completion; true"]
    subprocess.run(install, cwd=tmp_path, env=environment, check=True, capture_output=True)
    assert (home / SCRIPTS[shell][0]).read_text().count(SCRIPTS[shell][1]) == 1
    assert rest in typed(shell, text + "\t", rest, tmp_path, environment)
