"""Rules 13 and 14 of the command line: help, and a quick start."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.cli.conftest import Command
from vpcodec.cli.commands import COMMANDS, MAIN
from vpcodec.data.audio import AudioInfo
from vpcodec.data.audio_sink import AudioSink
from vpcodec.version import __version__

SLOW_TO_IMPORT = (
    "torch",
    "pydantic",
    "numpy",
    "onnxruntime",
    "PIL",
    "soundfile",
    "safetensors",
    "rich",
    "multiprocessing",
)
# Of the standard library, half a millisecond and more each.
NEEDED_BY_FEW = ("argparse", "fractions", "json", "shutil", "subprocess", "tempfile", "traceback")


@pytest.mark.parametrize("name", ["vpcodec", *COMMANDS])
def test_rule_13_help_is_short_and_has_three_examples(vpcodec: Command, name: str) -> None:
    ended = vpcodec(*([] if name == "vpcodec" else [name]), "-h")
    text = ended.stdout.decode()
    assert ended.returncode == 0
    assert len(text.splitlines()) <= 40
    examples = COMMANDS.get(name, MAIN).examples
    assert len(examples) == 3
    assert all(f"  {example}\n" in text for example in examples)


@pytest.mark.parametrize("columns", [60, 80, 200])
@pytest.mark.parametrize("line", ["--help", "encode --help"])
def test_rule_13_help_is_as_wide_as_the_terminal_and_100_columns_at_most(
    vpcodec: Command, columns: int, line: str
) -> None:
    vpcodec.environment["COLUMNS"] = str(columns)
    text = vpcodec(*line.split()).stdout.decode().partition("Examples:")[0]  # which are not wrapped
    assert min(columns, 100) - 20 < max(map(len, text.splitlines())) <= min(columns, 100)


def test_rule_13_version(vpcodec: Command) -> None:
    assert vpcodec("--version").stdout == f"vpcodec {__version__}\n".encode()


def test_rule_13_short_help_omits_rare_options(vpcodec: Command) -> None:
    short, long = (vpcodec("encode", asked).stdout.decode() for asked in ("-h", "--help"))
    rare = [option for option in COMMANDS["encode"].options if option.rare]
    assert len(rare) > 10
    for option in rare:
        assert f"  {option.usage} " in long
        assert f"  {option.usage} " not in short


@pytest.mark.parametrize(
    ("command", "option"), [("train", "--start MODEL"), ("export", "--to F"), ("evaluate", "--json FILE")]
)
def test_rule_13_short_help_keeps_options_with_similar_names(vpcodec: Command, command: str, option: str) -> None:
    assert f"  {option} " in vpcodec(command, "-h").stdout.decode()


def test_rule_13_the_list_of_commands_holds_whole_sentences(vpcodec: Command) -> None:
    listed = vpcodec("--help").stdout.decode().partition("Commands:\n")[2].partition("\n\n")[0].splitlines()
    assert len(listed) == len(COMMANDS)
    assert all(line.endswith(".") and not line.endswith("..") for line in listed)


@pytest.mark.parametrize("line", [["--help"], ["--version"], ["encode", "-h"], ["encode", "--nonsense"], ["encode"]])
def test_rule_14_help_and_wrong_usage_import_nothing_heavy(line: list[str]) -> None:
    program = (
        "import sys\n"
        "from vpcodec.cli.main import main\n"
        f"sys.argv[1:] = {line!r}\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        f"print(*[name for name in {SLOW_TO_IMPORT!r} if name in sys.modules], file=sys.stderr)"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert ended.stderr.splitlines()[-1] == b""


@pytest.mark.parametrize("line", [("encode", "plain.wav"), ("decode", "speech.tok"), ("info", "speech.tok")])
def test_rule_14_a_recording_in_wav_imports_nothing_that_only_other_media_need(
    vpcodec: Command, tokens: Path, line: tuple[str, str]
) -> None:
    with (tokens / "plain.wav").open("wb") as file, AudioSink(file, AudioInfo(16_000)) as sink:
        sink.write(np.zeros((1600, 1), np.float32))
    command = [sys.executable, "-X", "importtime", "-m", "vpcodec", *line]
    ended = subprocess.run(command, cwd=tokens, env=vpcodec.environment, capture_output=True, text=True, check=True)
    packages = {row.rpartition("|")[2].strip().partition(".")[0] for row in ended.stderr.splitlines()}
    assert "numpy" in packages
    assert not packages & ({*SLOW_TO_IMPORT, *NEEDED_BY_FEW} - {"numpy", "onnxruntime"})
