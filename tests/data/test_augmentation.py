"""How training crops of speech vary: level, sign and band. The figures are those of the recipes that shipped."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.conftest import MEDIA
from vpcodec.data.crops import ImageCrops, SoundCrops
from vpcodec.recipe import Data

STEPS = 400


@pytest.fixture(scope="module")
def crops(tmp_path_factory: pytest.TempPathFactory) -> tuple[np.ndarray, np.ndarray]:
    """The same crops [STEPS, N], augmented and as they are."""
    folder = tmp_path_factory.mktemp("media")
    shutil.copy(MEDIA / "speech.flac", folder)
    sources = (
        SoundCrops(Path(folder), Data(batch=1, crop=168, augment=augment), 96, seed=0) for augment in (True, False)
    )
    augmented, plain = (np.concatenate([source.batch(step) for step in range(STEPS)]) for source in sources)
    return augmented, plain


def test_the_level_of_a_crop_is_drawn_from_9_db_below_to_6_db_above(crops: tuple[np.ndarray, np.ndarray]) -> None:
    augmented, plain = crops
    gains = (augmented * plain).sum(1) / np.square(plain).sum(1)
    decibels = 20 * np.log10(np.abs(gains))
    whole = np.isclose(np.linalg.norm(augmented - gains[:, None] * plain, axis=1), 0, atol=1e-3)  # those of full band
    assert whole.sum() > STEPS / 2
    assert -9.01 < decibels[whole].min() < -8.5
    assert 5.5 < decibels[whole].max() < 6.01
    assert abs(np.median(decibels[whole]) + 1.5) < 1.5
    assert 0.4 < (gains < 0).mean() < 0.6


def test_one_crop_in_seven_ends_below_7_khz_and_above_telephone_band(crops: tuple[np.ndarray, np.ndarray]) -> None:
    augmented, _ = crops
    power = np.square(np.abs(np.fft.rfft(augmented)))
    hertz = np.linspace(0, 8000, power.shape[1])
    narrow = power[:, hertz > 7300].sum(1) < 1e-10 * power.sum(1)
    assert 0.10 < narrow.mean() < 0.20
    ends = np.array([hertz[row > 1e-10 * row.sum()].max() for row in power[narrow]])
    assert ends.min() > 3_000
    assert ends.max() > 6_000  # where they end is drawn, too


def test_crops_of_photos_are_shrunk_to_a_quarter_at_most_and_half_are_mirrored(tmp_path: Path) -> None:
    """A photo whose columns brighten to the right tells the scale and the side of each crop."""
    ramp = np.broadcast_to(np.arange(256, dtype=np.uint8)[None, :, None], (256, 256, 3))
    Image.fromarray(ramp).save(tmp_path / "ramp.png")
    crops = ImageCrops(tmp_path, Data(batch=STEPS, crop=8, augment=True), 8, seed=0).batch(0)
    slopes = (crops[:, 32, -9, 0] - crops[:, 32, 8, 0]) * 127.5 / (64 - 17)  # gray levels a pixel
    assert 0.45 < (slopes < 0).mean() < 0.55
    scales = 1 / np.abs(slopes)
    assert 0.24 < scales.min() < 0.30
    assert scales.max() < 1.02
    assert 0.15 < (scales > 0.99).mean() < 0.25  # a fifth are as they were
