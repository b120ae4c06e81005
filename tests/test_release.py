"""`scripts/release.py` and the galleries: what stands in a model's folder, and what is shown of it."""

import json
from pathlib import Path

import pytest

from scripts import gallery, release
from tests.test_registry import saved
from vpcodec.registry import NOTES, ModelFolder


def test_the_sources_of_the_training_media_get_into_the_notes_and_the_folder(tmp_path: Path) -> None:
    data, model = tmp_path / "data", tmp_path / "model"
    for folder in (data, model):
        folder.mkdir()
    (data / "sources.md").write_text("| source | credit |\n")
    (data / "sources.json").write_text('[{"source": "mls"}]')
    (model / NOTES).write_text("Before.\n<!-- sources: begin -->\nold\n<!-- sources: end -->\nLicense: MIT.\n")
    release.name_sources(model, data)
    marked = "<!-- sources: begin -->\n| source | credit |\n<!-- sources: end -->"
    assert (model / NOTES).read_text() == f"Before.\n{marked}\nLicense: MIT.\n"
    assert json.loads((model / "sources.json").read_text()) == [{"source": "mls"}]


def test_a_released_folder_holds_the_recipe_of_its_name_and_no_graphs_of_earlier_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = saved(tmp_path / "run", "speech-vp-tiny")
    monkeypatch.setattr(release, "MODELS", tmp_path / "models")
    (tmp_path / "models" / "speech-fsp-tiny").mkdir(parents=True)
    (tmp_path / "models" / "speech-fsp-tiny" / "decoder-999.onnx").write_bytes(b"old")
    folder = release.copy_model(run.path, "speech-fsp-tiny")
    assert {path.name for path in folder.iterdir()} == {"model.toml", "recipe.toml", "weights.safetensors"}
    assert ModelFolder(folder).name == "speech-fsp-tiny"
    assert 'method = "fsp"' in (folder / "recipe.toml").read_text()


def test_of_a_model_with_many_codebooks_a_gallery_shows_some(tmp_path: Path) -> None:
    few = saved(tmp_path / "few", "speech-vp-tiny", settings=["quantizer.rates=[8, 16, 32]"])
    many = saved(tmp_path / "many", "speech-vp-tiny", settings=["quantizer.rates=[8, 16, 32, 64, 128, 256, '2x32']"])
    assert (gallery.shown(few), gallery.shown(many)) == ([8, 16, 32], [256])
    sound = saved(tmp_path / "sound", "audio-vp-tiny", settings=["quantizer.rates=[8, 16, 32]"])
    assert gallery.shown(sound) == [32, 8]
