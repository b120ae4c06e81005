import io
from dataclasses import replace

import pytest

from tests.container.conftest import image_header, speech_header, written
from vpcodec.container import AudioFacts, Header, ImageFacts, Reader, SoundFacts
from vpcodec.container.header import DEPTHS, LARGEST_METADATA, fitting
from vpcodec.errors import ContainerError


def read_back(header: Header) -> Header:
    return Reader(io.BytesIO(header.to_bytes())).header


@pytest.mark.parametrize(("bits", "floating"), DEPTHS)
def test_what_a_header_says_of_speech_comes_back(bits: int, floating: bool) -> None:
    header = Header("speech", b"weights!", 16384, (16384,), SoundFacts(192_000, 128, bits, floating))
    assert read_back(header) == header
    assert header.kind == "speech"


@pytest.mark.parametrize(("channels", "rows"), [(1, 1), (2, 1), (3, 2), (8, 4)])
def test_what_a_header_says_of_any_sound_comes_back(channels: int, rows: int) -> None:
    header = Header("audio", b"weights!", 240, (8, 6, 5), AudioFacts(96_000, channels, 24), columns=40, group=7)
    assert read_back(header) == header
    assert header.kind == "audio"
    assert header.frame_sizes == (rows, 40, rows)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_what_a_header_says_of_an_image_comes_back(channels: int) -> None:
    header = Header("image", b"weights!", 240, (8, 6, 5), ImageFacts(1, 70_000, channels, 16))
    assert read_back(header) == header
    assert header.kind == "image"
    assert header.vocabulary == 240


def test_names_and_metadata_of_any_script_come_back() -> None:
    metadata = (("icc", bytes(range(256)) * 9), ("title", "Straße 東京".encode()), ("", b""))
    header = Header("模型-ä", b"weights!", 2, (2,), SoundFacts(8000), metadata, b"prio", columns=50, group=7)
    assert read_back(header) == header


def test_header_and_footer_of_a_clip_take_less_than_60_bytes() -> None:
    assert len(written(speech_header(prior=b"x"), [], length=160_000, prior=b"x")) < 60


def test_the_bytes_are_those_of_the_specification() -> None:
    header = Header("m", b"12345678", 1024, (8, 5, 5, 5), SoundFacts(300, 2, 24))
    assert header.to_bytes().hex(" ") == (
        "d6 56 50 01 15"  # magic, version, size
        " 04 31 32 33 34 35 36 37 38"  # traits: 24 bits, speech; weights
        " 80 08 04 08 05 05 05"  # rate, number of levels, levels
        " ac 02 02 01 6d"  # sample rate, channels, length of the name, name
        " 8c ec 76 f9"
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"weights": b"short"}, "5 bytes, expected 8"),
        ({"prior": b"no"}, "2 bytes, expected 4"),
        ({"levels": ()}, "levels"),
        ({"levels": (8, 1)}, "levels"),
        ({"levels": (16384,) * 4 + (65,)}, "product up to 2\\^62"),
        ({"rate": 0}, "rate is 0"),
        ({"rate": (1 << 62) + 1}, "expected 1 to 2\\^62"),
        ({"signal": SoundFacts(0)}, "sample rate is 0"),
        ({"signal": SoundFacts(8000, bit_depth=12)}, "12-bit integers"),
        ({"signal": AudioFacts(8000, channels_per_token=0)}, "channels a token is 0"),
        ({"signal": ImageFacts(5, 0)}, "height is 0"),
    ],
)
def test_values_that_the_file_cannot_hold_are_refused(change: dict[str, object], message: str) -> None:
    values: dict[str, object] = {
        "model": "m",
        "weights": b"12345678",
        "rate": 1024,
        "levels": (8, 5, 5, 5),
        "signal": SoundFacts(16_000),
    }
    with pytest.raises(ContainerError, match=message):
        Header(**{**values, **change})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("change", "message"),
    [({"model": "m" * 256}, "256 bytes"), ({"metadata": (("icc", bytes(70_000)),)}, "70,0.. bytes, expected 65,536")],
)
def test_long_names_and_large_metadata_are_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(ContainerError, match=message):
        replace(speech_header(), **change).to_bytes()  # type: ignore[arg-type]


def test_metadata_that_a_header_has_no_room_for_are_left_out_the_largest_first() -> None:
    metadata = {"icc": bytes(70_000), "title": b"Gr", "comment": bytes(LARGEST_METADATA - 20), "date": b"2026"}
    kept, notes = fitting(metadata)
    assert list(kept) == ["title", "date"]
    assert [note.split(" is left out")[0] for note in notes] == ["icc (70,000 bytes)", "comment (65,004 bytes)"]
    largest = SoundFacts((1 << 32) - 1, (1 << 32) - 1)
    longest = Header("m" * 255, b"weights!", 1 << 62, (4,) * 31, largest, prior=b"prio", columns=1 << 16)
    kept, notes = fitting({"comment": bytes(LARGEST_METADATA - len("comment") - 4)})
    assert read_back(replace(longest, metadata=tuple(kept.items()))).metadata
    assert notes == ()


def test_an_amount_is_seconds_of_speech_and_pixels_of_an_image() -> None:
    assert speech_header().amount(8000) == 0.5
    assert image_header().amount(0) == 256 * 256
