"""`vpcodec evaluate` as a process: its files, and what a change of the model does to them."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.cli.conftest import MEDIA, Command
from vpcodec.evaluation.candidates import ModelCandidate, files_of
from vpcodec.registry import NOTES, ModelFolder


@pytest.fixture
def recordings(vpcodec: Command) -> Path:
    """A folder with two short recordings."""
    folder = vpcodec.folder / "recordings"
    folder.mkdir()
    samples, rate = soundfile.read(MEDIA / "speech.flac", frames=24_000)
    for number, part in enumerate(np.split(samples, 2)):
        soundfile.write(folder / f"{number}.wav", part, rate)
    return folder


def evaluate(vpcodec: Command, *options: str) -> tuple[int, str]:
    """Exit code and messages of a quick evaluation."""
    ended = vpcodec("evaluate", "--dataset", "recordings", "--metrics", "mel_distance", *options)
    return ended.returncode, ended.stderr.decode()


def test_files_are_replaced_by_force_alone_links_are_followed_and_no_rows_stay(
    vpcodec: Command, recordings: Path
) -> None:
    assert evaluate(vpcodec, "--json", "out.json", "--csv", "out.csv") == (0, "")
    assert evaluate(vpcodec, "--json", "out.json") == (1, "vpcodec: out.json: exists already; use -f to replace it\n")
    (vpcodec.folder / "link.csv").symlink_to("out.csv")
    (vpcodec.folder / "out.csv").write_text("")
    assert evaluate(vpcodec, "--csv", "link.csv", "-f") == (0, "")
    assert (vpcodec.folder / "link.csv").is_symlink()
    assert (vpcodec.folder / "out.csv").read_text().startswith("dataset,candidate")
    assert vpcodec.names("*.jsonl") == []
    assert len(json.loads((vpcodec.folder / "out.json").read_text())["rows"]) == 2


def test_whatever_decides_a_file_changes_the_identity_of_a_model(models: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(models / "speech-vp", tmp_path / "speech-vp")
    (rate,) = ModelFolder(folder).facts.rates
    found = [files_of(ModelFolder(folder), rate)]
    (folder / f"prior-{rate}.bin").write_bytes(b"a prior")
    found.append(files_of(ModelFolder(folder), rate))
    facts = (folder / "model.toml").read_text()
    (folder / "model.toml").write_text(facts.replace('encoder.onnx" = "', 'encoder.onnx" = "0'))
    found.append(files_of(ModelFolder(folder), rate))
    assert len(set(found)) == 3


def test_the_engine_is_part_of_the_identity(models: Path) -> None:
    model = ModelFolder(models / "speech-vp")
    found = {ModelCandidate(model, engine=engine).identity for engine in ("onnx", "onnx-8-bits", "torch")}
    assert len(found) == 3


def test_models_are_listed_with_their_quality_speed_and_license(
    vpcodec: Command, models: Path, recordings: Path
) -> None:
    folder = shutil.copytree(models / "speech-vp", vpcodec.folder / "models" / "speech-vp")
    (folder / NOTES).write_text("## Data\n\nLicense: for research only; see the data.\n\nMore.\n")
    vpcodec.environment["VPCODEC_MODELS"] = os.fspath(folder.parent)
    assert evaluate(vpcodec, "--record")[0] == 0
    listed = vpcodec("models").stdout.decode()
    assert "  speech-vp on recordings: mel_distance " in listed
    assert " times real time\n  license: for research only; see the data.\n" in listed
    facts = next(model for model in json.loads(vpcodec("models", "--json").stdout) if model["name"] == "speech-vp")
    assert facts["license"] == "for research only; see the data."
    assert facts["quality"][0]["encode"] > 0


def test_names_that_no_encoding_holds_cost_no_result(vpcodec: Command, recordings: Path) -> None:
    name = b"caf\xe9"
    os.rename(recordings / "1.wav", os.fsencode(recordings) + b"/" + name + b".wav")
    os.rename(recordings, os.fsencode(vpcodec.folder) + b"/" + name)
    vpcodec.environment |= {"PYTHONIOENCODING": "latin-1", "PYTHONUTF8": "0"}
    outputs = ("--json", "out.json", "--csv", "out.csv", "--report", "out.html")
    ended = vpcodec("evaluate", "--dataset", name, "--metrics", "mel_distance", *outputs)
    assert (ended.returncode, ended.stderr) == (0, b"")
    assert b"speech-vp" in ended.stdout
    assert json.loads((vpcodec.folder / "out.json").read_text())["dataset"] == os.fsdecode(name)
    assert "\ncaf\\udce9,speech-vp" in (vpcodec.folder / "out.csv").read_text()
