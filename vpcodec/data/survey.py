"""What recordings a file of compressed sound holds, and whether all of it is there, before anything is decoded."""

import re
from itertools import pairwise
from typing import BinaryIO

from vpcodec.data import mpeg, ogg
from vpcodec.data.parts import Part, Survey, positions_of
from vpcodec.data.streams import pieces_of, size_of
from vpcodec.data.wav import SLACK
from vpcodec.errors import InputError

FLAC_START = b"fLaC\0\0\0\x22"  # and the size of the first block, which never changes
HEAD_BYTES = 1024  # a SPHERE header is as long
UNKNOWN = 0xFFFFFFFF


def survey_of(stream: BinaryIO, form: str, name: str) -> Survey:
    """The recordings in a seekable stream of a format of `kinds`. Raises InputError where none can be read."""
    if form == "mp3":
        return mpeg.survey(stream)
    if form == "ogg":
        found = ogg.survey(stream, name)
    elif form == "flac":
        starts = [*positions_of(stream, FLAC_START), size_of(stream)]
        found = Survey([Part("flac", [place]) for place in pairwise(starts)])
    elif form == "aiff":
        found = survey_aiff(stream)
    else:
        found = Survey([Part(form, [(0, size_of(stream))], frames=fact_frames(stream) if form == "wav" else None)])
        found.damage += missing_bytes(stream, form, name)
    for part in found.parts:
        if part.form == "flac":
            read_stream_info(stream, part, name)
    return found


def read_stream_info(stream: BinaryIO, part: Part, name: str) -> None:
    """Note the checksum of a FLAC file's samples. Raises InputError for samples that libsndfile cannot read."""
    head = pieces_of(stream, part.ranges).read(42)
    bits = (int.from_bytes(head[20:22], "big") >> 4 & 31) + 1
    if head[4] & 127 or len(head) < 42:
        return  # libsndfile says what is wrong
    if bits > 24:
        raise InputError(f"{name}: is FLAC with {bits} bits a sample, which cannot be read", hint="convert it to WAV")
    if bits % 8 == 0 and any(head[26:42]):
        part.bits, part.md5 = bits, head[26:42]


def survey_aiff(stream: BinaryIO) -> Survey:
    """The AIFF files in a row in a stream; libsndfile would take one that was cut short for whole."""
    found, size, at = Survey(), size_of(stream), 0
    while at < size:
        stream.seek(at)
        head = stream.read(12)
        if at and head[:4] != b"FORM":
            break  # padding
        stop = at + 8 + int.from_bytes(head[4:8], "big")
        if size < stop <= size + SLACK:
            found.notes.append(f"the header promises {stop - size} bytes more than there are")
        elif stop > size:
            found.damage.append(f"ends after {size - at:,} of {stop - at:,} bytes")
        found.parts.append(Part("aiff", [(at, min(stop, size))]))
        at = stop + stop % 2
    return found


def fact_frames(stream: BinaryIO) -> int | None:
    """Samples a channel by the fact chunk of a compressed WAV file, whose last block may hold more."""
    stream.seek(0)
    head = stream.read(HEAD_BYTES)
    at = head.find(b"fact", 12)
    return int.from_bytes(head[at + 8 : at + 12], "little") or None if 0 <= at <= HEAD_BYTES - 12 else None


def missing_bytes(stream: BinaryIO, form: str, name: str) -> list[str]:
    """Where a file ends before the length that its header promises, in words; libsndfile would take it for whole."""
    size = size_of(stream)
    head = stream.read(HEAD_BYTES)
    promised = 0
    if form == "au" and (length := int.from_bytes(head[8:12], "big")) != UNKNOWN:
        promised = int.from_bytes(head[4:8], "big") + length
    elif form == "w64":
        promised = int.from_bytes(head[16:24], "little")
    elif form == "sphere":
        if b"shorten" in head:
            raise InputError(f"{name}: is SPHERE with Shorten, which cannot be read", hint="convert it with sph2pipe")
        fields = dict(re.findall(rb"(sample_count|sample_n_bytes|channel_count) -i (\d+)", head))
        counts = [int(fields.get(key, 1)) for key in (b"sample_n_bytes", b"channel_count")]
        promised = HEAD_BYTES + int(fields.get(b"sample_count", 0)) * counts[0] * counts[1]
    elif form == "caf":
        promised = chunks_end(stream, size)
    return [f"ends after {size:,} of {promised:,} bytes"] if promised > size else []


def chunks_end(stream: BinaryIO, size: int) -> int:
    """Where the last chunk of a CAF file should end."""
    at = 8
    while at < size:
        stream.seek(at)
        length = int.from_bytes(stream.read(12)[4:], "big", signed=True)
        if length < 0:  # until the end
            return size
        at += 12 + length
    return at
