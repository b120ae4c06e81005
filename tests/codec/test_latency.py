"""Speech encoded and decoded while it is spoken: short windows, a running level, and what they must not cost."""

import io

import numpy as np
import pytest
import soundfile

from tests.conftest import MEDIA
from vpcodec.codec.pipeline import Codec
from vpcodec.codec.signals import Reading, Span, Wanted, Writing
from vpcodec.container import Index
from vpcodec.errors import ConfigError

RATE = 16_000


@pytest.fixture(scope="module")
def codec() -> Codec:
    return Codec.load("speech-vp")


@pytest.fixture(scope="module")
def sound() -> np.ndarray:
    return soundfile.read(MEDIA / "speech.flac", dtype="float32")[0]


def live(codec: Codec, sound: np.ndarray, latency: float, chunk: int = 1600, rate: int = RATE) -> bytes:
    """A token file made by a stream."""
    encoder = codec.encoder(rate, 1 if sound.ndim == 1 else sound.shape[1], codebook=1024, latency=latency)
    pieces = [encoder.push(sound[start : start + chunk]).content for start in range(0, len(sound), chunk)]
    return b"".join([*pieces, encoder.finish().content])


@pytest.mark.parametrize("latency", [0.247, 0.3, 0.5, 3.0])
def test_a_stream_of_any_latency_decodes_to_the_sound_at_its_length(
    codec: Codec, sound: np.ndarray, latency: float
) -> None:
    decoded = codec.decode_recording(live(codec, sound, latency)).samples[:, 0]
    usual = codec.decode_recording(codec.encode(sound, sample_rate=RATE, codebook=1024)).samples[:, 0]
    assert len(decoded) == len(sound)
    assert np.corrcoef(decoded, usual)[0, 1] > 0.8
    assert np.sqrt(np.square(decoded).mean()) == pytest.approx(np.sqrt(np.square(usual).mean()), rel=0.1)


def test_a_file_and_a_stream_cut_anyhow_give_the_same_bytes(codec: Codec, sound: np.ndarray) -> None:
    sound = sound[:RATE]
    out = io.BytesIO()
    codec.encode_to(sound, out, wanted=Wanted(codebook=1024), reading=Reading(latency=0.4, sample_rate=RATE))
    for chunk in (1, 100, 10_000):
        assert live(codec, sound, 0.4, chunk) == out.getvalue()


@pytest.mark.parametrize("latency", [0.3, 0.5])
def test_sound_comes_out_as_soon_as_the_latency_says(codec: Codec, sound: np.ndarray, latency: float) -> None:
    encoder, decoder = codec.encoder(RATE, latency=latency), codec.decoder()
    received, delays = 0, []
    for start in range(0, 2 * RATE, 80):
        received += sum(map(len, decoder.push(encoder.push(sound[start : start + 80]).content)))
        delays.append(start + 80 - received)
    assert latency - 0.01 < max(delays) / RATE <= latency + 80 / RATE


def test_a_range_of_a_stream_is_that_range_of_the_whole(codec: Codec, sound: np.ndarray) -> None:
    stereo = np.stack([sound, 0.3 * sound[::-1]], axis=1)
    content = live(codec, stereo, 0.4, rate=44_100)
    whole = codec.decode_recording(content).samples
    for start, stop in ((0.0, 0.2), (0.31, 0.9), (1.2, None)):
        out = io.BytesIO()
        codec.decode_to(Index(io.BytesIO(content)), out, "raw", Writing(span=Span(start, stop)))
        part = np.frombuffer(out.getvalue(), "<f4").reshape(-1, 2)
        expected = whole[round(start * 44_100) : None if stop is None else round(stop * 44_100)]
        assert part.shape == expected.shape
        assert np.abs(part - expected).max() < 1e-6


def test_a_shout_after_a_whisper_and_a_whisper_after_a_shout_keep_their_levels(codec: Codec, sound: np.ndarray) -> None:
    parts = np.concatenate([0.01 * sound, sound, 0.03 * sound])
    decoded = codec.decode_recording(live(codec, parts, 0.4)).samples[:, 0]
    for part, heard in zip(np.split(parts, 3), np.split(decoded, 3), strict=True):
        gain = 20 * np.log10(np.sqrt(np.square(heard).mean() / np.square(part).mean()))
        assert abs(gain + 0.8) < 1.5  # coding at K = 1024 takes 0.8 dB of what it does not say


@pytest.mark.parametrize("gain", [10 ** (-30 / 20), 10 ** (17 / 20)])
def test_quiet_and_loud_streams_get_nearly_the_same_tokens(codec: Codec, sound: np.ndarray, gain: float) -> None:
    tokens = [codec.tokens(live(codec, scale * sound, 0.4)) for scale in (np.float32(1), np.float32(gain))]
    assert (tokens[0] == tokens[1]).mean() > 0.95  # the level is stored in half decibels


def test_pauses_do_not_pump(codec: Codec, sound: np.ndarray) -> None:
    random = np.random.default_rng(0)
    noise = 0.0005 * random.standard_normal(3 * RATE).astype(np.float32)
    parts = np.concatenate([sound, noise, sound])
    decoded = codec.decode_recording(live(codec, parts, 0.4)).samples[:, 0]
    pause = decoded[len(sound) + RATE // 2 : len(sound) + 5 * RATE // 2].reshape(10, -1)
    levels = 10 * np.log10(np.square(pause).mean(axis=1) + 1e-12)
    assert levels.max() < -55
    assert levels.max() - levels.min() < 6


def test_damage_to_a_stream_costs_two_seconds_at_most_and_makes_no_click(codec: Codec, sound: np.ndarray) -> None:
    long = np.tile(sound, 3)
    content = bytearray(live(codec, long, 0.4))
    whole = codec.decode_recording(bytes(content)).samples[:, 0]
    content[len(content) // 2] ^= 0x55
    out = io.BytesIO()
    coding_reader = codec.reader(io.BytesIO(bytes(content)))
    codec.decode_to(coding_reader, out, "raw", Writing(resync=True))
    heard = np.frombuffer(out.getvalue(), "<f4")
    assert len(heard) == len(whole)
    differing = np.flatnonzero(np.abs(heard - whole) > 1e-3)
    assert 0 < differing[-1] - differing[0] < 2.7 * RATE
    assert np.abs(heard).max() <= 1.05 * np.abs(whole).max()
    assert np.abs(np.diff(heard)).max() <= 1.05 * np.abs(np.diff(whole)).max()


def test_a_latency_that_the_network_cannot_have_is_refused(codec: Codec) -> None:
    with pytest.raises(ConfigError, match=r"a latency of 0.2 s is less than the network needs") as caught:
        codec.encoder(RATE, latency=0.2)
    assert caught.value.hint == "use 0.247 or more"
    photos = Codec.load("image-vp")
    with pytest.raises(ConfigError, match="not for photos"):
        photos.encode_to(MEDIA / "cat.png", io.BytesIO(), reading=Reading(latency=0.3))
