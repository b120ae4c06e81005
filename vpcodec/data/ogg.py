"""The pages of an Ogg file: links in a row, several streams in each, and whether every page is there.

    OggS  u8 version  u8 flags  u64 granule  u32 serial  u32 number  u32 checksum  u8 segments  their lengths  contents

Flag 2 marks the first page of a stream, 4 the last (RFC 3533). The sound of each link is told by its first packet;
other streams beside it, such as video, are left out.
"""

import zlib
from dataclasses import dataclass
from typing import BinaryIO

from vpcodec.data.parts import Part, Survey
from vpcodec.data.streams import LeftOut, failure, size_of
from vpcodec.errors import InputError

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
class Stream:
    """One stream of a link: its codec, its pages, and whether the last one came."""

    codec: str
    part: Part
    number: int = 0
    ended: bool = False


def survey(stream: BinaryIO, name: str) -> Survey:
    """The recordings in an Ogg file.

    Raises InputError where there is none that can be read.
    """
    found = Survey()
    links: list[dict[int, Stream]] = []
    size, at, open_for_streams = size_of(stream), 0, False
    try:
        while at < size:
            stream.seek(at)
            page = stream.read(PAGE_HEADER + 255)
            if page[:4] != b"OggS":
                at = step_over(
                    stream, at, found, last=all(each.ended for each in (links[-1].values() if links else ()))
                )
                continue
            table = PAGE_HEADER + page[26] if len(page) >= PAGE_HEADER else size
            length = table + sum(page[PAGE_HEADER:table])
            if at + length > size:
                found.damage.append("the last page is cut short")
                break
            stream.seek(at)
            page = stream.read(length)
            if page[5] & FIRST:
                if not open_for_streams:
                    links.append({})
                links[-1][int.from_bytes(page[14:18], "little")] = begin(page[table:], found)
            open_for_streams = bool(page[5] & FIRST)
            if links:
                add(links[-1], page, at, table, found)
            at += length
    except OSError as error:
        raise failure(stream, error) from None
    for link in links:
        choose(link, found, name)
    return found


def begin(packet: bytes, found: Survey) -> Stream:
    """A stream by its first packet."""
    codec = next((codec for mark, codec in CODECS.items() if packet.startswith(mark)), "an unknown codec")
    part = Part("flac" if codec == "FLAC" else "ogg", [])
    if codec == "Vorbis" and len(packet) > 11:
        part.order = ORDERS.get(packet[11])
    if codec == "Opus" and len(packet) > 18 and packet[18] == 1:  # a mapping of speakers
        part.order = ORDERS.get(packet[9])
    return Stream(codec, part)


def add(link: dict[int, Stream], page: bytes, at: int, table: int, found: Survey) -> None:
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


def choose(link: dict[int, Stream], found: Survey, name: str) -> None:
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
        found.notes.append(LeftOut(f"{' and '.join(left_out)} beside the sound: left out"))
    found.parts.append(sounds[0].part)


def step_over(stream: BinaryIO, at: int, found: Survey, *, last: bool) -> int:
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
