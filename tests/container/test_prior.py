import numpy as np
import pytest

from tests.container.conftest import LEVELS
from tests.container.golden_files import FOLDER
from vpcodec.container.prior import Digits, Scale, load_prior
from vpcodec.errors import ContainerError
from vpcodec.training.prior import blank


def test_a_prior_comes_back_from_its_bytes(speech_prior: bytes) -> None:
    prior = load_prior(speech_prior)
    assert prior.digits == Digits((1000,), (LEVELS,))
    assert prior.to_bytes() == speech_prior


def test_sums_below_the_first_bin_and_above_the_last_are_in_those() -> None:
    table = Scale(bins=4, width=10, base=20).table()
    assert [int(table[total]) for total in (0, 20, 29, 30, 49, 50, 59, 60, 255)] == [0, 0, 0, 1, 2, 3, 3, 3, 3]


@pytest.mark.parametrize(
    ("start", "replacement", "message"),
    [
        (0, b"nope", "not a prior of version 3"),
        (4, b"\x03", "kind is 3, expected 0 to 2"),
        (5, b"\x00", "codes is 0, expected 1 to 8"),
        (6, b"\x01\x00", "size of a codebook"),
        (8, b"\x00", "digits is 0"),
        (8, b"\x11", "digits is 17, expected 1 to 16"),
        (9, b"\x09", "no order, and 1,125 numbers for 1,000 codes"),
        (9, b"\x02", "make 250 numbers for 1,000 codes"),
        (13, b"\x02", "order is 2"),
        (13, b"\x01", "number of its own|truncated"),
        (14, b"\x11", "neighbors is 17, expected 1 to 16"),
        (15, b"\x05", "fields is 5, expected 1 to 4"),
        (16, b"\x00", "bins is 0"),
        (17, b"\x00", "width is 0"),
        (16, b"\x7f", "prior is truncated: its tables"),
        (16, b"\x05", "bytes follow its tables|weights of digit"),
    ],
)
def test_a_damaged_prior_is_refused(speech_prior: bytes, start: int, replacement: bytes, message: str) -> None:
    with pytest.raises(ContainerError, match=message):
        load_prior(speech_prior[:start] + replacement + speech_prior[start + len(replacement) :])


def test_a_prior_with_too_many_rows_is_refused(speech_prior: bytes) -> None:
    many = speech_prior[:16] + b"\x41\x01\x00\x40\x01\x00" + speech_prior[22:]
    with pytest.raises(ContainerError, match="4,160 rows"):
        load_prior(many)


def test_a_truncated_or_longer_prior_is_refused(speech_prior: bytes) -> None:
    for length in (0, 3, 10, 100, len(speech_prior) - 1):
        with pytest.raises(ContainerError):
            load_prior(speech_prior[:length])
    with pytest.raises(ContainerError, match="bytes follow its tables"):
        load_prior(speech_prior + b"\0")


def test_no_table_is_as_large_as_the_vocabulary() -> None:
    digits = Digits((16384,) * 4, ((16, 16, 8, 8),) * 4)
    order = np.arange(16384)
    prior = blank("speech", digits, (order,) * 4, 5, (8, 6, 5, 5))
    prior = prior._replace(below=tuple(np.tile(np.arange(radix, dtype=np.uint16), (1200, 1)) for radix in digits.flat))
    content = prior.to_bytes()
    assert len(content) < 1 << 21
    assert load_prior(content).vocabulary == 1 << 56


def test_a_prior_whose_sums_exceed_a_byte_is_refused(speech_prior: bytes) -> None:
    prior = load_prior(speech_prior)
    heavy = prior._replace(earlier=tuple(tuple(np.full_like(table, 255) for table in group) for group in prior.earlier))
    with pytest.raises(ContainerError, match="expected 255 or less"):
        load_prior(heavy.to_bytes())


@pytest.mark.parametrize("value", [0, 2**11, 2**16 - 1])
def test_a_prior_whose_weights_do_not_add_up_is_refused(speech_prior: bytes, value: int) -> None:
    prior = load_prior(speech_prior)
    for place in (0, 2, -1):
        rows = prior.below[1].copy()
        rows[3, place] = value if place or value else 1
        with pytest.raises(ContainerError, match="2048 in each row"):
            load_prior(prior._replace(below=(prior.below[0], rows, *prior.below[2:])).to_bytes())


def test_an_order_that_gives_two_tokens_one_number_is_refused() -> None:
    prior = load_prior((FOLDER / "codebook-tables.prior").read_bytes())
    (order,) = prior.orders
    assert order is not None
    order[3] = order[4]
    with pytest.raises(ContainerError, match="number of its own below 128"):
        load_prior(prior.to_bytes())
