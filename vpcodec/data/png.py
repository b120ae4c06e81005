"""What Pillow does not do with a PNG: long or damaged text, transparent colours of 1 to 16 bits, gamma."""

import io
import struct
import zlib
from typing import BinaryIO

import numpy as np
from PIL import Image

SIGNATURE_BYTES = 8
TEXT = (b"tEXt", b"zTXt", b"iTXt", b"tIME")  # without any bearing on the pixels, except for
XMP = b"XML:com.adobe.xmp\0\0"  # what may hold an orientation (uncompressed)


def without_text(stream: BinaryIO) -> BinaryIO | None:
    """The PNG without its text, which Pillow refuses where it is long or damaged; None where there is none."""
    stream.seek(0)
    kept, dropped = [stream.read(SIGNATURE_BYTES)], False
    while len(head := stream.read(8)) == 8:
        length, name = struct.unpack(">I4s", head)
        body = stream.read(length + 4)
        sound = body[-4:] == struct.pack(">I", zlib.crc32(name + body[:-4]))
        if name in TEXT and not (sound and body.startswith(XMP)):
            dropped = True
        else:
            kept += [head, body]
    return io.BytesIO(b"".join(kept)) if dropped else None


def apply_transparent_colour(stored: Image.Image, bits: int, stream: BinaryIO) -> Image.Image:
    """A picture whose one transparent colour, of `bits` a channel, is what Pillow looks for; or with alpha instead.

    Pillow keeps the number of the file, but spreads 2 and 4 bits to 8, and reduces colour of 16 bits to 8.
    Grey of 16 bits is left as it is.
    """
    key = stored.info.get("transparency")
    if stored.mode == "L" and isinstance(key, int):
        stored.info["transparency"] = key * 255 // ((1 << bits) - 1)
    if stored.mode == "RGB" and bits == 16 and isinstance(key, tuple):
        stream.seek(0)
        low = Image.open(stream, formats=["PNG"])
        low.tile = [tile._replace(args="RGB;16L") for tile in low.tile]  # the lower bytes, as if they were the upper
        low.load()
        upper, lower = np.asarray(stored), np.asarray(low)
        hidden = np.ones(upper.shape[:2], bool)
        for channel, value in enumerate(key):
            hidden &= (upper[..., channel] == value >> 8) & (lower[..., channel] == value & 255)
        del stored.info["transparency"]
        stored.putalpha(Image.fromarray(np.where(hidden, np.uint8(0), np.uint8(255))))
    return stored


def gamma_table(gamma: float) -> list[int] | None:
    """The levels of sRGB for those of a file that states a gamma; None where it is (nearly) that of sRGB."""
    if not 0.01 <= gamma <= 10 or abs(gamma - 1 / 2.2) < 0.01:
        return None
    light = (np.arange(256) / 255) ** (1 / gamma)
    levels = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    return [int(level) for level in np.rint(255 * levels)]
