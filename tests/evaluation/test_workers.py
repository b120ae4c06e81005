"""A process that dies loses its own call only."""

import os
import signal
import time
from pathlib import Path

import pytest

from vpcodec.evaluation.workers import Workers


def halve_or_die(number: int) -> float:
    if number < 0:
        os._exit(1)
    return number / 2


def interrupt_oneself() -> str:
    os.kill(os.getpid(), signal.SIGINT)
    return "still here"


@pytest.mark.slow
def test_ctrl_c_is_left_to_the_process_that_asked():
    with Workers(interrupt_oneself, jobs=1) as workers:
        assert workers.run([()]) == ["still here"]


def work_for_long(path: str) -> None:
    Path(path).touch()
    time.sleep(30)
    Path(path).unlink()


@pytest.mark.slow
def test_after_ctrl_c_nobody_waits_for_what_is_computed(tmp_path: Path):
    def interrupt():
        with Workers(work_for_long, jobs=1) as workers:
            workers.submit((str(tmp_path / "began"),))
            while not (tmp_path / "began").exists():
                time.sleep(0.01)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupt()
    assert (tmp_path / "began").exists()


@pytest.mark.slow
def test_a_call_that_kills_its_process_is_the_only_one_lost():
    with Workers(halve_or_die, jobs=1) as workers:
        assert workers.run([(2,), (-1,), (4,)]) == [1.0, None, 2.0]
        assert workers.run([(6,)]) == [3.0]


def test_without_jobs_the_calls_are_made_here():
    assert Workers(halve_or_die, jobs=0).run([(2,), (3,)]) == [1.0, 1.5]
