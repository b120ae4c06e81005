"""Small data sets on disk and small codecs, for the tests of the evaluation."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
from PIL import Image

from vpcodec.errors import InputError
from vpcodec.evaluation.candidates import Candidate
from vpcodec.evaluation.datasets import Dataset, open_dataset
from vpcodec.metrics.table import Signal


class MuLaw(Candidate):
    """Speech in 2^bits logarithmic steps, a byte each; its tokens are the bytes.

    Attributes:
        encoded: Number of samples of all that it was given.
    """

    kind = "speech"
    family = "mu-law"
    ours = True

    def __init__(self, bits: int) -> None:
        self.name = f"mulaw-{bits}"
        self.identity = "1"
        self.steps = self.codebook = self.vocabulary = 2**bits
        self.parameters = 0
        self.encoded: list[int] = []

    def encode(self, signal: Signal, budget: int | None = None) -> bytes:
        self.encoded.append(len(signal))
        if not signal.any():
            raise InputError("cannot encode silence")
        squeezed = np.sign(signal) * np.log1p(255 * np.abs(signal)) / np.log(256)
        return np.rint((squeezed + 1) / 2 * (self.steps - 1)).astype(np.uint8).tobytes()

    def decode(self, content: bytes) -> Signal:
        squeezed = np.frombuffer(content, np.uint8) / (self.steps - 1) * 2 - 1
        return (np.sign(squeezed) * np.expm1(np.abs(squeezed) * np.log(256)) / 255).astype(np.float32)

    def tokens(self, content: bytes) -> np.ndarray:
        return np.frombuffer(content, np.uint8)


def recording(seconds: float, seed: int) -> np.ndarray:
    time = np.arange(int(16_000 * seconds)) / 16_000
    voice = sum(np.sin(2 * np.pi * 110 * (seed + 1) * n * time) / n for n in range(1, 8))
    noise = np.random.default_rng(seed).standard_normal(time.size)
    return (0.1 * voice * np.clip(np.sin(6 * time), 0, None) + 0.001 * noise).astype(np.float32)


def photo(height: int, width: int, seed: int) -> Image.Image:
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)


@pytest.fixture
def speech(tmp_path: Path) -> Dataset:
    """Five recordings of different lengths, the last of which is silent."""
    folder = tmp_path / "speech"
    folder.mkdir()
    for index in range(4):
        soundfile.write(folder / f"clip{index}.wav", recording(0.6 + 0.1 * index, index), 16_000)
    soundfile.write(folder / "silence.wav", np.zeros(8000), 16_000)
    return open_dataset(str(folder))


@pytest.fixture
def images(tmp_path: Path) -> Dataset:
    """Four photos of two sizes and a damaged one."""
    folder = tmp_path / "images"
    folder.mkdir()
    for index in range(4):
        photo(64, 80 if index % 2 else 72, index).save(folder / f"photo{index}.png")
    (folder / "torn.png").write_bytes((folder / "photo0.png").read_bytes()[:200])
    return open_dataset(str(folder))
