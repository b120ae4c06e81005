"""Writes docs/media.md: what survives reading and writing each file format, found out by trying.

python scripts/media_table.py            write the page
python scripts/media_table.py --check    exit 1 if the page is not what would be written
"""

import io
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import soundfile
from PIL import Image, ImageCms

from vpcodec.data.audio import AudioInfo, open_audio
from vpcodec.data.audio_sink import AudioSink
from vpcodec.data.image import ImageInfo, Photo, open_image, save_image
from vpcodec.errors import VpcodecError

PAGE = Path(__file__).resolve().parents[1] / "docs" / "media.md"
SOUND = ("wav", "flac", "ogg", "mp3")
PHOTOS = ("png", "jpeg", "webp", "tiff")
KEPT, CONVERTED, LOST, NONE = "kept", "converted", "lost", "–"
SUBTYPES = {"wav": "PCM_16", "flac": "PCM_16", "ogg": "VORBIS", "mp3": "MPEG_LAYER_III"}
PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
GREY_PROFILE = PROFILE[:16] + b"GRAY" + PROFILE[20:]
ORIENTATION, CAMERA = 274, 272  # Exif tags

TEXT = """# What a file keeps

This page is written by `python scripts/media_table.py`, which makes a file of each kind, reads it, writes it and looks.

**kept**: comes back as it was. **converted**: used, in another form, as said below. **lost**: does not come back.
**–**: the format has no such thing, or is not written.

## Reading: from a file to the codec

{read}

## Writing: from the codec to a file

{written}

## What is converted, and how

- Bit depth: integers of 8, 16, 24 and 32 bits and floating-point samples are written as they were, where the format
  has them. FLAC ends at 24 bits; a line says so. Lossy formats and the two telephone laws count as 16 bits.
- Samples beyond full scale are clipped in integer formats and counted in a line; samples that are infinite or no
  number are read as silence and counted, too.
- Orientation: the photo is turned as its Exif says and needs no tag afterwards.
- Alpha: transparency is laid on white; a line says so where anything is transparent.
- 16 bits: grey is rounded to 8 bits, colour keeps its upper 8; a line says so.
- CMYK becomes RGB without its colour profile, and of several pictures in a file the first is used; a line says so.
- Exif apart from orientation (camera, time, place) is not carried.
- WebP has no grey: a grey photo becomes RGB with three equal channels.
- PNG and WebP are written without loss, JPEG at quality 95 without subsampling.
"""


def sound_file(form: str, subtype: str) -> bytes:
    stream = io.BytesIO()
    with soundfile.SoundFile(stream, "w", 44_100, 2, subtype, format=form.upper()) as file:
        file.title = "Größe"
        file.write(0.1 * np.sin(np.arange(8_000) / 20).reshape(-1, 2))
    return stream.getvalue()


def read_sound(form: str, subtype: str) -> AudioInfo:
    with open_audio(io.BytesIO(sound_file(form, subtype))) as source:
        source.read_all()
        return source.info


def write_sound(form: str, info: AudioInfo) -> AudioInfo:
    stream = io.BytesIO()
    with AudioSink(stream, info, form) as sink:
        sink.write(np.zeros((1_000, info.channels), np.float32))
    with open_audio(io.BytesIO(stream.getvalue())) as source:
        return source.info


def read_photo(form: str, picture: Image.Image, **options: object) -> Photo:
    stream = io.BytesIO()
    picture.save(stream, form.upper(), **options)
    return open_image(io.BytesIO(stream.getvalue()))


def write_photo(form: str, info: ImageInfo) -> ImageInfo:
    stream = io.BytesIO()
    save_image(np.zeros((info.height, info.width, 3), np.uint8), info, stream, form)
    return open_image(io.BytesIO(stream.getvalue())).info


def kept_if(condition: bool) -> str:
    return KEPT if condition else LOST


def read_depth(form: str, subtype: str) -> str:
    return kept_if(read_sound(form, subtype).subtype == subtype) if soundfile.check_format(form, subtype) else NONE


def write_depth(form: str, subtype: str) -> str:
    if form == "ogg":
        return NONE
    written = write_sound(form, AudioInfo(16_000, 1, subtype)).subtype
    return KEPT if written == subtype else CONVERTED


def read_turned(form: str) -> str:
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    photo = read_photo(form, Image.new("RGB", (4, 2)), exif=exif)
    return CONVERTED if (photo.info.width, photo.info.height) == (2, 4) else LOST


def read_camera(form: str) -> str:
    exif = Image.Exif()
    exif[CAMERA] = "a camera"
    return KEPT if b"a camera" in repr(read_photo(form, Image.new("RGB", (4, 2)), exif=exif).info).encode() else LOST


def read_alpha(form: str) -> str:
    if form == "jpeg":
        return NONE
    photo = read_photo(form, Image.new("RGBA", (4, 2), (0, 0, 0, 0)), lossless=True)
    return CONVERTED if (photo.pixels == 255).all() and photo.notes else LOST


def read_sixteen(form: str) -> str:
    if form in ("jpeg", "webp"):
        return NONE
    photo = read_photo(form, Image.fromarray(np.full((2, 4), 30_000, np.uint16)))
    return CONVERTED if photo.info.bit_depth == 16 and photo.notes else LOST


def read_grey(form: str) -> str:
    return NONE if form == "webp" else kept_if(read_photo(form, Image.new("L", (4, 2))).info.grey)


def read_profile(form: str) -> str:
    return kept_if(read_photo(form, Image.new("RGB", (4, 2)), icc_profile=PROFILE).info.icc == PROFILE)


Trial = Callable[[str], str]
READ_SOUND: dict[str, Trial] = {
    "sample rate": lambda form: kept_if(read_sound(form, SUBTYPES[form]).sample_rate == 44_100),
    "channels": lambda form: kept_if(read_sound(form, SUBTYPES[form]).channels == 2),
    "bit depth: 16": lambda form: read_depth(form, "PCM_16"),
    "bit depth: 24": lambda form: read_depth(form, "PCM_24"),
    "bit depth: 32, floating": lambda form: read_depth(form, "FLOAT"),
    "tags": lambda form: kept_if(read_sound(form, SUBTYPES[form]).tags.get("title") == "Größe"),
}
READ_PHOTO: dict[str, Trial] = {
    "grey": read_grey,
    "16 bits a channel": read_sixteen,
    "alpha": read_alpha,
    "ICC profile": read_profile,
    "orientation": read_turned,
    "other Exif": read_camera,
}
WRITE_SOUND: dict[str, Trial] = {
    "sample rate": lambda form: kept_if(write_sound(form, AudioInfo(44_100, 2)).sample_rate == 44_100),
    "channels": lambda form: kept_if(write_sound(form, AudioInfo(44_100, 6)).channels == 6),
    "bit depth: 16": lambda form: write_depth(form, "PCM_16"),
    "bit depth: 24": lambda form: write_depth(form, "PCM_24"),
    "bit depth: 32, floating": lambda form: write_depth(form, "FLOAT"),
    "tags": lambda form: kept_if(
        write_sound(form, AudioInfo(44_100, tags={"title": "Größe"})).tags == {"title": "Größe"}
    ),
}
WRITE_PHOTO: dict[str, Trial] = {
    "grey": lambda form: KEPT if write_photo(form, ImageInfo(4, 2, channels=1)).grey else CONVERTED,
    "16 bits a channel": lambda form: CONVERTED if write_photo(form, ImageInfo(4, 2, 3, 16)).bit_depth == 8 else KEPT,
    "alpha": lambda form: CONVERTED if write_photo(form, ImageInfo(4, 2, channels=4)).channels == 3 else KEPT,
    "ICC profile": lambda form: kept_if(write_photo(form, ImageInfo(4, 2, icc=PROFILE)).icc == PROFILE),
    "ICC profile of grey": lambda form: kept_if(
        write_photo(form, ImageInfo(4, 2, channels=1, icc=GREY_PROFILE)).icc == GREY_PROFILE
    ),
    "orientation": lambda form: CONVERTED if write_photo(form, ImageInfo(4, 2, orientation=6)).width == 4 else LOST,
}


def rows(trials: dict[str, Trial], forms: tuple[str, ...]) -> list[str]:
    """Lines of a table: a property, and what became of it in each format."""
    header = [f"| | {' | '.join(forms)} |", f"| --- |{' --- |' * len(forms)}"]
    return header + [
        f"| {name} | {' | '.join(tried(trial, form) for form in forms)} |" for name, trial in trials.items()
    ]


def tried(trial: Trial, form: str) -> str:
    try:
        return trial(form)
    except VpcodecError:
        return "refused"


def page() -> str:
    read = [*rows(READ_SOUND, SOUND), "", *rows(READ_PHOTO, PHOTOS)]
    written = [*rows(WRITE_SOUND, SOUND[:3]), "", *rows(WRITE_PHOTO, PHOTOS[:3])]
    return TEXT.format(read="\n".join(read), written="\n".join(written))


def main() -> None:
    text = page()
    if "--check" not in sys.argv[1:]:
        PAGE.write_text(text)
    elif not PAGE.is_file() or PAGE.read_text() != text:
        sys.exit(f"{PAGE.name} is stale: run python scripts/media_table.py")


if __name__ == "__main__":
    main()
