"""Peaks of memory are counted anew for every item, on a GPU too."""

import platform
import subprocess
import sys
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


def test_the_memory_of_the_command_lies_in_large_pages() -> None:
    program = (
        "import re; from numpy import ones; from vpcodec.devices import use_large_pages; use_large_pages()\n"
        "kept = ones(1 << 23, 'u1')\n"
        "maps = open('/proc/self/smaps').read()\n"
        "print(sum(map(int, re.findall(r'\\[heap].*?AnonHugePages: +(\\d+)', maps, re.DOTALL))))"
    )
    setting = Path("/sys/kernel/mm/transparent_hugepage/enabled")
    if not setting.exists() or "[never]" in setting.read_text() or platform.libc_ver()[0] != "glibc":
        pytest.skip("needs large pages of Linux, and glibc")
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert int(ended.stdout) >= 4096  # KB
