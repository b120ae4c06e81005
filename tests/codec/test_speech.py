"""Recordings through the codec: every length, rate and level, whole, in pieces and by ranges."""

import io
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
import soundfile

from tests.conftest import MEDIA
from vpcodec.codec import windows
from vpcodec.codec.arrays import Recording
from vpcodec.codec.pipeline import Codec
from vpcodec.codec.signals import Span, Writing
from vpcodec.codec.sound import decode_range
from vpcodec.codec.sound_windows import GLIDE, SoundDecoder, SoundEncoder, gain_curve
from vpcodec.codec.token_files import new_header
from vpcodec.container import Frame, Index, Reader, SoundFacts, Writer
from vpcodec.data.audio_sink import write_header
from vpcodec.data.level import EQUAL, bytes_of_levels, gain_of, levels_of, measure_level
from vpcodec.errors import ContainerError, InputError
from vpcodec.registry import ModelFolder


@pytest.fixture(scope="module")
def samples() -> np.ndarray:
    return soundfile.read(MEDIA / "speech.flac", dtype="float32")[0]


def rewritten(content: bytes, *, length: int | None = None, signal: SoundFacts | None = None) -> bytes:
    """A token file with another length in its footer, or other facts in its header."""
    reader, out = Reader(io.BytesIO(content)), io.BytesIO()
    writer = Writer(out, replace(reader.header, signal=signal or reader.header.signal))
    for frame in reader.frames():
        writer.write(frame)
    writer.close(reader.length if length is None else length)
    return out.getvalue()


def decoded(codec: Codec, content: bytes) -> np.ndarray:
    recording = codec.decode(content)
    assert isinstance(recording, Recording)
    return recording.samples


@pytest.mark.parametrize("rate", [8000, 16000, 44100, 48000])
@pytest.mark.parametrize("length", [1, 2, 95, 96, 97, 6143, 6144, 6145, 20000])
def test_a_recording_comes_back_to_the_sample_as_long_as_it_was(
    speech: Codec, samples: np.ndarray, rate: int, length: int
) -> None:
    assert decoded(speech, speech.encode(samples[:length], sample_rate=rate)).shape == (length, 1)


def test_every_channel_is_coded_as_if_it_were_alone(speech: Codec, samples: np.ndarray) -> None:
    left, right = samples[:20000], 0.3 * samples[20000:40000]
    both = decoded(speech, speech.encode(np.stack((left, right), axis=1), sample_rate=16000))
    assert np.array_equal(both[:, :1], decoded(speech, speech.encode(left, sample_rate=16000)))
    assert np.array_equal(both[:, 1:], decoded(speech, speech.encode(right, sample_rate=16000)))


@pytest.mark.parametrize("piece", [1000, 6144, 9999, 50000])
def test_a_stream_gets_the_frames_of_the_whole_however_it_is_cut(
    speech: Codec, samples: np.ndarray, piece: int
) -> None:
    def frames(size: int) -> list[tuple[list, bytes]]:
        encoder = SoundEncoder(speech.model.facts, 256, 1, 16_000)
        pieces = [samples[i : i + size, None] for i in range(0, len(samples), size)]
        computations = [compute for part in pieces for compute in encoder.push(part)] + encoder.finish()
        made = [compute(speech.engine) for compute in computations]
        return [(frame.tokens.tolist(), frame.side) for frame in made]

    assert frames(piece) == frames(len(samples))


def test_a_stream_emits_before_its_end_and_holds_two_windows_at_most(speech: Codec, samples: np.ndarray) -> None:
    encoder = SoundEncoder(speech.model.facts, 256, 1, 16_000)
    assert encoder.push(samples[: 128 * 96, None])
    for _ in range(5):
        encoder.push(samples[: 64 * 96, None])
        assert encoder.held.shape[1] <= 3 * 64 * 96


def test_tokens_in_windows_are_those_of_the_signal_in_one(
    speech: Codec, samples: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At one level, for the gain follows the windows."""
    tone = 0.1 * np.sin(np.arange(40000) * 0.37).astype(np.float32)
    cut = speech.tokens(speech.encode(tone, sample_rate=16000))
    monkeypatch.setitem(windows.CORES, "speech", 4096)
    whole = speech.tokens(speech.encode(tone, sample_rate=16000))
    assert (cut == whole).mean() > 0.998  # products of other shapes may round otherwise


@pytest.mark.parametrize("span", [Span(0, 0.5), Span(1.0, 1.001), Span(1.5, 3.0), Span(3.9), Span(0, 99)])
@pytest.mark.parametrize("rate", [11127, 16000, 44100])
def test_a_range_is_that_range_of_the_whole(speech: Codec, samples: np.ndarray, span: Span, rate: int) -> None:
    content = speech.encode(samples, sample_rate=rate)
    whole = decoded(speech, content)
    start, stop = span.samples(rate)
    index = Index(io.BytesIO(content))
    if start >= len(whole):
        with pytest.raises(InputError, match="ends before"):
            list(ranged(speech, index, span))
        return
    part = np.concatenate(list(ranged(speech, index, span)))
    np.testing.assert_allclose(part, whole[start:stop], atol=1e-5)


def ranged(speech: Codec, index: Index, span: Span) -> Iterator[np.ndarray]:
    return decode_range(speech.coding(index.header), index, span)


class CountingFile(io.BytesIO):
    """Knows how many of its bytes were read."""

    count = 0

    def read(self, size: int | None = -1, /) -> bytes:
        found = super().read(size)
        self.count += len(found)
        return found


def test_a_range_reads_only_the_frames_around_it(speech: Codec, samples: np.ndarray) -> None:
    content = speech.encode(np.tile(samples, 8), sample_rate=16000)
    file = CountingFile(content)
    part = np.concatenate(list(ranged(speech, Index(file), Span(20.0, 20.1))))
    assert len(part) == 1600
    assert file.count < len(content) / 5


def test_a_range_is_given_out_while_it_is_read(speech: Codec, samples: np.ndarray) -> None:
    content = speech.encode(np.tile(samples, 8), sample_rate=16000)
    file = CountingFile(content)
    next(ranged(speech, Index(file), Span(5.0)))
    assert file.count < len(content) / 5


@pytest.mark.parametrize("span", [Span(0, 9), Span(4.2), Span(8, 9)])
def test_a_range_that_the_frames_do_not_hold_is_refused(speech: Codec, samples: np.ndarray, span: Span) -> None:
    content = rewritten(speech.encode(samples, sample_rate=16000), length=10 * 16000)
    with pytest.raises(ContainerError, match=r"the frames end [\d,]+ samples before the end that the footer states"):
        list(ranged(speech, Index(io.BytesIO(content)), span))


@pytest.mark.parametrize("signal", [SoundFacts(16000, 33), SoundFacts(16000, (1 << 32) - 1), SoundFacts((1 << 32) - 1)])
def test_what_no_recording_has_is_refused(speech: Codec, samples: np.ndarray, signal: SoundFacts) -> None:
    content = rewritten(speech.encode(samples[:999], sample_rate=16000), signal=signal)
    for read in (
        lambda: speech.decode(content),
        lambda: speech.decode_to(Reader(io.BytesIO(content)), io.BytesIO(), "wav"),
        lambda: speech.decode_to(Index(io.BytesIO(content)), io.BytesIO(), "wav", Writing(span=Span(0, 0.01))),
        lambda: speech.decoder().push(content),
    ):
        with pytest.raises((ContainerError, InputError), match=r"channels|sample rate"):
            read()


def test_frames_of_other_channels_than_the_header_says_are_refused(speech: Codec, samples: np.ndarray) -> None:
    content = rewritten(speech.encode(samples[:999], sample_rate=16000), signal=SoundFacts(16000, 2))
    with pytest.raises(ContainerError, match="a frame has not the 2 rows of tokens that the header says"):
        speech.tokens(content)


def test_a_token_file_without_frames_has_no_tokens(speech: Codec) -> None:
    out = io.BytesIO()
    Writer(out, new_header(speech.model, 256, SoundFacts(16000, 2), {})).close()
    assert speech.tokens(out.getvalue()).shape == (2, 0)
    assert decoded(speech, out.getvalue()).shape == (0, 2)


def test_a_file_without_a_prior_is_read_by_a_model_that_has_got_one(
    speech: Codec, samples: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = speech.encode(samples[:999], sample_rate=16000)
    monkeypatch.setattr(ModelFolder, "prior", lambda self, rate: b"made later")
    assert decoded(speech, content).shape == (999, 1)
    assert sum(len(block) for block in speech.decoder().push(content)) == 0
    assert speech.tokens(content).shape == (1, 11)


def test_tags_that_a_token_file_has_no_room_for_are_left_out_with_a_line(speech: Codec) -> None:
    tags = {"title": "the grass", "comment": "very " * 20_000}
    wav = write_header(16000, 1, "PCM_16", 100, tags) + bytes(200)
    out = io.BytesIO()
    (note,) = speech.encode_to(io.BytesIO(wav), out).notes
    assert note.startswith("comment (100,000 bytes) is left out: a token file has room for ")
    assert Reader(io.BytesIO(out.getvalue())).header.metadata == (("title", b"the grass"),)


@pytest.mark.parametrize("decibels", [-50, -20, 0, 7, 30, 90, 186])
def test_a_recording_gets_the_same_tokens_at_any_level_and_comes_back_at_its_own(
    speech: Codec, samples: np.ndarray, decibels: float
) -> None:
    reference = samples / np.abs(samples).max()
    scaled = (reference * 10 ** (decibels / 20)).astype(np.float32)
    loud, ours = (speech.encode(each, sample_rate=16000) for each in (reference, scaled))
    assert (speech.tokens(loud) == speech.tokens(ours)).mean() > 0.99
    ratio = np.linalg.norm(decoded(speech, ours)) / np.linalg.norm(decoded(speech, loud))
    assert abs(20 * np.log10(ratio) - decibels) < 0.5


def test_levels_that_no_encoder_writes_are_refused(speech: Codec, samples: np.ndarray) -> None:
    reader, out = Reader(io.BytesIO(speech.encode(samples[:999], sample_rate=16000))), io.BytesIO()
    for side in (b"", b"\x01\x02\x03", b"\xff\xff"):
        writer = Writer(out, reader.header)
        writer.write(Frame(np.zeros((1, 11), np.int64), side))
        writer.close(999)
        with pytest.raises(ContainerError, match="frame 0 does not fit"):
            speech.decode(out.getvalue())
        out.seek(0)
        out.truncate()


def test_silence_stays_finite_and_quiet(speech: Codec) -> None:
    samples = decoded(speech, speech.encode(np.zeros(30000, np.float32), sample_rate=16000))
    assert np.isfinite(samples).all()
    assert measure_level(np.zeros(1000, np.float32), 16_000) == 0
    assert gain_of(0) == 1.0


def test_a_mark_of_equal_channels_means_nothing_to_a_single_one(speech: Codec) -> None:
    reader = Reader(io.BytesIO(speech.encode(np.sin(np.arange(9000.0)).astype(np.float32), sample_rate=16_000)))
    frames = list(reader.frames(speech.model.prior(reader.header.rate) if reader.header.prior else None))
    found = []
    for mark in (0, EQUAL):
        out = io.BytesIO()
        writer = Writer(out, replace(reader.header, prior=b""))
        for frame in frames:
            writer.write(Frame(frame.tokens, bytes_of_levels([levels_of(frame.side, 1)[0] + mark])))
        writer.close(reader.length)
        found.append(decoded(speech, out.getvalue()))
    assert np.array_equal(*found)


def test_the_gain_glides_between_the_levels_of_neighbours() -> None:
    levels = {0: [160], 1: [120]}
    curve = gain_curve(levels, 6144, 0, 12288, round(GLIDE * 16_000), short=False)[0]
    assert np.isclose(curve[0], gain_of(160))
    assert np.isclose(curve[-1], gain_of(120))
    assert np.abs(np.diff(20 * np.log10(curve))).max() < 0.03
    assert np.isclose(20 * np.log10(curve[6144] / curve[0]), 10, atol=0.1)


def test_a_frame_too_short_in_the_middle_is_refused(speech: Codec, samples: np.ndarray) -> None:
    reader = Reader(io.BytesIO(speech.encode(samples, sample_rate=16000)))
    frames = list(reader.frames())
    out = io.BytesIO()
    writer = Writer(out, reader.header)
    for frame in [frames[-1], *frames[:-1]]:
        writer.write(frame)
    writer.close(len(samples))
    with pytest.raises(ContainerError, match="only the last"):
        speech.decode(out.getvalue())


def test_a_decoder_that_starts_in_the_middle_wants_the_frame_before(speech: Codec, samples: np.ndarray) -> None:
    content = speech.encode(samples, sample_rate=16000)
    frames = list(Reader(io.BytesIO(content)).frames())
    decoder = SoundDecoder(speech.model.facts, 256, first=3)
    blocks = [compute(speech.engine) for frame in frames[2:6] for compute in decoder.push(frame)]
    whole = decoded(speech, content)
    np.testing.assert_array_equal(np.concatenate(blocks), whole[3 * 6144 : 5 * 6144])
