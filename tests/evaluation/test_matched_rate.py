"""The rate that a codec gets where it is matched to the size of our file."""

from pathlib import Path

import pytest

from vpcodec.evaluation.programs import ProgramRival


@pytest.fixture
def opus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ProgramRival:
    """Opus without a rate; programs that do nothing stand in for its own, which are not needed to choose one."""
    for name in ("opusenc", "opusdec"):
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    return ProgramRival("opus", None)


@pytest.mark.parametrize(("size", "rate"), [(5_000, 20_000), (10, 6_000), (10_000_000, 256_000)])
def test_it_is_the_bits_a_second_of_our_file_as_far_as_the_codec_goes(opus: ProgramRival, size: int, rate: int) -> None:
    assert opus.matched_rate(size, seconds=2.0) == rate
