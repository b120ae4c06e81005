import io
import os
import threading
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import soundfile

from vpcodec.data.audio import AudioInfo, RawFormat, open_audio
from vpcodec.data.audio_sink import write_header
from vpcodec.data.pcm import bytes_of
from vpcodec.errors import ConfigError, InputError

MEDIA = Path(__file__).resolve().parents[1] / "media"

COMPRESSED = [("FLAC", "PCM_16"), ("FLAC", "PCM_24"), ("OGG", "VORBIS"), ("OGG", "OPUS"), ("MP3", "MPEG_LAYER_III")]
AIFF = [("AIFF", "PCM_16"), ("AIFF", "PCM_24"), ("AIFF", "FLOAT")]

ways = pytest.mark.parametrize("way", ["file", "pipe"])


def test_the_clip_of_the_tests_is_what_its_readme_says():
    with open_audio(MEDIA / "speech.flac") as source:
        assert source.info == AudioInfo(16_000, 1, "PCM_16", 68_480)
        assert source.read_all().shape == (68_480, 1)
        assert source.notes == ()


@ways
@pytest.mark.parametrize(("form", "subtype"), COMPRESSED + AIFF)
def test_every_format_is_read_as_libsndfile_reads_it(coded, stereo, pipe, way, form, subtype):
    data = coded(stereo, form, subtype, rate=48_000, title="Größe", artist="somebody")
    with open_audio(io.BytesIO(data) if way == "file" else pipe(data)) as source:
        assert (source.info.sample_rate, source.info.channels, source.info.subtype) == (48_000, 2, subtype)
        assert source.info.tags["title"] == "Größe"
        theirs = soundfile.read(io.BytesIO(data), dtype="float32")[0]
        assert np.array_equal(source.read_all(), theirs)


@pytest.mark.parametrize(("form", "subtype"), COMPRESSED)
def test_reading_block_by_block_decodes_as_reading_at_once(coded, stereo, form, subtype, monkeypatch):
    data = coded(stereo, form, subtype)
    monkeypatch.setattr("vpcodec.data.audio.BLOCK_SAMPLES", 5_000)
    with open_audio(io.BytesIO(data)) as source:
        blocks = list(source.blocks())
    assert len(blocks) > 7
    theirs = soundfile.read(io.BytesIO(data), dtype="float32", always_2d=True)[0]
    assert np.abs(np.concatenate(blocks) - theirs).max() < 1e-6


@pytest.mark.parametrize(("form", "subtype"), [*COMPRESSED, *AIFF, ("WAV", "PCM_16")])
@pytest.mark.parametrize("share", [0.02, 0.3, 0.9])
def test_a_recording_cut_short_is_refused(coded, stereo, capfd, form, subtype, share):
    data = coded(stereo, form, subtype)
    refusal, _ = read_back(data[: int(share * len(data))])
    assert refusal
    assert "Traceback" not in capfd.readouterr().err


@pytest.mark.parametrize(("form", "subtype"), [*COMPRESSED, *AIFF])
def test_noise_behind_a_true_beginning_never_raises_anything_unexpected(coded, stereo, form, subtype):
    data = coded(stereo, form, subtype)
    generator = np.random.default_rng(11)
    for kept in (4, 16, 40, 100, 400):
        read_back(data[:kept] + generator.integers(0, 256, 3_000, dtype=np.uint8).tobytes())


def read_back(data: bytes) -> tuple[str, tuple[str, ...]]:
    """What reading to the end came to: the one line of a refusal, or the notes of a recording of true samples."""
    try:
        with open_audio(io.BytesIO(data)) as source:
            assert all(np.isfinite(block).all() for block in source.blocks())
            return "", source.notes
    except InputError as error:
        return one_line(error), ()


def one_line(error: InputError) -> str:
    assert "\n" not in error.what
    return error.what


def test_a_flac_stream_of_unknown_length_is_read_to_its_end(coded, stereo):
    data = bytearray(coded(stereo, "FLAC", "PCM_16"))
    data[21] &= 0xF0
    data[22:26] = bytes(4)
    with open_audio(io.BytesIO(data)) as source:
        assert source.info.frames is None
        assert len(source.read_all()) == len(stereo)


def test_blocks_are_small_and_make_up_the_whole(speech):
    with open_audio(MEDIA / "speech.flac") as source:
        blocks = list(source.blocks())
    assert max(map(len, blocks)) <= 65_536
    assert len(blocks) > 1
    assert np.array_equal(np.concatenate(blocks), speech)


def test_blocks_of_many_channels_are_as_small(coded):
    samples = np.zeros((4_000, 64), np.float32)
    with open_audio(io.BytesIO(coded(samples, "WAV", "PCM_16"))) as source:
        assert max(map(len, source.blocks())) == 1_024


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_S8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ULAW"])
@ways
def test_raw_samples_are_what_the_caller_says(pipe, stereo, way, subtype):
    data = bytes_of(stereo, subtype) if subtype != "ULAW" else bytes(range(256)) * 2
    stream = io.BytesIO(data) if way == "file" else pipe(data)
    with open_audio(stream, raw=RawFormat(44_100, 2, subtype)) as source:
        samples = source.read_all()
        assert (source.info.sample_rate, source.info.channels, source.info.subtype) == (44_100, 2, subtype)
    if subtype != "ULAW":
        assert np.allclose(samples, stereo, atol=1 / 128)
    assert samples.shape == (len(stereo) if subtype != "ULAW" else 256, 2)


@pytest.mark.parametrize("choice", [{"subtype": "MP3"}, {"channels": 0}, {"channels": 256}])
def test_raw_formats_that_do_not_exist_are_usage_errors(choice):
    with pytest.raises(ConfigError):
        RawFormat(16_000, **choice)


def test_a_raw_rate_of_zero_is_refused():
    with pytest.raises(InputError, match="0 Hz"):
        open_audio(io.BytesIO(bytes(100)), raw=RawFormat(0))


def test_numbers_that_are_no_samples_become_silence_and_are_counted():
    samples = np.float32([[0.5], [np.nan], [np.inf], [-np.inf], [1e30], [-2.0]])
    with open_audio(io.BytesIO(samples.tobytes()), raw=RawFormat(16_000, 1, "FLOAT")) as source:
        assert source.read_all()[:, 0].tolist() == [0.5, 0, 0, 0, 0, -2.0]
        assert source.notes == ("4 samples were infinite or not a number and are read as silence",)


def test_a_photo_is_not_heard():
    with pytest.raises(InputError, match="is a photo"):
        open_audio(MEDIA / "coffee.jpg")


def test_a_header_that_promises_an_hour_costs_no_memory(pipe):
    head = write_header(48_000, 2, "FLOAT", 48_000 * 3600)
    tracemalloc.start()
    with open_audio(pipe(head + bytes(8_000))) as source, pytest.raises(InputError, match="ends after 1,000"):
        source.read_all()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4_000_000


def test_a_long_pipe_is_read_in_bounded_memory():
    seconds = 120

    class Endless(io.RawIOBase):
        left = 16_000 * 2 * seconds

        def readable(self):
            return True

        def read(self, size=-1):
            size = min(size, self.left)
            self.left -= size
            return bytes(size)

    tracemalloc.start()
    with open_audio(Endless(), raw=RawFormat(16_000)) as source:
        assert sum(map(len, source.blocks())) == 16_000 * seconds
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2_000_000


def test_the_writer_of_a_pipe_is_read_out_and_ends_without_an_error(coded, stereo):
    read_end, write_end = os.pipe()
    data = coded(stereo, "WAV", "PCM_16") + b"LIST" + (200_000).to_bytes(4, "little") + bytes(200_000)
    problems = []

    def write():
        try:
            with open(write_end, "wb") as stream:
                stream.write(data)
        except OSError as error:
            problems.append(error)

    writer = threading.Thread(target=write)
    writer.start()
    with open(read_end, "rb") as stream, open_audio(stream) as source:
        assert len(source.read_all()) == len(stereo)
    writer.join()
    assert not problems
