"""Worker processes: one that dies loses its own item only, and nobody waits for them after Ctrl-C."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from vpcodec.processes import Pool

pytestmark = pytest.mark.slow


def halve_or_die(number: int) -> float:
    if number < 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return number / 2


def interrupt_oneself(seconds: float) -> tuple[str, str | None]:
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(seconds)
    return "still here", os.environ.get("OMP_NUM_THREADS")


def work_for_long(path: str) -> None:
    Path(path).touch()
    time.sleep(60)


def test_an_item_that_kills_its_process_is_the_only_one_lost_and_the_pool_goes_on() -> None:
    with Pool(halve_or_die, 2) as pool:
        assert dict(pool.run([2, -1, 4, 6, -3, 8])) == {2: 1.0, -1: None, 4: 2.0, 6: 3.0, -3: None, 8: 4.0}
        assert dict(pool.run([6])) == {6: 3.0}


def test_workers_leave_ctrl_c_to_the_process_that_asked_and_use_one_thread() -> None:
    """In a new process, where no helper of multiprocessing runs yet."""
    program = """
from tests.test_processes import interrupt_oneself
from vpcodec.processes import Pool

with Pool(interrupt_oneself, 1) as pool:
    print(list(pool.run([0.1])))
"""
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (ended.stdout, ended.stderr) == ("[(0.1, ('still here', '1'))]\n", "")


def test_after_ctrl_c_nobody_waits_for_what_is_computed(tmp_path: Path) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupted)
    pool = Pool(work_for_long, 1)
    began = time.monotonic()
    signal.setitimer(signal.ITIMER_REAL, 5)
    try:
        with pytest.raises(KeyboardInterrupt):
            run_all(pool, str(tmp_path / "began"))
    finally:
        signal.signal(signal.SIGALRM, before)
    assert (tmp_path / "began").exists()
    assert time.monotonic() - began < 40  # of the 60 that it takes


def run_all(pool: Pool[str, None], path: str) -> None:
    with pool:
        list(pool.run([path]))
