import io
from pathlib import Path

import pytest
from PIL import Image, features

from vpcodec.data.kinds import SIGNATURE_BYTES, FileType, file_type_of, is_named, peek_file_type
from vpcodec.errors import InputError

MEDIA = Path(__file__).resolve().parents[1] / "media"

SOUND = [("WAV", "wav"), ("RF64", "wav"), ("WAVEX", "wav"), ("AIFF", "aiff"), ("FLAC", "flac"), ("OGG", "ogg")]
PHOTOS = ["PNG", "JPEG", "WEBP", "TIFF", "GIF", "BMP", "PPM"] + (["AVIF"] if features.check("avif") else [])


@pytest.mark.parametrize(("form", "expected"), SOUND)
def test_a_recording_is_known_by_its_first_bytes(coded, stereo, form, expected):
    subtype = "VORBIS" if form == "OGG" else "PCM_16"
    assert file_type_of(coded(stereo, form, subtype)[:SIGNATURE_BYTES], "x") == FileType("speech", expected)


def test_an_mp3_is_known_with_and_without_tags_in_front(coded, stereo):
    plain = coded(stereo, "MP3", "MPEG_LAYER_III")
    assert file_type_of(plain[:SIGNATURE_BYTES], "x") == FileType("speech", "mp3")
    assert file_type_of(b"ID3\x04" + plain[:SIGNATURE_BYTES], "x") == FileType("speech", "mp3")


@pytest.mark.parametrize("form", PHOTOS)
def test_a_photo_is_known_by_its_first_bytes(form):
    stream = io.BytesIO()
    Image.new("RGB", (4, 3)).save(stream, form)
    assert file_type_of(stream.getvalue()[:SIGNATURE_BYTES], "x") == FileType("image", form.lower())


@pytest.mark.parametrize(
    ("major", "compatible", "form"),
    [
        (b"avif", b"mif1miaf", "avif"),
        (b"avis", b"msf1iso8", "avif"),
        (b"mif1", b"avifmiaf", "avif"),
        (b"msf1", b"avis", "avif"),
        (b"heic", b"mif1", "heif"),
        (b"mif1", b"heic", "heif"),
        (b"crx ", b"isom", "raw"),
    ],
)
def test_an_iso_media_file_is_known_by_all_its_brands(major, compatible, form):
    head = (16 + len(compatible)).to_bytes(4, "big") + b"ftyp" + major + bytes(4) + compatible + b"heic"
    assert file_type_of(head, "x") == FileType("image", form)


def test_a_film_stays_a_film_whatever_follows_its_brands():
    assert file_type_of(b"\0\0\0\x14ftypisom\0\0\0\0mp41avif", "x") == FileType("speech", "mp4")


def test_the_suffix_does_not_matter(tmp_path):
    disguised = tmp_path / "photo.wav"
    disguised.write_bytes((MEDIA / "coffee.jpg").read_bytes())
    with open(disguised, "rb") as stream:
        assert peek_file_type(stream)[0] == FileType("image", "jpeg")


def test_looking_into_a_pipe_takes_nothing_from_it(pipe):
    data = (MEDIA / "coffee.jpg").read_bytes()
    file_type, stream = peek_file_type(pipe(data))
    assert file_type.kind == "image"
    assert b"".join(iter(lambda: stream.read(777), b"")) == data


def test_looking_into_a_file_leaves_it_at_its_beginning():
    with open(MEDIA / "speech.flac", "rb") as stream:
        file_type, same = peek_file_type(stream)
        assert (file_type.kind, same.tell()) == ("speech", 0)


@pytest.mark.parametrize(
    ("head", "words"),
    [
        (b"", "is empty"),
        (b"plain text under another name", "neither a recording nor a photo"),
        (b"RIFF\x10\0\0\0AVI LIST", "neither a recording nor a photo"),
        (b"xxxxxxxxWAVE", "neither a recording nor a photo"),
        (b"\xff\xff\xff\xff" * 4, "neither a recording nor a photo"),
        (b"R", "neither a recording nor a photo"),
        (b"\x1f\x8b\x08\0", "gzip"),
        (b"%PDF-1.7", "PDF"),
        (b"\xd6VP\x01", "vpcodec decode"),
    ],
)
def test_anything_else_is_refused_with_what_it_is(head, words):
    with pytest.raises(InputError, match="clip") as refusal:
        file_type_of(head, "clip")
    assert words in str(refusal.value)


NAMED = ["a.wav", "deep/A.WAV", "a.b.flac"]
NOT_NAMED = ["._a.wav", "x/._a.wav", "__MACOSX/x/a.wav", ".wav", "wav", "a.wav.txt", "a.wav/b"]


@pytest.mark.parametrize("path", [*NAMED, *NOT_NAMED])
def test_files_that_are_meant_end_like_it_and_are_not_what_macos_leaves(path: str) -> None:
    assert is_named(path, (".wav", ".flac")) is (path in NAMED)
