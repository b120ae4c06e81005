"""Peaks of memory are counted anew for every item, on a GPU too."""

from pathlib import Path

import pytest
import torch

from vpcodec import devices


def test_the_peak_of_a_gpu_is_counted_anew_where_that_of_the_process_cannot_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    resets: list[str] = []
    monkeypatch.setattr(devices, "RESET", tmp_path / "nowhere" / "clear_refs")
    monkeypatch.setattr(devices, "gpu", lambda: True)
    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", lambda: resets.append("gpu"))
    devices.reset_peak()
    assert resets == ["gpu"]


def test_the_peak_of_this_process_is_more_than_python_itself_needs() -> None:
    assert (devices.resident_peak() or 1 << 30) > 5_000_000
