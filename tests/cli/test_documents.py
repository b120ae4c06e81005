"""Generated documents are up to date."""

import re
import subprocess
import sys
from pathlib import Path

from vpcodec.cli.commands import COMMANDS

ROOT = Path(__file__).resolve().parents[2]


def test_no_generated_document_is_stale() -> None:
    ended = subprocess.run([sys.executable, ROOT / "scripts" / "docs.py", "--check"], capture_output=True)
    assert (ended.returncode, ended.stdout) == (0, b""), ended.stderr.decode()


def test_no_cell_of_the_command_reference_is_cut_in_two() -> None:
    rows = [line for line in (ROOT / "docs" / "commands.md").read_text().splitlines() if line.startswith("| ")]
    assert len(rows) > 50
    for row in rows:
        assert len(re.findall(r"(?<!\\)\|", row)) == 3, row


def test_every_command_has_its_chapter() -> None:
    reference = (ROOT / "docs" / "commands.md").read_text()
    assert all(f"## vpcodec {name}\n" in reference for name in COMMANDS)
