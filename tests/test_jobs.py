"""A plan carried out by several processes, some of which are killed on the way."""

import os
import signal
import time

import pytest

from vpcodec.corpus import jobs
from vpcodec.corpus.coding import Coder, run
from vpcodec.corpus.jobs import stopped_gently
from vpcodec.corpus.plan import Item
from vpcodec.corpus.result import Result, Settings


def work_or_die(item: Item) -> Result:
    """In a worker process: what stands in for the work, by the item's name."""
    if item.source == "deadly":
        os.kill(os.getpid(), signal.SIGKILL)
    if item.source == "slow":
        time.sleep(0.2)
    return Result(item.number, item.source, item.target)


def tell_handler(item: Item) -> Result:
    """In a worker process: what SIGTERM does between two files, in place of an error."""
    return Result(item.number, item.source, item.target, error=str(signal.getsignal(signal.SIGTERM)))


def test_items_that_kill_their_worker_fail_and_all_others_are_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "work", work_or_die)
    sources = ["slow", "deadly", "deadly", *["slow"] * 8]
    items = [Item(number, source, "out", False) for number, source in enumerate(sources)]
    results = sorted(run(items, Coder(Settings(task="encode")), 2), key=lambda result: result.number)
    assert [result.source for result in results] == sources
    assert [result.source for result in results if result.status == "failed"] == ["deadly", "deadly"]
    assert results[1].error == "deadly: the process that worked on it was killed, perhaps for want of memory"


def test_outside_its_work_a_worker_ends_at_once_when_it_is_told_to(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "work", tell_handler)
    items = [Item(number, "quick", "out", False) for number in range(2)]
    results = run(items, Coder(Settings(task="encode")), 2)
    assert {result.error for result in results} == {str(signal.SIG_DFL)}


def test_at_its_work_it_ends_through_every_finally() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit, match="143"):
        stop_at_work()
    assert signal.getsignal(signal.SIGTERM) == before


def stop_at_work() -> None:
    with stopped_gently():
        signal.raise_signal(signal.SIGTERM)
