"""The odd files of the shared data: each is read as its manifest says, or refused with one clear line."""

import csv

import numpy as np
import pytest
import soundfile
from PIL import Image, ImageOps

from vpcodec.data.audio import open_audio
from vpcodec.data.image import open_image
from vpcodec.data.kinds import peek_file_type
from vpcodec.errors import InputError

REFUSED = {"truncated.jpg": "damaged or truncated", "not_an_image.jpg": "neither a recording nor a photo"}
NOTES = {
    "alpha.png": ("transparency is laid on white",),
    "rgb16.png": ("16 bits per channel become 8",),
    "grey16.png": ("16 bits per channel become 8",),
    "cmyk.jpg": ("CMYK becomes RGB",),
}
PLAIN = ("RGB", "L", "P")


def manifest(folder):
    if not (folder / "manifest.tsv").is_file():
        pytest.skip(f"needs {folder.name} of the shared data")
    with open(folder / "manifest.tsv", newline="") as stream:
        return list(csv.DictReader(stream, delimiter="\t"))


def test_every_odd_recording_is_read_as_its_manifest_says(shared):
    folder = shared / "data" / "speech" / "robust"
    for row in manifest(folder):
        with open_audio(folder / row["file"]) as source:
            assert source.info.sample_rate == int(row["rate"]), row
            assert source.info.channels == int(row["channels"]), row
            samples = source.read_all()
            assert abs(len(samples) / source.info.sample_rate - float(row["seconds"])) < 0.01, row
            theirs = soundfile.read(folder / row["file"], dtype="float32", always_2d=True)[0]
            assert np.array_equal(samples, theirs), row
            assert source.notes == (), row


def test_every_odd_photo_is_read_or_refused_with_one_clear_line(shared):
    folder = shared / "data" / "images" / "robust"
    for row in manifest(folder):
        name = row["file"]
        if name in REFUSED:
            with pytest.raises(InputError, match=REFUSED[name]) as refusal:
                open_image(folder / name)
            assert "\n" not in refusal.value.what
            continue
        photo = open_image(folder / name)
        upright = ImageOps.exif_transpose(Image.open(folder / name))
        assert photo.notes == NOTES.get(name, ()), name
        assert (photo.info.width, photo.info.height) == upright.size, name
        pixels = photo.pixels
        assert pixels.shape == (upright.height, upright.width, 3), name
        if upright.mode in PLAIN:
            assert np.array_equal(pixels, np.asarray(upright.convert("RGB"))), name


def test_every_odd_file_is_told_apart_by_its_content(shared):
    for kind, folder in (("speech", "speech"), ("image", "images")):
        for row in manifest(shared / "data" / folder / "robust"):
            if row["file"] != "not_an_image.jpg":
                with open(shared / "data" / folder / "robust" / row["file"], "rb") as stream:
                    assert peek_file_type(stream)[0].kind == kind, row
