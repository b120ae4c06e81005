"""`vpcodec info`, `test` and `models`."""

import json
import math
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.cli.conftest import Command
from tests.container.golden_files import FOLDER


def test_info_gives_the_rate_by_name_by_entropy_and_on_disk(vpcodec: Command, tokens: Path) -> None:
    (facts,) = json.loads(vpcodec("info", "--json", "speech.tok").stdout)
    seconds = facts["source"]["seconds"]
    assert seconds == 1.0
    assert math.isclose(facts["nominal"], facts["tokens"] / seconds * math.log2(facts["codebook"]), abs_tol=1e-5)
    assert 0 < facts["entropy"] <= facts["nominal"]
    assert facts["on_disk"] == 8 * (tokens / "speech.tok").stat().st_size / seconds
    assert facts["model"] == "speech-vp"


def test_info_knows_token_files_recordings_photos_and_models(vpcodec: Command, media: Path) -> None:
    vpcodec("encode", "photo.png")
    ended = vpcodec("info", "--json", "photo.tok", "speech.wav", "photo.png", "speech-vp")
    types = [facts["type"] for facts in json.loads(ended.stdout)]
    assert types == ["tokens", "speech", "image", "model"]
    text = vpcodec("info", "speech.wav").stdout.decode()
    assert "sample_format          PCM_24" in text


@pytest.mark.parametrize(("name", "frames"), [("empty", 0), ("speech-flat", 2)])
def test_info_and_export_of_a_recording_of_no_length(vpcodec: Command, name: str, frames: int) -> None:
    file = str(FOLDER / f"{name}.tok")
    (facts,) = json.loads(vpcodec("info", "--json", file).stdout)
    assert (facts["frames"], facts["source"]["seconds"]) == (frames, 0)
    assert facts["nominal"] is facts["entropy"] is facts["on_disk"] is None
    assert b"nominal" not in vpcodec("info", file).stdout
    assert vpcodec("export", file, "-o", "t.npz").returncode == 0
    assert len(np.load(vpcodec.folder / "t.npz")["ids"]) == facts["tokens"]


def test_info_of_pages_has_a_line_for_the_note(vpcodec: Command) -> None:
    page = Image.new("RGB", (40, 30))
    page.save(vpcodec.folder / "pages.tif", save_all=True, append_images=[page])
    text = vpcodec("info", "pages.tif").stdout.decode()
    assert "\n  notes                  only the first of 2 pictures is used\n" in text


@pytest.mark.parametrize("name", ["speech.wav", "photo.png"])
@pytest.mark.parametrize("task", [("encode", "-o", "x.tok"), ("info",)])
def test_an_error_names_an_input_once(vpcodec: Command, media: Path, name: str, task: tuple[str, ...]) -> None:
    cut = (media / name).read_bytes()[:1000]
    (media / name).write_bytes(cut)
    for source, shown in ((name, name), ("-", "standard input")):
        said = vpcodec(*task, source, given=cut).stderr.decode()
        assert said.startswith(f"vpcodec: {shown}: ")
        assert (said.count(shown), "stream:" in said) == (1, False)


def test_info_of_a_bad_file_does_not_hide_the_others(vpcodec: Command, tokens: Path) -> None:
    ended = vpcodec("info", "nowhere", "speech.tok")
    assert ended.returncode == 1
    assert ended.stderr == b"vpcodec: nowhere: no such file or directory\n"
    bits = 8 * (tokens / "speech.tok").stat().st_size  # of one second
    assert ended.stdout.startswith(f"speech.tok  {bits / 1000:.2f} kbit/s\n".encode())


def test_a_model_that_cannot_be_read_hides_nothing_else(vpcodec: Command, media: Path) -> None:
    shutil.copytree(vpcodec.environment["VPCODEC_MODELS"], vpcodec.folder / "models")
    facts = vpcodec.folder / "models" / "image-vp" / "model.toml"
    facts.write_text(facts.read_text().replace("hop = ", "leap = "))
    vpcodec.environment["VPCODEC_MODELS"] = str(vpcodec.folder / "models")
    ended = vpcodec("info", "speech.wav", "speech-vp")
    assert (ended.returncode, ended.stderr) == (0, b"")
    listed = vpcodec("models")
    assert listed.returncode == 0
    assert b"speech-vp " in listed.stdout
    assert listed.stderr == f"left out: {facts}: unknown option leap\n".encode()


def test_test_passes_sound_files_and_reads_pipes(vpcodec: Command, tokens: Path) -> None:
    assert vpcodec("test", "speech.tok", "photo.tok").returncode == 0
    assert vpcodec("test", "-", given=(tokens / "photo.tok").read_bytes()).returncode == 0


def test_test_reports_damage_with_its_place(vpcodec: Command, tokens: Path) -> None:
    content = bytearray((tokens / "speech.tok").read_bytes())
    content[-60] ^= 1
    (tokens / "speech.tok").write_bytes(content)
    ended = vpcodec("test", "speech.tok", "photo.tok")
    assert ended.returncode == 1
    assert b"speech.tok: frame 0 at byte " in ended.stderr
    assert ended.stderr.endswith(b"1 sound, 1 damaged\n")


def test_test_reports_a_model_that_does_not_fit(vpcodec: Command, tokens: Path) -> None:
    facts = Path(vpcodec.environment["VPCODEC_MODELS"]) / "speech-vp" / "model.toml"
    other = vpcodec.folder / "models" / "speech-vp"
    other.mkdir(parents=True)
    sha = facts.read_text().split('weights_sha256 = "')[1][:16]
    (other / "model.toml").write_text(facts.read_text().replace(sha, "0" * 16))
    vpcodec.environment["VPCODEC_MODELS"] = str(other.parent)
    ended = vpcodec("test", "speech.tok")
    assert ended.returncode == 1
    assert b"install the version" not in ended.stderr
    assert b"not with this speech-vp" in ended.stderr


def test_models_are_listed_with_kind_size_and_codebooks(vpcodec: Command) -> None:
    listed = json.loads(vpcodec("models", "--json").stdout)
    speech = next(model for model in listed if model["name"] == "speech-vp")
    (codebook,) = speech["codebooks"]
    assert codebook["measured"] is None  # so the rate by name is what the line shows
    assert codebook["nominal"] == round(16_000 / 96 * math.log2(codebook["codebook"]), 6)
    line = next(line for line in vpcodec("models").stdout.decode().splitlines() if line.startswith("speech-vp "))
    assert line.split()[1] == "speech"
    assert line.endswith("  1.33 kbit/s (codebook 256)")
