"""Nothing leaves the machine: coding a file leaves nothing in the user's home and opens no network socket."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Command


@pytest.mark.parametrize("arguments", [("encode", "speech.wav"), ("decode", "speech.tok")])
def test_coding_leaves_nothing_in_the_home_of_the_user(
    vpcodec: Command, media: Path, tokens: Path, tmp_path_factory: pytest.TempPathFactory, arguments: tuple[str, ...]
) -> None:
    home = tmp_path_factory.mktemp("home")
    vpcodec.environment |= {"HOME": str(home), "ORT_DISABLE_TELEMETRY": "0"}
    vpcodec.environment.pop("XDG_CACHE_HOME", None)
    assert vpcodec(*arguments, "-f").returncode == 0
    assert list(home.rglob("*")) == []


def test_a_read_only_home_causes_no_message(vpcodec: Command, media: Path) -> None:
    vpcodec.environment["HOME"] = "/dev/null"
    assert vpcodec("encode", "-q", "speech.wav").stderr == b""


def test_coding_opens_no_network_socket(vpcodec: Command, media: Path) -> None:
    strace = shutil.which("strace")
    if strace is None or subprocess.run([strace, "-o", "/dev/null", "true"], check=False).returncode:
        pytest.skip("strace is not installed, or may not look into other processes here")
    traced = [strace, "-f", "-q", "-e", "trace=socket", "-o", "calls", sys.executable, "-m", "vpcodec"]
    subprocess.run([*traced, "encode", "speech.wav"], cwd=media, env=vpcodec.environment, check=True)
    calls = (media / "calls").read_text().splitlines()
    assert [call for call in calls if "AF_INET" in call] == []
