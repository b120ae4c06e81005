"""Every released model does as well as when it was released, on a recording and a photo that it never saw.

A model that is trained anew changes these figures: whoever releases it writes its own here.
"""

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
from vpcodec.registry import list_models


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
    ("speech-vp", 256): Speech(582, 2.109, 0.9108),
    ("speech-vp", 1024): Speech(730, 2.205, 0.9346),
    ("speech-vp", 4096): Speech(912, 2.499, 0.9448),
    ("speech-vp", 16384): Speech(1098, 2.555, 0.9501),
}
PHOTOS = {
    ("image-fsp-1024", 1024): Photo(1560, 27.284, 0.7189, 0.1748),
    ("image-vp", 256): Photo(1281, 26.470, 0.7102, 0.1811),
    ("image-vp", 1024): Photo(1597, 27.475, 0.7330, 0.1301),
    ("image-vp", 4096): Photo(1947, 28.129, 0.7502, 0.1178),
    ("image-vp", 16384): Photo(2259, 28.447, 0.7559, 0.1019),
}


def quick_at_1024(table: dict[tuple[str, int], tuple[float, ...]]) -> list[object]:
    """Models and codebook sizes; all but 1,024 codes are for the slow tests."""
    marks = {1024: ()}
    return [pytest.param(name, rate, marks=marks.get(rate, (pytest.mark.slow,))) for name, rate in table]


def test_every_model_and_codebook_size_is_measured_here() -> None:
    assert {(model.name, rate) for model in list_models() for rate in model.facts.rates} == {*SPEECH, *PHOTOS}


@pytest.mark.parametrize(("name", "rate"), quick_at_1024(SPEECH))
def test_speech_sounds_as_good_as_when_the_model_was_released(name: str, rate: int) -> None:
    pytest.importorskip("pesq", reason="needs the package pesq")
    pytest.importorskip("pystoi", reason="needs the package pystoi")
    from vpcodec.metrics.speech import pesq_wb, stoi

    codec, released = Codec.load(name), SPEECH[name, rate]
    content = codec.encode(MEDIA / "speech.flac", codebook=rate)
    decoded = codec.decode(content).samples[:, 0]
    original = soundfile.read(MEDIA / "speech.flac", dtype="float32")[0]
    assert pesq_wb(decoded, original) == pytest.approx(released.pesq, abs=0.08)
    assert stoi(decoded, original) == pytest.approx(released.stoi, abs=0.006)
    assert len(content) <= 1.03 * released.size


def planes(pixels: np.ndarray) -> torch.Tensor:
    """[H, W, 3] uint8 -> [1, 3, H, W] float32 in [0, 1]."""
    return torch.from_numpy(pixels.astype(np.float32) / 255).permute(2, 0, 1)[None]


@pytest.mark.parametrize(("name", "rate"), quick_at_1024(PHOTOS))
def test_a_photo_looks_as_good_as_when_the_model_was_released(name: str, rate: int) -> None:
    codec, released = Codec.load(name), PHOTOS[name, rate]
    content = codec.encode(MEDIA / "cat.png", codebook=rate)
    decoded, original = planes(codec.decode(content).pixels), planes(np.asarray(Image.open(MEDIA / "cat.png")))
    assert float(psnr(decoded, original)) == pytest.approx(released.psnr, abs=0.2)
    assert float(ssim(decoded, original)) == pytest.approx(released.ssim, abs=0.01)
    assert len(content) <= 1.03 * released.size
    try:
        from vpcodec.metrics.lpips import LPIPS

        perceptual = LPIPS("alex")
    except ModelError as error:
        pytest.skip(f"all but LPIPS is right: {error.what}")
    with torch.no_grad():
        distance = float(perceptual(2 * decoded - 1, 2 * original - 1))
    assert distance == pytest.approx(released.lpips, abs=0.01)
