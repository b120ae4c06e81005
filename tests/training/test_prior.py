"""Priors made from tokens: their bytes are tested in tests/container."""

import math

import numpy as np
import pytest

from tests.container.conftest import LEVELS, wandering
from vpcodec.container.prior import load_prior
from vpcodec.container.tabled import decode_frame, encode_frame, lookups_of
from vpcodec.training.prior import digit_bits, order_codes, principal, train_prior


def test_training_is_repeatable_and_draws_nothing_from_the_generator_of_others() -> None:
    frames = [wandering((1, 2000))]
    first, second = (train_prior(frames, LEVELS, "speech", neighbors=1, bins=(4,), passes=1) for _ in range(2))
    assert first == second


def test_a_prior_can_be_made_of_few_tokens() -> None:
    assert load_prior(train_prior([np.array([[3]])], LEVELS, "image")).kind == "image"


def test_weights_follow_what_was_counted() -> None:
    # Whatever the network says of its bins, tokens that all are 5 make 5 as likely as weights can tell.
    prior = load_prior(train_prior([np.full((1, 50_000), 5)], (7,), "speech", neighbors=1, bins=(2,), passes=0.02))
    assert np.diff(prior.below[0], axis=1)[:, 5].max() > 2000


def test_a_codebook_without_structure_is_coded_by_what_surrounds_its_codes() -> None:
    names = np.random.default_rng(3).permutation(80)  # ids that tell nothing
    train = [names[wandering((1, 4000), (5, 4, 4), seed)] for seed in range(4)]
    test = names[wandering((1, 1667), (5, 4, 4), 99)]
    lookups = lookups_of(train_prior(train, (80,), "speech", neighbors=1, passes=12))
    payload = encode_frame(test, lookups)
    assert len(payload) < 0.85 * 1667 * math.log2(80) / 8
    assert (decode_frame(payload, (1, 1667), lookups) == test).all()


def test_a_code_is_coded_by_the_codes_before_it_in_its_position() -> None:
    # The second code is one of two that the first allows, so it takes a bit, though alone it takes five.
    random = np.random.default_rng(0)
    names = [np.random.default_rng(seed).permutation(70) for seed in range(2)]
    first = random.integers(0, 35, (5, 4000))
    tokens = names[0][first] + 70 * names[1][2 * first + random.integers(0, 2, first.shape)]
    codebooks = [np.argsort(name)[:, None].astype(float) for name in names]
    content = train_prior([tokens[:4]], (70, 70), "speech", neighbors=1, passes=12, codebooks=codebooks)
    payload = encode_frame(tokens[4:], lookups_of(content))
    assert 8 * len(payload) < 4000 * (math.log2(35) + 1.6)
    assert (decode_frame(payload, (1, 4000), lookups_of(content)) == tokens[4:]).all()


@pytest.mark.parametrize(
    ("vocabulary", "bits"), [(2, [1]), (16, [4]), (240, [4, 4]), (1024, [4, 3, 3]), (16384, [4, 4, 3, 3])]
)
def test_the_digits_of_a_codebook_have_four_bits_or_fewer(vocabulary: int, bits: list[int]) -> None:
    assert digit_bits(vocabulary) == bits


@pytest.mark.parametrize("count", [2, 3, 17, 100, 256])
def test_every_code_gets_a_number_of_its_own(count: int) -> None:
    features = np.random.default_rng(count).normal(size=(count, 3))
    bits = digit_bits(count)
    numbers = order_codes(features, bits)
    assert len(np.unique(numbers)) == count
    assert numbers.max() < 2 ** sum(bits)


def test_codes_that_are_alike_share_their_first_digit() -> None:
    random = np.random.default_rng(0)
    centres = random.normal(size=(8, 5)) * 50
    features = np.repeat(centres, 8, axis=0) + random.normal(size=(64, 5))
    numbers = order_codes(principal(features), [3, 3])
    assert all(len(set(group % 8)) == 1 for group in numbers.reshape(8, 8))
