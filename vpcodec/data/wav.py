"""Read WAV files and pipes: headers, samples and tags.

    RIFF|RF64|BW64  u32 size  WAVE      then chunks: 4-byte name, u32 size, contents, a zero byte if the size is odd
    ds64   sizes of 64 bits for RF64 and BW64 (EBU Tech 3306)
    fmt    what a sample is; WAVE_FORMAT_EXTENSIBLE keeps the true format tag in a GUID
    LIST   INFO: title, artist and so on
    data   the samples

A program that writes to a pipe cannot know the sizes. Some leave 0, ffmpeg writes 0xFFFFFFFF, sox 0x7FFFF000
and arecord 0x80000000: all of them mean "until the end". Files of more than 4 GiB without RF64 have sizes modulo 2^32.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from vpcodec.data.pcm import FORMATS, samples_of, whole_frames
from vpcodec.data.streams import LeftOut, at_start, pieces_of, read_exactly, size_of, skip
from vpcodec.errors import InputError

PCM, FLOATING, A_LAW, MU_LAW, EXTENSIBLE = 1, 3, 6, 7, 0xFFFE
MPEG = (0x50, 0x55)  # format tags of MPEG audio: Layers I and II, Layer III
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
SLACK = 64  # bytes by which sizes may be too large; some programs count the header or a chunk's name in
LARGEST_LIST = 1 << 20  # bytes of a chunk that are looked at
MOST_CHUNKS = 1 << 12
RIFFS = (b"RIFF", b"RF64", b"BW64")
HEADER_AMONG_SAMPLES = b"WAVEfmt "
DRAINED = 1 << 20  # bytes behind the samples that are read, so that the writer of a pipe ends without an error


def is_unknown(size: int) -> bool:
    return size == 0 or 0x7FFFF000 <= size <= 0x80000000 or size >= 0xFFFFF000


@dataclass
class WavHeader:
    """What stands before the samples; the stream is left at the first of them.

    Attributes:
        sample_rate: Hz.
        channels: Number of channels.
        subtype: One of `SUBTYPES`.
        length: Bytes of samples; None if only the end of the stream will tell.
        piped: Whether nothing is known yet of what stands behind the header.
        tags: Title, artist and so on, those behind the samples too where the stream can go there.
        salvage: Whether to take what is there of a file that is truncated.
        notes: What was wrong and could be repaired.
    """

    sample_rate: int = 0
    channels: int = 0
    subtype: str = ""
    length: int | None = None
    piped: bool = False
    salvage: bool = False
    tags: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @property
    def frame_bytes(self) -> int:
        return self.channels * FORMATS[self.subtype].size

    @property
    def frames(self) -> int | None:
        """Samples a channel; None if only the end of the stream will tell."""
        return None if self.length is None else self.length // self.frame_bytes


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


def mpeg_inside(stream: BinaryIO) -> tuple[BinaryIO | None, int]:
    """The MPEG audio that a seekable WAV file wraps, None for one of another kind; and how many bytes are missing."""
    size, tag = size_of(stream), 0
    stream.seek(12)
    for identity, length, contents in chunks(stream):
        if identity == b"fmt ":
            tag = format_tag(contents)
        elif identity == b"data" and tag in MPEG:
            start = stream.tell()
            stop = size if is_unknown(length) else start + length
            return pieces_of(stream, [(start, min(stop, size))]), max(0, stop - size)
    return None, 0


def format_tag(fmt: bytes) -> int:
    tag = int.from_bytes(fmt[:2], "little")
    return int.from_bytes(fmt[24:26], "little") if tag == EXTENSIBLE and len(fmt) >= 26 else tag


def read_header(stream: BinaryIO, name: str, *, salvage: bool = False) -> WavHeader:
    """Read up to the first sample.

    Args:
        stream: At its first byte.
        name: What to call it in an error.
        salvage: Whether to take what is there of a file that is truncated.

    Raises InputError for a header that is truncated, contradicts itself or promises more than a file holds.
    """
    size = size_of(stream) if at_start(stream) else None
    form = read_exactly(stream, 12)
    header, wide, position = WavHeader(piped=size is None, salvage=salvage), 0, 12
    for identity, length, contents in chunks(stream):
        position += 8
        if identity == b"data":
            break
        position += length + length % 2
        if identity == b"fmt ":
            read_format(header, contents, name)
        elif identity == b"ds64":
            wide = int.from_bytes(contents[8:16], "little")
        elif identity == b"LIST":
            header.tags.update(read_tags(contents))
    else:
        raise InputError(f"{name}: the WAV header ends before any samples", hint="the file may be truncated")
    if not header.subtype:
        raise InputError(f"{name}: the WAV header has no fmt chunk")
    riff = int.from_bytes(form[4:8], "little")
    if form[:4] != b"RIFF" and length == UNKNOWN:
        length, unknown = wide, not 0 < wide < 1 << 63
    else:
        unknown = is_unknown(length) and (length > 0 or is_unknown(riff) or riff + 8 <= position)
    header.length = None if unknown else length
    if size is not None:
        fit_to_file(header, size - position, size - 8 - riff, name)
        stream.seek(position + padded(header.length or 0))
        read_tail(stream, header, name)
        stream.seek(position)
    return header


def fit_to_file(header: WavHeader, there: int, excess: int, name: str) -> None:
    """Compare the length in a header with what the file holds.

    Args:
        header: Of the file; its `length` is set right.
        there: Bytes from the first sample to the end.
        excess: Bytes of the whole file that its RIFF chunk does not promise.
        name: What to call it in an error.

    Raises InputError for a file that is truncated.
    """
    length = header.length = there if header.length is None else header.length
    if there - length > UNKNOWN and any(gap % (UNKNOWN + 1) <= 1 for gap in (excess, there - length)):
        header.length += (there - length) // (UNKNOWN + 1) * (UNKNOWN + 1)
        header.notes.append(f"its sizes are too small for {header.length:,} bytes of samples; all samples are read")
    if length > there:
        check_missing(header, there, name)
        header.length = there


def check_missing(header: WavHeader, found: int, name: str) -> None:
    """Note that a few bytes of those promised are missing. Raises InputError where they are more."""
    missing = (header.length or 0) - found
    if missing > SLACK:
        what = f"ends after {found // header.frame_bytes:,} of {header.frames:,} samples"
        if not header.salvage:
            raise InputError(f"{name}: {what}", hint="it is truncated; encode --salvage takes the rest")
        header.notes.append(LeftOut(what))
        return
    header.notes.append(
        f"the header states {missing} bytes more than the file has; {found:,} bytes of samples are read"
    )


def chunks(stream: BinaryIO) -> Iterator[tuple[bytes, int, bytes]]:
    """Name, size and contents of each chunk from here on; of long ones no more than the beginning.

    The last one is `data`, or a RIFF form, whose contents are not read; or its name is empty where no chunk is.
    """
    for _ in range(MOST_CHUNKS):
        head = read_exactly(stream, 8)
        identity, length = head[:4], int.from_bytes(head[4:], "little")
        if len(head) < 8 or not (identity.isascii() and identity.decode().isprintable()):
            yield b"", 0, head
            return
        if identity in (b"data", *RIFFS):
            yield identity, length, b""
            return
        contents = read_exactly(stream, min(length, LARGEST_LIST))
        skip(stream, padded(length) - len(contents))
        yield identity, length, contents


def read_tail(stream: BinaryIO, header: WavHeader, name: str) -> None:
    """Add the tags behind the samples to a header, and a note where no chunks are.

    Raises InputError for samples of a second recording.
    """
    for identity, _, contents in chunks(stream):
        if identity == b"LIST":
            header.tags.update(read_tags(contents))
        elif not identity and any(contents):
            header.notes.append(LeftOut("the bytes after the samples are not part of a WAV file and are dropped"))
        elif identity in (b"data", *RIFFS):
            raise second_recording(name)


def second_recording(name: str) -> InputError:
    """What is said of WAV files in a row."""
    return InputError(
        f"{name}: has a second recording after the first", hint="split it, or join the samples under one header"
    )


def padded(length: int) -> int:
    """Bytes that a chunk's contents take up."""
    return length + length % 2


def wav_blocks(stream: BinaryIO, header: WavHeader, name: str, count: int) -> Iterator[NDArray[np.float32]]:
    """The samples behind a header in blocks [n, channels], n of 1 to `count`.

    Raises InputError for a recording that is truncated, or holds a second one.
    """
    found, length = 0, header.length
    for data in whole_frames(stream, header.frame_bytes, count, length, header.notes):
        if HEADER_AMONG_SAMPLES in data:
            raise second_recording(name)
        found += len(data)
        yield samples_of(data, header.subtype).reshape(-1, header.channels)
    if length is None:
        return
    if length - found < header.frame_bytes:
        found += len(read_exactly(stream, length - found))
    if found < length:
        check_missing(header, found, name)
    elif header.piped:
        skip(stream, length % 2)
        read_tail(stream, header, name)
        skip(stream, DRAINED)


def read_format(header: WavHeader, fmt: bytes, name: str) -> None:
    """Fill in what the fmt chunk says. Raises InputError.

    The bits of a sample decide how many bytes it has, as in other programs, unless there are no such samples.
    """
    if len(fmt) < 16:
        raise InputError(f"{name}: the WAV header is truncated")
    _, channels, rate, _, frame_bytes, bits = struct.unpack("<HHIIHH", fmt[:16])
    tag, by_bits, by_frame = format_tag(fmt), -(-bits // 8), frame_bytes / max(1, channels)
    size = by_bits if (tag, by_bits) in SUBTYPES else by_frame
    if channels == 0 or (tag, size) not in SUBTYPES:
        raise InputError(
            f"{name}: WAV samples of format {tag}, {channels} channels in {frame_bytes} bytes, are not readable",
            hint="convert it to PCM first",
        )
    if size != by_frame:
        header.notes.append(
            f"the header says {bits} bits a sample, and {frame_bytes} bytes for {channels} of them; the bits are right"
        )
    header.channels, header.sample_rate = channels, rate
    header.subtype = SUBTYPES[tag, int(size)]


def read_tags(contents: bytes) -> dict[str, str]:
    """The texts in the contents of a LIST chunk; nothing if they are of another type or damaged."""
    tags: dict[str, str] = {}
    position = 4
    while contents[:4] == b"INFO" and position + 8 <= len(contents):
        identity, length = struct.unpack_from("<4sI", contents, position)
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
