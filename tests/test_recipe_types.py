"""What a recipe takes for a number."""

import pytest

from vpcodec.errors import ConfigError
from vpcodec.recipe import override
from vpcodec.training.recipes import find_recipe


@pytest.mark.parametrize(
    "setting", ["training.steps=true", "training.steps=2.5", "training.rate=true", "data.augment=1", 'data.batch="2"']
)
def test_an_option_takes_no_value_of_another_type(setting: str) -> None:
    with pytest.raises(ConfigError, match=r"must be (int|float|bool)"):
        override(find_recipe("speech-fsp-tiny"), [setting])


def test_a_whole_number_will_do_where_a_fraction_is_allowed() -> None:
    assert override(find_recipe("speech-fsp-tiny"), ["training.clip=2"]).training.clip == 2.0
