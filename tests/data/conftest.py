"""Streams that behave like pipes, and recordings of every format made from the clip in tests/media."""

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

MEDIA = Path(__file__).resolve().parents[1] / "media"


class Trickle(io.RawIOBase):
    """A pipe: no way back, and never more than 1,000 bytes at once."""

    name = "<stdin>"

    def __init__(self, data: bytes) -> None:
        self.data = data

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        size = 1000 if size < 0 else min(size, 1000)
        part, self.data = self.data[:size], self.data[size:]
        return part


@pytest.fixture
def pipe() -> Callable[[bytes], Trickle]:
    return Trickle


@pytest.fixture(scope="session")
def speech() -> np.ndarray:
    """[68480, 1] float32: the clip of tests/media at 16 kHz."""
    return soundfile.read(MEDIA / "speech.flac", dtype="float32", always_2d=True)[0]


@pytest.fixture(scope="session")
def stereo(speech: np.ndarray) -> np.ndarray:
    """[20000, 2] float32: a piece of the clip, its second channel quieter and later."""
    return np.concatenate([speech[20_000:40_000], 0.5 * speech[19_000:39_000]], axis=1)


@pytest.fixture(scope="session")
def coded() -> Callable[..., bytes]:
    """Writes samples with libsndfile: coded(samples, "FLAC", "PCM_16", rate=16000, title="...") -> bytes."""

    kept: dict[object, bytes] = {}

    def write(samples: np.ndarray, form: str, subtype: str, rate: int = 16_000, **tags: str) -> bytes:
        made_of = (samples.tobytes(), samples.shape, form, subtype, rate, *tags.items())
        if made_of in kept:
            return kept[made_of]
        stream = io.BytesIO()
        with soundfile.SoundFile(stream, "w", rate, samples.shape[1], subtype, format=form) as file:
            for key, text in tags.items():
                setattr(file, key, text)
            for start in range(0, len(samples), 4096):
                file.write(samples[start : start + 4096])
        return kept.setdefault(made_of, stream.getvalue())

    return write
