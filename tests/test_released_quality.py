"""Every released model does as well as when it was released, on a recording and a photo that it never saw.

A model that is trained anew changes these figures: `python -m tests.test_released_quality MODEL` prints its own.
"""

import sys
from contextlib import suppress
from typing import NamedTuple

import numpy as np
import pytest
import soundfile
import torch
from PIL import Image

from tests.conftest import MEDIA
from vpcodec.codec.pipeline import Codec
from vpcodec.errors import ModelError
from vpcodec.metrics.image import psnr, ssim
from vpcodec.metrics.lpips import LPIPS
from vpcodec.registry import find_model, list_models

Codebook = int | str  # 1024 or "2x1024"


class Speech(NamedTuple):
    """Of the 4.28 seconds of `speech.flac`, decoded: bytes of the token file, PESQ-WB, STOI."""

    size: int
    pesq: float
    stoi: float


class Photo(NamedTuple):
    """Of `cat.png`, decoded: bytes of the token file, PSNR in dB, SSIM, LPIPS-Alex."""

    size: int
    psnr: float
    ssim: float
    lpips: float


SPEECH = {
    ("speech-fsp-1024", 1024): Speech(725, 1.975, 0.9213),
    ("speech-low", 1024): Speech(229, 1.387, 0.8662),
    ("speech-low", 4096): Speech(279, 1.321, 0.8837),
    ("speech-low", 16384): Speech(327, 1.339, 0.8889),
    ("speech-vp", 64): Speech(411, 1.621, 0.8816),
    ("speech-vp", 128): Speech(496, 1.826, 0.9008),
    ("speech-vp", 256): Speech(567, 1.959, 0.9238),
    ("speech-vp", 512): Speech(647, 2.15, 0.9251),
    ("speech-vp", 1024): Speech(741, 2.222, 0.9331),
    ("speech-vp", 2048): Speech(826, 2.27, 0.939),
    ("speech-vp", 4096): Speech(921, 2.337, 0.944),
    ("speech-vp", 8192): Speech(997, 2.432, 0.9462),
    ("speech-vp", 16384): Speech(1095, 2.589, 0.9511),
    ("speech-vp", "2x512"): Speech(1193, 2.296, 0.9393),
    ("speech-vp", "2x1024"): Speech(1355, 2.396, 0.9498),
    ("speech-vp", "2x2048"): Speech(1564, 2.627, 0.9522),
    ("speech-vp", "2x4096"): Speech(1753, 2.657, 0.9543),
    ("speech-vp", "2x8192"): Speech(1907, 2.795, 0.9549),
    ("speech-vp", "2x16384"): Speech(2095, 2.785, 0.9593),
}
PHOTOS = {
    ("image-fsp-1024", 1024): Photo(1560, 27.284, 0.7189, 0.1748),
    ("image-vp", 256): Photo(1281, 26.470, 0.7102, 0.1811),
    ("image-vp", 1024): Photo(1597, 27.475, 0.7330, 0.1301),
    ("image-vp", 4096): Photo(1947, 28.129, 0.7502, 0.1178),
    ("image-vp", 16384): Photo(2259, 28.447, 0.7559, 0.1019),
}


def quick_at_1024(table: dict[tuple[str, Codebook], tuple[float, ...]]) -> list[object]:
    """Models and codebooks; all but 1,024 codes are for the slow tests."""
    marks = {1024: ()}
    return [pytest.param(name, size, marks=marks.get(size, (pytest.mark.slow,))) for name, size in table]


def test_every_model_and_codebook_is_measured_here() -> None:
    assert {(model.name, size) for model in list_models() for size in model.codebooks} == {*SPEECH, *PHOTOS}


@pytest.mark.parametrize(("name", "codebook"), quick_at_1024(SPEECH))
def test_speech_sounds_as_good_as_when_the_model_was_released(name: str, codebook: Codebook) -> None:
    pytest.importorskip("pesq", reason="needs the package pesq")
    pytest.importorskip("pystoi", reason="needs the package pystoi")
    released, found = SPEECH[name, codebook], measured_speech(name, codebook)
    assert found.pesq == pytest.approx(released.pesq, abs=0.08)
    assert found.stoi == pytest.approx(released.stoi, abs=0.006)
    assert found.size <= 1.03 * released.size


def measured_speech(name: str, codebook: Codebook) -> Speech:
    from vpcodec.metrics.speech import pesq_wb, stoi

    codec = Codec.load(name)
    content = codec.encode(MEDIA / "speech.flac", codebook=codebook)
    decoded = codec.decode(content).samples[:, 0]
    original = soundfile.read(MEDIA / "speech.flac", dtype="float32")[0]
    return Speech(len(content), round(pesq_wb(decoded, original), 3), round(stoi(decoded, original), 4))


def planes(pixels: np.ndarray) -> torch.Tensor:
    """[H, W, 3] uint8 -> [1, 3, H, W] float32 in [0, 1]."""
    return torch.from_numpy(pixels.astype(np.float32) / 255).permute(2, 0, 1)[None]


@pytest.mark.parametrize(("name", "codebook"), quick_at_1024(PHOTOS))
def test_a_photo_looks_as_good_as_when_the_model_was_released(name: str, codebook: Codebook) -> None:
    released, found = PHOTOS[name, codebook], measured_photo(name, codebook)
    assert found.psnr == pytest.approx(released.psnr, abs=0.2)
    assert found.ssim == pytest.approx(released.ssim, abs=0.01)
    assert found.size <= 1.03 * released.size
    if np.isnan(found.lpips):
        pytest.skip("all but LPIPS is right: the weights of LPIPS are not there")
    assert found.lpips == pytest.approx(released.lpips, abs=0.01)


def measured_photo(name: str, codebook: Codebook) -> Photo:
    """LPIPS is not a number where its weights are missing."""
    codec = Codec.load(name)
    content = codec.encode(MEDIA / "cat.png", codebook=codebook)
    decoded, original = planes(codec.decode(content).pixels), planes(np.asarray(Image.open(MEDIA / "cat.png")))
    distance = float("nan")
    with suppress(ModelError), torch.no_grad():
        distance = float(LPIPS("alex")(2 * decoded - 1, 2 * original - 1))
    alike = round(float(psnr(decoded, original)), 3), round(float(ssim(decoded, original)), 4)
    return Photo(len(content), *alike, round(distance, 4))


if __name__ == "__main__":
    for model in map(find_model, sys.argv[1:]):
        for size in model.codebooks:
            measured = measured_speech if model.facts.kind == "speech" else measured_photo
            print(f"    ({model.name!r}, {size!r}): {measured(model.name, size)},".replace("'", '"'))
