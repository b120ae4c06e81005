"""README and docs/library.md: the commands run, the Python runs and type-checks, the links lead somewhere."""

import re
import shutil
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.conftest import ROOT
from tests.readme import blocks, commands, lay_out, python_example

PROGRAM = Path(sys.executable).with_name("vpcodec")
NEEDS_DATA = ("vpcodec evaluate", "vpcodec train")  # run by tests of their own, on small data


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    """A folder with the files that README's commands name."""
    lay_out(tmp_path)
    return tmp_path


@pytest.mark.slow
def test_the_commands_of_the_use_section_run_as_they_stand(desk: Path) -> None:
    lines = [line for line in commands() if not line.startswith(NEEDS_DATA)]
    assert len(lines) >= 5
    for line in lines:
        command = line.replace("vpcodec ", f"'{PROGRAM}' ")
        run = subprocess.run(["bash", "-o", "pipefail", "-c", command], cwd=desk, capture_output=True, text=True)
        assert run.returncode == 0, f"{line}\n{run.stderr}"
    assert (desk / "speech.decoded.wav").is_file()
    assert (desk / "photo.tok").stat().st_size < (desk / "photo.jpg").stat().st_size / 5
    assert (desk / "tokens" / "speech.tok").is_file()
    assert (desk / "piped.wav").stat().st_size > 100_000


@pytest.mark.slow
def test_the_python_of_the_documents_runs_as_it_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    names: dict[str, object] = {}
    exec(python_example(), names)
    assert names["recording"].samples.shape == (68480, 1)  # type: ignore[attr-defined]
    streamed = np.concatenate([piece.tokens for piece in names["stream"]], axis=1)  # type: ignore[attr-defined]
    assert streamed.shape == names["tokens"].shape  # type: ignore[attr-defined]
    assert sum(map(len, names["blocks"])) == 68480  # type: ignore[attr-defined]


def test_readme_leads_from_sampled_ids_to_sound_in_four_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    [program] = blocks("Use", "py")
    assert len(program.split("\n")) - program.count("\n\n") == 5  # four lines, and the end of the last
    exec(program, {"ids": [[5, 77, 4095] * 10]})
    samples, rate = soundfile.read("sampled.wav")
    assert (len(samples), rate) == (30 * 384, 16_000)
    assert np.abs(samples).max() > 0.01


@pytest.mark.slow
def test_a_strict_type_checker_accepts_the_python_after_an_editable_install(tmp_path: Path) -> None:
    pytest.importorskip("mypy")
    pytest.importorskip("setuptools", minversion="77")
    checkout, environment, example = tmp_path / "checkout", tmp_path / "environment", tmp_path / "example.py"
    shutil.copytree(ROOT / "vpcodec", checkout / "vpcodec")
    for name in ("pyproject.toml", "setup.py", "README.md"):
        shutil.copy(ROOT / name, checkout)
    (checkout / "docs").mkdir()
    shutil.copy(ROOT / "docs" / "vpcodec.1", checkout / "docs")
    build = "import sys, setuptools.build_meta as backend; print(backend.build_editable(sys.argv[1]))"
    subprocess.run([sys.executable, "-c", build, tmp_path], cwd=checkout, check=True, capture_output=True)
    venv.create(environment)
    [wheel], [packages] = tmp_path.glob("*.whl"), environment.glob("lib/*/site-packages")
    zipfile.ZipFile(wheel).extractall(packages)
    example.write_text(python_example() + "reveal_type(codec)\nreveal_type(blocks)\n")
    command = [sys.executable, "-m", "mypy", "--strict", "--python-executable", environment / "bin" / "python", example]
    checked = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert '"vpcodec.codec.pipeline.Codec"' in checked.stdout  # found, and not taken for Any


def anchors(page: Path) -> set[str]:
    """Names of the headings of a page, as links give them."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), flags=re.M)
    return {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}


def test_every_link_of_the_documents_leads_to_a_file_and_a_heading() -> None:
    for document in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")]:
        links = re.findall(r"\]\(([^)#:]*)(?:#([^)]*))?\)", document.read_text(encoding="utf-8"))
        for target, anchor in links:
            page = document.parent / target if target else document
            assert page.exists(), f"{document.name} links to {target}"
            assert not anchor or anchor in anchors(page), f"{document.name} links to {target}#{anchor}"


def test_every_module_that_the_documents_name_exists() -> None:
    files = [f"/{path.relative_to(ROOT).as_posix()}" for path in ROOT.rglob("*.py") if ".venv" not in path.parts]
    for document in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")]:
        for name in re.findall(r"`(?:\w+\s)?([a-z_/]+\.py)\b", document.read_text(encoding="utf-8")):
            if not name.startswith("my_"):
                assert any(file.endswith(f"/{name}") for file in files), f"{document.name} names {name}"
