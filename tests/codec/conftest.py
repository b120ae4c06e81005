"""Tiny codecs of all kinds, with weights of chance: what is tested here is everything around the weights."""

from pathlib import Path

import pytest
import torch

from vpcodec.autoencoder import Autoencoder
from vpcodec.codec import windows
from vpcodec.codec.pipeline import Codec
from vpcodec.recipe import Recipe
from vpcodec.registry import save_model
from vpcodec.training.recipes import find_recipe


def untrained(kind: str, root: Path) -> Path:
    """A model folder whose network is big in effect and small in size."""
    recipe: Recipe = find_recipe(f"{kind}-fsp-tiny")
    torch.manual_seed(0)
    model = Autoencoder(recipe.kind, recipe.network, recipe.quantizer).eval()
    folder = root / f"{kind}-tiny"
    folder.mkdir(parents=True)
    save_model(folder, model, recipe, {"steps": 0, "minutes": 0.0})
    return folder


@pytest.fixture(scope="session")
def model_folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("models")
    return {kind: untrained(kind, root) for kind in ("speech", "audio", "image")}


@pytest.fixture
def speech(model_folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> Codec:
    """A speech codec with windows of 64 positions, so that short signals have several."""
    monkeypatch.setitem(windows.CORES, "speech", 64)
    return Codec.load(str(model_folders["speech"]), engine="torch")


@pytest.fixture
def audio(model_folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> Codec:
    """A codec of two channels at 48 kHz with windows of 64 positions."""
    monkeypatch.setitem(windows.CORES, "audio", 64)
    return Codec.load(str(model_folders["audio"]), engine="torch")


@pytest.fixture
def image(model_folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> Codec:
    """An image codec with tiles of 8x8 positions."""
    monkeypatch.setitem(windows.CORES, "image", 8)
    return Codec.load(str(model_folders["image"]), engine="torch")
