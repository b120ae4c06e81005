"""Batches that are read ahead: the same whoever reads them, and what could not be read comes back with them."""

from contextlib import closing
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from vpcodec.data.crops import ImageCrops
from vpcodec.errors import ConfigError, DataError
from vpcodec.recipe import Data
from vpcodec.training.readers import MOST, batches, reader_count

PHOTOS = 20


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Photos of noise, one of them cut short."""
    random = np.random.default_rng(0)
    for index in range(PHOTOS):
        Image.fromarray(random.integers(0, 256, (64, 80, 3), np.uint8)).save(tmp_path / f"{index:02}.png")
    Path(tmp_path, "03.png").write_bytes(Path(tmp_path, "03.png").read_bytes()[:600])
    return tmp_path


def read(folder: Path, readers: int, first: int, steps: int) -> tuple[torch.Tensor, ImageCrops]:
    crops = ImageCrops(folder, Data(batch=8, crop=2), 8, seed=0)
    before = torch.get_rng_state()
    with closing(batches(crops, first, readers)) as ahead:
        found = torch.stack(list(islice(ahead, steps)))
    assert torch.equal(torch.get_rng_state(), before)
    return found, crops


@pytest.mark.parametrize("readers", [1, 3])
def test_crops_are_the_same_for_any_number_of_readers(folder: Path, readers: int) -> None:
    alone, crops = read(folder, 0, first=5, steps=8)
    np.testing.assert_array_equal(alone[2], crops.batch(7))
    together, crops = read(folder, readers, first=5, steps=8)
    assert torch.equal(together, alone)
    assert [error.what.count("03.png") for error in crops.skipped.values()] == [1]


@pytest.mark.parametrize("readers", [0, 2])
def test_too_many_bad_files_end_the_run_whoever_reads_them(folder: Path, readers: int) -> None:
    for index in (5, 7):
        Path(folder, f"{index:02}.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    with pytest.raises(DataError, match=r"3 of 20 image files cannot be read; .*png"):
        read(folder, readers, first=0, steps=20)


def test_readers_are_started_for_a_gpu_and_as_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vpcodec.training.readers.core_count", lambda: 64)
    assert reader_count(None, torch.device("cpu")) == 0
    assert reader_count(None, torch.device("cuda")) == MOST
    assert reader_count(3, torch.device("cpu")) == 3
    with pytest.raises(ConfigError, match="--readers 513: at most 512 for 64 cores"):
        reader_count(513, torch.device("cpu"))
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "16")
    assert reader_count(None, torch.device("cuda")) == 3
