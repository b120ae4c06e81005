import io
import os
import threading

import numpy as np
import pytest
import soundfile

from vpcodec.data.audio import AudioInfo, open_audio
from vpcodec.data.audio_sink import FORMATS, AudioSink
from vpcodec.errors import ConfigError, InputError

WRITTEN = [(form, subtype) for form, subtypes in FORMATS.items() for subtype in subtypes if form != "raw"]
TAGS = {"title": "Größe", "artist": "somebody", "date": "2026", "comment": "a comment"}


class WriteOnly(io.RawIOBase):
    """A pipe to write to; `data` is what arrived."""

    def __init__(self):
        self.data = bytearray()

    def writable(self):
        return True

    def write(self, data):
        self.data += data
        return len(data)


def written(samples, info, form, stream=None, step=3_000) -> bytes:
    stream = io.BytesIO() if stream is None else stream
    with AudioSink(stream, info, form) as sink:
        for start in range(0, len(samples), step):
            sink.write(samples[start : start + step])
    return stream.getvalue() if isinstance(stream, io.BytesIO) else bytes(stream.data)


@pytest.mark.parametrize(("form", "subtype"), WRITTEN)
def test_rate_channels_depth_length_and_tags_come_back(stereo, form, subtype):
    data = written(stereo, AudioInfo(44_100, 2, subtype, None, TAGS), form)
    with open_audio(io.BytesIO(data)) as source:
        assert source.info == AudioInfo(44_100, 2, subtype, len(stereo), TAGS)
        samples = source.read_all()
    tolerance = {"PCM_U8": 1 / 128, "PCM_S8": 1 / 128, "PCM_16": 1 / 32768, "VORBIS": 0.2}.get(subtype, 1e-6)
    assert np.abs(samples - stereo).max() <= tolerance


@pytest.mark.parametrize(("form", "subtype"), [pair for pair in WRITTEN if pair[0] == "flac" or "PCM" in pair[1]])
def test_a_copy_of_integer_samples_keeps_every_bit(stereo, form, subtype):
    info = AudioInfo(44_100, 2, subtype)
    once = open_audio(io.BytesIO(written(stereo, info, form))).read_all()
    twice = open_audio(io.BytesIO(written(once, info, form))).read_all()
    assert np.array_equal(once, twice)


@pytest.mark.parametrize("form", ["wav", "flac", "ogg"])
def test_a_pipe_receives_a_readable_recording(stereo, form):
    subtype = "VORBIS" if form == "ogg" else "PCM_16"
    data = written(stereo, AudioInfo(48_000, 2, subtype), form, WriteOnly())
    with open_audio(io.BytesIO(data)) as source:
        assert source.info.frames == len(stereo)
        assert len(source.read_all()) == len(stereo)


def test_a_wav_in_a_pipe_has_the_right_sizes_when_its_length_is_known(stereo):
    info = AudioInfo(48_000, 2, "PCM_16", len(stereo))
    assert written(stereo, info, "wav", WriteOnly()) == written(stereo, info, "wav")


def test_a_wav_in_a_pipe_of_unknown_length_says_so_as_ffmpeg_does(stereo):
    data = written(stereo, AudioInfo(48_000, 2), "wav", WriteOnly())
    assert data[4:8] == data[40:44] == b"\xff\xff\xff\xff"


def test_a_file_gets_its_sizes_at_the_end(stereo):
    data = written(stereo, AudioInfo(48_000, 2), "wav")
    assert int.from_bytes(data[4:8], "little") == len(data) - 8
    assert soundfile.info(io.BytesIO(data)).frames == len(stereo)


def test_an_odd_number_of_bytes_is_padded():
    data = written(np.zeros((3, 1), np.float32), AudioInfo(8_000, 1, "PCM_U8"), "wav")
    assert len(data) % 2 == 0
    assert len(open_audio(io.BytesIO(data)).read_all()) == 3


def test_wav_does_not_depend_on_the_size_of_the_blocks(stereo):
    info = AudioInfo(48_000, 2)
    assert written(stereo[:300], info, "wav", step=1) == written(stereo[:300], info, "wav", step=300)


def test_raw_is_nothing_but_samples(stereo):
    assert len(written(stereo, AudioInfo(48_000, 2, "PCM_24"), "raw")) == len(stereo) * 6


def test_clipped_samples_are_counted_and_said():
    stream = io.BytesIO()
    with AudioSink(stream, AudioInfo(16_000)) as sink:
        sink.write(np.float32([[0.5], [1.5], [-1.5], [1.0]]))
    assert sink.clipped == 2
    assert sink.notes == ("2 samples were beyond full scale and are clipped",)


def test_a_floating_point_recording_keeps_what_is_beyond_full_scale():
    loud = np.float32([[1.5], [-3.0]])
    stream = io.BytesIO()
    with AudioSink(stream, AudioInfo(16_000, 1, "FLOAT")) as sink:
        sink.write(loud)
    assert sink.notes == ()
    assert np.array_equal(open_audio(io.BytesIO(stream.getvalue())).read_all(), loud)


@pytest.mark.parametrize(
    ("form", "info", "note"),
    [
        ("flac", AudioInfo(16_000, 1, "FLOAT"), "flac has no FLOAT samples; they are written as PCM_24"),
        ("flac", AudioInfo(16_000, 1, "PCM_32"), "flac has no PCM_32 samples; they are written as PCM_24"),
        ("wav", AudioInfo(16_000, 1, "PCM_16", None, {"license": "CC0"}), "wav has no place for license"),
        ("raw", AudioInfo(16_000, 1, "PCM_16", None, {"title": "x"}), "raw has no place for title"),
    ],
)
def test_what_a_format_does_not_keep_is_said(form, info, note):
    assert AudioSink(io.BytesIO(), info, form).notes == (note,)


@pytest.mark.parametrize("subtype", ["MPEG_LAYER_III", "VORBIS", "ULAW", "MS_ADPCM"])
def test_lossy_recordings_become_sixteen_bits(subtype):
    sink = AudioSink(io.BytesIO(), AudioInfo(16_000, 1, subtype), "wav")
    assert (sink.subtype, sink.notes) == ("PCM_16", ())


def test_a_format_that_cannot_hold_the_channels_is_refused():
    with pytest.raises(InputError, match="flac cannot hold 9 channels"):
        AudioSink(io.BytesIO(), AudioInfo(16_000, 9), "flac")


def test_an_unknown_format_is_a_usage_error():
    with pytest.raises(ConfigError, match="mp3"):
        AudioSink(io.BytesIO(), AudioInfo(16_000), "mp3")


@pytest.mark.parametrize("form", ["wav", "flac", "ogg"])
@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a device that is always full")
def test_a_full_disk_is_an_error_of_the_system(stereo, form):
    with open("/dev/full", "wb", buffering=0) as full, pytest.raises(OSError, match="No space left"):
        written(stereo, AudioInfo(16_000, 2), form, full)


def test_a_real_pipe_carries_wav_while_it_is_written(stereo):
    read_end, write_end = os.pipe()

    def write():
        with open(write_end, "wb") as stream, AudioSink(stream, AudioInfo(48_000, 2)) as sink:
            for _ in range(20):
                sink.write(stereo)

    writer = threading.Thread(target=write)
    writer.start()
    with open(read_end, "rb") as stream, open_audio(stream) as source:
        assert sum(map(len, source.blocks())) == 20 * len(stereo)
    writer.join()


@pytest.mark.parametrize("form", ["wav", "flac", "ogg"])
def test_an_interrupted_recording_is_let_go_without_a_word(stereo, form, capfd):
    stream = io.BytesIO()
    sink = AudioSink(stream, AudioInfo(16_000, 2), form)
    sink.write(stereo)
    sink.__exit__(KeyboardInterrupt, KeyboardInterrupt(), None)
    stream.close()
    del sink
    assert capfd.readouterr().err == ""
