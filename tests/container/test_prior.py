import zlib
from dataclasses import replace

import numpy as np
import pytest

from tests.container.conftest import LEVELS
from tests.container.golden_files import FOLDER
from vpcodec.container.prior import Scale, load_prior
from vpcodec.errors import ContainerError


def test_a_prior_comes_back_from_its_bytes(speech_prior: bytes) -> None:
    prior = load_prior(speech_prior)
    assert prior.radices == LEVELS
    assert prior.to_bytes() == speech_prior


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
        (12, b"\x11", "neighbors is 17, expected 1 to 16"),
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
        load_prior(speech_prior[:start] + replacement + speech_prior[start + len(replacement) :])


def test_a_prior_with_too_many_rows_is_refused(speech_prior: bytes) -> None:
    many = speech_prior[:15] + b"\x41\x01\x00\x40\x01\x00" + speech_prior[21:]
    with pytest.raises(ContainerError, match="4,160 rows"):
        load_prior(many)


def test_a_truncated_or_longer_prior_is_refused(speech_prior: bytes) -> None:
    for length in (0, 3, 10, 100, len(speech_prior) - 1):
        with pytest.raises(ContainerError):
            load_prior(speech_prior[:length])
    with pytest.raises(ContainerError, match="do not unpack"):
        load_prior(speech_prior + b"\0")


def test_a_prior_that_unpacks_to_more_than_it_says_is_refused_at_once(speech_prior: bytes) -> None:
    with pytest.raises(ContainerError, match="do not unpack"):
        load_prior(speech_prior[: speech_prior.index(b"\x78\xda")] + zlib.compress(bytes(1 << 26), 9))


def test_a_prior_whose_sums_exceed_a_byte_is_refused(speech_prior: bytes) -> None:
    prior = load_prior(speech_prior)
    heavy = replace(prior, earlier=tuple(np.full_like(table, 255) for table in prior.earlier))
    with pytest.raises(ContainerError, match="expected 255 or less"):
        load_prior(heavy.to_bytes())


@pytest.mark.parametrize("change", [1, -1, 2**15])
def test_a_prior_whose_weights_do_not_add_up_is_refused(speech_prior: bytes, change: int) -> None:
    prior = load_prior(speech_prior)
    rows = prior.weights[1].copy()
    rows[3, 2] += change
    with pytest.raises(ContainerError, match="2048 in each row"):
        load_prior(replace(prior, weights=(prior.weights[0], rows, *prior.weights[2:])).to_bytes())


def test_an_order_that_gives_two_tokens_one_number_is_refused() -> None:
    prior = load_prior((FOLDER / "codebook-tables.prior").read_bytes())
    assert prior.order is not None
    order = prior.order.copy()
    order[3] = order[4]
    with pytest.raises(ContainerError, match="number of its own below 128"):
        load_prior(replace(prior, order=order).to_bytes())
