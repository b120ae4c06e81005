"""Speech at the level that a listener's ear is modeled for."""

import numpy as np
import pytest
import soundfile
import torch

from tests.conftest import MEDIA


@pytest.fixture(scope="session")
def speech() -> torch.Tensor:
    samples, _ = soundfile.read(MEDIA / "speech.flac", dtype="float32")
    return torch.from_numpy(samples * np.float32(0.05 / samples.std()))[None]
