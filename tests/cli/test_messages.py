"""Rules 7, 12 and 15 of the command line: messages, streams and exit codes."""

import json
import os
import pty
import struct
from pathlib import Path

import pytest

from tests.cli.conftest import PATIENCE, Command
from tests.data.fuzzing import seeds


def test_rule_7_standard_output_has_only_requested_data(vpcodec: Command, media: Path) -> None:
    assert vpcodec("encode", "speech.wav", "-v").stdout == b""
    assert vpcodec("test", "speech.tok").stdout == b""
    assert vpcodec("decode", "speech.tok", "-v").stdout == b""


def test_rule_7_quiet_prints_errors_only(vpcodec: Command, media: Path) -> None:
    assert vpcodec("encode", "-q", "speech.wav", "photo.png").stderr == b""
    assert vpcodec("encode", "-q", "speech.wav").stderr.count(b"\n") == 1


def test_rule_7_warnings_of_libraries_are_hidden(vpcodec: Command) -> None:
    content = bytearray(seeds()["plain.tiff"])
    entry = content.index(struct.pack("<HHI", 284, 3, 1))  # a tag that gives one number,
    struct.pack_into("<I", content, entry + 4, 1 << 16)  # now said to give more than the file holds
    (vpcodec.folder / "odd.tiff").write_bytes(content)
    ended = vpcodec("encode", "odd.tiff")
    assert ended.returncode == 0
    assert ended.stderr.count(b"\n") == 1


def test_rule_7_verbose_prints_times_and_the_engine(vpcodec: Command, media: Path) -> None:
    said = vpcodec("encode", "-v", "speech.wav").stderr.decode()
    for words in ("loading", "network", "onnx on cpu", "reading, coding and writing", "peak memory"):
        assert words in said


@pytest.mark.slow
@pytest.mark.parametrize(("options", "shown"), [((), True), (("--no-progress",), False), (("-q",), False)])
def test_rule_7_progress_is_shown_on_a_terminal_after_a_second(
    vpcodec: Command, options: tuple[str, ...], shown: bool
) -> None:
    from tests.cli.test_streams import speech, wav

    seconds = 1800  # which take a fast machine several seconds to encode
    (vpcodec.folder / "long.wav").write_bytes(wav(speech(seconds), 16_000 * seconds * 2))
    terminal, side = pty.openpty()
    vpcodec.environment["TERM"] = "xterm"
    process = vpcodec.start("encode", "long.wav", *options, stderr=side)
    os.close(side)
    seen = b""
    try:
        while piece := os.read(terminal, 4096):
            seen += piece
    except OSError:  # the terminal's other side was closed
        pass
    assert process.wait(PATIENCE) == 0
    assert (b"%" in seen) == shown


def test_rule_7_no_progress_where_there_is_no_terminal(vpcodec: Command, media: Path) -> None:
    assert b"%" not in vpcodec("encode", "speech.wav", "photo.png").stderr


def test_rule_7_a_closed_standard_error_changes_nothing_else(vpcodec: Command, tokens: Path) -> None:
    def run(*line: str) -> tuple[int, bytes]:
        process = vpcodec.start(*line, stdin=None, stderr=None, preexec_fn=lambda: os.close(2))
        return process.wait(PATIENCE), process.stdout.read()

    code, said = run("info", "speech.tok")
    assert (code, said.split()[0]) == (0, b"speech.tok")
    assert run("encode", "-q", "nowhere.wav", "-c") == (1, b"")


def test_rule_12_exit_codes(vpcodec: Command, media: Path) -> None:
    assert vpcodec("encode", "speech.wav").returncode == 0
    assert vpcodec("encode", "nowhere.wav", "photo.png").returncode == 1
    assert vpcodec("encode", "--codebook").returncode == 2


def test_rule_15_json_wherever_figures_are_printed(vpcodec: Command, media: Path) -> None:
    encoded = json.loads(vpcodec("encode", "--json", "speech.wav").stdout)
    assert (encoded["done"], encoded["files"][0]["amount"]) == (1, 1.0)
    assert json.loads(vpcodec("decode", "--json", "speech.tok").stdout)["files"][0]["status"] == "done"
    assert json.loads(vpcodec("info", "--json", "speech.tok").stdout)[0]["source"]["sample_rate"] == 8000
    assert json.loads(vpcodec("test", "--json", "speech.tok").stdout)[0]["sound"] is True
    assert {model["kind"] for model in json.loads(vpcodec("models", "--json").stdout)} == {"speech", "image"}
