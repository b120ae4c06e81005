"""Speech pushed piece by piece: the bytes and samples of the whole, however it is cut."""

import io

import numpy as np
import pytest
import soundfile

from tests.conftest import MEDIA
from vpcodec.codec.arrays import Recording
from vpcodec.codec.pipeline import Codec
from vpcodec.codec.streaming import StreamDecoder, StreamEncoder
from vpcodec.errors import ConfigError, ContainerError, InputError, ModelError


@pytest.fixture(scope="module")
def samples() -> np.ndarray:
    return soundfile.read(MEDIA / "speech.flac", dtype="float32")[0][:30_000]


def encoded(encoder: StreamEncoder, samples: np.ndarray, size: int) -> bytes:
    pieces = [encoder.push(samples[start : start + size]) for start in range(0, len(samples), size)]
    return b"".join(piece.content for piece in [*pieces, encoder.finish()])


def decoded(decoder: StreamDecoder, content: bytes, size: int) -> np.ndarray:
    blocks = []
    for start in range(0, len(content), size):
        blocks += decoder.push(content[start : start + size])
    return np.concatenate([*blocks, *decoder.finish()])


@pytest.mark.parametrize("size", [777, 6144, 99_999])
@pytest.mark.parametrize("rate", [16_000, 44_100])
def test_pushed_samples_make_the_token_file_of_the_whole(
    speech: Codec, samples: np.ndarray, rate: int, size: int
) -> None:
    assert encoded(speech.encoder(rate), samples, size) == speech.encode(samples, sample_rate=rate)


@pytest.mark.parametrize("size", [1, 500, 99_999])
def test_pushed_bytes_make_the_samples_of_the_whole(speech: Codec, samples: np.ndarray, size: int) -> None:
    stereo = np.stack((samples, samples[::-1]), 1)
    content = speech.encode(stereo, sample_rate=22_050)
    whole = speech.decode(content)
    assert isinstance(whole, Recording)
    np.testing.assert_array_equal(decoded(speech.decoder(), content, size), whole.samples)


def test_tokens_come_with_the_bytes_that_hold_them(speech: Codec, samples: np.ndarray) -> None:
    encoder = speech.encoder(16_000)
    pieces = [encoder.push(samples[start : start + 5000]) for start in range(0, len(samples), 5000)]
    pieces.append(encoder.finish())
    tokens = np.concatenate([piece.tokens for piece in pieces], axis=1)
    np.testing.assert_array_equal(tokens, speech.tokens(b"".join(piece.content for piece in pieces)))
    assert sum(piece.tokens.size > 0 for piece in pieces) > 3  # and not all at the end


def test_sound_comes_before_the_token_file_ends(speech: Codec, samples: np.ndarray) -> None:
    content = speech.encode(samples, sample_rate=16_000)
    assert sum(map(len, speech.decoder().push(content[: len(content) // 2]))) >= 6144


def test_reset_begins_anew_from_any_state(speech: Codec, samples: np.ndarray) -> None:
    encoder, decoder = speech.encoder(16_000), speech.decoder()
    content = encoded(encoder, samples, 4000)
    encoder.reset()
    encoder.push(samples[5000:20_000])
    encoder.reset()
    assert encoded(encoder, samples, 7000) == content
    decoder.push(content[: len(content) // 2])
    decoder.reset()
    first = decoded(decoder, content, 100)
    decoder.reset()
    np.testing.assert_array_equal(decoded(decoder, content, 1000), first)


def test_integers_are_samples_at_their_own_scale(speech: Codec, samples: np.ndarray) -> None:
    integers = np.round(samples * 32767).astype(np.int16)
    content = encoded(speech.encoder(16_000, dtype=np.int16), integers, 5000)
    assert content == speech.encode(integers, sample_rate=16_000)
    same = speech.tokens(content) == speech.tokens(speech.encode(samples, sample_rate=16_000))
    assert same.mean() > 0.9


def test_numbers_that_are_no_samples_are_refused_here_too(speech: Codec, samples: np.ndarray) -> None:
    strange = samples.copy()
    strange[1000:1010] = np.nan
    with pytest.raises(InputError, match="sample 1,000 of channel 0 is nan"):
        encoded(speech.encoder(16_000), strange, 3000)


def test_what_a_stream_holds_is_known_once_its_header_is_in(speech: Codec, samples: np.ndarray) -> None:
    decoder = speech.decoder()
    content = speech.encode(samples, sample_rate=8000)
    decoder.push(content[:10])
    assert decoder.facts is None
    decoder.push(content[10:100])
    assert decoder.facts is not None
    assert (decoder.facts.sample_rate, decoder.facts.channels) == (8000, 1)


@pytest.mark.parametrize("cut", [0, 3, 20, 200, -1])
def test_a_token_file_that_ends_too_early_is_an_error_at_the_end(speech: Codec, samples: np.ndarray, cut: int) -> None:
    decoder = speech.decoder()
    decoder.push(speech.encode(samples, sample_rate=16_000)[:cut])
    with pytest.raises(ContainerError, match="truncated"):
        decoder.finish()


def test_damage_is_an_error_where_it_arrives(speech: Codec, samples: np.ndarray) -> None:
    content = bytearray(speech.encode(samples, sample_rate=16_000))
    content[len(content) // 2] ^= 1
    decoder = speech.decoder()
    with pytest.raises(ContainerError, match="damaged"):
        decoder.push(bytes(content))


def test_mistakes_are_named(speech: Codec, image: Codec, samples: np.ndarray) -> None:
    encoder = speech.encoder(16_000, channels=2)
    with pytest.raises(ConfigError, match="float32 in 1 channels were pushed into a stream of float32 in 2"):
        encoder.push(samples)
    with pytest.raises(ConfigError, match="int16 in 2 channels"):
        encoder.push(np.zeros((9, 2), np.int16))
    with pytest.raises(InputError, match="before its first sample"):
        encoder.finish()
    encoder.push(np.zeros((9, 2), np.float32))
    encoder.finish()
    with pytest.raises(ConfigError, match=r"finished\n  hint: reset"):
        encoder.push(np.zeros((9, 2), np.float32))
    with pytest.raises(InputError, match="codes images"):
        image.encoder(16_000)
    with pytest.raises(InputError, match="codes images"):
        image.decoder()
    with pytest.raises(InputError, match="10 Hz is not readable"):
        speech.encoder(10)
    with pytest.raises(ModelError, match="was made with image-tiny"):
        speech.decoder().push(image.encode(MEDIA / "cat.png"))


def test_bytes_behind_the_end_are_an_error(speech: Codec, samples: np.ndarray) -> None:
    decoder = speech.decoder()
    decoder.push(speech.encode(samples, sample_rate=16_000))
    with pytest.raises(ContainerError, match="bytes follow"):
        decoder.push(b"more")


def test_a_stream_can_be_written_while_it_is_made(speech: Codec, samples: np.ndarray) -> None:
    out = io.BytesIO()
    encoder = speech.encoder(16_000)
    for start in range(0, len(samples), 1000):
        out.write(encoder.push(samples[start : start + 1000]).content)
        assert encoder.encoder.held.shape[1] <= 3 * 6144  # memory does not grow
    out.write(encoder.finish().content)
    assert speech.tokens(out.getvalue()).shape == (1, -(-len(samples) // 96))
