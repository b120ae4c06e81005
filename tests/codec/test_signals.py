"""How large a token file is asked to be, and the codebook that is chosen for it."""

import io
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tests.conftest import MEDIA, ROOT
from vpcodec.codec.pipeline import Codec
from vpcodec.codec.signals import Wanted
from vpcodec.codec.sound import Sound
from vpcodec.data.audio import open_audio
from vpcodec.errors import ConfigError, InputError
from vpcodec.registry import ModelFolder

MEASURED = {256: 1159.5, 1024: 1476.1, 4096: 1819.9, 16384: 2157.4}  # bits a second of each codebook


class Pipe(io.BytesIO):
    """A stream that cannot go back."""

    def seekable(self) -> bool:
        return False


def measured(bits: list[float]) -> ModelFolder:
    folder = ModelFolder(ROOT / "models" / "speech-vp")
    folder.facts = replace(folder.facts, rates=list(MEASURED), quantizer={"rates": list(MEASURED)}, bits=bits)
    return folder


@pytest.fixture(scope="module")
def codec() -> Codec:
    return Codec.load(str(ROOT / "models" / "speech-vp"))


@pytest.mark.parametrize(
    ("bitrate", "rate"),
    [(580, 256), (1300, 256), (1500, 1024), (1680, 1024), (1690, 4096), (1950, 4096), (2000, 16384), (4314, 16384)],
)
def test_bits_choose_the_nearest_codebook_that_takes_at_most_8_percent_more(bitrate: float, rate: int) -> None:
    assert Sound("speech").choose(measured([*MEASURED.values()]), Wanted(bitrate=bitrate)) == rate


@pytest.mark.parametrize("bitrate", [579, 4315])
def test_less_than_half_or_more_than_twice_what_a_model_makes_is_an_error(bitrate: float) -> None:
    with pytest.raises(ConfigError, match=r"speech-vp makes 1.16 kbit/s to 2.16 kbit/s, not"):
        Sound("speech").choose(measured([*MEASURED.values()]), Wanted(bitrate=bitrate))


def test_a_model_that_was_not_measured_goes_by_the_sizes_of_its_codebooks() -> None:
    assert Sound("speech").bits(measured([])) == pytest.approx([16_000 / 96 * bits for bits in (8, 10, 12, 14)])


@pytest.mark.parametrize(
    ("wanted", "problem"),
    [
        ({"bpp": 0.2}, "bpp is not for speech-vp\nuse bitrate, in bit/s"),
        ({"bitrate": 1500, "codebook": 256}, "codebook and bitrate contradict each other"),
        ({"bitrate": float("nan")}, "bitrate must be above 0"),
        ({"target_size": 0}, "target_size must be above 0"),
    ],
)
def test_a_size_that_cannot_be_meant_is_a_wrong_option(codec: Codec, wanted: dict[str, Any], problem: str) -> None:
    with pytest.raises(ConfigError) as caught:
        codec.encode(np.zeros(1000), sample_rate=16_000, **wanted)
    assert problem in "\n".join((caught.value.what, caught.value.hint))


def test_a_bit_rate_makes_the_file_of_the_codebook_that_it_chooses(codec: Codec) -> None:
    sound = np.sin(np.arange(8000) / 9)
    expected = codec.encode(sound, sample_rate=16_000, codebook=1024)
    assert list(codec.bits) == list(codec.codebooks)
    assert codec.encode(sound, sample_rate=16_000, bitrate=codec.bits[1024]) == expected
    assert codec.encode_batch([sound], sample_rate=16_000, bitrate=codec.bits[1024] + 1) == [expected]
    encoder = codec.encoder(16_000, bitrate=codec.bits[1024] + 1, dtype=np.float64)
    assert encoder.push(sound).content + encoder.finish().content == expected


def test_a_target_size_makes_the_file_of_the_largest_codebook_that_fits(codec: Codec) -> None:
    path = MEDIA / "speech.flac"
    files = [codec.encode(path, codebook=codebook) for codebook in codec.codebooks]
    small, *_, large = files
    for target in [len(content) - less for content in files[1::2] for less in (0, 1)]:
        *_, largest = (content for content in files if len(content) <= target)
        assert codec.encode(path, target_size=target) == largest
    assert codec.encode(Pipe(path.read_bytes()), target_size=10**6) == large
    with open_audio(path) as audio:
        sound = audio.read_all()
    assert len(codec.encode(sound, sample_rate=16_000, target_size=len(small) + 20)) <= len(small) + 20
    with pytest.raises(InputError, match=f"does not fit into 99 bytes\\n.*makes {len(small)} at least"):
        codec.encode(path, target_size=99)


def test_nothing_is_written_where_nothing_fits(codec: Codec) -> None:
    out = io.BytesIO()
    with pytest.raises(InputError):
        codec.encode_to(MEDIA / "speech.flac", out, wanted=Wanted(target_size=100))
    assert not out.getvalue()
