"""Structure-aware damage for recordings and photos, and what must hold whatever it changes."""

import io
import random
import struct
import zlib
from functools import cache

import numpy as np
import soundfile
from PIL import Image

from tests.fuzzing import CHANGES
from vpcodec.data.audio import open_audio
from vpcodec.data.image import open_image
from vpcodec.data.image_formats import HARMLESS_PIXELS, PIXELS_PER_BYTE
from vpcodec.data.kinds import file_type_of
from vpcodec.errors import InputError

TELLING = (0, 1, 2, 3, 7, 8, 15, 16, 255, 256, 0x7FFF, 0x8000, 0xFFFE, 0xFFFF, 1 << 16, 1 << 24, (1 << 31) - 1)
TELLING = (*TELLING, 1 << 31, (1 << 32) - 1)
WIDTHS = {2: "H", 4: "I"}
HEAD = 80  # bytes in which most fields of most formats lie
MOST_SAMPLES = 1 << 24  # that a damaged file of some kilobytes may hand out; compressed silence is short
SOUND = {  # container and subtype, as libsndfile names them
    "pcm.wav": ("WAV", "PCM_16"),
    "wide.wav": ("WAVEX", "PCM_24"),
    "float.wav": ("WAV", "FLOAT"),
    "law.wav": ("WAV", "ULAW"),
    "adpcm.wav": ("WAV", "IMA_ADPCM"),
    "long.wav": ("RF64", "PCM_16"),
    "plain.flac": ("FLAC", "PCM_16"),
    "vorbis.ogg": ("OGG", "VORBIS"),
    "layer3.mp3": ("MP3", "MPEG_LAYER_III"),
    "pcm.aiff": ("AIFF", "PCM_16"),
}
PHOTOS = {  # mode, format and options, as Pillow names them
    "rgb.png": ("RGB", "PNG", {}),
    "palette.png": ("P", "PNG", {}),
    "alpha.png": ("RGBA", "PNG", {}),
    "gray16.png": ("I;16", "PNG", {}),
    "plain.jpeg": ("RGB", "JPEG", {}),
    "progressive.jpeg": ("L", "JPEG", {"progressive": True}),
    "cmyk.jpeg": ("CMYK", "JPEG", {}),
    "lossy.webp": ("RGB", "WEBP", {}),
    "lossless.webp": ("RGBA", "WEBP", {"lossless": True}),
    "plain.tiff": ("RGB", "TIFF", {}),
    "packed.tiff": ("L", "TIFF", {"compression": "tiff_lzw"}),
    "plain.gif": ("P", "GIF", {}),
    "plain.bmp": ("RGB", "BMP", {}),
    "plain.ppm": ("RGB", "PPM", {}),
}


@cache
def seeds() -> dict[str, bytes]:
    """A small sound file of every kind, by name."""
    random_numbers = np.random.default_rng(0)
    sound = (0.1 * random_numbers.standard_normal((3000, 2))).astype(np.float32)
    pixels = random_numbers.integers(0, 256, (24, 32, 3), np.uint8)
    files = {}
    for name, (container, subtype) in SOUND.items():
        file = io.BytesIO()
        soundfile.write(file, sound, 16_000, subtype, format=container)
        files[name] = file.getvalue()
    for name, (mode, form, options) in PHOTOS.items():
        file = io.BytesIO()
        Image.fromarray(pixels).convert("L" if mode == "I;16" else mode).convert(mode).save(file, form, **options)
        files[name] = file.getvalue()
    return files


def damaged(content: bytes, draw: random.Random) -> bytes:
    """The content after one to three changes; checksums of PNG chunks are often put right."""
    for _ in range(draw.randint(1, 3)):
        content = draw.choice(DAMAGE)(content, draw)
    return mended_png(content) if draw.random() < 0.7 else content


def overwrite(content: bytes, draw: random.Random) -> bytes:
    """A telling number of 2 or 4 bytes in place of what is there, mostly near the beginning."""
    width = draw.choice(tuple(WIDTHS))
    number = draw.choice(TELLING) % (1 << 8 * width)
    start = draw.randrange(min(len(content), HEAD) + 1) if draw.random() < 0.7 else draw.randrange(len(content) + 1)
    return content[:start] + struct.pack(draw.choice("<>") + WIDTHS[width], number) + content[start + width :]


DAMAGE = (*CHANGES, overwrite, overwrite, overwrite, overwrite)


def mended_png(content: bytes) -> bytes:
    """A PNG file whose chunks have the right checksums; anything else as it is."""
    if not content.startswith(b"\x89PNG"):
        return content
    changed = bytearray(content)
    start = 8
    while start + 12 <= len(changed):
        (length,) = struct.unpack_from(">I", changed, start)
        stop = start + 8 + length
        if stop + 4 > len(changed):
            break
        struct.pack_into(">I", changed, stop, zlib.crc32(changed[start + 4 : stop]))
        start = stop + 4
    return bytes(changed)


def survive(content: bytes) -> bool:
    """Read content as a recording or a photo. True if it reads; any failure but InputError passes through."""
    try:
        kind = file_type_of(content[:4096], "input").kind
        read_sound(content) if kind == "speech" else read_photo(content)
    except InputError:
        return False
    return True


def read_sound(content: bytes) -> None:
    samples = 0
    with open_audio(io.BytesIO(content)) as source:
        for block in source.blocks():
            assert block.dtype == np.float32
            assert np.isfinite(block).all()
            samples += block.size
            assert samples <= MOST_SAMPLES, "a few kilobytes became more sound than they can hold"


def read_photo(content: bytes) -> None:
    photo = open_image(io.BytesIO(content))
    info = photo.info
    assert info.width * info.height <= max(HARMLESS_PIXELS, PIXELS_PER_BYTE * len(content))
    strip = photo.window(0, 0, min(8, info.height), min(4096, info.width))
    assert strip.dtype == np.uint8
    assert strip.shape[2] == 3
