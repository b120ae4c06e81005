"""The number type of matrix products follows what the machine is fast at, not what disturbed one measurement."""

from collections.abc import Iterator

import pytest
import torch

from vpcodec.training import precision


def measured(monkeypatch: pytest.MonkeyPatch, float32: list[float], bfloat16: list[float]) -> torch.dtype:
    """What is chosen when the products of each type take these times, the last of them from then on."""

    def times(values: list[float]) -> Iterator[float]:
        yield from values
        while True:
            yield values[-1]

    clocks = {torch.float32: times(float32), torch.bfloat16: times(bfloat16)}
    monkeypatch.setattr(precision, "seconds", lambda dtype: next(clocks[dtype]))
    return precision.matrix_precision(torch.device("cpu"))


def test_bfloat16_needs_to_be_clearly_faster(monkeypatch):
    assert measured(monkeypatch, [1.0], [0.5]) == torch.bfloat16
    assert measured(monkeypatch, [1.0], [0.8]) == torch.float32
    assert measured(monkeypatch, [1.0], [450.0]) == torch.float32


def test_a_few_disturbed_measurements_decide_nothing(monkeypatch):
    assert measured(monkeypatch, [9.0, 9.0, 9.0, 1.0], [0.9]) == torch.float32
    assert measured(monkeypatch, [1.0], [9.0, 9.0, 9.0, 0.2]) == torch.bfloat16


def test_this_machine_gets_one_of_the_two():
    assert precision.matrix_precision(torch.device("cpu")) in (torch.float32, torch.bfloat16)


@pytest.mark.parametrize(("supported", "expected"), [(True, torch.bfloat16), (False, torch.float32)])
def test_a_gpu_is_asked_whether_it_has_bfloat16(monkeypatch, supported, expected):
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: supported or including_emulation)
    assert precision.matrix_precision(torch.device("cuda")) == expected
