"""A token file finds the model that made it: the one named, an installed one, one beside it or in the folder."""

import io
import shutil
from pathlib import Path

import numpy as np
import pytest

from vpcodec.codec.pipeline import Codec
from vpcodec.codec.token_files import SIGNALS, model_for
from vpcodec.container import Frame, Header, Reader
from vpcodec.errors import InputError, ModelError
from vpcodec.registry import ModelFolder


@pytest.fixture
def header(model_folders: dict[str, Path]) -> Header:
    """Of a token file that the model speech-tiny made."""
    codec = Codec.load(str(model_folders["speech"]), engine="torch")
    return Reader(io.BytesIO(codec.encode(Path(__file__).parents[1] / "media" / "speech.flac"))).header


def another(model: Path, folder: Path) -> Path:
    """A model of the same name with other weights."""
    facts = ModelFolder(shutil.copytree(model, folder / model.name)).facts
    other = ("0" if facts.weights_sha256[0] != "0" else "1") + facts.weights_sha256[1:]
    path = folder / model.name / "model.toml"
    path.write_text(path.read_text().replace(facts.weights_sha256, other))
    return folder / model.name


@pytest.mark.parametrize("place", ["installed", "beside", "here", "given"])
def test_a_model_of_the_same_name_with_other_weights_is_passed_over(
    header: Header, model_folders: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    places = {name: tmp_path / name for name in ("installed", "beside", "here", "given")}
    for name, folder in places.items():
        folder.mkdir()
        if name == place:
            shutil.copytree(model_folders["speech"], folder / "speech-tiny")
        else:
            another(model_folders["speech"], folder)
    monkeypatch.setenv("VPCODEC_MODELS", str(places["installed"]))
    monkeypatch.chdir(places["here"])
    given = str(places["given"] / "speech-tiny") if place == "given" else None
    model = model_for(header, given, places["beside"] / "a.tok")
    assert model.path.resolve() == places[place] / "speech-tiny"


def test_a_folder_that_was_named_is_the_only_one_that_counts(
    header: Header, model_folders: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VPCODEC_MODELS", str(model_folders["speech"].parent))
    with pytest.raises(ModelError, match=r"made with speech-tiny \(.*not with this speech-tiny \("):
        model_for(header, str(another(model_folders["speech"], tmp_path)))


def test_a_model_that_is_nowhere_is_named_with_both_ways_to_give_it(
    header: Header, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ModelError, match=r"(?s)needs the model speech-tiny, .*with -m, or set VPCODEC_MODELS"):
        model_for(header, None, tmp_path / "a.tok")


def test_an_id_that_the_vocabulary_lacks_is_named_with_its_place(header: Header) -> None:
    tokens = np.zeros((1, 40), np.int64)
    for number in (header.vocabulary, -1):
        tokens[0, 7] = number
        with pytest.raises(InputError, match=rf"the id {number} at \[0, 7\] is outside the vocabulary, 0 to "):
            SIGNALS["speech"].tokens(header, [Frame(tokens)], None)
    tokens[0, 7] = header.vocabulary - 1
    assert np.array_equal(SIGNALS["speech"].tokens(header, [Frame(tokens)], None), tokens)
