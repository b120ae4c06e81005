"""Models on disk."""

from collections.abc import Sequence
from pathlib import Path

import pytest
import torch

from tests.conftest import MEDIA
from vpcodec.autoencoder import Autoencoder
from vpcodec.codec.pipeline import Codec
from vpcodec.errors import ConfigError, ModelError
from vpcodec.export import read_tokens
from vpcodec.inspect import describe
from vpcodec.recipe import override
from vpcodec.registry import (
    FACTS,
    WEIGHTS,
    ModelFolder,
    find_model,
    list_models,
    load_weights,
    save_model,
    survey_models,
)
from vpcodec.training.recipes import find_recipe


def saved(folder: Path, name: str = "speech-fsp-tiny", seed: int = 0, settings: Sequence[str] = ()) -> ModelFolder:
    recipe = override(find_recipe(name), settings)
    torch.manual_seed(seed)
    model = Autoencoder(recipe.kind, recipe.network, recipe.quantizer).eval()
    folder.mkdir(parents=True)
    return save_model(folder, model, recipe, {"steps": 1, "minutes": 0.5})


def test_a_saved_model_is_found_by_name_and_by_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    saved(tmp_path / "mine")
    monkeypatch.setenv("VPCODEC_MODELS", str(tmp_path))
    assert find_model("mine").facts == find_model(str(tmp_path / "mine")).facts
    assert "mine" in [model.name for model in list_models()]
    assert find_model("mine").facts.vocabularies == [240]


def test_the_prior_of_a_codebook_is_named_as_users_name_it(tmp_path: Path) -> None:
    model = saved(tmp_path / "mine", "speech-vp-tiny", settings=["quantizer.rates=[16, '2x16']"])
    (model.path / "prior-2x16.bin").write_bytes(b"of two codes")
    assert (model.prior(16), model.prior(256)) == (None, b"of two codes")


def test_a_folder_that_cannot_be_read_hides_no_other_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    saved(tmp_path / "mine")
    for name, content in {"newer": 'name = "newer"\nsmell = "sweet"\n', "torn": "name = "}.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / FACTS).write_text(content)
    monkeypatch.setenv("VPCODEC_MODELS", str(tmp_path))
    assert "mine" in [model.name for model in list_models()]
    newer, torn = survey_models()[1]
    assert newer.what == f"{tmp_path}/newer/{FACTS}: unknown option smell"
    assert torn.what.count(str(tmp_path)) == 1


def test_a_model_that_is_not_there_is_named_with_those_that_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved(tmp_path / "mine")
    monkeypatch.setenv("VPCODEC_MODELS", str(tmp_path))
    with pytest.raises(ModelError, match=r"(?s)no model named 'yours'.*mine"):
        find_model("yours")


def test_a_loaded_model_computes_in_32_bits_with_the_saved_ones_matrices_in_16(tmp_path: Path) -> None:
    folder = saved(tmp_path / "mine")
    torch.manual_seed(0)
    recipe = find_recipe("speech-fsp-tiny")
    model = Autoencoder(recipe.kind, recipe.network, recipe.quantizer).eval()
    with torch.no_grad():
        for parameter in model.network.parameters():
            if parameter.ndim > 1:
                parameter.copy_(parameter.half())
    signal = torch.rand(1, 960)
    assert torch.equal(folder.autoencoder()(signal)[0], model(signal)[0])


def test_exchanged_or_damaged_weights_are_refused(tmp_path: Path) -> None:
    folder = saved(tmp_path / "mine")
    weights = tmp_path / "mine" / WEIGHTS
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    with pytest.raises(ModelError, match="damaged or exchanged"):
        folder.autoencoder()
    weights.unlink()
    with pytest.raises(ModelError, match="No such file"):
        folder.autoencoder()


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (("hop = 96", 'hop = "wide"'), "hop must be int"),
        (("kind", "sort"), "unknown option sort"),
        (("hop = 96", ""), "hop"),
    ],
)
def test_a_model_file_that_makes_no_sense_is_refused(tmp_path: Path, change: tuple[str, str], complaint: str) -> None:
    saved(tmp_path / "mine")
    facts = tmp_path / "mine" / FACTS
    facts.write_text(facts.read_text().replace(*change, 1))
    with pytest.raises(ModelError, match=complaint):
        ModelFolder(tmp_path / "mine")


def test_a_codebook_the_model_lacks_is_a_wrong_option(tmp_path: Path) -> None:
    folder = saved(tmp_path / "mine")
    assert folder.checked_codebook(None) == 256
    with pytest.raises(ConfigError, match="no codebook 1024"):
        folder.checked_codebook(1024)


def test_a_codebook_of_two_codes_a_position_has_its_name_everywhere(tmp_path: Path) -> None:
    folder = saved(tmp_path / "mine", settings=["quantizer.rates=[256, '2x256']"])
    codec = Codec.load(folder, engine="torch")
    assert codec.codebooks == (256, "2x256")
    contents = [codec.encode(MEDIA / "speech.flac", codebook=codebook) for codebook in (256, "2x256", None)]
    assert contents[1] == contents[2]
    assert len(contents[0]) < 0.6 * len(contents[1])
    (tmp_path / "two.tok").write_bytes(contents[1])
    assert describe(str(tmp_path / "two.tok"), str(folder.path))["codebook"] == "2x256"
    assert [each["codebook"] for each in describe(str(folder.path))["codebooks"]] == [256, "2x256"]
    assert read_tokens(str(tmp_path / "two.tok"), "two", str(folder.path)).info["codebook"] == "2x256"
    with pytest.raises(ConfigError, match=r"no codebook 3x256\n.*its codebooks: 256, 2x256"):
        codec.encode(MEDIA / "speech.flac", codebook="3x256")


def test_a_new_model_starts_from_another_where_shapes_fit(tmp_path: Path) -> None:
    other = saved(tmp_path / "other", seed=1).autoencoder()
    recipe = find_recipe("speech-simvq-tiny")
    model = Autoencoder(recipe.kind, recipe.network, recipe.quantizer)
    assert load_weights(model, tmp_path / "other") > 20
    assert torch.equal(model.network.encoder.read.weight, other.network.encoder.read.weight)
    assert other.network.encoder.read.weight.dtype == torch.float32


@pytest.mark.parametrize(("method", "rate"), [("vq", 512), ("ema", 256)])
def test_half_a_quantizer_is_not_taken_over(tmp_path: Path, method: str, rate: int) -> None:
    other = saved(tmp_path / "other", "speech-vq-tiny").autoencoder()
    torch.manual_seed(1)
    recipe = override(find_recipe(f"speech-{method}-tiny"), [f"quantizer.rates=[{rate}]", "quantizer.channels=4"])
    model = Autoencoder(recipe.kind, recipe.network, recipe.quantizer)
    before = {name: value.clone() for name, value in model.quantizer.state_dict().items()}
    load_weights(model, tmp_path / "other")
    assert all(torch.equal(value, before[name]) for name, value in model.quantizer.state_dict().items())
    assert torch.equal(model.network.encoder.read.weight, other.network.encoder.read.weight)


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    folder = saved(tmp_path / "mine")
    facts = tmp_path / "mine" / FACTS
    facts.write_text(facts.read_text().replace("kernel = ", "kernel = 1", 1))
    with pytest.raises(ModelError, match="not those of the network"):
        ModelFolder(folder.path).autoencoder()


def test_weights_that_are_not_there_are_named(tmp_path: Path) -> None:
    recipe = find_recipe("speech-fsp-tiny")
    with pytest.raises(ModelError, match="nowhere"):
        load_weights(Autoencoder(recipe.kind, recipe.network, recipe.quantizer), tmp_path / "nowhere.safetensors")
