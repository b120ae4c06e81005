"""Photos through the codec: every size, in tiles and whole."""

import io
import tracemalloc

import numpy as np
import pytest
from PIL import Image, ImageCms

from tests.conftest import MEDIA
from vpcodec.codec import windows
from vpcodec.codec.arrays import Picture
from vpcodec.codec.pipeline import Codec
from vpcodec.codec.token_files import new_header
from vpcodec.container import ImageFacts, Reader, Writer
from vpcodec.errors import ContainerError, InputError, ModelError


def png(pixels: np.ndarray) -> io.BytesIO:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    stream.seek(0)
    return stream


@pytest.fixture(scope="module")
def photo() -> np.ndarray:
    return np.asarray(Image.open(MEDIA / "coffee.jpg").convert("RGB"))


def decoded(codec: Codec, content: bytes) -> np.ndarray:
    picture = codec.decode(content)
    assert isinstance(picture, Picture)
    return picture.pixels


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (7, 64), (64, 65), (100, 130)])
def test_a_photo_comes_back_in_its_own_size(image: Codec, photo: np.ndarray, size: tuple[int, int]) -> None:
    content = image.encode(png(photo[: size[0], : size[1]]))
    assert decoded(image, content).shape == (*size, 3)
    assert image.tokens(content).shape == (-(-size[0] // 8), -(-size[1] // 8))


def test_tiles_give_the_tokens_and_the_pixels_of_the_whole_without_seams(
    image: Codec, photo: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    part = photo[:150, :210]
    tiled = image.encode(png(part))
    tokens, pixels = image.tokens(tiled), decoded(image, tiled)
    monkeypatch.setitem(windows.CORES, "image", 128)
    whole = image.encode(png(part))
    assert len(list(Reader(io.BytesIO(whole)).frames())) == 1
    assert (tokens == image.tokens(whole)).mean() > 0.998  # products of other shapes may round otherwise
    if np.array_equal(tokens, image.tokens(whole)):
        assert np.abs(pixels.astype(int) - decoded(image, whole)).max() <= 1


@pytest.mark.parametrize(("blank", "most"), [(True, 20), (False, 49)])
def test_tiles_of_one_color_are_computed_once(
    image: Codec, monkeypatch: pytest.MonkeyPatch, blank: bool, most: int
) -> None:
    """Of 7 by 7 tiles, nine kinds at the corners, at the edges and inside; threads may compute one of them twice."""
    pixels = np.full((448, 448, 3), 120, np.uint8)
    if not blank:
        pixels[::8] += 1
    shapes = []
    encode = type(image.engine).encode
    monkeypatch.setattr(
        type(image.engine), "encode", lambda self, signal, rate: shapes.append(0) or encode(self, signal, rate)
    )
    tokens = image.tokens(image.encode(png(pixels)))
    assert 0 < len(shapes) <= most
    assert (len(shapes) == 49) is not blank
    assert not blank or len(np.unique(tokens[20:-20, 20:-20])) == 1


def test_a_colour_profile_travels_along(image: Codec, photo: np.ndarray) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes().replace(b"s\0R\0G\0B", b"w\0i\0d\0e")
    stream = io.BytesIO()
    Image.fromarray(photo[:32, :32]).save(stream, "PNG", icc_profile=profile)
    stream.seek(0)
    out = io.BytesIO()
    image.decode_to(Reader(io.BytesIO(image.encode(stream))), out, "png")
    assert Image.open(out).info["icc_profile"] == profile


def test_a_colour_profile_that_a_token_file_has_no_room_for_is_left_out_with_a_line(
    image: Codec, photo: np.ndarray
) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes().replace(b"s\0R\0G\0B", b"w\0i\0d\0e")
    stream, out = io.BytesIO(), io.BytesIO()
    Image.fromarray(photo[:32, :32]).save(stream, "PNG", icc_profile=profile + bytes(70_000))
    stream.seek(0)
    (note,) = image.encode_to(stream, out).notes
    assert note.startswith(f"icc ({len(profile) + 70_000:,} bytes) is left out: a token file has room for ")
    assert out.getvalue() == image.encode(photo[:32, :32])


def test_a_profile_that_says_no_more_than_its_absence_costs_nothing(image: Codec, photo: np.ndarray) -> None:
    plain, tagged = png(photo[:32, :32]), io.BytesIO()
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    Image.fromarray(photo[:32, :32]).save(tagged, "PNG", icc_profile=profile)
    tagged.seek(0)
    assert image.encode(tagged) == image.encode(plain)


def test_a_missing_tile_is_refused(image: Codec, photo: np.ndarray) -> None:
    reader = Reader(io.BytesIO(image.encode(png(photo[:100, :100]))))
    frames = list(reader.frames())
    out = io.BytesIO()
    writer = Writer(out, reader.header)
    for frame in frames[:-1]:
        writer.write(frame)
    writer.close()
    with pytest.raises(ContainerError, match="tiles"):
        image.decode(out.getvalue())


def test_a_size_is_believed_only_where_its_tiles_are_there(image: Codec, photo: np.ndarray) -> None:
    reader, out = Reader(io.BytesIO(image.encode(photo[:32, :32]))), io.BytesIO()
    largest = ImageFacts((1 << 32) - 1, (1 << 32) - 1)
    writer = Writer(out, new_header(image.model, image.codebooks[-1], largest, {}))
    writer.write(*reader.frames())
    writer.close()
    tracemalloc.start()
    for read in (
        image.decode,
        image.tokens,
        lambda content: image.decode_to(Reader(io.BytesIO(content)), io.BytesIO(), "png"),
    ):
        with pytest.raises(ContainerError, match="has 4503599627370496 tiles, the file 1"):
            read(out.getvalue())
    assert tracemalloc.get_traced_memory()[1] < 1 << 20
    tracemalloc.stop()


def test_a_recording_is_no_photo(image: Codec) -> None:
    with pytest.raises(InputError, match="is a recording"):
        image.encode(MEDIA / "speech.flac")


def test_a_token_file_of_another_model_is_refused(image: Codec, speech: Codec) -> None:
    with pytest.raises(ModelError, match="was made with speech-tiny"):
        image.decode(speech.encode(MEDIA / "speech.flac"))
