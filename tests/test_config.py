"""Recipes: strict in, commented out."""

import tomllib
from pathlib import Path

import pytest

from vpcodec.config import from_table, to_toml
from vpcodec.errors import ConfigError
from vpcodec.recipe import Recipe, load_recipe, override
from vpcodec.training.recipes import find_recipe

RECIPE = Recipe(kind="speech", quantizer={"method": "vp", "rates": [256, 1024]})


def test_a_recipe_written_and_read_is_the_same_recipe() -> None:
    assert from_table(Recipe, tomllib.loads(to_toml(RECIPE))) == RECIPE


def test_every_option_that_is_written_stands_under_a_comment() -> None:
    lines = to_toml(RECIPE).splitlines()
    for index, line in enumerate(lines):
        if line and not line.startswith(("#", "[")) and "method" not in line and "rates" not in line:
            assert lines[index - 1].startswith("# "), line


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('kind = "speech"\nquantiser = 1', "unknown option quantiser"),
        ('kind = "film"\n[quantizer]\nmethod = "fsp"', "kind must be one of speech, audio, image"),
        ('kind = "speech"\n[quantizer]\nrates = [256]', "lacks method"),
        ('kind = "speech"\n[quantizer]\nmethod = "fsp"\n[training]\nsteps = "many"', "training.steps must be int"),
        ('kind = "speech"\n[quantizer]\nmethod = "fsp"\n[network]\nkernel = 4', "must be odd"),
        ('kind = "speech"\n[quantizer]\nmethod = "fsp"\n[training]\nsteps = 0', "training.steps must be 1 or more"),
        ('kind = "speech"', "quantizer"),
        ("kind = ", "recipe.toml"),
    ],
)
def test_a_wrong_recipe_is_one_clear_line(tmp_path: Path, text: str, complaint: str) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=complaint):
        load_recipe(path)


def test_settings_reach_any_option_by_its_path() -> None:
    changed = override(RECIPE, ["training.steps=5", "quantizer.rates=[4096]", "data.augment=false", "training.rate=1"])
    assert changed.training.steps == 5
    assert changed.training.rate == 1.0
    assert changed.quantizer == {"method": "vp", "rates": [4096]}
    assert not changed.data.augment


@pytest.mark.parametrize("setting", ["steps", "training.stepz=3", "training=3", "training.steps=many", "kind.x=1"])
def test_a_wrong_setting_is_refused(setting: str) -> None:
    with pytest.raises(ConfigError):
        override(RECIPE, [setting])


@pytest.mark.parametrize(
    "setting", ["training.steps=true", "training.steps=2.5", "training.rate=true", "data.augment=1", 'data.batch="2"']
)
def test_an_option_takes_no_value_of_another_type(setting: str) -> None:
    with pytest.raises(ConfigError, match=r"must be (int|float|bool)"):
        override(find_recipe("speech-fsp-tiny"), [setting])


def test_a_whole_number_will_do_where_a_fraction_is_allowed() -> None:
    assert override(find_recipe("speech-fsp-tiny"), ["training.clip=2"]).training.clip == 2.0
