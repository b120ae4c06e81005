import random

import pytest

from tests.container.fuzzing import damaged, survive
from tests.container.golden_files import FOLDER, GOLDEN


@pytest.mark.parametrize("name", GOLDEN)
def test_damaged_files_raise_container_errors_and_nothing_else(name: str) -> None:
    draw = random.Random(name)
    content = (FOLDER / f"{name}.tok").read_bytes()
    prior = GOLDEN[name].read_prior()
    assert survive(content, prior)
    for _ in range(25):
        survive(damaged(content, draw), prior)
