"""The header of a WAV file, read from and written to pipes as well as files.

    RIFF|RF64|BW64  u32 size  WAVE      then chunks: 4-byte name, u32 size, contents, a zero byte if the size is odd
    ds64   sizes of 64 bits for RF64 and BW64 (EBU Tech 3306)
    fmt    what a sample is; WAVE_FORMAT_EXTENSIBLE keeps the true format tag in a GUID
    LIST   INFO: title, artist and so on
    data   the samples

A program that writes to a pipe cannot know the sizes. Some leave 0, ffmpeg writes 0xFFFFFFFF, sox 0x7FFFF000
and arecord 0x80000000: all of them mean "until the end".
"""

import struct
from dataclasses import dataclass, field
from typing import BinaryIO

from vpcodec.data.pcm import FORMATS
from vpcodec.data.streams import COPY_BYTES, at_start, read_exactly, size_of
from vpcodec.errors import InputError

PCM, FLOATING, A_LAW, MU_LAW, EXTENSIBLE = 1, 3, 6, 7, 0xFFFE
GUID_TAIL = bytes.fromhex("000000001000800000aa00389b71")  # follows the format tag in an extensible header
SUBTYPES = {  # format tag and bytes a sample
    (PCM, 1): "PCM_U8",
    (PCM, 2): "PCM_16",
    (PCM, 3): "PCM_24",
    (PCM, 4): "PCM_32",
    (FLOATING, 4): "FLOAT",
    (FLOATING, 8): "DOUBLE",
    (A_LAW, 1): "ALAW",
    (MU_LAW, 1): "ULAW",
}
TAGS = {  # chunks of LIST INFO
    b"INAM": "title",
    b"IART": "artist",
    b"IPRD": "album",
    b"ICRD": "date",
    b"ITRK": "tracknumber",
    b"IGNR": "genre",
    b"ICMT": "comment",
    b"ICOP": "copyright",
}
UNKNOWN = 0xFFFFFFFF
LARGEST_LIST = 1 << 20  # bytes of tags that are looked at


def is_unknown(size: int) -> bool:
    return size == 0 or 0x7FFFF000 <= size <= 0x80000000 or size >= 0xFFFFF000


@dataclass
class WavHeader:
    """What stands before the samples; the stream is left at the first of them.

    Attributes:
        sample_rate: Hz.
        channels: Number of channels.
        subtype: One of `SUBTYPES`.
        frames: Samples a channel; None if only the end of the stream will tell.
        tags: Title, artist and so on, those behind the samples too where the stream can go there.
    """

    sample_rate: int = 0
    channels: int = 0
    subtype: str = ""
    frames: int | None = None
    tags: dict[str, str] = field(default_factory=dict)

    @property
    def frame_bytes(self) -> int:
        return self.channels * FORMATS[self.subtype].size


def is_plain(head: bytes) -> bool:
    """Whether the first bytes of a WAV file promise samples that this module reads; if not, libsndfile may.

    Compressed samples (ADPCM, GSM) and big-endian RIFX are not read here.
    """
    if head[:4] == b"RIFX":
        return False
    at = head.find(b"fmt ", 12)
    if at < 0 or len(head) < at + 8 + 16:
        return True  # further on, or nowhere: `read_header` will tell
    return format_tag(head[at + 8 : at + 48]) in {tag for tag, _ in SUBTYPES}


def format_tag(fmt: bytes) -> int:
    tag = int.from_bytes(fmt[:2], "little")
    return int.from_bytes(fmt[24:26], "little") if tag == EXTENSIBLE and len(fmt) >= 26 else tag


def read_header(stream: BinaryIO, name: str) -> WavHeader:
    """Read up to the first sample.

    Args:
        stream: At its first byte.
        name: What to call it in an error.

    Raises InputError for a header that is cut short, contradicts itself or promises more than a file holds.
    """
    size = size_of(stream) if at_start(stream) else None
    form = read_exactly(stream, 12)
    header, wide, position = WavHeader(), 0, 12
    while True:
        chunk = read_exactly(stream, 8)
        if len(chunk) < 8:
            raise InputError(f"{name}: the WAV header ends before any samples", hint="the file may be cut short")
        identity, length = chunk[:4], int.from_bytes(chunk[4:], "little")
        position += 8
        if identity == b"data":
            break
        kept = read_exactly(stream, min(length, LARGEST_LIST))
        skip(stream, length + length % 2 - len(kept))
        position += length + length % 2
        if identity == b"fmt ":
            read_format(header, kept, name)
        elif identity == b"ds64" and len(kept) >= 16:
            wide = int.from_bytes(kept[8:16], "little")
        elif identity == b"LIST" and length <= LARGEST_LIST:
            header.tags.update(read_tags(kept))
    if not header.subtype:
        raise InputError(f"{name}: the WAV header does not say what its samples are (no fmt chunk)")
    if form[:4] != b"RIFF" and length == UNKNOWN:
        length, unknown = wide, not 0 < wide < 1 << 63
    else:
        riff = int.from_bytes(form[4:8], "little")
        unknown = is_unknown(length) and (length > 0 or is_unknown(riff) or riff + 8 <= position)
    if size is None:
        header.frames = None if unknown else length // header.frame_bytes
        return header
    there = size - position
    if unknown:
        length = there
    elif length > there:
        raise InputError(
            f"{name}: ends after {there // header.frame_bytes:,} of {length // header.frame_bytes:,} samples",
            hint="the file was cut short: copy or record it again",
        )
    header.frames = length // header.frame_bytes
    stream.seek(position + length + length % 2)
    header.tags.update(trailing_tags(stream))
    stream.seek(position)
    return header


def read_format(header: WavHeader, fmt: bytes, name: str) -> None:
    """Fill in what the fmt chunk says. Raises InputError."""
    if len(fmt) < 16:
        raise InputError(f"{name}: the WAV header is cut short")
    _, channels, rate, _, frame_bytes, _ = struct.unpack("<HHIIHH", fmt[:16])
    tag = format_tag(fmt)
    if channels == 0 or frame_bytes % channels or (tag, frame_bytes // channels) not in SUBTYPES:
        raise InputError(
            f"{name}: WAV samples of format {tag}, {channels} channels in {frame_bytes} bytes, are not readable",
            hint="convert it to PCM first",
        )
    header.channels, header.sample_rate = channels, rate
    header.subtype = SUBTYPES[tag, frame_bytes // channels]


def read_tags(contents: bytes) -> dict[str, str]:
    """The texts in the contents of a LIST chunk; nothing if they are of another type or damaged."""
    tags: dict[str, str] = {}
    position = 4
    while contents[:4] == b"INFO" and position + 8 <= len(contents):
        identity, length = (
            contents[position : position + 4],
            int.from_bytes(contents[position + 4 : position + 8], "little"),
        )
        text = contents[position + 8 : position + 8 + length].split(b"\0")[0]
        if identity in TAGS and text:
            tags[TAGS[identity]] = readable(text)
        position += 8 + length + length % 2
    return tags


def readable(text: bytes) -> str:
    """UTF-8 where it is, else Latin-1, as older programs wrote."""
    try:
        return text.decode()
    except UnicodeDecodeError:
        return text.decode("latin-1")


def trailing_tags(stream: BinaryIO) -> dict[str, str]:
    """The tags in the chunks from here to the end of a seekable stream."""
    tags: dict[str, str] = {}
    while len(chunk := read_exactly(stream, 8)) == 8:
        length = int.from_bytes(chunk[4:], "little")
        if chunk[:4] == b"LIST" and length <= LARGEST_LIST:
            tags.update(read_tags(read_exactly(stream, length + length % 2)))
        else:
            stream.seek(length + length % 2, 1)
    return tags


def skip(stream: BinaryIO, count: int) -> None:
    while count > 0 and (part := read_exactly(stream, min(count, COPY_BYTES))):
        count -= len(part)


def write_header(
    sample_rate: int, channels: int, subtype: str, frames: int | None, tags: dict[str, str] | None = None
) -> bytes:
    """The bytes before the samples.

    Args:
        sample_rate: Hz.
        channels: Number of channels.
        subtype: One of `SUBTYPES`.
        frames: Samples a channel; None if unknown, for sizes of 0xFFFFFFFF. Beyond 4 GiB the header is RF64.
        tags: Title, artist and so on; those without a place in WAV are left out.
    """
    sample_bytes = FORMATS[subtype].size
    frame_bytes = channels * sample_bytes
    tag = PCM if subtype.startswith("PCM") else FLOATING
    extensible = channels > 2 or (tag == PCM and sample_bytes > 2)
    fmt = struct.pack(
        "<HHIIHH",
        EXTENSIBLE if extensible else tag,
        channels,
        sample_rate,
        min(sample_rate * frame_bytes, UNKNOWN),
        frame_bytes,
        8 * sample_bytes,
    )
    if extensible:
        fmt += struct.pack("<HHIH", 22, 8 * sample_bytes, 0, tag) + GUID_TAIL
    elif tag != PCM:
        fmt += bytes(2)
    length = None if frames is None else frames * frame_bytes
    chunks = chunk_of(b"fmt ", fmt)
    if tag != PCM or extensible:
        chunks += chunk_of(b"fact", struct.pack("<I", UNKNOWN if frames is None else min(frames, UNKNOWN)))
    names = {name: identity for identity, name in TAGS.items()}
    texts = b"".join(chunk_of(names[key], text.encode() + b"\0") for key, text in (tags or {}).items() if key in names)
    if texts:
        chunks += chunk_of(b"LIST", b"INFO" + texts)
    if length is None:
        return struct.pack("<4sI4s", b"RIFF", UNKNOWN, b"WAVE") + chunks + struct.pack("<4sI", b"data", UNKNOWN)
    whole = 4 + len(chunks) + 8 + length + length % 2
    if whole < 0xFFFFF000:
        return struct.pack("<4sI4s", b"RIFF", whole, b"WAVE") + chunks + struct.pack("<4sI", b"data", length)
    sizes = chunk_of(b"ds64", struct.pack("<QQQI", whole + 36, length, frames, 0))
    return struct.pack("<4sI4s", b"RF64", UNKNOWN, b"WAVE") + sizes + chunks + struct.pack("<4sI", b"data", UNKNOWN)


def chunk_of(identity: bytes, contents: bytes) -> bytes:
    return identity + struct.pack("<I", len(contents)) + contents + bytes(len(contents) % 2)
