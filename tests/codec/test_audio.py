"""Any sound through the codec: every rate and number of channels, pairs of channels that share their tokens."""

import io
import math
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.codec.test_speech import decoded
from tests.conftest import MEDIA
from vpcodec.codec.pipeline import Codec
from vpcodec.codec.signals import Reading, Span, Writing
from vpcodec.container import AudioFacts, Index, Reader
from vpcodec.corpus.coding import Coder
from vpcodec.corpus.plan import Item
from vpcodec.corpus.result import Settings
from vpcodec.errors import ConfigError, ContainerError
from vpcodec.export import read_tokens

RATES = [8000, 11025, 16000, 22050, 32000, 44100, 48000, 88200, 96000, 192000]


def sound(samples: int, channels: int = 2) -> np.ndarray:
    """[samples, channels] noise over a tone, another in each channel."""
    random, time = np.random.default_rng(3), np.arange(samples)[:, None]
    tones = 0.3 * np.sin(time * (0.02 + 0.01 * np.arange(channels)))
    return (tones + 0.1 * random.standard_normal((samples, channels))).astype(np.float32)


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("channels", [1, 2, 8])
def test_every_rate_comes_back_to_the_sample(audio: Codec, rate: int, channels: int) -> None:
    samples = sound(rate // 3 + 7, channels)
    content = audio.encode(samples, sample_rate=rate)
    assert audio.decode_recording(content).sample_rate == rate
    assert decoded(audio, content).shape == samples.shape


@pytest.mark.parametrize("channels", range(1, 9))
def test_each_pair_of_channels_has_one_row_of_tokens(audio: Codec, channels: int) -> None:
    content = audio.encode(sound(30_001, channels), sample_rate=48_000)
    rows, positions = -(-channels // 2), math.ceil(30_001 / 288)
    assert audio.tokens(content).shape == (rows, positions)
    assert Reader(io.BytesIO(content)).header.signal == AudioFacts(48_000, channels, 32, True, 2)
    assert decoded(audio, content).shape == (30_001, channels)


def test_a_pair_is_coded_as_if_it_were_alone(audio: Codec) -> None:
    samples = sound(40_000, 4)
    whole = decoded(audio, audio.encode(samples, sample_rate=48_000))
    assert np.array_equal(whole[:, 2:], decoded(audio, audio.encode(samples[:, 2:], sample_rate=48_000)))


@pytest.mark.parametrize("latency", [None, 0.3])
@pytest.mark.parametrize("rate", [48_000, 44_100])
def test_channels_that_are_equal_come_back_equal(audio: Codec, rate: int, latency: float | None) -> None:
    samples = sound(70_000, 5)
    samples[:, 1] = samples[:, 0]
    out = io.BytesIO()
    audio.encode_to(samples, out, reading=Reading(latency=latency, sample_rate=rate))
    back = decoded(audio, out.getvalue())
    assert np.array_equal(back[:, 0], back[:, 1])
    assert not np.array_equal(back[:, 2], back[:, 3])
    encoder, decoder = audio.encoder(rate, 5, latency=latency), audio.decoder()
    content = b"".join(encoder.push(samples[start : start + 9_999]).content for start in range(0, 70_000, 9_999))
    content += encoder.finish().content
    assert content == out.getvalue()
    assert np.array_equal(np.concatenate(decoder.push(content) + decoder.finish()), back)


def test_channels_that_are_equal_for_some_time_come_back_equal_there(audio: Codec) -> None:
    samples = sound(96_000)
    samples[:48_000] = samples[:48_000, :1]
    encoder, decoder = audio.encoder(48_000, 2, latency=0.5), audio.decoder()
    back = np.concatenate(decoder.push(encoder.push(samples).content + encoder.finish().content) + decoder.finish())
    same = back[:, 0] == back[:, 1]
    assert same[:30_000].all()
    assert not same[48_000:].any()


def test_two_equal_channels_and_one_alone_have_the_same_tokens(audio: Codec) -> None:
    mono = sound(40_000, 1)
    twice = audio.encode(np.repeat(mono, 2, axis=1), sample_rate=48_000)
    once = audio.encode(mono, sample_rate=48_000)
    assert np.array_equal(audio.tokens(once), audio.tokens(twice))
    expected = decoded(audio, twice).mean(axis=1, keepdims=True)
    assert np.allclose(decoded(audio, once), expected, atol=1e-6)


def test_both_channels_of_a_pair_get_one_gain(audio: Codec) -> None:
    quiet = sound(40_000) * np.float32([1, 0.001])
    (side,) = {frame.side for frame in Reader(io.BytesIO(audio.encode(quiet[:18_000], sample_rate=48_000))).frames()}
    alone = audio.encode(quiet[:18_000, :1], sample_rate=48_000)
    assert len(side) == 1
    assert side[0] == next(Reader(io.BytesIO(alone)).frames()).side[0] - 6  # half the energy: 3 dB


@pytest.mark.parametrize("latency", [None, 0.3])
def test_a_range_is_what_the_whole_has_there(audio: Codec, latency: float | None) -> None:
    samples = sound(132_300, 3)
    out = io.BytesIO()
    audio.encode_to(samples, out, reading=Reading(latency=latency, sample_rate=44_100))
    whole = decoded(audio, out.getvalue())
    index, cut = Index(io.BytesIO(out.getvalue())), io.BytesIO()
    audio.decode_to(index, cut, "raw", Writing(span=Span(1.2, 2.1)))
    found = np.frombuffer(cut.getvalue(), "<f4").reshape(-1, 3)
    assert np.allclose(found, whole[round(1.2 * 44_100) : round(2.1 * 44_100)], atol=1e-4)


def test_a_stream_gives_the_bytes_and_the_samples_of_the_whole(audio: Codec) -> None:
    samples = sound(70_000)
    encoder, decoder = audio.encoder(48_000, 2), audio.decoder()
    pieces = [encoder.push(samples[start : start + 9_999]) for start in range(0, len(samples), 9_999)]
    pieces.append(encoder.finish())
    content = b"".join(piece.content for piece in pieces)
    assert content == audio.encode(samples, sample_rate=48_000)
    assert np.array_equal(np.concatenate([piece.tokens for piece in pieces], axis=1), audio.tokens(content))
    blocks = decoder.push(content) + decoder.finish()
    assert np.array_equal(np.concatenate(blocks), decoded(audio, content))


def test_ids_and_sound_in_arrays_are_those_of_the_file(audio: Codec) -> None:
    batch = np.stack([sound(40_000), sound(40_000)[:, ::-1]])
    tokens = audio.encode_tokens(batch, sample_rate=48_000)
    content = audio.encode(batch[1], sample_rate=48_000)
    assert np.array_equal(tokens.ids[1:], audio.tokens(content))
    back = audio.decode_tokens(tokens.ids, level=tokens.levels, lengths=tokens.lengths)
    assert back.shape == batch.shape
    assert np.array_equal(back[1], decoded(audio, content))
    with pytest.raises(ConfigError, match="has not 2 channels"):
        audio.encode_tokens(sound(4000, 3), sample_rate=48_000)


def test_ids_become_sound_and_sound_ids_while_they_come(audio: Codec) -> None:
    encoder = audio.token_encoder(sample_rate=48_000)
    ids = np.concatenate([encoder.push(sound(28_800)), encoder.finish()])
    assert ids.shape == (100,)
    decoder = audio.token_decoder()
    assert np.concatenate([decoder.push(ids), decoder.finish()]).shape == (28_800, 2)


def test_damage_becomes_silence_of_both_channels(audio: Codec) -> None:
    content = bytearray(audio.encode(sound(60_000), sample_rate=48_000))
    content[len(content) // 2] ^= 255
    with pytest.raises(ContainerError):
        audio.decode(bytes(content))
    out = io.BytesIO()
    audio.decode_to(Reader(io.BytesIO(bytes(content))), out, "raw", Writing(resync=True))
    found = np.frombuffer(out.getvalue(), "<f4").reshape(-1, 2)
    assert len(found) == 60_000
    assert (np.abs(found[20_000:36_000]).max(axis=0) < 1e-3).all()


def test_what_is_exported_tells_the_channels_and_comes_back(audio: Codec, tmp_path: Path) -> None:
    path = tmp_path / "a.tok"
    path.write_bytes(audio.encode(sound(20_000, 3), sample_rate=96_000))
    exported = read_tokens(str(path), "a", str(audio.model.path))
    ids, info = exported.ids.astype(np.int64), exported.info
    assert info["levels"] == audio.encode_tokens(pairs(sound(20_000, 3)), sample_rate=96_000).levels.T.ravel().tolist()
    facts, samples = audio.signal.described(ids, info, audio.model.facts)
    assert (facts.channels, facts.sample_rate, samples) == (3, 96_000, 20_000)
    assert audio.signal.described(ids, {}, audio.model.facts)[0].channels == 4


def pairs(samples: np.ndarray) -> list[np.ndarray]:
    """Three channels as two pairs, the last channel beside its copy."""
    return [samples[:, :2], samples[:, [2, 2]]]


def test_a_model_of_any_sound_codes_files_of_sound_and_no_photos(audio: Codec, tmp_path: Path) -> None:
    settings = {"model": str(audio.model.path), "engine": "torch"}
    encoder = Coder(Settings(task="encode", **settings))
    soundfile.write(tmp_path / "a.flac", sound(30_000, 3), 44_100)
    shutil.copy(MEDIA / "cat.png", tmp_path / "b.png")
    done = encoder.process(Item(0, str(tmp_path / "a.flac"), str(tmp_path / "a.tok"), False))
    refused = encoder.process(Item(1, str(tmp_path / "b.png"), str(tmp_path / "b.tok"), False))
    assert (done.error, done.kind) == ("", "audio")
    assert refused.error == f"{tmp_path / 'b.png'}: is a photo, and {audio.name} codes audio"
    back = Coder(Settings(task="decode", **settings)).process(
        Item(2, str(tmp_path / "a.tok"), str(tmp_path / "c.wav"), False)
    )
    assert back.error == ""
    info = soundfile.info(tmp_path / "c.wav")
    assert (info.frames, info.channels, info.samplerate) == (30_000, 3, 44_100)
