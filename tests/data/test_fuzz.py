"""Damaged recordings and photos are refused in one way, and cost no more than their size allows."""

import random

import pytest

from tests.data.fuzzing import damaged, mended_png, seeds, survive


@pytest.mark.parametrize("name", seeds())
def test_damaged_media_raise_input_errors_and_nothing_else(name: str) -> None:
    draw = random.Random(name)
    content = seeds()[name]
    assert survive(content)
    for _ in range(25):
        survive(damaged(content, draw))


def test_checksums_put_right_let_damage_reach_what_lies_behind_them() -> None:
    content = bytearray(seeds()["rgb.png"])
    content[20] ^= 4  # the width
    assert not survive(bytes(content))
    assert mended_png(seeds()["rgb.png"]) == seeds()["rgb.png"]
    assert mended_png(bytes(content)) != bytes(content)
