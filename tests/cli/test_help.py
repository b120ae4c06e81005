"""Rules 13 and 14 of the command line: help, completion, and a quick start."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.cli.conftest import Command
from vpcodec.cli.examples import EXAMPLES
from vpcodec.cli.help import RARE
from vpcodec.cli.main import COMMANDS
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


@pytest.mark.parametrize("name", ["vpcodec", *COMMANDS])
def test_rule_13_help_is_short_and_has_three_examples(vpcodec: Command, name: str) -> None:
    ended = vpcodec(*([] if name == "vpcodec" else [name]), "-h")
    text = ended.stdout.decode()
    assert ended.returncode == 0
    assert len(text.splitlines()) <= 40
    assert len(EXAMPLES[name]) == 3
    assert all(f"  {example}\n" in text for example in EXAMPLES[name])


def test_rule_13_long_help_lists_every_option(vpcodec: Command) -> None:
    short, long = (vpcodec("encode", asked).stdout for asked in ("-h", "--help"))
    assert b"--manifest" in long
    assert b"--manifest" not in short


@pytest.mark.parametrize("columns", [60, 80])
def test_rule_13_the_help_text_that_is_kept_is_what_the_program_would_print(vpcodec: Command, columns: int) -> None:
    vpcodec.environment["COLUMNS"] = str(columns)
    made = vpcodec("--help", "--").stdout
    assert vpcodec("--help").stdout == vpcodec("-h").stdout == made
    assert max(map(len, made.splitlines())) <= columns


def test_rule_13_version(vpcodec: Command) -> None:
    assert vpcodec("--version").stdout == f"vpcodec {__version__}\n".encode()


def test_rule_13_short_help_omits_rare_options(vpcodec: Command) -> None:
    short, long = (vpcodec("encode", asked).stdout.decode() for asked in ("-h", "--help"))
    for option in RARE:
        assert f"  {option} " in long
        assert f"  {option} " not in short


@pytest.mark.parametrize(
    ("command", "option"), [("train", "--start MODEL"), ("export", "--to F"), ("evaluate", "--json FILE")]
)
def test_rule_13_short_help_keeps_options_with_similar_names(vpcodec: Command, command: str, option: str) -> None:
    assert f"  {option} " in vpcodec(command, "-h").stdout.decode()


def test_rule_13_the_list_of_commands_holds_whole_sentences(vpcodec: Command) -> None:
    listed = vpcodec("--help").stdout.decode().partition("Commands:\n")[2].partition("\n\n")[0].splitlines()
    assert len(listed) == len(COMMANDS)
    assert all(line.endswith(".") and not line.endswith("..") for line in listed)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_rule_13_shells_complete_the_names_of_models(vpcodec: Command, shell: str) -> None:
    vpcodec.environment |= {
        "_VPCODEC_COMPLETE": f"complete_{shell}",
        "_TYPER_COMPLETE_ARGS": "vpcodec encode --model sp",
        "_TYPER_COMPLETE_FISH_ACTION": "get-args",
        "COMP_WORDS": "vpcodec encode --model sp",
        "COMP_CWORD": "3",
    }
    assert b"speech-vp" in vpcodec().stdout


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
    assert not packages & (set(SLOW_TO_IMPORT) - {"numpy", "onnxruntime"})
