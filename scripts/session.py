"""docs/session.md: commands typed into a terminal, and what the terminal showed. Part of `make docs`.

The terminal is real: `script`, of util-linux, records it, so what goes to a terminal and what to a pipe behaves as
it does for people. `tests/cli/test_session.py` types everything again and compares.
"""

import hashlib
import os
import re
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from scripts.pictures import default_model, identity
from tests.readme import lay_out
from vpcodec.evaluation.results import write_text
from vpcodec.registry import DEFAULT_MODELS

PAGE = Path(__file__).resolve().parents[1] / "docs" / "session.md"

# A heading, and the command lines under it. The folder holds what README's commands name. No two programs of a line
# print at the same time, for nobody knows which would be first.
SESSION: dict[str, tuple[str, ...]] = {
    "Through pipes": (
        "cat speech.wav | vpcodec encode - -o - | vpcodec decode - -o - > heard.wav",
        "ls -s --block-size=1 speech.wav heard.wav",
        "vpcodec encode - < speech.wav | wc -c",
        "vpcodec decode <(vpcodec encode -q - < speech.wav) -o heard.flac; head -c 4 heard.flac; echo",
        "vpcodec encode speech.wav -c",
    ),
    "Files": (
        "vpcodec encode speech.wav photo.jpg",
        "vpcodec encode speech.wav",
        "vpcodec encode -f speech.wav",
        "vpcodec info speech.tok photo.tok",
        "vpcodec info --json speech.tok | python3 -c 'import json, sys; print(sorted(json.load(sys.stdin)[0]))'",
    ),
    "A range, and raw samples": (
        "vpcodec decode speech.tok --from 1 --to 2 -c --format raw | wc -c",
        "vpcodec decode speech.tok -c --format raw | vpcodec encode --raw --sample-rate 16000 - > again.tok",
        "vpcodec test speech.tok again.tok",
    ),
    "Damage": (
        "head -c 300 speech.tok | vpcodec decode - > cut.wav",
        "head -c 300 speech.tok > cut.tok; vpcodec test speech.tok cut.tok",
        "vpcodec decode -f cut.tok photo.tok",
        "ls",
    ),
}

# Shows each line with a prompt, types it, and tells an exit code that is not 0.
TYPIST = """
while IFS= read -r line <&9; do
    printf '$ %s\\n' "$line"
    bash -o pipefail -c "$line" 9<&-
    code=$?
    [ $code = 0 ] || printf '[exit code %s]\\n' $code
done 9< "$1"
"""
NOTE = """\
# A session

<!-- {mark} -->

Recorded in a terminal by `make docs`. The folder has `speech.wav`, {seconds:.1f} s of speech, and `photo.jpg`.
`[exit code ...]` follows commands that fail.
"""
CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def page() -> str:
    """docs/session.md, typed now."""
    with tempfile.TemporaryDirectory() as folder:
        desk = Path(folder)
        lay_out(desk)
        text = NOTE.format(mark=mark(), seconds=(desk / "speech.wav").stat().st_size / 32_000)
        for heading, lines in SESSION.items():
            text += f"\n## {heading}\n\n```\n{recorded(lines, desk)}```\n"
    return text


def recorded(lines: tuple[str, ...], desk: Path) -> str:
    """What a terminal shows when lines are typed into it, in a folder."""
    with tempfile.TemporaryDirectory() as folder:
        typed, typist, shown = (Path(folder) / name for name in ("lines", "typist.sh", "shown"))
        typed.write_text("".join(f"{line}\n" for line in lines))
        typist.write_text(TYPIST)
        environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith("VPCODEC")},
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "TERM": "dumb",
            "NO_COLOR": "1",
            "LC_ALL": "C.UTF-8",
            "COLUMNS": "100",
        }
        command = f"stty cols 100; bash {shlex.quote(str(typist))} {shlex.quote(str(typed))}"
        subprocess.run(
            ["script", "--quiet", "--command", command, str(shown)],
            cwd=desk,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            check=True,
        )
        record = shown.read_bytes().decode().split("\n")[1:-2]  # without the lines of `script` itself
    # A bar of progress, which comes after a second, leaves an empty line where the terminal cannot go back.
    return "".join(f"{line}\n" for line in map(plain, record) if line)


def plain(line: str) -> str:
    """A line as it looked in the end: without control codes, and without what was written over."""
    written = [part for part in CONTROL.sub("", line).split("\r") if part]
    return written[-1].rstrip() if written else ""


def mark() -> str:
    """What the page says about the models that it was made with, and about its commands."""
    models = ", ".join(identity(default_model(kind)) for kind in DEFAULT_MODELS)
    return (
        f"made by scripts/session.py with {models}, commands {hashlib.sha256(repr(SESSION).encode()).hexdigest()[:8]}"
    )


def made() -> dict[Path, tuple[str, Callable[[], None]]]:
    """The page, with its mark, and what writes it."""
    return {PAGE: (mark(), lambda: write_text(PAGE, page()))}
