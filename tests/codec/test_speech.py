"""Recordings through the codec: every length, rate and level, whole, in pieces and by stretches."""

import io

import numpy as np
import pytest
import soundfile

from tests.conftest import MEDIA
from vpcodec.codec import windows
from vpcodec.codec.pipeline import Codec, Recording
from vpcodec.codec.recordings import Span, decode_span
from vpcodec.codec.speech import SpeechDecoder, SpeechEncoder, gain_curve
from vpcodec.container import Index, Reader, Writer
from vpcodec.data.level import gain_of, measure_level
from vpcodec.errors import ContainerError, InputError


@pytest.fixture(scope="module")
def samples() -> np.ndarray:
    return soundfile.read(MEDIA / "speech.flac", dtype="float32")[0]


def decoded(codec: Codec, content: bytes) -> np.ndarray:
    recording = codec.decode(content)
    assert isinstance(recording, Recording)
    return recording.samples


@pytest.mark.parametrize("rate", [8000, 16000, 44100, 48000])
@pytest.mark.parametrize("length", [1, 2, 95, 96, 97, 6143, 6144, 6145, 20000])
def test_a_recording_comes_back_to_the_sample_as_long_as_it_was(
    speech: Codec, samples: np.ndarray, rate: int, length: int
) -> None:
    assert decoded(speech, speech.encode_samples(samples[:length], rate)).shape == (length, 1)


def test_every_channel_is_coded_as_if_it_were_alone(speech: Codec, samples: np.ndarray) -> None:
    left, right = samples[:20000], 0.3 * samples[20000:40000]
    both = decoded(speech, speech.encode_samples(np.stack((left, right), axis=1), 16000))
    assert np.array_equal(both[:, :1], decoded(speech, speech.encode_samples(left, 16000)))
    assert np.array_equal(both[:, 1:], decoded(speech, speech.encode_samples(right, 16000)))


@pytest.mark.parametrize("piece", [1000, 6144, 9999, 50000])
def test_a_stream_gets_the_frames_of_the_whole_however_it_is_cut(
    speech: Codec, samples: np.ndarray, piece: int
) -> None:
    def frames(size: int) -> list[tuple[list, bytes]]:
        encoder = SpeechEncoder(speech.engine, speech.model.facts, 256, 1)
        pieces = [samples[i : i + size, None] for i in range(0, len(samples), size)]
        made = [frame for part in pieces for frame in encoder.push(part)] + encoder.finish()
        return [(frame.tokens.tolist(), frame.side) for frame in made]

    assert frames(piece) == frames(len(samples))


def test_a_stream_emits_before_its_end_and_holds_two_windows_at_most(speech: Codec, samples: np.ndarray) -> None:
    encoder = SpeechEncoder(speech.engine, speech.model.facts, 256, 1)
    assert encoder.push(samples[: 128 * 96, None])
    for _ in range(5):
        encoder.push(samples[: 64 * 96, None])
        assert encoder.held.shape[1] <= 3 * 64 * 96


def test_tokens_in_windows_are_those_of_the_signal_in_one(
    speech: Codec, samples: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At one level, for the gain follows the windows."""
    tone = 0.1 * np.sin(np.arange(40000) * 0.37).astype(np.float32)
    cut = speech.tokens(speech.encode_samples(tone, 16000))
    monkeypatch.setitem(windows.CORES, "speech", 4096)
    whole = speech.tokens(speech.encode_samples(tone, 16000))
    assert (cut == whole).mean() > 0.998  # products of other shapes may round otherwise


@pytest.mark.parametrize("span", [Span(0, 0.5), Span(1.0, 1.001), Span(1.5, 3.0), Span(3.9), Span(0, 99)])
@pytest.mark.parametrize("rate", [16000, 44100])
def test_a_stretch_is_that_stretch_of_the_whole(speech: Codec, samples: np.ndarray, span: Span, rate: int) -> None:
    content = speech.encode_samples(samples, rate)
    whole = decoded(speech, content)
    start, stop = span.samples(rate)
    index = Index(io.BytesIO(content))
    if start >= len(whole):
        with pytest.raises(InputError, match="ends before"):
            list(decode_span(speech.engine, speech.model, index, span))
        return
    part = np.concatenate(list(decode_span(speech.engine, speech.model, index, span)))
    np.testing.assert_allclose(part, whole[start:stop], atol=1e-5)


class CountingFile(io.BytesIO):
    """Knows how many of its bytes were read."""

    count = 0

    def read(self, size: int | None = -1, /) -> bytes:
        found = super().read(size)
        self.count += len(found)
        return found


def test_a_stretch_reads_only_the_frames_around_it(speech: Codec, samples: np.ndarray) -> None:
    content = speech.encode_samples(np.tile(samples, 8), 16000)
    file = CountingFile(content)
    part = np.concatenate(list(decode_span(speech.engine, speech.model, Index(file), Span(20.0, 20.1))))
    assert len(part) == 1600
    assert file.count < len(content) / 5


@pytest.mark.parametrize("decibels", [-50, -20, 0])
def test_a_recording_gets_the_same_tokens_at_any_level_and_comes_back_at_its_own(
    speech: Codec, samples: np.ndarray, decibels: float
) -> None:
    reference = samples / np.abs(samples).max()
    scaled = (reference * 10 ** (decibels / 20)).astype(np.float32)
    loud, ours = speech.encode_samples(reference, 16000), speech.encode_samples(scaled, 16000)
    assert (speech.tokens(loud) == speech.tokens(ours)).mean() > 0.99
    ratio = np.linalg.norm(decoded(speech, ours)) / np.linalg.norm(decoded(speech, loud))
    assert abs(20 * np.log10(ratio) - decibels) < 0.5


def test_silence_stays_finite_and_quiet(speech: Codec) -> None:
    samples = decoded(speech, speech.encode_samples(np.zeros(30000, np.float32), 16000))
    assert np.isfinite(samples).all()
    assert measure_level(np.zeros(1000, np.float32)) == 0
    assert gain_of(0) == 1.0


def test_the_gain_glides_between_the_levels_of_neighbours() -> None:
    levels = {0: bytes([160]), 1: bytes([120])}
    curve = gain_curve(levels, 0, 6144, 0, 12288)[0]
    assert np.isclose(curve[0], gain_of(160))
    assert np.isclose(curve[-1], gain_of(120))
    assert np.abs(np.diff(20 * np.log10(curve))).max() < 0.03
    assert np.isclose(20 * np.log10(curve[6144] / curve[0]), 10, atol=0.1)


def test_a_frame_too_short_in_the_middle_is_refused(speech: Codec, samples: np.ndarray) -> None:
    reader = Reader(io.BytesIO(speech.encode_samples(samples, 16000)))
    frames = list(reader.frames())
    out = io.BytesIO()
    writer = Writer(out, reader.header)
    for frame in [frames[-1], *frames[:-1]]:
        writer.write(frame)
    writer.close(len(samples))
    with pytest.raises(ContainerError, match="only the last"):
        speech.decode(out.getvalue())


def test_a_decoder_that_starts_in_the_middle_wants_the_frame_before(speech: Codec, samples: np.ndarray) -> None:
    content = speech.encode_samples(samples, 16000)
    frames = list(Reader(io.BytesIO(content)).frames())
    decoder = SpeechDecoder(speech.engine, speech.model.facts, 256, first=3)
    blocks = [block for frame in frames[2:6] for block in decoder.push(frame)]
    whole = decoded(speech, content)
    np.testing.assert_array_equal(np.concatenate(blocks), whole[3 * 6144 : 5 * 6144])
