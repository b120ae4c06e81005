import zlib
from dataclasses import replace

import numpy as np
import pytest

from tests.container.conftest import LEVELS, wandering
from vpcodec.container.code_order import digit_bits, order_codes, principal
from vpcodec.container.prior_training import train_prior
from vpcodec.container.tables import Scale, load_tables
from vpcodec.errors import ContainerError


def test_a_prior_comes_back_from_its_bytes(speech_prior: bytes) -> None:
    prior = load_tables(speech_prior)
    assert prior.radices == LEVELS
    assert prior.to_bytes() == speech_prior


def test_training_is_repeatable() -> None:
    frames = [wandering((1, 2000))]
    first, second = (train_prior(frames, LEVELS, "speech", neighbours=1, bins=(4,), passes=1) for _ in range(2))
    assert first == second


def test_a_prior_can_be_made_of_few_tokens() -> None:
    assert load_tables(train_prior([np.array([[3]])], LEVELS, "image")).kind == "image"


def test_sums_below_the_first_bin_and_above_the_last_are_in_those() -> None:
    table = Scale(bins=4, width=10, base=20).table()
    assert [int(table[total]) for total in (0, 20, 29, 30, 49, 50, 59, 60, 255)] == [0, 0, 0, 1, 2, 3, 3, 3, 3]


@pytest.mark.parametrize(
    ("start", "replacement", "message"),
    [
        (0, b"nope", "not a prior of version 2"),
        (4, b"\x02", "kind is 2, expected 0 to 1"),
        (5, b"\x01\x00", "vocabulary"),
        (7, b"\x00", "digits is 0"),
        (7, b"\x09", "digits is 9, expected 1 to 8"),
        (8, b"\x09", "no order, and 1,125 numbers for 1,000 tokens"),
        (8, b"\x02", "make 250 numbers for 1,000 tokens"),
        (12, b"\x11", "neighbours is 17, expected 1 to 16"),
        (13, b"\x05", "fields is 5, expected 1 to 4"),
        (14, b"\x02", "order is 2"),
        (14, b"\x01", "do not unpack to"),
        (15, b"\x00", "bins is 0"),
        (16, b"\x00", "width is 0"),
        (15, b"\x7f", "do not unpack to"),
        (60, b"\x00\xff\x00", "damaged|do not unpack to"),
    ],
)
def test_a_damaged_prior_is_refused(speech_prior: bytes, start: int, replacement: bytes, message: str) -> None:
    with pytest.raises(ContainerError, match=message):
        load_tables(speech_prior[:start] + replacement + speech_prior[start + len(replacement) :])


def test_a_prior_with_too_many_rows_is_refused(speech_prior: bytes) -> None:
    many = speech_prior[:15] + b"\x41\x01\x00\x40\x01\x00" + speech_prior[21:]
    with pytest.raises(ContainerError, match="4,160 rows"):
        load_tables(many)


def test_a_truncated_or_longer_prior_is_refused(speech_prior: bytes) -> None:
    for length in (0, 3, 10, 100, len(speech_prior) - 1):
        with pytest.raises(ContainerError):
            load_tables(speech_prior[:length])
    with pytest.raises(ContainerError, match="do not unpack"):
        load_tables(speech_prior + b"\0")


def test_a_prior_that_unpacks_to_more_than_it_says_is_refused_at_once(speech_prior: bytes) -> None:
    with pytest.raises(ContainerError, match="do not unpack"):
        load_tables(speech_prior[: speech_prior.index(b"\x78\xda")] + zlib.compress(bytes(1 << 26), 9))


def test_a_prior_whose_sums_exceed_a_byte_is_refused(speech_prior: bytes) -> None:
    prior = load_tables(speech_prior)
    heavy = replace(prior, earlier=tuple(np.full_like(table, 255) for table in prior.earlier))
    with pytest.raises(ContainerError, match="expected 255 or less"):
        load_tables(heavy.to_bytes())


@pytest.mark.parametrize("change", [1, -1, 2**15])
def test_a_prior_whose_weights_do_not_add_up_is_refused(speech_prior: bytes, change: int) -> None:
    prior = load_tables(speech_prior)
    rows = prior.weights[1].copy()
    rows[3, 2] += change
    with pytest.raises(ContainerError, match="2048 in each row"):
        load_tables(replace(prior, weights=(prior.weights[0], rows, *prior.weights[2:])).to_bytes())


def test_an_order_that_gives_two_tokens_one_number_is_refused() -> None:
    prior = load_tables(train_prior([np.arange(1000)[None] % 80], (80,), "speech", neighbours=1, bins=(2,), passes=1))
    assert prior.order is not None
    order = prior.order.copy()
    order[3] = order[4]
    with pytest.raises(ContainerError, match="number of its own below 128"):
        load_tables(replace(prior, order=order).to_bytes())


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
