"""The times that -v prints."""

import re
import time
from pathlib import Path

import pytest

from tests.cli.conftest import Command

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
