"""Rule 5 on a cluster: the same files and the same failures as without one."""

import importlib.util

import pytest

from tests.cli.conftest import Command
from tests.cli.test_several import contents, corpus

__all__ = ["corpus"]
PATIENCE = 900  # seconds; a cluster takes its time to start


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="needs ray")
@pytest.mark.usefixtures("corpus")
def test_rule_5_a_cluster_makes_the_same_files_and_tells_the_same_failures(vpcodec: Command) -> None:
    (vpcodec.folder / "corpus" / "bad.wav").write_bytes(b"RIFF no WAVE")
    vpcodec("encode", "-r", "corpus", "--output-dir", "here")
    process = vpcodec.start("encode", "-r", "corpus", "--output-dir", "there", "--ray", "local")
    _, err = process.communicate(b"", PATIENCE)
    assert process.returncode == 1
    assert contents(vpcodec.folder / "there") == contents(vpcodec.folder / "here")
    assert len(contents(vpcodec.folder / "here")) == 5
    assert b"5 done, 0 skipped, 1 failed" in err
    assert b"bad.wav: " in err


@pytest.mark.skipif(importlib.util.find_spec("ray") is not None, reason="ray is here")
@pytest.mark.usefixtures("corpus")
def test_rule_5_without_ray_the_command_says_how_to_get_it(vpcodec: Command) -> None:
    ended = vpcodec("encode", "-r", "corpus", "--output-dir", "out", "--ray", "local")
    assert ended.returncode != 0
    assert b"pip install 'vpcodec[ray]'" in ended.stderr


@pytest.mark.usefixtures("media")
def test_rule_5_a_cluster_has_no_pipes(vpcodec: Command) -> None:
    ended = vpcodec("encode", "speech.wav", "-c", "--ray", "local")
    assert ended.returncode == 2
    assert ended.stdout == b""
    assert b"does not work with pipes" in ended.stderr
