from dataclasses import replace

import numpy as np
import pytest

from tests.container.conftest import LEVELS, wandering
from vpcodec.container.code_order import digit_bits, order_codes, principal
from vpcodec.container.prior import load_prior
from vpcodec.container.prior_training import train_prior
from vpcodec.container.weights import Weights
from vpcodec.errors import ContainerError


def test_a_prior_comes_back_from_its_bytes(speech_prior: bytes) -> None:
    prior = load_prior(speech_prior)
    assert prior.radices == LEVELS
    assert prior.to_bytes() == speech_prior


def test_training_is_repeatable() -> None:
    frames = [wandering((1, 2000))]
    first, second = (train_prior(frames, LEVELS, "speech", neighbours=1, width=4, passes=1) for _ in range(2))
    assert first == second


@pytest.mark.parametrize(
    ("start", "replacement", "message"),
    [
        (0, b"nope", "not a prior of version 1"),
        (4, b"\x02", "kind is 2, expected 0 to 1"),
        (5, b"\x01\x00", "vocabulary"),
        (7, b"\x00", "digits is 0"),
        (8, b"\x09", "radix|ends inside|follow its end"),
        (8, b"\x02", "make 250 numbers for 1,000 tokens"),
        (12, b"\x11", "neighbours is 17, expected 1 to 16"),
        (13, b"\xff\x7f", "width is 16383, expected 1 to 256"),
        (14, b"\x02", "order is 2"),
        (14, b"\x01", "order does not give each token a number of its own|ends inside"),
    ],
)
def test_a_damaged_prior_is_refused(speech_prior: bytes, start: int, replacement: bytes, message: str) -> None:
    damaged = speech_prior[:start] + replacement + speech_prior[start + len(replacement) :]
    with pytest.raises(ContainerError, match=message):
        load_prior(damaged)


def test_a_truncated_or_longer_prior_is_refused(speech_prior: bytes) -> None:
    for length in (0, 3, 10, 100, len(speech_prior) - 1):
        with pytest.raises(ContainerError):
            load_prior(speech_prior[:length])
    with pytest.raises(ContainerError, match="1 bytes follow its end"):
        load_prior(speech_prior + b"\0")


def test_a_prior_whose_sums_overflow_is_refused(speech_prior: bytes) -> None:
    prior = load_prior(speech_prior)
    heavy = replace(
        prior,
        context=np.full_like(prior.context, 32767),
        matrix=tuple(np.full_like(part, -32768) for part in prior.matrix),
    )
    with pytest.raises(ContainerError, match="expected less than 2\\^31"):
        Weights(heavy)


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
