"""Two processes, started as torchrun starts them, train one model."""

import csv
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from PIL import Image

from vpcodec.data.media import list_media
from vpcodec.registry import ModelFolder

LAUNCHER = ("torch.distributed.run", "--standalone")
COMMON = ("--data", "media", "--device", "cpu", "--set", "data.batch=4", "--set", "training.fitting_positions=4000")


NO_NOISE = ("--set", "quantizer.symmetric=false")  # of FSQ; each process would draw its own

GRADIENTS = """
import sys
from pathlib import Path
import torch
from vpcodec.recipe import override
from vpcodec.quantizers.ranks import process_group, rank
from vpcodec.training.loop import Run, Trainer
from vpcodec.training.recipes import find_recipe

with process_group("cpu"):
    recipe = override(find_recipe(f"{sys.argv[2]}-fsq-tiny"), ["data.batch=4", "quantizer.symmetric=false"])
    trainer = Trainer(recipe, Run(data=Path("media"), out=Path(), device="cpu"))
    seen = []
    trainer.check_finite = lambda row: seen.append([each.grad.flatten() for each in trainer.model.parameters()])
    trainer.advance(torch.from_numpy(trainer.crops.batch(0)), 0.0)
    if rank() == 0:
        torch.save(torch.cat(seen[0]), sys.argv[1])
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "media").mkdir()
    random = np.random.default_rng(0)
    for index in range(3):
        soundfile.write(tmp_path / "media" / f"{index}.wav", random.normal(0, 0.1, 16_000), 16_000)
        Image.fromarray(random.integers(0, 256, (96, 96, 3), np.uint8)).save(tmp_path / "media" / f"{index}.png")
    return tmp_path


def start(folder: Path, processes: int, *options: str) -> subprocess.Popen[bytes]:
    launcher = (*LAUNCHER, "--nproc-per-node", str(processes), "-m") if processes > 1 else ()
    return subprocess.Popen(
        [sys.executable, "-m", *launcher, "vpcodec", "train", *COMMON, *options],
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stderr=subprocess.PIPE,
    )


def losses(run: Path) -> list[float]:
    with (run / "log.csv").open() as file:
        return [float(row["loss"]) for row in csv.DictReader(file)]


def train(folder: Path, processes: int, *options: str) -> str:
    with start(folder, processes, *options) as running:
        said = running.communicate()[1].decode()
    assert running.returncode == 0, said
    return said


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["speech", "image"])
def test_two_processes_have_the_first_gradients_of_one_with_the_same_batch(folder: Path, kind: str) -> None:
    (folder / "gradients.py").write_text(GRADIENTS)
    for name, launcher in (("one", []), ("two", ["-m", *LAUNCHER, "--nproc-per-node", "2"])):
        command = [sys.executable, *launcher, "gradients.py", name, kind]
        subprocess.run(command, cwd=folder, env={**os.environ, "OMP_NUM_THREADS": "1"}, check=True)
    one, two = (torch.load(folder / name) for name in ("one", "two"))
    assert (two - one).norm() < 3e-6 * one.norm()


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["speech", "image"])
def test_two_processes_follow_one_with_the_same_batch(folder: Path, kind: str) -> None:
    recipe = ("--recipe", f"{kind}-fsq-tiny", "--set", "training.steps=60", *NO_NOISE)
    recipe += ("--set", "training.matrix_rate=0.001", "--set", "training.rate=0.0005")  # few codes flip by a rounding
    said = train(folder, 2, *recipe, "-o", "two")
    train(folder, 1, *recipe, "-o", "one")
    assert said.count("trained for 60 steps") == 1
    np.testing.assert_allclose(losses(folder / "two"), losses(folder / "one"), rtol=2e-3)
    assert len(losses(folder / "two")) == 3


@pytest.mark.slow
def test_a_run_of_two_processes_is_stopped_and_goes_on_with_one(folder: Path) -> None:
    recipe = ("--recipe", "speech-vp-tiny", "--set", "quantizer.rates=[16, '2x16']", "--set", "training.steps=100000")
    with start(folder, 2, *recipe, "-o", "run") as running:
        while not (folder / "run" / "log.csv").exists():
            time.sleep(0.1)
        running.send_signal(signal.SIGTERM)
        running.communicate()
    assert running.returncode != 0
    reached = int((folder / "run" / "log.csv").read_text().splitlines()[-1].partition(",")[0])
    train(folder, 1, "--resume", "-o", "run", "--set", f"training.steps={reached + 20}")
    assert ModelFolder(folder / "run").facts.steps == reached + 20


@pytest.mark.slow
def test_files_that_any_process_skipped_are_named(folder: Path) -> None:
    random = np.random.default_rng(1)
    for index in range(3, 20):
        Image.fromarray(random.integers(0, 256, (96, 96, 3), np.uint8)).save(folder / "media" / f"{index}.png")
    media = list_media(folder / "media", "image")
    first, second = (  # what each process draws in two steps and the one that is read ahead
        [
            int(np.random.default_rng((0, step, place)).choice(len(media), p=np.full(len(media), 1 / len(media))))
            for step in range(3)
            for place in places
        ]
        for places in ((0, 2), (1, 3))
    )
    bad = media[next(index for index in second[:4] if index not in first)].path
    bad.write_bytes(bad.read_bytes()[:600])
    train(folder, 2, "--recipe", "image-fsp-tiny", "--set", "training.steps=2", "-o", "run")
    assert bad.name in (folder / "run" / "skipped.csv").read_text()


def test_a_batch_that_does_not_divide_is_refused(folder: Path) -> None:
    with start(folder, 2, "--recipe", "speech-fsp-tiny", "-o", "run", "--set", "data.batch=3") as running:
        said = running.communicate()[1].decode()
    assert running.returncode != 0
    assert "data.batch 3 does not divide among 2 processes" in said
    assert not (folder / "run" / "recipe.toml").exists()
