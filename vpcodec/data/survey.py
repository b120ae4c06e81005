"""Find the recordings in a file of compressed sound, and whether it is complete, before anything is decoded.

An Ogg file is a row of links, each with one or more streams in pages (RFC 3533):

    OggS  u8 version  u8 flags  u64 granule  u32 serial  u32 number  u32 checksum  u8 segments  their lengths  contents

Flag 2 marks the first page of a stream, 4 the last. The first packet of a stream tells its codec; other streams
than the sound of a link, such as video, are left out. The frames of MP3 are counted in `mpeg`.
"""

import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import BinaryIO

from vpcodec.data.streams import LeftOut, Piece, failure, pieces_of, size_of
from vpcodec.data.wav import SLACK, UNKNOWN
from vpcodec.errors import InputError

FLAC_START = b"fLaC\0\0\0\x22"  # and the size of the first block, which never changes
HEAD_BYTES = 1024  # a SPHERE header is as long

FIRST, LAST = 2, 4
PAGE_HEADER = 27
CODECS = {  # by the beginning of the first packet
    b"\x01vorbis": "Vorbis",
    b"OpusHead": "Opus",
    b"\x7fFLAC": "FLAC",
    b"Speex   ": "Speex",
    b"\x80theora": "Theora",
    b"PCM     ": "PCM",
    b"fishead\0": "",  # an index
}
READABLE = ("Vorbis", "Opus", "FLAC")
# For every channel in the order of WAV the number in the order of Vorbis and Opus, by the number of channels.
ORDERS = {
    3: (0, 2, 1),
    5: (0, 2, 1, 3, 4),
    6: (0, 2, 1, 5, 3, 4),
    7: (0, 2, 1, 6, 5, 3, 4),
    8: (0, 2, 1, 7, 5, 6, 3, 4),
}
REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


@dataclass
class Part:
    """One recording within a file.

    Attributes:
        form: What decodes it: "flac", "ogg", "mp3", "aiff" and so on.
        pieces: Its bytes; see `pieces_of`.
        frames: Samples a channel that come out; None where the decoder knows.
        skip: Samples a channel that the decoder puts before the first.
        order: For every channel of ours (in the order of WAV) the number of the decoder's; None for the same order.
        md5: Checksum of the samples; None where there is none.
    """

    form: str
    pieces: list[Piece]
    frames: int | None = None
    skip: int = 0
    order: tuple[int, ...] | None = None
    md5: bytes | None = None

    def add(self, start: int, stop: int) -> None:
        """Append a range of the file, as one with the last where they touch."""
        last = self.pieces[-1] if self.pieces else b""
        if isinstance(last, tuple) and last[1] == start:
            self.pieces[-1] = (last[0], stop)
        else:
            self.pieces.append((start, stop))


@dataclass
class Survey:
    """What was found in a file before anything is decoded.

    Attributes:
        parts: To be decoded one after the other.
        notes: What the user should know.
        damage: Why the file is not whole; empty for a sound one.
    """

    parts: list[Part] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    damage: list[str] = field(default_factory=list)


def survey_of(stream: BinaryIO, form: str, name: str) -> Survey:
    """The recordings in a seekable stream of a format of `kinds`. Raises InputError where none can be read."""
    if form == "ogg":
        found = survey_ogg(stream, name)
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
    head = pieces_of(stream, part.pieces).read(42)
    bits = (int.from_bytes(head[20:22], "big") >> 4 & 31) + 1
    if head[4] & 127 or len(head) < 42:
        return  # libsndfile says what is wrong
    if bits > 24:
        raise InputError(f"{name}: is FLAC with {bits} bits a sample, which cannot be read", hint="convert it to WAV")
    if bits % 8 == 0 and any(head[26:42]):
        part.md5 = head[26:42]


def survey_aiff(stream: BinaryIO) -> Survey:
    """The AIFF files in a row in a stream; libsndfile would take one that is truncated for whole."""
    found, size, at = Survey(), size_of(stream), 0
    while at < size:
        stream.seek(at)
        head = stream.read(12)
        if at and head[:4] != b"FORM":
            break  # padding
        stop = at + 8 + int.from_bytes(head[4:8], "big")
        if size < stop <= size + SLACK:
            found.notes.append(f"the header states {stop - size} bytes more than the file has")
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


def positions_of(stream: BinaryIO, signature: bytes) -> Iterator[int]:
    """Where some bytes stand in a seekable stream. Raises InputError where reading fails."""
    base, tail = 0, b""
    stream.seek(0)
    try:
        while data := stream.read(1 << 20):
            data = tail + data
            at = data.find(signature)
            while at >= 0:
                yield base + at
                stream.seek(base + len(data))
                at = data.find(signature, at + 1)
            tail = data[-(len(signature) - 1) :]
            base += len(data) - len(tail)
    except OSError as error:
        raise failure(stream, error) from None


@dataclass
class OggStream:
    """One stream of a link: its codec, its pages, and whether the last one came."""

    codec: str
    part: Part
    number: int = 0
    ended: bool = False


def survey_ogg(stream: BinaryIO, name: str) -> Survey:
    """The recordings in an Ogg file.

    Raises InputError where there is none that can be read.
    """
    found = Survey()
    links: list[dict[int, OggStream]] = []
    size, at, open_for_streams = size_of(stream), 0, False
    try:
        while at < size:
            stream.seek(at)
            page = stream.read(PAGE_HEADER + 255)
            if page[:4] != b"OggS":
                at = next_page(
                    stream, at, found, last=all(each.ended for each in (links[-1].values() if links else ()))
                )
                continue
            table = PAGE_HEADER + page[26] if len(page) >= PAGE_HEADER else size
            length = table + sum(page[PAGE_HEADER:table])
            if at + length > size:
                found.damage.append("the last page is truncated")
                break
            stream.seek(at)
            page = stream.read(length)
            if page[5] & FIRST:
                if not open_for_streams:
                    links.append({})
                links[-1][int.from_bytes(page[14:18], "little")] = ogg_stream(page[table:], found)
            open_for_streams = bool(page[5] & FIRST)
            if links:
                add_page(links[-1], page, at, table, found)
            at += length
    except OSError as error:
        raise failure(stream, error) from None
    for link in links:
        choose_sound(link, found, name)
    return found


def ogg_stream(packet: bytes, found: Survey) -> OggStream:
    """A stream by its first packet."""
    codec = next((codec for mark, codec in CODECS.items() if packet.startswith(mark)), "an unknown codec")
    part = Part("flac" if codec == "FLAC" else "ogg", [])
    if codec == "Vorbis" and len(packet) > 11:
        part.order = ORDERS.get(packet[11])
    if codec == "Opus" and len(packet) > 18 and packet[18] == 1:  # a mapping of speakers
        part.order = ORDERS.get(packet[9])
    return OggStream(codec, part)


def add_page(link: dict[int, OggStream], page: bytes, at: int, table: int, found: Survey) -> None:
    """Append a page to its stream, and see whether it is sound and the next one."""
    stream = link.get(int.from_bytes(page[14:18], "little"))
    if stream is None:
        found.damage.append("a page belongs to no stream")
        return
    number = int.from_bytes(page[18:22], "little")
    if checksum(page) != int.from_bytes(page[22:26], "little"):
        found.damage.append(f"the page at byte {at:,} does not match its checksum")
    elif number != stream.number and not page[5] & FIRST:
        found.damage.append(f"pages are missing before byte {at:,}")
    stream.number = number + 1 & 0xFFFFFFFF
    stream.ended = stream.ended or bool(page[5] & LAST)
    if stream.codec == "FLAC":  # without its pages it is a FLAC file, behind nine bytes of its own
        stream.part.add(at + table + (9 if page[5] & FIRST else 0), at + len(page))
    else:
        stream.part.add(at, at + len(page))


def choose_sound(link: dict[int, OggStream], found: Survey, name: str) -> None:
    """Add the sound of a link. Raises InputError if none of it can be read."""
    sounds = [stream for stream in link.values() if stream.codec in READABLE]
    others = [stream.codec for stream in link.values() if stream.codec and stream.codec not in READABLE]
    if not sounds:
        what = others[0] if others else "no sound"
        raise InputError(f"{name}: holds {what} in Ogg, which cannot be read", hint="convert it to WAV or FLAC first")
    if not sounds[0].ended:
        found.damage.append("the Ogg stream has no last page")
    left_out = others + [stream.codec for stream in sounds[1:]]
    if left_out:
        found.notes.append(LeftOut(f"{' and '.join(left_out)} in addition to the sound is dropped"))
    found.parts.append(sounds[0].part)


def next_page(stream: BinaryIO, at: int, found: Survey, *, last: bool) -> int:
    """Find the next page; behind the end of a stream anything may stand."""
    start = at
    stream.seek(at)
    while data := stream.read(1 << 16):
        place = data.find(b"OggS")
        if place >= 0:
            found.damage.append(f"{at + place - start:,} bytes at {start:,} are no Ogg page")
            return at + place
        at += max(1, len(data) - 3)
        stream.seek(at)
    (found.notes if last else found.damage).append(f"the bytes from {start:,} on are no Ogg page")
    return at


def checksum(page: bytes) -> int:
    """The CRC-32 of a page: zlib's with the bits of every byte and of the result reversed, and no inversion."""
    data = page[:22] + bytes(4) + page[26:]
    crc = zlib.crc32(data.translate(REVERSED), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int.from_bytes(crc.to_bytes(4, "little").translate(REVERSED), "big")
