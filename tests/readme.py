"""README's own commands, its Python and that of docs/library.md, and a folder in which they can be run."""

import re
import shutil
from pathlib import Path

import soundfile

from tests.conftest import MEDIA, ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(heading: str, language: str = "") -> list[str]:
    """The fenced blocks of one section in one language."""
    section = README.split(f"## {heading}\n", 1)[1].split("\n## ", 1)[0]
    return re.findall(rf"```{language}\n(.*?)```", section, flags=re.S)


def commands() -> list[str]:
    """The command lines of the section on use, without their comments; what records or plays sound is a file."""
    lines = [line.split("#")[0].strip() for line in blocks("Use")[0].splitlines()]
    return [
        line.replace("aplay", "cat > piped.wav").replace("arecord -f S16_LE -r 16000", "cat long.wav")
        for line in lines
        if line
    ]


def python_example() -> str:
    """README's Python, and then that of docs/library.md."""
    library = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "library.md").read_text("utf-8"), flags=re.S)
    return "\n".join([*blocks("Use", "python"), *library])


def lay_out(desk: Path) -> None:
    """Put the files that README's commands and Python name into a folder."""
    soundfile.write(desk / "speech.wav", *soundfile.read(MEDIA / "speech.flac"))
    shutil.copy(desk / "speech.wav", desk / "long.wav")
    shutil.copy(MEDIA / "coffee.jpg", desk / "photo.jpg")
    (desk / "recordings").mkdir()
    shutil.copy(MEDIA / "speech.flac", desk / "recordings")
    (desk / "tests" / "media").mkdir(parents=True)
    shutil.copy(MEDIA / "speech.flac", desk / "tests" / "media")
