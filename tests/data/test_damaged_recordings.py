"""Recordings in a row, cut, between other bytes or with an odd order of channels: all samples, or a refusal."""

import io
import struct

import numpy as np
import pytest
import soundfile

from vpcodec.data import mpeg, survey
from vpcodec.data.audio import AudioInfo, open_audio
from vpcodec.data.audio_sink import AudioSink, chunk_of
from vpcodec.data.streams import LeftOut
from vpcodec.errors import InputError

FORMS = [("MP3", "MPEG_LAYER_III"), ("OGG", "VORBIS"), ("OGG", "OPUS"), ("FLAC", "PCM_16"), ("AIFF", "PCM_16")]
FRAME = 1152  # samples of an MP3 frame at 48 kHz


def read(data: bytes, **options: bool) -> tuple[np.ndarray, tuple[str, ...], int | None]:
    """Samples, notes, and the length that was known beforehand."""
    with open_audio(io.BytesIO(data), **options) as source:
        return source.read_all(), source.notes, source.info.frames


def without_header(data: bytes) -> bytes:
    """An MP3 without its Xing frame and tag, as many programs write it."""
    part = mpeg.survey_mpeg(io.BytesIO(data)).parts[0]
    start, stop = part.pieces[0]
    return data[start:stop]


@pytest.fixture
def headerless(coded, stereo):
    """A variable-rate MP3 without a header: first silence, whose frames are small, then sound."""
    samples = np.concatenate([np.zeros((40_000, 2), np.float32), stereo, stereo])
    return without_header(coded(samples, "MP3", "MPEG_LAYER_III", rate=48_000)), len(samples)


def test_an_mp3_without_a_header_is_read_to_its_end(headerless):
    data, length = headerless
    samples, notes, known = read(data)
    assert length <= len(samples) <= length + 3 * FRAME  # the encoder's delay stays where nobody tells it
    assert (notes, known) == ((), len(samples))
    assert np.abs(samples[-20_000:]).max() > 0.01


@pytest.mark.parametrize("around", [(3000, 0), (0, 5000), (3000, 5000)])
def test_zeros_around_an_mp3_are_nothing(headerless, around):
    data = headerless[0]
    samples, notes, _ = read(bytes(around[0]) + data + bytes(around[1]))
    assert np.array_equal(samples, read(data)[0])
    assert notes == ()


def test_an_mp3_that_begins_inside_a_frame_begins_with_the_next(headerless):
    data = headerless[0]
    size = mpeg.frame_header(data).size
    samples, notes, _ = read(data[7:])
    assert len(samples) == len(read(data)[0]) - FRAME
    assert [type(note) for note in notes] == [LeftOut]
    assert notes[0].startswith(f"{size - 7} bytes at 0 are no MPEG audio")


def test_the_decoder_of_an_mp3_that_begins_inside_a_frame_finds_all_that_later_frames_use(stereo, capfd):
    """At a low rate the data of a frame begin several frames earlier."""
    stream = io.BytesIO()
    soundfile.write(
        stream, np.tile(stereo, (4, 1)), 44_100, format="MP3", compression_level=0.99, bitrate_mode="CONSTANT"
    )
    whole = without_header(stream.getvalue())
    expected = read(whole)[0]
    for cut in (500, 2500, 4000):
        samples, _, _ = read(whole[cut:])
        same = len(samples) - 12 * FRAME
        assert np.abs(samples[-same:] - expected[-same:]).max() < 1e-4
    assert capfd.readouterr().err == ""  # libmpg123 writes there by itself


@pytest.mark.parametrize(("form", "subtype"), FORMS)
def test_recordings_in_a_row_are_read_to_the_last(coded, stereo, form, subtype):
    data = coded(stereo, form, subtype, rate=48_000)
    once = read(data)[0]
    samples, notes, _ = read(data + data)
    assert np.array_equal(samples, np.concatenate([once, once]))
    assert notes == ("2 recordings in a row are taken as one",)


def test_recordings_in_a_row_that_differ_are_refused(coded, stereo):
    data = coded(stereo, "OGG", "VORBIS") + coded(stereo[:, :1], "OGG", "VORBIS")
    with pytest.raises(InputError, match="differ in rate or channels"):
        read(data)


@pytest.mark.parametrize(("form", "subtype"), [*FORMS, ("WAV", "PCM_16"), ("AU", "PCM_16"), ("W64", "PCM_16")])
def test_salvage_takes_the_rest_of_a_truncated_recording_and_keeps_the_input(coded, stereo, form, subtype):
    data = coded(np.tile(stereo, (6, 1)), form, subtype, rate=48_000)
    whole = read(data)[0]
    cut = data[: len(data) * 2 // 3]
    with pytest.raises(InputError, match="salvage"):
        read(cut)
    samples, notes, _ = read(cut, salvage=True)
    assert 0.2 * len(whole) < len(samples) < 0.9 * len(whole)
    assert np.abs(samples[:8_000] - whole[:8_000]).max() < 1e-3
    assert any(isinstance(note, LeftOut) for note in notes)


def test_a_changed_byte_in_an_ogg_page_is_found(coded, stereo):
    data = bytearray(coded(stereo, "OGG", "VORBIS"))
    data[len(data) // 2] ^= 1
    with pytest.raises(InputError, match="does not match its checksum"):
        read(bytes(data))


def test_samples_that_do_not_match_the_checksum_of_a_flac_are_refused(coded, stereo):
    data = bytearray(coded(stereo, "FLAC", "PCM_16"))
    data[26] ^= 1
    with pytest.raises(InputError, match="MD5"):
        read(bytes(data))
    samples, notes, _ = read(bytes(data), salvage=True)
    assert len(samples) == len(stereo)
    assert "MD5" in notes[0]


@pytest.mark.parametrize("form", ["AU", "CAF", "W64", "VOC", "NIST"])
def test_further_formats_of_libsndfile_are_read(coded, stereo, form):
    samples, notes, known = read(coded(stereo, form, "PCM_16"))
    assert np.array_equal(samples, read(coded(stereo, "WAV", "PCM_16"))[0])
    assert (notes, known) == ((), len(stereo))


def test_ogg_flac_is_read_to_the_sample(coded, stereo):
    data = in_ogg(coded(stereo, "FLAC", "PCM_16"))
    assert np.array_equal(read(data)[0], read(coded(stereo, "FLAC", "PCM_16"))[0])


def test_speex_is_refused_by_its_name():
    with pytest.raises(InputError, match="holds Speex in Ogg"):
        read(page(b"Speex   1.2" + bytes(69), 6, 0))


def test_a_film_in_ogg_gives_its_sound_and_is_never_deleted(coded, stereo):
    sound = coded(stereo, "OGG", "VORBIS")
    film = page(b"\x80theora" + bytes(35), 2, 0, serial=2) + sound + page(b"a frame", 4, 1, serial=2)
    samples, notes, _ = read(film)
    assert np.array_equal(samples, read(sound)[0])
    assert [type(note) for note in notes] == [LeftOut]
    assert "Theora" in notes[0]


@pytest.mark.parametrize(("subtype", "tag"), [("MPEG_LAYER_III", 0x55), ("MPEG_LAYER_II", 0x50)])
def test_mpeg_audio_in_a_wav_is_read_to_its_end(coded, stereo, subtype, tag):
    inside = coded(stereo, "MP3", "MPEG_LAYER_III", rate=48_000) if tag == 0x55 else layer_two(40)
    fmt = struct.pack("<HHIIHHHHIHHH", tag, 2, 48_000, 16_000, 1, 0, 12, 1, 2, 384, 1, 0)
    chunks = chunk_of(b"fmt ", fmt) + chunk_of(b"fact", bytes([1, 2, 0, 0])) + chunk_of(b"data", inside)
    samples, notes, known = read(chunk_of(b"RIFF", b"WAVE" + chunks))
    assert np.array_equal(samples, read(inside)[0])
    assert (len(samples), notes) == (known, ())


def test_mpeg_audio_in_a_wav_that_ends_between_two_frames_is_known_to_be_truncated():
    fmt = struct.pack("<HHIIHHHHIHHH", 0x50, 2, 48_000, 8_000, 192, 0, 12, 1, 2, 384, 1, 0)
    whole = chunk_of(b"RIFF", b"WAVE" + chunk_of(b"fmt ", fmt) + chunk_of(b"data", layer_two(40)))
    with pytest.raises(InputError, match="1,920 bytes are missing"):
        read(whole[: -10 * 192])
    assert len(read(whole[: -10 * 192], salvage=True)[0]) == 30 * 1152


def layer_two(frames: int) -> bytes:
    """Silence of 1,152 samples a frame: MPEG-1 Layer II at 64 kbit/s, 48 kHz, stereo."""
    return (b"\xff\xfd\x44\0" + bytes(188)) * frames


def test_flac_of_32_bits_is_refused_by_its_bits(coded, stereo):
    data = bytearray(coded(stereo, "FLAC", "PCM_24"))
    data[20:22] = (int.from_bytes(data[20:22], "big") | 31 << 4).to_bytes(2, "big")
    with pytest.raises(InputError, match="FLAC with 32 bits"):
        read(bytes(data))


@pytest.mark.parametrize("channels", [3, 5, 6, 7, 8])
def test_every_channel_of_an_ogg_file_comes_back_in_its_place(channels):
    """Each channel is a tone of its own frequency, 600 Hz and up, the last but two of six being a low one."""
    tones = [120 if (channels, k) in ((6, 3), (7, 3), (8, 3)) else 600 + 300 * k for k in range(channels)]
    time = np.arange(48_000) / 48_000
    samples = np.stack([0.3 * np.sin(2 * np.pi * tone * time) for tone in tones], axis=1).astype(np.float32)
    stream = io.BytesIO()
    with AudioSink(stream, AudioInfo(48_000, channels), "ogg") as sink:
        sink.write(samples)
    found = np.abs(np.fft.rfft(read(stream.getvalue())[0][:48_000], axis=0)).argmax(axis=0)
    assert found.tolist() == tones
    # The second channel of ours is the right one: third in the order of Vorbis.
    assert survey.ORDERS[channels][1] == 2


def in_ogg(flac: bytes) -> bytes:
    """A FLAC file in two pages and as many as its frames need."""
    pages = [page(b"\x7fFLAC\x01\0\0\0" + flac[:42], 2, 0)]
    rest = [flac[at : at + 60_000] for at in range(42, len(flac), 60_000)]
    return b"".join(pages + [page(data, 4 * (k == len(rest) - 1), k + 1) for k, data in enumerate(rest)])


def page(contents: bytes, flags: int, number: int, serial: int = 1) -> bytes:
    sizes = bytes([255] * (len(contents) // 255) + [len(contents) % 255])
    head = struct.pack("<4sBBQIIIB", b"OggS", 0, flags, 0, serial, number, 0, len(sizes)) + sizes
    whole = head + contents
    return whole[:22] + survey.checksum(whole).to_bytes(4, "little") + whole[26:]


def test_a_gsm_recording_ends_where_its_fact_chunk_says(coded, stereo):
    data = bytearray(coded(stereo[:, :1], "WAV", "GSM610"))
    at = data.index(b"fact") + 8
    data[at : at + 4] = (19_900).to_bytes(4, "little")
    samples, notes, known = read(bytes(data))
    assert (len(samples), known, notes) == (19_900, 19_900, ())
