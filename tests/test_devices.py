"""Peaks of memory are counted anew for every item; the number type of products follows what the machine is fast at."""

import os
import platform
import subprocess
import sys
from collections.abc import Iterator
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


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs Linux, which lists threads")
def test_numpy_starts_no_threads_that_the_command_does_not_need() -> None:
    program = (
        "import os; from vpcodec.devices import import_numpy; import_numpy()\n"
        "print(len(os.listdir('/proc/self/task')), os.environ.get('OPENBLAS_NUM_THREADS'))"
    )
    plain = {name: value for name, value in os.environ.items() if not name.endswith("NUM_THREADS")}
    ended = subprocess.run([sys.executable, "-c", program], env=plain, capture_output=True, check=True)
    assert ended.stdout.split() == [b"1", b"None"]


def measured(monkeypatch: pytest.MonkeyPatch, float32: list[float], bfloat16: list[float]) -> torch.dtype:
    """What is chosen when the products of each type take these times, the last of them from then on."""

    def times(values: list[float]) -> Iterator[float]:
        yield from values
        while True:
            yield values[-1]

    clocks = {torch.float32: times(float32), torch.bfloat16: times(bfloat16)}
    monkeypatch.setattr(devices, "product_seconds", lambda dtype: next(clocks[dtype]))
    return devices.matrix_precision(torch.device("cpu"))


def test_bfloat16_needs_to_be_clearly_faster(monkeypatch):
    assert measured(monkeypatch, [1.0], [0.5]) == torch.bfloat16
    assert measured(monkeypatch, [1.0], [0.8]) == torch.float32
    assert measured(monkeypatch, [1.0], [450.0]) == torch.float32


def test_a_few_disturbed_measurements_decide_nothing(monkeypatch):
    assert measured(monkeypatch, [9.0, 9.0, 9.0, 1.0], [0.9]) == torch.float32
    assert measured(monkeypatch, [1.0], [9.0, 9.0, 9.0, 0.2]) == torch.bfloat16


def test_this_machine_gets_one_of_the_two():
    assert devices.matrix_precision(torch.device("cpu")) in (torch.float32, torch.bfloat16)


@pytest.mark.parametrize(("supported", "expected"), [(True, torch.bfloat16), (False, torch.float32)])
def test_a_gpu_is_asked_whether_it_has_bfloat16(monkeypatch, supported, expected):
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: supported or including_emulation)
    assert devices.matrix_precision(torch.device("cuda")) == expected
