import math

import numpy as np
import pytest

from vpcodec.container.ans import SymbolDecoder, encode_symbols
from vpcodec.errors import ContainerError


def coded(values: list[int], weights: list[list[int]], least: int = 0) -> bytes:
    chosen = [row[value] for value, row in zip(values, weights, strict=True)]
    below = [sum(row[:value]) for value, row in zip(values, weights, strict=True)]
    return encode_symbols(chosen, below, [sum(row) for row in weights], least)


def drawn(count: int, seed: int = 0) -> tuple[list[int], list[list[int]]]:
    """Values and the weights they were drawn by, of 2 to 40 symbols each, the largest of them 2^15."""
    random = np.random.default_rng(seed)
    weights = [
        np.append(random.integers(1, 1 << random.integers(1, 16), random.integers(1, 40)), 1 << 15)
        for _ in range(count)
    ]
    values = [int(random.choice(len(row), p=row / row.sum())) for row in weights]
    return values, [row.tolist() for row in weights]


@pytest.mark.parametrize("count", [1, 2, 3, 10, 2000])
def test_values_come_back(count: int) -> None:
    values, weights = drawn(count)
    decoder = SymbolDecoder(coded(values, weights), 0)
    assert [decoder.take(row) for row in weights] == values
    decoder.finish()


def test_a_payload_is_at_most_three_bytes_longer_than_its_information() -> None:
    values, weights = drawn(4000)
    bits = sum(math.log2(sum(row) / row[value]) for value, row in zip(values, weights, strict=True))
    assert len(coded(values, weights)) <= bits / 8 + 3


def test_a_payload_is_filled_up_with_zeros_in_front() -> None:
    weights = [[32768, 1]] * 50
    short = coded([0] * 50, weights)
    filled = coded([0] * 50, weights, least=9)
    assert filled == bytes(9 - len(short)) + short
    decoder = SymbolDecoder(filled, 9)
    assert [decoder.take(row) for row in weights] == [0] * 50
    decoder.finish()


def test_a_payload_that_ends_elsewhere_is_refused() -> None:
    values, weights = drawn(300)
    payload = coded(values, weights)
    for wrong in (payload[:-1], payload + b"\1", payload[:9] + bytes([payload[9] ^ 1]) + payload[10:]):
        decoder = SymbolDecoder(wrong, 0)
        for row in weights:
            decoder.take(row)
        with pytest.raises(ContainerError, match="expected 4096"):
            decoder.finish()


@pytest.mark.parametrize(("payload", "least"), [(b"\0\5", 0), (b"\0\5\5", 2), (b"\5", 2)])
def test_a_payload_of_the_wrong_length_is_refused(payload: bytes, least: int) -> None:
    with pytest.raises(ContainerError, match=f"expected {least} bytes"):
        SymbolDecoder(payload, least)
