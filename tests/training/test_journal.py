"""What a run leaves in its log, and what TensorBoard gets of it."""

import csv
import sys
import types
from pathlib import Path

import pytest

from vpcodec.errors import DataError, DependencyError
from vpcodec.training.journal import EVERY, Journal
from vpcodec.training.recipes import find_recipe


def journal(folder: Path, *, resume: bool = False) -> Journal:
    return Journal(folder, find_recipe("speech-fsp-tiny"), "float32", resume=resume)


def test_tensorboard_gets_the_figures_of_the_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[str, float, int]] = []
    board = types.SimpleNamespace(add_scalar=lambda *figure: seen.append(figure), flush=lambda: None)
    writer = types.SimpleNamespace(SummaryWriter=lambda folder: board)
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", writer)
    kept = journal(tmp_path)
    kept.open_board()
    for step in range(1, EVERY + 1):
        kept.add(step, 0.5 * step, 0.1, {"loss": float(step)})
    kept.add_validation(EVERY, {"network": 0.25, "codes": 0.5}, 7)
    assert seen == [
        ("training/loss", (1 + EVERY) / 2, EVERY),
        ("validation/network", 0.25, EVERY),
        ("validation/codes", 0.5, EVERY),
        ("validation/used_codes", 7, EVERY),
    ]
    assert (tmp_path / "validation.csv").read_text().splitlines() == [
        "step,network,moves,codes,used_codes",
        "20,0.25,,0.5,7",
    ]


def test_tensorboard_that_is_not_installed_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(DependencyError, match="needs tensorboard"):
        journal(tmp_path).open_board()


def test_a_resumed_log_forgets_what_its_checkpoint_does_not_know_and_a_line_that_was_cut(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text("step,loss\n20,0.9\n40,0.8\n60,0.7\n4")
    kept = journal(tmp_path, resume=True)
    kept.cut(40)
    kept.add(41, 1.0, 0.1, {"loss": 0.6})
    kept.flush()
    assert (tmp_path / "log.csv").read_text().splitlines() == ["step,loss", "20,0.9", "40,0.8", "41,0.6"]


def test_files_that_were_skipped_before_a_run_was_killed_stay_named(tmp_path: Path) -> None:
    first, second = (DataError(f"{name}: damaged, or\ntruncated") for name in ("a.wav", "b.wav"))
    journal(tmp_path).note_skipped([first, first])
    journal(tmp_path, resume=True).note_skipped([second, first])
    with (tmp_path / "skipped.csv").open(newline="") as file:
        assert [row["problem"][:5] for row in csv.DictReader(file)] == ["a.wav", "b.wav"]
    journal(tmp_path)
    assert not (tmp_path / "skipped.csv").exists()


def test_a_log_that_an_older_version_began_keeps_its_columns(tmp_path: Path) -> None:
    (tmp_path / "validation.csv").write_text("step,moves,codes,used_codes\n5,0.9,,0\n")
    (tmp_path / "log.csv").write_text("step,loss\n5,0.9\n")
    kept = journal(tmp_path, resume=True)
    kept.add(6, 1.0, 0.1, {"waited": 2.0, "loss": 0.8})
    kept.add_validation(6, {"network": 0.1, "moves": 0.8}, 3)
    kept.draw()
    assert (tmp_path / "validation.csv").read_text().splitlines()[-1] == "6,0.8,,3"
    assert (tmp_path / "log.csv").read_text().splitlines()[-1] == "6,0.8"
    assert (tmp_path / "curves.png").is_file()
