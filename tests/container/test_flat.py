import math

import numpy as np
import pytest

from vpcodec.container.flat import largest_flat_size, pack, smallest_flat_size, unpack
from vpcodec.errors import ContainerError

VOCABULARIES = [2, 3, 7, 240, 255, 256, 1000, 1023, 1024, 4375, 15360, 16384, 40961, 2**24 - 1, 2**28, 2**62 - 1, 2**62]
COUNTS = [1, 2, 5, 6, 7, 100, 1667]


@pytest.mark.parametrize("vocabulary", VOCABULARIES)
def test_tokens_come_back(vocabulary: int) -> None:
    random = np.random.default_rng(vocabulary)
    for count in COUNTS:
        for tokens in (random.integers(0, vocabulary, count), np.full(count, vocabulary - 1), np.zeros(count, int)):
            assert (unpack(pack(tokens, vocabulary), vocabulary, count) == tokens).all()


@pytest.mark.parametrize("vocabulary", VOCABULARIES)
def test_a_frame_wastes_at_most_one_byte(vocabulary: int) -> None:
    random = np.random.default_rng(vocabulary)
    for count in [*COUNTS, 65536]:
        for tokens in (random.integers(0, vocabulary, count), np.full(count, vocabulary - 1), np.zeros(count, int)):
            size = len(pack(tokens, vocabulary))
            assert size <= math.ceil(count * math.log2(vocabulary) / 8) + 1
            assert smallest_flat_size(vocabulary, count) <= size <= largest_flat_size(vocabulary, count)


def test_the_specified_number_is_written() -> None:
    # Two tokens of 1000 are no whole step: state 1, then 1 * 1000 + 2, then 1002 * 1000 + 1.
    assert pack(np.array([1, 2]), 1000) == (1_002_001).to_bytes(3, "big")


@pytest.mark.parametrize("count", [5, 300])
def test_bytes_of_another_number_of_tokens_are_refused(count: int) -> None:
    payload = pack(np.arange(count) % 1000, 1000)
    for wrong in (b"", payload[:-1], payload + b"\0", b"\0" + payload, payload[1:]):
        with pytest.raises(ContainerError, match="do not hold"):
            unpack(wrong, 1000, count)
    with pytest.raises(ContainerError, match="do not hold"):
        unpack(payload, 1000, count - 1)
