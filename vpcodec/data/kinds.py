"""Recognize a file by its first bytes: its kind and format, or why it cannot be read."""

import importlib
import os
from typing import Any, BinaryIO, Literal, NamedTuple

from vpcodec.data.streams import peek, shown
from vpcodec.errors import DependencyError, InputError

Kind = Literal["speech", "image"]

SIGNATURE_BYTES = 128  # no signature reaches further, nor do the brands of an ISO media file
MOST_PIXELS = 250_000_000  # of a picture, unless the user says otherwise: some nine minutes of two cores


class FileType(NamedTuple):
    """A family of files: `format` is the name that `open_audio` and `open_image` know it by."""

    kind: Kind
    format: str


# What such files are called, by what they hold: those that are taken from a folder or an archive.
SUFFIXES: dict[Kind, tuple[str, ...]] = {
    "speech": (".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".au", ".caf", ".w64", ".voc",
               ".sph"),
    "image": (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".gif", ".bmp", ".ppm", ".pgm", ".pbm", ".avif"),
}  # fmt: skip

# What each can be written as; the first is the default.
WRITTEN: dict[Kind, tuple[str, ...]] = {"speech": ("wav", "flac", "ogg", "raw"), "image": ("png", "webp", "jpeg")}

# Formats that an optional package reads, by the extra that installs it: what such a file is, the module, its suffixes.
EXTRAS: dict[str, tuple[str, str, str]] = {
    "heif": ("a HEIC photo", "pillow_heif", ".heic .heif .hif"),
    "jxl": ("a JPEG XL photo", "pillow_jxl", ".jxl"),
    "raw": ("a camera raw file", "rawpy", ".dng .nef .nrw .cr2 .cr3 .arw .raf .orf .rw2 .pef .srw .3fr"),
    "media": (
        "sound in AAC, AMR, MP4, WebM, WMA or WavPack",
        "av",
        ".m4a .m4b .mp4 .aac .amr .awb .wma .wv .ape .webm .mka .3gp",
    ),
}
EXTRA_SUFFIXES = tuple(suffix for _, _, suffixes in EXTRAS.values() for suffix in suffixes.split())
# Formats of the extra `media`: what such a file is, and FFmpeg's name for it.
PYAV_FORMATS = {
    "aac": ("an AAC file", "aac"),
    "amr": ("an AMR file", "amr"),
    "ape": ("a Monkey's Audio file", "ape"),
    "mp4": ("an MP4 or QuickTime file", "mov"),
    "wavpack": ("a WavPack file", "wv"),
    "webm": ("a WebM or Matroska file", "matroska"),
    "wma": ("a Windows Media file", "asf"),
}

# Position and bytes of each signature. WebP and WAV are both RIFF, so the form type at byte 8 decides.
SIGNATURES: tuple[tuple[int, bytes, FileType], ...] = (
    (8, b"WAVE", FileType("speech", "wav")),
    (8, b"AIFF", FileType("speech", "aiff")),
    (8, b"AIFC", FileType("speech", "aiff")),
    (0, b"fLaC", FileType("speech", "flac")),
    (0, b"OggS", FileType("speech", "ogg")),
    (0, b"ID3", FileType("speech", "mp3")),
    (0, b".snd", FileType("speech", "au")),
    (0, b"caff", FileType("speech", "caf")),
    (0, b"riff\x2e\x91\xcf\x11", FileType("speech", "w64")),
    (0, b"Creative Voice ", FileType("speech", "voc")),
    (0, b"NIST_1A\n", FileType("speech", "sphere")),
    (0, b"#!AMR", FileType("speech", "amr")),
    (0, b"\xff\xf1", FileType("speech", "aac")),
    (0, b"\xff\xf9", FileType("speech", "aac")),
    (0, b"\x30\x26\xb2\x75", FileType("speech", "wma")),
    (0, b"wvpk", FileType("speech", "wavpack")),
    (0, b"MAC ", FileType("speech", "ape")),
    (0, b"\x1aE\xdf\xa3", FileType("speech", "webm")),
    (0, b"\xff\xd8\xff", FileType("image", "jpeg")),
    (0, b"\x89PNG\r\n\x1a\n", FileType("image", "png")),
    (8, b"WEBP", FileType("image", "webp")),
    (8, b"CR\2\0", FileType("image", "raw")),  # Canon's TIFF; the other makers' are told by their tags
    (0, b"II*\0", FileType("image", "tiff")),
    (0, b"MM\0*", FileType("image", "tiff")),
    (0, b"II+\0", FileType("image", "tiff")),
    (0, b"GIF8", FileType("image", "gif")),
    (0, b"BM", FileType("image", "bmp")),
    (0, b"\xff\x0a", FileType("image", "jxl")),
    (4, b"JXL \r\n\x87\n", FileType("image", "jxl")),
    (0, b"FUJIFILMCCD-RAW", FileType("image", "raw")),
    (0, b"IIRO", FileType("image", "raw")),
    (0, b"IIRS", FileType("image", "raw")),
    (0, b"IIU\0", FileType("image", "raw")),
)
# Brands of ISO media files that hold pictures. AVIF goes first: both may be listed, and Pillow reads it by itself.
BRANDS: tuple[tuple[frozenset[bytes], FileType], ...] = (
    (frozenset({b"avif", b"avis"}), FileType("image", "avif")),
    (frozenset({b"crx "}), FileType("image", "raw")),
    (
        frozenset({b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1"}),
        FileType("image", "heif"),
    ),
)
# The containers that a form type at byte 8 must stand in.
FORMS = {b"WAVE": (b"RIFF", b"RF64", b"BW64", b"RIFX"), b"AIFF": (b"FORM",), b"AIFC": (b"FORM",), b"WEBP": (b"RIFF",)}

# What people try as well, and the way to make it readable.
UNREADABLE: tuple[tuple[int, bytes, str, str], ...] = (
    (0, b"MM\0+", "BigTIFF with the high byte first", "convert it to PNG first"),
    (0, b"%PDF", "a PDF document", "render its pages to PNG first"),
    (0, b"PK\x03\x04", "a ZIP archive", "unpack it first"),
    (0, b"\x1f\x8b", "compressed with gzip", "unpack it first"),
    (0, b"(\xb5/\xfd", "compressed with zstd", "unpack it first"),
    (0, b"\xd6VP", "a token file already", "use `vpcodec decode`"),
)


class MissingExtraError(DependencyError):
    """A file is sound, but the optional package that reads it is not installed."""


def load_extra(extra: str, name: str, what: str = "") -> Any:
    """The module that reads a format of `EXTRAS`. Raises MissingExtraError, with the command that installs it."""
    usual, module, _ = EXTRAS[extra]
    try:
        return importlib.import_module(module)
    except ImportError:
        hint = f"install what reads it: pip install 'vpcodec[{extra}]'"
        raise MissingExtraError(f"{name}: is {what or usual}", hint=hint) from None


def file_type_of(head: bytes, name: str) -> FileType:
    """The file_type that a file begins like.

    Args:
        head: The first bytes, `SIGNATURE_BYTES` or more where the file has them.
        name: What to call the file in an error.

    Raises InputError for anything that cannot be read, saying why.
    """
    if not head:
        raise InputError(f"{name}: is empty")
    for position, signature, file_type in SIGNATURES:
        if head.startswith(signature, position) and head.startswith(FORMS.get(signature, b"")):
            return file_type
    if head[4:8] == b"ftyp":
        brands = {
            head[place : place + 4] for place in (8, *range(16, min(len(head), int.from_bytes(head[:4], "big")), 4))
        }
        for wanted, file_type in BRANDS:
            if wanted & brands:
                return file_type
        return FileType("speech", "mp4")
    if is_netpbm(head):
        return FileType("image", "ppm")
    for position, signature, what, hint in UNREADABLE:
        if head.startswith(signature, position):
            raise InputError(f"{name}: is {what}, which cannot be read", hint=hint)
    from vpcodec.data.mpeg import is_mpeg

    if is_mpeg(head):
        return FileType("speech", "mp3")
    raise InputError(
        f"{name}: is neither a recording nor a photo",
        hint="readable are WAV, FLAC, OGG, MP3, AIFF, AU, CAF, W64, VOC, SPHERE; PNG, JPEG, WebP, TIFF, GIF, BMP, "
        "PPM, AVIF; raw PCM with --raw",
    )


def peek_file_type(stream: BinaryIO) -> tuple[FileType, BinaryIO]:
    """The file_type in any stream, pipes too, and the stream to read it from. Raises InputError."""
    head, whole = peek(stream)
    return file_type_of(head, shown(stream)), whole


def is_named(path: str, suffixes: tuple[str, ...]) -> bool:
    """Whether a file below a folder ends like those that are meant.

    The copies of attributes that macOS puts beside files and into archives have the same names, but do not count.
    """
    *folders, name = path.split("/")
    return os.path.splitext(name)[1].lower() in suffixes and not name.startswith("._") and "__MACOSX" not in folders


def is_netpbm(head: bytes) -> bool:
    return head[:1] == b"P" and head[1:2] in b"123456" and head[2:3].isspace()
