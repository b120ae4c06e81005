"""A command that needs a missing package names it in one line."""

import shutil
from pathlib import Path

import pytest

from tests.cli.conftest import MEDIA, Command

# Read by Python at its start: packages of these names are found nowhere, as if they were not installed.
HIDE = """
from importlib.machinery import PathFinder

find = PathFinder.find_spec
PathFinder.find_spec = lambda name, *rest: None if name.partition(".")[0] in {names!r} else find(name, *rest)
"""


def hide(vpcodec: Command, *names: str) -> None:
    """Let packages be missing for the command and the processes that it starts."""
    folder = vpcodec.folder / "start"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(HIDE.format(names=names))
    vpcodec.environment["PYTHONPATH"] = f"{folder}:{vpcodec.environment.get('PYTHONPATH', '')}"


@pytest.fixture
def folder(vpcodec: Command, models: Path) -> Path:
    """The command's folder with a model, a folder of photos and one of recordings."""
    shutil.copytree(models / "speech-vp", vpcodec.folder / "model")
    for name, media_file in (("photos", "cat.png"), ("recordings", "speech.flac")):
        (vpcodec.folder / name).mkdir()
        shutil.copy(MEDIA / media_file, vpcodec.folder / name)
    return vpcodec.folder


@pytest.mark.parametrize(
    "line",
    [
        "train --recipe speech-fsp-tiny --data recordings -o new",
        "evaluate --dataset photos",
        "evaluate --dataset photos --metrics psnr",
        "export model --to onnx",
    ],
)
def test_commands_that_need_torch_name_it(vpcodec: Command, folder: Path, line: str) -> None:
    hide(vpcodec, "torch")
    ended = vpcodec(*line.split())
    assert ended.stderr == b"vpcodec: this needs torch, which is not installed; pip install 'vpcodec[full]'\n"
    assert (ended.returncode, ended.stdout) == (1, b"")


def test_a_report_without_matplotlib_is_refused_before_any_work(vpcodec: Command, folder: Path) -> None:
    hide(vpcodec, "matplotlib")
    ended = vpcodec("evaluate", "--dataset", "recordings", "--report", "out.html", "--json", "out.json")
    assert ended.stderr == b"vpcodec: this needs matplotlib, which is not installed; pip install 'vpcodec[full]'\n"
    assert vpcodec.names("out*") == []


@pytest.mark.parametrize(
    ("package", "extra", "name", "brand", "what"),
    [
        ("pillow_heif", "heif", "photos/phone.heic", "heic", "a HEIC photo"),
        ("av", "media", "recordings/memo.m4a", "M4A ", "an MP4 or QuickTime file"),
    ],
)
def test_files_that_need_an_optional_package_name_it_and_are_skipped_in_folders(
    vpcodec: Command, folder: Path, package: str, extra: str, name: str, brand: str, what: str
) -> None:
    hide(vpcodec, package)
    (folder / name).write_bytes(b"\0\0\0\x18ftyp" + brand.encode() + bytes(4) + b"mp42" + brand.encode())
    ended = vpcodec("encode", name)
    assert (
        ended.stderr.decode() == f"vpcodec: {name}: is {what}; install what reads it: pip install 'vpcodec[{extra}]'\n"
    )
    assert ended.returncode == 1
    ended = vpcodec("encode", "-r", name.partition("/")[0], "--rm")
    assert f"{name}: skipped, because it is {what}; install what reads it" in ended.stderr.decode()
    assert b"1 done, 1 skipped, 0 failed" in ended.stderr
    assert ended.returncode == 0
    assert (folder / name).exists()


def test_a_package_missing_in_a_worker_is_named_in_one_line(vpcodec: Command, folder: Path) -> None:
    hide(vpcodec, "scipy")
    ended = vpcodec("evaluate", "--dataset", "recordings", "--metrics", "stoi", "-j", "2")
    assert ended.stderr == b"vpcodec: this needs scipy, which is not installed; pip install 'vpcodec[full]'\n"
    assert ended.returncode == 1
