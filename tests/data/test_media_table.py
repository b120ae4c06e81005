import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_the_table_of_what_files_keep_is_what_trying_them_shows():
    check = subprocess.run(
        [sys.executable, ROOT / "scripts" / "media_table.py", "--check"], capture_output=True, text=True
    )
    assert check.returncode == 0, check.stderr
