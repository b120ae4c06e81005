import math

import numpy as np
import pytest

from vpcodec.container.coding import FLAT, decode_tokens, encode_tokens, largest_flat_size, smallest_flat_size
from vpcodec.errors import ContainerError

LEVELS = [(2,), (3,), (240,), (255,), (256,), (8, 5, 5, 5), (4375,), (16384,), (40961,), (65536,), (2**24 - 1,)]
LEVELS += [(1000, 1000), (2**14, 2**14), (100_000, 7), (2**62 - 1,), (2**62,)]
COUNTS = [1, 2, 7, 100, 1667]


def tokens_of(levels: tuple[int, ...], count: int) -> list[np.ndarray]:
    vocabulary, random = math.prod(levels), np.random.default_rng(count)
    full = np.full((1, count), vocabulary - 1)
    return [random.integers(0, vocabulary, (1, count)), full, np.zeros((1, count), np.int64)]


@pytest.mark.parametrize("levels", LEVELS)
def test_tokens_come_back_from_hardly_more_bytes_than_they_need(levels: tuple[int, ...]) -> None:
    for count in COUNTS:
        for tokens in tokens_of(levels, count):
            coding, payload = encode_tokens(tokens, levels, "speech")
            assert coding == FLAT
            assert (decode_tokens(FLAT, payload, tokens.shape, levels, "speech") == tokens).all()
            needed = count * sum(math.log2(level) for level in levels) / 8
            assert len(payload) <= math.ceil(needed * 1.0002) + 1 or max(levels) == 100_000
            assert smallest_flat_size(math.prod(levels), count) <= len(payload) <= largest_flat_size(levels, count)


def test_the_specified_bytes_are_written() -> None:
    # A step is 4,294,967 of 2^32, then, a byte later, 1,099,511 of 2^40; after another byte, one more ends them.
    payload = encode_tokens(np.array([[1, 2]]), (1000,), "speech")[1]
    low = 4_294_967 * 2**16 + 2 * 1_099_511 * 2**8
    assert payload == (-(-low // 2**24)).to_bytes(3, "big")


@pytest.mark.parametrize("count", [5, 300])
def test_bytes_of_another_number_of_tokens_are_refused(count: int) -> None:
    payload = encode_tokens(np.arange(count)[None] % 1000, (8, 5, 5, 5), "speech")[1]
    for wrong in (b"", payload[:-1], payload + b"\0", b"\1" + payload, payload[1:]):
        with pytest.raises(ContainerError):
            decode_tokens(FLAT, wrong, (1, count), (8, 5, 5, 5), "speech")
    with pytest.raises(ContainerError):
        decode_tokens(FLAT, payload, (1, count - 1), (8, 5, 5, 5), "speech")


def test_a_digit_beyond_its_level_is_refused() -> None:
    payload = encode_tokens(np.array([[131_000]]), (131_072,), "speech")[1]
    with pytest.raises(ContainerError, match="do not hold 1 tokens"):
        decode_tokens(FLAT, payload, (1, 1), (100_000,), "speech")
