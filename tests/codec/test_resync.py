"""Damaged token files through the codec: a lost frame costs what it held, and nothing else."""

import io
from dataclasses import replace

import numpy as np
import pytest
import soundfile
from PIL import Image

from tests.conftest import MEDIA
from vpcodec.codec.arrays import Picture, Recording
from vpcodec.codec.pipeline import Codec
from vpcodec.codec.signals import Writing
from vpcodec.codec.token_files import new_header
from vpcodec.container import ImageFacts, Index, Reader, SoundFacts
from vpcodec.errors import ContainerError

TILE = 8 * 8  # pixels, in these tests
WINDOW = 64 * 96  # samples at 16 kHz


def resynced(codec: Codec, content: bytes) -> tuple[bytes, tuple[str, ...]]:
    """What a damaged token file is decoded to, WAV or PNG, and what the user is told."""
    out = io.BytesIO()
    form = "wav" if codec.kind == "speech" else "png"
    coded = codec.decode_to(Reader(io.BytesIO(content)), out, form, Writing(resync=True))
    return out.getvalue(), coded.notes


def without(content: bytes, number: int) -> bytes:
    """A token file with a wrong byte in one of its frames."""
    damaged = bytearray(content)
    damaged[Index(io.BytesIO(content)).starts[number] + 9] ^= 1
    return bytes(damaged)


@pytest.fixture(scope="module")
def pixels() -> np.ndarray:
    """100 x 130: six tiles of four shapes."""
    return np.asarray(Image.open(MEDIA / "coffee.jpg").convert("RGB"))[:100, :130]


@pytest.fixture(scope="module")
def samples() -> np.ndarray:
    """Four windows of speech at 16 kHz, the last one short."""
    return soundfile.read(MEDIA / "speech.flac", frames=3 * WINDOW + 1000, dtype="float32")[0]


@pytest.mark.parametrize("number", range(6))
def test_a_lost_tile_costs_its_pixels_whatever_its_shape(image: Codec, pixels: np.ndarray, number: int) -> None:
    content = image.encode(pixels)
    png, notes = resynced(image, without(content, number))
    whole = image.decode(content)
    assert isinstance(whole, Picture)
    changed = (np.asarray(Image.open(io.BytesIO(png))) != whole.pixels).any(axis=2)
    row, column = divmod(number, 3)
    reach = 8 * image.model.facts.decoder_reach
    lost = np.zeros_like(changed)
    lost[
        max(0, row * TILE - reach) : (row + 1) * TILE + reach,
        max(0, column * TILE - reach) : (column + 1) * TILE + reach,
    ] = True
    assert changed.shape == (100, 130)
    assert changed.any()
    assert not changed[~lost].any()
    assert notes[0].startswith("damaged, 1 of its frames replaced")


@pytest.mark.parametrize("kept", range(6))
def test_a_photo_that_was_cut_short_comes_back_in_its_size(image: Codec, pixels: np.ndarray, kept: int) -> None:
    content = image.encode(pixels)
    png, notes = resynced(image, content[: Index(io.BytesIO(content)).starts[kept] + 5])
    assert Image.open(io.BytesIO(png)).size == (130, 100)
    assert notes[0].startswith(f"damaged, {6 - kept} of its frames replaced")


def test_a_photo_whose_only_tile_is_lost_is_gray(image: Codec, pixels: np.ndarray) -> None:
    reader = Reader(io.BytesIO(without(image.encode(pixels[:40, :50]), 0)))
    (frame,) = reader.frames(on_damage=image.signal.resync(image.coding(reader.header)))
    gray = image.tokens(image.encode(np.full((8, 8, 3), 127, np.uint8)))
    assert frame.tokens.shape == (5, 7)
    assert (frame.tokens == gray).all()


def test_a_photo_too_large_to_be_true_is_not_filled_up(image: Codec) -> None:
    header = new_header(image.model, image.codebooks[-1], ImageFacts((1 << 32) - 1, (1 << 32) - 1), {})
    with pytest.raises(ContainerError, match="4,294,967,295 x 4,294,967,295 pixels are more than"):
        resynced(image, header.to_bytes())


@pytest.mark.parametrize("rate", [8000, 16_000])
@pytest.mark.parametrize("number", range(4))
def test_a_lost_window_becomes_silence(speech: Codec, samples: np.ndarray, number: int, rate: int) -> None:
    content = speech.encode(samples, sample_rate=rate)
    wav, _ = resynced(speech, without(content, number))
    found, found_rate = soundfile.read(io.BytesIO(wav), dtype="float32")
    assert (len(found), found_rate) == (len(samples), rate)
    size, glide = WINDOW * rate // 16_000, 600
    start, stop = number * size, min((number + 1) * size, len(samples))
    whole = speech.decode(content)
    assert isinstance(whole, Recording)
    reach = glide + speech.model.facts.decoder_reach * 96
    same = np.ones(len(samples), bool)
    same[max(0, start - reach) : stop + reach] = False
    np.testing.assert_allclose(found[same], whole.samples[same, 0], atol=1e-5)
    assert np.abs(found[start + glide if number else 0 : stop - (glide if stop < len(samples) else 0)]).max() < 1e-4


def test_a_recording_whose_only_window_is_lost_is_silent_and_as_long_as_it_was(speech: Codec) -> None:
    wav, notes = resynced(speech, without(speech.encode(np.ones((500, 2), np.float32), sample_rate=16_000), 0))
    found = soundfile.read(io.BytesIO(wav))[0]
    assert found.shape == (500, 2)
    assert np.abs(found).max() < 1e-4
    assert notes[0].startswith("damaged, 1 of its frames replaced")


def test_a_recording_that_was_cut_short_ends_there(speech: Codec, samples: np.ndarray) -> None:
    content = speech.encode(samples, sample_rate=8000)
    starts = Index(io.BytesIO(content)).starts
    wav, _ = resynced(speech, content[: starts[2] + 5])
    assert soundfile.info(io.BytesIO(wav)).frames == 2 * WINDOW // 2
    with pytest.raises(ContainerError, match="nothing is left"):
        resynced(speech, content[: starts[0] + 5])


def test_more_channels_than_there_can_be_are_refused(speech: Codec) -> None:
    header = Reader(io.BytesIO(speech.encode(np.ones(500, np.float32), sample_rate=16_000))).header
    with pytest.raises(ContainerError, match="channels"):
        resynced(speech, replace(header, signal=SoundFacts(16_000, (1 << 32) - 1)).to_bytes())
