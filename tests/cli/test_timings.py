"""The times that -v prints."""

import re
import time
from pathlib import Path

import pytest

from tests.cli.conftest import Command
from vpcodec.cli.coding import announce
from vpcodec.cli.messages import Messages
from vpcodec.corpus.result import Result

LINE = re.compile(
    r"([\d.]+) s: loading ([\d.]+) s, network ([\d.]+) s \(\S.*\), reading, coding and writing (-?[\d.]+) s"
)


@pytest.mark.parametrize("source", ["speech.wav", "photo.png"])
def test_the_parts_of_the_time_add_up_and_the_whole_is_no_longer_than_the_command_ran(
    vpcodec: Command, media: Path, source: str
) -> None:
    began = time.perf_counter()
    done = vpcodec("encode", "-v", source)
    ran = time.perf_counter() - began
    found = LINE.search(done.stderr.decode())
    assert found, done.stderr.decode()
    whole, *parts = map(float, found.groups())
    assert sum(parts) == pytest.approx(whole, abs=0.02)
    assert all(part >= 0 for part in parts)
    assert 0 < whole < ran


def test_what_is_neither_loading_nor_network_is_the_rest(capsys: pytest.CaptureFixture[str]) -> None:
    spent = Result(1, "a.wav", "a.tok", model="m", engine="e", seconds=3, load_seconds=1.25, network_seconds=0.5)
    announce(spent, mirrored=True, messages=Messages(verbose=True))
    found = LINE.search(capsys.readouterr().err)
    assert found
    assert found.groups() == ("3.00", "1.25", "0.50", "1.25")
