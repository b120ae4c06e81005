"""WAV headers as other programs write them, through files and pipes."""

import io
import struct

import numpy as np
import pytest
import soundfile

from vpcodec.data.audio import open_audio
from vpcodec.data.audio_sink import chunk_of, write_header
from vpcodec.data.pcm import bytes_of
from vpcodec.data.wav import is_plain, read_header
from vpcodec.errors import InputError

SUBTYPES = ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ULAW", "ALAW"]

ways = pytest.mark.parametrize("way", ["file", "pipe"])


@pytest.fixture
def opened(pipe):
    """Opens bytes as a seekable file or as a pipe."""
    return lambda data, way: open_audio(io.BytesIO(data) if way == "file" else pipe(data))


def samples_in(source) -> np.ndarray:
    with source:
        return source.read_all()


def plain(samples: np.ndarray, riff: int, data: int, form: bytes = b"RIFF", between: bytes = b"") -> bytes:
    """A 16-bit stereo WAV with sizes of our choice in its header."""
    fmt = struct.pack("<HHIIHH", 1, 2, 48_000, 48_000 * 4, 4, 16)
    head = form + struct.pack("<I", riff) + b"WAVE" + between + chunk_of(b"fmt ", fmt)
    return head + b"data" + struct.pack("<I", data) + bytes_of(samples, "PCM_16")


@ways
@pytest.mark.parametrize("subtype", SUBTYPES)
@pytest.mark.parametrize("form", ["WAV", "WAVEX"])
def test_every_sample_format_is_read_as_libsndfile_reads_it(coded, stereo, opened, way, subtype, form):
    data = coded(stereo, form, subtype, rate=48_000)
    source = opened(data, way)
    assert (source.info.sample_rate, source.info.channels, source.info.subtype) == (48_000, 2, subtype)
    assert source.info.frames == (len(stereo) if way == "file" else None)
    theirs = soundfile.read(io.BytesIO(data), dtype="float32")[0]
    assert np.array_equal(samples_in(source), theirs)


@ways
@pytest.mark.parametrize(
    ("riff", "size"),
    [(0, 0), (0xFFFFFFFF, 0xFFFFFFFF), (36, 0), (0x7FFFF024, 0x7FFFF000), (0x80000024, 0x80000000)],
    ids=["zeros", "ffmpeg", "interrupted", "sox", "arecord"],
)
def test_sizes_left_open_mean_until_the_end(stereo, opened, way, riff, size):
    source = opened(plain(stereo, riff, size), way)
    assert source.info.frames == (len(stereo) if way == "file" else None)
    assert len(samples_in(source)) == len(stereo)


@ways
def test_rf64_takes_its_size_from_the_ds64_chunk(stereo, opened, way):
    sizes = chunk_of(b"ds64", struct.pack("<QQQI", 0, len(stereo) * 4, len(stereo), 0))
    data = plain(stereo, 0xFFFFFFFF, 0xFFFFFFFF, b"RF64", sizes) + chunk_of(b"LIST", b"junk behind the samples")
    assert len(samples_in(opened(data, way))) == len(stereo)


@ways
def test_rf64_from_a_pipe_may_leave_its_size_open_too(stereo, opened, way):
    data = plain(stereo, 0xFFFFFFFF, 0xFFFFFFFF, b"RF64", chunk_of(b"ds64", bytes(28)))
    assert len(samples_in(opened(data, way))) == len(stereo)


def test_rf64_as_libsndfile_writes_it_is_read(coded, stereo, opened):
    assert len(samples_in(opened(coded(stereo, "RF64", "PCM_16"), "file"))) == len(stereo)


@ways
def test_chunks_around_the_samples_are_not_taken_for_samples(stereo, opened, way):
    behind = chunk_of(b"LIST", b"INFO" + chunk_of(b"INAM", b"Coffee\0"))
    size = len(stereo) * 4
    data = plain(stereo, 1000 + size, size, between=chunk_of(b"JUNK", b"odd")) + behind
    source = opened(data, way)
    assert len(samples_in(source)) == len(stereo)
    assert source.info.tags == ({"title": "Coffee"} if way == "file" else {})


@ways
def test_tags_come_back_in_utf8_and_in_latin1(stereo, opened, way):
    tags = chunk_of(b"INAM", "Größe".encode() + b"\0") + chunk_of(b"IART", "Café".encode("latin-1") + b"\0")
    size = len(stereo) * 4
    data = plain(stereo, 1000 + size, size, between=chunk_of(b"LIST", b"INFO" + tags))
    with opened(data, way) as source:
        assert source.info.tags == {"title": "Größe", "artist": "Café"}


@ways
def test_a_recording_cut_short_is_refused_with_its_lengths(stereo, opened, way):
    size = len(stereo) * 4
    data = plain(stereo, 36 + size, size)[: -size // 2]
    with pytest.raises(InputError, match=r"ends after 10,000 of 20,000 samples"):
        samples_in(opened(data, way))


@ways
def test_half_a_sample_at_an_open_end_is_left_out_and_said(stereo, opened, way):
    source = opened(plain(stereo, 0, 0) + b"\1\2\3", way)
    assert len(source.read_all()) == len(stereo)
    assert source.notes == (() if way == "file" else ("the last 3 bytes are not a whole sample and are dropped",))


@ways
def test_a_recording_without_samples_is_refused(opened, way):
    nothing = np.zeros((0, 2), np.float32)
    with pytest.raises(InputError, match="holds no samples"):
        samples_in(opened(plain(nothing, 36, 0), way))


@ways
def test_an_empty_recording_does_not_take_the_tags_behind_it_for_samples(opened, way):
    nothing = np.zeros((0, 2), np.float32)
    data = plain(nothing, 36 + 24, 0) + chunk_of(b"LIST", b"INFO" + chunk_of(b"INAM", b"no\0\0"))
    with pytest.raises(InputError, match="holds no samples"):
        samples_in(opened(data, way))


@ways
@pytest.mark.parametrize("cut", [12, 20, 30, 43])
def test_a_header_cut_short_is_refused(stereo, opened, way, cut):
    with pytest.raises(InputError, match="WAV header"):
        opened(plain(stereo, 0, 0)[:cut], way)


@ways
@pytest.mark.parametrize(
    "fmt",
    [
        struct.pack("<HHIIHH", 1, 0, 48_000, 0, 0, 16),
        struct.pack("<HHIIHH", 1, 2, 48_000, 0, 3, 64),
        struct.pack("<HHIIHH", 1, 2, 48_000, 0, 16, 64),
        struct.pack("<HHIIHH", 1, 2, 0, 0, 4, 16),
        struct.pack("<HHIIHH", 1, 2, 0xFFFFFFFF, 0, 4, 16),
        struct.pack("<HHIIHH", 1, 30_000, 48_000, 0, 60_000, 16),
        b"\1\0",
        b"",
    ],
    ids=["no channels", "odd frames", "64-bit integers", "0 Hz", "4 GHz", "30,000 channels", "short", "none"],
)
def test_a_header_that_makes_no_sense_is_refused(opened, way, fmt):
    data = b"RIFF" + bytes(4) + b"WAVE" + (chunk_of(b"fmt ", fmt) if fmt else b"") + chunk_of(b"data", bytes(9600))
    with pytest.raises(InputError, match=r"the stream|standard input"):
        opened(data, way)


@ways
@pytest.mark.parametrize("subtype", ["MS_ADPCM", "IMA_ADPCM", "GSM610"])
def test_compressed_wav_is_read_by_libsndfile(coded, stereo, opened, way, subtype):
    mono = stereo[:, :1]
    data = coded(mono, "WAV", subtype, rate=8_000)
    assert not is_plain(data)
    theirs = soundfile.read(io.BytesIO(data), dtype="float32", always_2d=True)[0]
    assert np.array_equal(
        samples_in(opened(data, way)), theirs[: len(mono)] if subtype == "GSM610" else theirs
    )  # by its fact chunk


@ways
@pytest.mark.parametrize(
    ("tag", "bits", "block", "channels"),
    [
        (1, 16, 1, 1),
        (1, 16, 4, 1),
        (1, 16, 8, 1),
        (1, 16, 2, 2),
        (1, 16, 3, 2),
        (1, 24, 8, 2),
        (1, 8, 4, 2),
        (3, 32, 8, 1),
    ],
)
def test_bits_decide_how_long_a_sample_is_where_the_block_align_is_wrong(opened, way, tag, bits, block, channels):
    data = bytes(range(1, 25)) * 40
    fmt = struct.pack("<HHIIHH", tag, channels, 16_000, 16_000 * block, block, bits)
    data = b"RIFF" + struct.pack("<I", 1000) + b"WAVE" + chunk_of(b"fmt ", fmt) + chunk_of(b"data", data)
    source = opened(data, way)
    assert np.array_equal(samples_in(source), soundfile.read(io.BytesIO(data), dtype="float32", always_2d=True)[0])
    assert source.notes == (
        f"the header says {bits} bits a sample, and {block} bytes for {channels} of them; the bits are right",
    )


@ways
@pytest.mark.parametrize("excess", [1, 16, 44])
def test_a_size_a_few_bytes_over_costs_no_sample(stereo, opened, way, excess):
    size = len(stereo) * 4 + excess
    source = opened(plain(stereo, 36 + size, size), way)
    assert len(samples_in(source)) == len(stereo)
    (note,) = source.notes
    assert (
        note
        == f"the header states {excess} bytes more than the file has; {len(stereo) * 4:,} bytes of samples are read"
    )


def test_an_aiff_size_a_byte_over_costs_no_sample(coded, stereo):
    data = bytearray(coded(stereo, "AIFF", "PCM_16"))
    data[4:8] = (len(data) - 8 + 1).to_bytes(4, "big")
    with open_audio(io.BytesIO(data)) as source:
        assert len(source.read_all()) == len(stereo)
        assert source.notes == ("the header states 1 bytes more than the file has",)


@ways
@pytest.mark.parametrize("kind", ["two files", "two files of open size", "two data chunks"])
def test_a_second_recording_behind_the_first_is_refused(stereo, opened, way, kind):
    size = len(stereo) * 4
    first = plain(stereo, 36 + size, size)
    if kind == "two data chunks":
        data = first + chunk_of(b"data", bytes(400))
    elif kind == "two files":
        data = first + first
    else:
        data = plain(stereo, 0xFFFFFFFF, 0xFFFFFFFF) * 2
    with pytest.raises(InputError, match="has a second recording after the first"):
        samples_in(opened(data, way))


@ways
def test_bytes_behind_the_samples_that_are_no_chunk_are_left_out_with_a_note(stereo, opened, way):
    size = len(stereo) * 4
    source = opened(plain(stereo, 36 + size, size) + b"\1\2\3\4 and so on", way)
    assert len(samples_in(source)) == len(stereo)
    assert source.notes == ("the bytes after the samples are not part of a WAV file and are dropped",)


@ways
def test_a_chunk_behind_an_odd_number_of_bytes_is_found(opened, way):
    fmt = chunk_of(b"fmt ", struct.pack("<HHIIHH", 1, 1, 8_000, 8_000, 1, 8))
    content = b"WAVE" + fmt + chunk_of(b"data", bytes(801)) + chunk_of(b"LIST", b"INFO")
    source = opened(chunk_of(b"RIFF", content), way)
    assert len(samples_in(source)) == 801
    assert source.notes == ()


class Counted(io.BytesIO):
    """Knows how often it was read."""

    reads = 0

    def read(self, size: int | None = -1, /) -> bytes:
        self.reads += 1
        return super().read(size)


def test_a_tail_of_zeros_is_not_walked(stereo):
    size = len(stereo) * 4
    stream = Counted(plain(stereo, 36 + size, size) + bytes(1 << 20))
    with open_audio(stream) as source:
        assert len(source.read_all()) == len(stereo)
        assert source.notes == ()
    assert stream.reads < 50


def test_zeros_instead_of_chunks_in_a_header_are_not_walked(stereo):
    stream = Counted(plain(stereo, 0, 0)[:12] + bytes(1 << 20))
    with pytest.raises(InputError, match="the WAV header ends before any samples"):
        open_audio(stream)
    assert stream.reads < 50


@pytest.mark.parametrize("behind", [b"", chunk_of(b"LIST", b"INFO" + chunk_of(b"INAM", b"Long\0\0"))])
def test_a_wav_of_more_than_four_gigabytes_with_sizes_that_wrapped_is_as_long_as_it_is(tmp_path, behind):
    path, size = tmp_path / "long.wav", (5 << 30) + 400
    head = plain(np.zeros((0, 2), np.float32), (36 + size + len(behind)) % (1 << 32), size % (1 << 32))
    with path.open("wb") as file:
        file.write(head)
        file.seek(len(head) + size)
        file.write(behind)
        file.truncate()
    with open_audio(path) as source:
        assert source.info.frames == size // 4
        assert source.info.tags == ({"title": "Long"} if behind else {})
        assert source.notes == (f"its sizes are too small for {size:,} bytes of samples; all samples are read",)


@ways
@pytest.mark.parametrize("form", ["WAV", "FLAC", "AIFF"])
@pytest.mark.parametrize("length", [100, 10_000])
def test_an_id3_tag_before_a_recording_costs_no_sample(coded, stereo, opened, way, form, length):
    data = coded(stereo, form, "PCM_16")
    tag = b"ID3\4\0\0" + bytes([0, 0, length >> 7, length & 127]) + bytes(length)
    assert np.array_equal(samples_in(opened(tag + data, way)), samples_in(opened(data, way)))


@pytest.mark.parametrize("subtype", SUBTYPES[:6])
@pytest.mark.parametrize("channels", [1, 2, 6])
def test_headers_we_write_are_read_by_libsndfile(subtype, channels):
    samples = np.linspace(-0.5, 0.5, 501 * channels, dtype=np.float32).reshape(-1, channels)
    tags = {"title": "Größe", "artist": "somebody", "license": "has no place in WAV"}
    head = write_header(22_050, channels, subtype, 501, tags)
    data = head + bytes_of(samples, subtype)
    file = soundfile.SoundFile(io.BytesIO(data + bytes(len(data) % 2)))
    assert (file.samplerate, file.channels, file.subtype, file.frames) == (22_050, channels, subtype, 501)
    assert (file.title, file.artist) == ("Größe", "somebody")
    assert np.allclose(file.read(always_2d=True), samples, atol=1 / 128)


def test_a_header_without_a_length_says_so_as_ffmpeg_does():
    head = write_header(16_000, 1, "PCM_16", None)
    assert head[4:8] == head[-4:] == b"\xff\xff\xff\xff"


def test_more_than_four_gigabytes_make_it_rf64(pipe):
    frames = 1 << 31
    head = write_header(48_000, 2, "PCM_16", frames)
    assert head[:4] == b"RF64"
    assert read_header(pipe(head), "x").frames == frames
