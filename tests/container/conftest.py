"""Tokens that look like those of a model, and priors that know them."""

import io
import shutil
import subprocess
import sysconfig
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from vpcodec.container import Frame, Header, ImageFacts, SoundFacts, Writer, prior_identity, tabled
from vpcodec.training.prior import train_prior

LEVELS = (8, 5, 5, 5)


def wandering(shape: tuple[int, int], levels: tuple[int, ...] = LEVELS, seed: int = 0) -> NDArray[np.int64]:
    """[rows, columns] tokens each digit of which moves by at most one from column to column."""
    random = np.random.default_rng(seed)
    moves = random.integers(-1, 2, (*shape, len(levels))).cumsum(axis=1) + random.integers(0, 8, len(levels))
    top = np.array(levels) - 1
    digits = np.abs((moves + top) % np.maximum(2 * top, 1) - top)  # reflected at both ends
    return (digits * np.cumprod((1, *levels[:-1]))).sum(-1)


@pytest.fixture(scope="session")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The compiled coder, compiled now where the checkout has none."""
    if tabled.native is not None:
        return tabled.native
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("needs a C compiler")
    library = tmp_path_factory.mktemp("compiled") / "_ranges.so"
    headers = sysconfig.get_path("include")
    source = Path(tabled.__file__).with_name("_ranges.c")
    made = subprocess.run([compiler, "-O2", "-shared", "-fPIC", f"-I{headers}", source, "-o", library], check=False)
    if made.returncode:
        pytest.skip("needs a C compiler and the headers of Python")
    spec = spec_from_file_location("_ranges", library)
    assert spec
    assert spec.loader
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def speech_prior() -> bytes:
    """Trained in a moment on wandering tokens."""
    frames = [wandering((1, 6000), seed=seed) for seed in range(4)]
    return train_prior(frames, LEVELS, "speech", neighbors=2, bins=(6, 6), passes=6)


@pytest.fixture(scope="session")
def image_prior() -> bytes:
    """Trained in a moment on wandering tokens."""
    frames = [wandering((64, 64), seed=seed) for seed in range(6)]
    return train_prior(frames, LEVELS, "image", neighbors=4, bins=(6, 6), passes=4)


def speech_header(
    prior: bytes | None = None, levels: tuple[int, ...] = LEVELS, rate: int = 1024, columns: int = 0, group: int = 1
) -> Header:
    facts = SoundFacts(sample_rate=16_000)
    return Header(
        "speech-fsp-1024", b"\x01" * 8, rate, levels, facts, (), prior_identity(prior), columns=columns, group=group
    )


def image_header(prior: bytes | None = None) -> Header:
    return Header("image-fsp-1024", b"\x02" * 8, 1024, LEVELS, ImageFacts(256, 256), prior=prior_identity(prior))


def written(header: Header, frames: list[Frame], prior: bytes | None = None, length: int = 0) -> bytes:
    """A whole token file."""
    stream = io.BytesIO()
    writer = Writer(stream, header, prior)
    for frame in frames:
        writer.write(frame)
    writer.close(length)
    return stream.getvalue()


@pytest.fixture(scope="session")
def small_file() -> bytes:
    """A file of three small flat frames."""
    frames = [Frame(wandering((2, 5 + number), seed=number), bytes([number, 9])) for number in range(3)]
    return written(speech_header(), frames, length=4242)
