"""What is read back before an input is deleted."""

from pathlib import Path

import pytest
from PIL import Image

from vpcodec.container import Header, ImageFacts
from vpcodec.corpus.verify import check_decoded
from vpcodec.errors import InputError


def header(width: int, height: int) -> Header:
    return Header("image-vp", bytes(8), 1024, (1024,), ImageFacts(width, height))


def test_a_photo_beyond_the_usual_number_of_pixels_is_checked_as_any_other(tmp_path: Path) -> None:
    """Whoever decodes it has raised the limit (--max-pixels); 16,384 squared are 268 million pixels."""
    Image.new("1", (16_384, 16_384)).save(tmp_path / "large.png")
    check_decoded(str(tmp_path / "large.png"), header(16_384, 16_384), 0, "png")


@pytest.mark.parametrize(
    ("size", "words"), [((9, 4), "9 x 4 pixels are more than the limit of 32"), ((8, 3), "8x3 instead of 8x4")]
)
def test_a_photo_of_another_size_than_its_token_file_says_is_refused(
    tmp_path: Path, size: tuple[int, int], words: str
) -> None:
    Image.new("L", size).save(tmp_path / "other.png")
    with pytest.raises(InputError, match="the input is kept") as refusal:
        check_decoded(str(tmp_path / "other.png"), header(8, 4), 0, "png")
    assert words in refusal.value.what
