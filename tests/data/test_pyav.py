"""Sound through PyAV, the extra `media`: the samples that FFmpeg decodes; without it, how to install it."""

import io
import shutil
import subprocess
import sys
import tempfile

import numpy as np
import pytest

from vpcodec.data.audio import open_audio
from vpcodec.data.kinds import EXTRAS, PYAV_FORMATS, MissingExtraError
from vpcodec.data.streams import LeftOut
from vpcodec.errors import InputError

MADE = {  # by FFmpeg's format and codec: what the product calls them
    ("adts", "aac"): ("aac", "AAC"),
    ("ipod", "aac"): ("mp4", "AAC"),
    ("ipod", "alac"): ("mp4", "PCM_16"),
    ("webm", "libopus"): ("webm", "OPUS"),
    ("asf", "wmav2"): ("wma", "WMAV2"),
    ("wv", "wavpack"): ("wavpack", "PCM_16"),
}
RATE = 48_000
COVER = "mjpeg"  # the codec of pictures that are covers here


@pytest.fixture
def av():
    return pytest.importorskip("av", reason="the extra media is not installed")


def tones(channels: int = 2, seconds: float = 1.2) -> np.ndarray:
    """A tone of 440 Hz in the first channel, of 880 in the second and so on; [n, channels]."""
    time = np.arange(int(RATE * seconds)) / RATE
    return np.stack([0.4 * np.sin(2 * np.pi * 440 * (k + 1) * time) for k in range(channels)], axis=1)


def made(av, form: str, codec: str, samples: np.ndarray, film: str = "", **options: str) -> bytes:
    """A file as PyAV writes it, perhaps with one picture of a codec beside the sound."""
    with tempfile.NamedTemporaryFile() as file, av.open(file.name, "w", format=form, options=options) as container:
        container.metadata["title"] = "Two tones"
        layout = {1: "mono", 2: "stereo", 6: "5.1"}[samples.shape[1]]
        sound = container.add_stream(codec, rate=RATE, layout=layout)
        sound.bit_rate = 128_000
        if codec in ("alac", "wavpack"):
            sound.format = "s16p"
        if film:
            layout_of_pixels = "yuvj420p" if film == COVER else "yuv420p"
            picture = container.add_stream(film, rate=10, width=32, height=32, pix_fmt=layout_of_pixels)
            if film == COVER:
                picture.disposition = type(picture.disposition).attached_pic.value
        integers = np.rint(samples * 32_768).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(integers.reshape(1, -1), "s16", layout)
        frame.rate, frame.pts = RATE, 0
        container.mux(sound.encode(frame))
        if film:
            container.mux(picture.encode(av.VideoFrame(32, 32, picture.pix_fmt)) + picture.encode())
        container.mux(sound.encode())
        container.close()
        return file.read()


def read(data: bytes, **options: bool):
    """Samples, what the recording is, and notes."""
    with open_audio(io.BytesIO(data), **options) as source:
        return source.read_all(), source.info, source.notes


@pytest.mark.parametrize(("form", "codec"), MADE)
def test_the_samples_are_those_that_ffmpeg_decodes(av, form, codec, tmp_path):
    if shutil.which("ffmpeg") is None:
        pytest.skip("ffmpeg is not installed")
    data = made(av, form, codec, tones())
    (tmp_path / "in").write_bytes(data)
    command = ["ffmpeg", "-v", "error", "-i", tmp_path / "in", "-f", "f32le", "-c:a", "pcm_f32le", "-"]
    theirs = np.frombuffer(subprocess.run(command, capture_output=True, check=True).stdout, "<f4").reshape(-1, 2)
    samples, info, notes = read(data)
    assert samples.shape == theirs.shape
    assert np.abs(samples - theirs).max() < 1e-3  # decoders of two versions of FFmpeg
    assert (info.sample_rate, info.channels, info.subtype, notes) == (RATE, 2, MADE[form, codec][1], ())
    assert info.tags.get("title") == (None if form == "adts" else "Two tones")


@pytest.mark.parametrize(("form", "codec"), [("adts", "aac"), ("ipod", "aac"), ("webm", "libopus")])
def test_a_pipe_gives_the_same_samples_as_a_file(av, pipe, form, codec):
    data = made(av, form, codec, tones())
    with open_audio(pipe(data)) as source:
        assert np.array_equal(source.read_all(), read(data)[0])


@pytest.mark.parametrize(("form", "codec"), [("ipod", "alac"), ("wv", "wavpack")])
def test_lossless_sound_comes_back_bit_for_bit(av, form, codec, coded):
    theirs = read(coded(tones(), "WAV", "PCM_16", rate=RATE))[0]
    assert np.array_equal(
        read(made(av, form, codec, tones()))[0], np.rint(tones() * 32_768).astype(np.float32) / 32_768
    )
    assert theirs.shape == tones().shape


def test_six_channels_of_aac_come_back_in_the_order_of_wav(av):
    samples = read(made(av, "ipod", "aac", tones(6)))[0][RATE // 10 :][:RATE]
    loudest = np.abs(np.fft.rfft(samples, axis=0)).argmax(axis=0)
    assert [*loudest[:3], *loudest[4:]] == [440, 880, 1320, 2200, 2640]  # the fourth is for low tones alone


def test_amr_speech_has_160_samples_a_frame():
    pytest.importorskip("av", reason="the extra media is not installed")
    samples, info, _ = read(b"#!AMR\n" + (b"\x04" + bytes(12)) * 50)  # at 4.75 kbit/s
    assert (len(samples), info.sample_rate, info.subtype) == (50 * 160, 8_000, "AMR_NB")


def test_a_film_gives_its_sound_and_is_never_deleted(av):
    samples, _, notes = read(made(av, "mp4", "aac", tones(), film="mpeg4"))
    assert abs(len(samples) - len(tones())) <= 1024
    assert notes == ("mpeg4 beside the sound: left out",)
    assert isinstance(notes[0], LeftOut)


def test_a_cover_is_not_mentioned(av):
    assert read(made(av, "mp4", "aac", tones(), film=COVER))[2] == ()


@pytest.mark.parametrize(
    ("form", "codec", "film"),
    [("ipod", "aac", ""), ("webm", "libopus", ""), ("wv", "wavpack", ""), ("matroska", "aac", "mpeg4")],
)
def test_a_cut_file_is_refused_and_salvage_takes_what_is_there(av, form, codec, film):
    options = {"movflags": "faststart"} if form == "ipod" else {}
    data = made(av, form, codec, tones(seconds=4), film, **options)
    cut = data[: len(data) * 2 // 3]
    with pytest.raises(InputError, match="damaged or truncated") as refusal:
        read(cut)
    assert "--salvage" in refusal.value.hint
    samples, _, notes = read(cut, salvage=True)
    assert 1.5 * RATE < len(samples) < 3.5 * RATE
    assert any(isinstance(note, LeftOut) for note in notes)


def test_an_aac_stream_has_no_length_that_it_could_fall_short_of(av):
    """FFmpeg guesses it by the size and the first frames, which silence makes small."""
    samples = np.concatenate([np.zeros((2 * RATE, 2)), 0.3 * np.random.default_rng(0).standard_normal((2 * RATE, 2))])
    assert abs(len(read(made(av, "adts", "aac", samples))[0]) - len(samples)) < 2 * 1024 + 1


@pytest.mark.parametrize("form", PYAV_FORMATS)
def test_garbage_behind_a_right_beginning_is_refused(av, form):
    with pytest.raises(InputError, match=r"damaged or truncated|holds no s"):
        read(HEADS[form] + bytes(range(256)) * 8)


HEADS = {
    "aac": b"\xff\xf1\x50\x80",
    "amr": b"#!AMR\n",
    "ape": b"MAC \x96\x0f",
    "mp4": b"\0\0\0\x18ftypM4A \0\0\0\0M4A mp42",
    "wavpack": b"wvpk\x20\0\0\0",
    "webm": b"\x1aE\xdf\xa3",
    "wma": b"\x30\x26\xb2\x75\x8e\x66\xcf\x11",
}


@pytest.mark.parametrize("form", PYAV_FORMATS)
def test_without_pyav_one_line_says_how_to_install_it(form, monkeypatch):
    monkeypatch.setitem(sys.modules, EXTRAS["media"][1], None)
    with pytest.raises(MissingExtraError) as refusal:
        read(HEADS[form] + bytes(200))
    assert refusal.value.what == f"the stream: is {PYAV_FORMATS[form][0]}"
    assert refusal.value.hint == "install what reads it: pip install 'vpcodec[media]'"
    assert refusal.value.exit_code == 1
