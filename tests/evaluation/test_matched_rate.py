"""The rate that a codec gets where it is matched to the size of our file."""

from pathlib import Path

import pytest

from vpcodec.evaluation.candidates import largest_within
from vpcodec.evaluation.programs import ProgramRival


@pytest.fixture
def opus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ProgramRival:
    """Opus without a rate; programs that do nothing stand in for its own, which are not needed to choose one."""
    for name in ("opusenc", "opusdec"):
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    return ProgramRival("speech", "opus", None)


@pytest.mark.parametrize(
    ("size", "lowest", "highest"), [(5_000, 8_000, 24_000), (10, 6_000, 6_000), (10_000_000, 256_000, 256_000)]
)
def test_rates_are_tried_around_the_bits_a_second_of_our_file(
    opus: ProgramRival, size: int, lowest: int, highest: int
) -> None:
    tried = opus.rates_near(size, seconds=2.0)
    assert tried[0] == 6_000  # the smallest file that it can make
    assert (min(tried[1:], default=6_000), tried[-1]) == (lowest, highest)


@pytest.mark.parametrize(("budget", "size"), [(700, 700), (799, 700), (10_000, 1_200), (10, 100)])
def test_the_file_is_the_largest_that_is_not_larger_than_ours_or_the_smallest_there_is(budget: int, size: int) -> None:
    written = []

    def write(setting: int) -> bytes:
        written.append(setting)
        return bytes(100 * setting)

    assert len(largest_within(write, range(1, 13), budget)) == size
    assert len(written) <= 5
