"""Find and count the frames of MPEG audio (MP3, Layers I and II) before they are decoded.

A stream has no header of its own. The first frame may be silent and hold the number of frames (Xing, VBRI), and
how many samples the encoder put before and behind (LAME); without it only counting tells the length. Such a frame
is left out here, so the decoder has nothing to guess from.
"""

import re
from typing import BinaryIO, NamedTuple

from vpcodec.data.streams import LeftOut, failure, size_of
from vpcodec.data.survey import Part, Survey
from vpcodec.data.wav import SLACK

HEADER_BYTES = 4
LOOK_BYTES = 200  # of a frame: reaches behind a LAME header
DECODER_DELAY = 529  # samples by which a decoder is late, beside the encoder's own delay
RUN = 3  # frames in a row that make a stream
COPY_BYTES = 1 << 16
BEGINNINGS = rb"\xff|ID3|TAG|APETAGEX"  # of frames and tags
ID3_BYTES = 10  # of the header of an ID3v2 tag
TAIL_BYTES = 128  # of an ID3v1 tag
BEYOND = 1 << 40  # bytes of a gap that keeps the decoder from taking its guess at the length, by the size, for the end

# kbit/s by index, of layers I to III of MPEG-1, then of MPEG-2 and 2.5.
BITRATES = {
    (1, 1): (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (1, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (1, 3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (2, 1): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (2, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
BITRATES[2, 3] = BITRATES[2, 2]
RATES = (44_100, 48_000, 32_000)  # Hz, of MPEG-1


class FrameHeader(NamedTuple):
    """What the four bytes before a frame say.

    Attributes:
        like: Version, layer and sample rate, which all frames of a recording share.
        size: Bytes with the header.
        samples: Samples a channel.
        side: Bytes of side information behind the header, of Layer III.
        checked: Whether two bytes of checksum stand before them.
    """

    like: tuple[int, int, int]
    size: int
    samples: int
    side: int
    checked: bool


def frame_header(head: bytes, at: int = 0) -> FrameHeader | None:
    """The header at a position; None if there is none."""
    if len(head) < at + HEADER_BYTES or head[at] != 0xFF or head[at + 1] & 0xE0 != 0xE0:
        return None
    version, layer = head[at + 1] >> 3 & 3, 4 - (head[at + 1] >> 1 & 3)
    bitrate, rate = head[at + 2] >> 4, head[at + 2] >> 2 & 3
    if version == 1 or layer == 4 or bitrate in (0, 15) or rate == 3:
        return None
    first = version == 3  # MPEG-1
    sample_rate = RATES[rate] >> (0 if first else 1 if version == 2 else 2)
    bits = 1000 * BITRATES[1 if first else 2, layer][bitrate - 1]
    padding = head[at + 2] >> 1 & 1
    if layer == 1:
        size, samples = (12 * bits // sample_rate + padding) * 4, 384
    else:
        samples = 1152 if layer == 2 or first else 576
        size = samples // 8 * bits // sample_rate + padding
    mono = head[at + 3] >> 6 == 3
    side = 0 if layer < 3 else (17 if mono else 32) if first else (9 if mono else 17)
    return FrameHeader((version, layer, sample_rate), size, samples, side, not head[at + 1] & 1)


def is_mpeg(head: bytes) -> bool:
    """Whether the first bytes of a file hold MPEG audio: frames in a row, perhaps behind zeros or half a frame."""
    at = head.find(b"\xff")
    while at >= 0:
        place, count, first = at, 0, frame_header(head, at)
        while first and (header := frame_header(head, place)) and header.like == first.like:
            place, count = place + header.size, count + 1
        ended = place + HEADER_BYTES > len(head)
        if first and (count >= RUN or (ended and (count == RUN - 1 or at == 0))):
            return True
        at = head.find(b"\xff", at + 1)
    return False


class Walk:
    """Goes through a stream frame by frame; `survey` tells what it found.

    Args:
        stream: Seekable.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self.stream = stream
        self.size = size_of(stream)
        self.survey = Survey()
        self.like: tuple[int, int, int] | None = None
        self.promised: int | None = None  # frames still to come, by the header of this part
        self.trim = 0  # samples of padding behind this part
        self.reservoir: int | None = None  # bytes of earlier frames that the next may use; None once they suffice
        self.tag: tuple[int, int] | None = None  # an ID3v2 tag before the first frame
        self.tail = bytes(TAIL_BYTES)  # an ID3v1 tag

    def go(self) -> Survey:
        """Walk to the end. Raises InputError where reading fails."""
        at = 0
        try:
            while at < self.size:
                head = self.look(at)
                header = frame_header(head)
                if header and (self.like == header.like or self.is_run(at, header)):
                    at = self.take(at, header, head)
                else:
                    at = self.step_over(at, head)
        except OSError as error:
            raise failure(self.stream, error) from None
        self.end()
        return self.survey

    def look(self, at: int, count: int = LOOK_BYTES) -> bytes:
        self.stream.seek(at)
        return self.stream.read(count)

    def is_run(self, at: int, header: FrameHeader) -> bool:
        """Whether frames alike follow each other from here, up to the end of the file perhaps."""
        for _ in range(RUN - 1):
            at += header.size
            if at >= self.size:
                return at == self.size or bool(self.survey.parts) or self.size < RUN * header.size
            following = frame_header(self.look(at, HEADER_BYTES))
            if following is None:
                return is_tag(self.look(at))
            if following.like != header.like:
                return False
            header = following
        return True

    def take(self, at: int, header: FrameHeader, head: bytes) -> int:
        """Add the frame at a position to the recording; returns where the next begins."""
        stop = at + header.size
        if stop > self.size:
            self.survey.damage.append("the last frame is truncated")
            return self.size
        info = information(head, header)
        if info:
            self.end()
            self.begin(header)
            self.promised, self.survey.parts[-1].skip, self.trim = info
            return stop
        if self.like != header.like or self.promised == 0:
            self.end()
            self.begin(header)
        part = self.survey.parts[-1]
        part.frames = (part.frames or 0) + header.samples
        if self.promised is not None:
            self.promised -= 1
        if self.reservoir is not None and header.side:
            borrowed, own = borrows(head, header)
            if borrowed > self.reservoir:  # the beginning of this frame's data is missing: it becomes silent
                most, shift = (511, 7) if header.like[0] == 3 else (255, 8)
                kept = min(self.reservoir, most) << shift  # tells the decoder to keep what the next frame borrows
                before = head[: header.size - own - header.side]
                part.pieces.append(before + kept.to_bytes(2, "big") + bytes(header.side - 2))
                part.add(stop - own, stop)
                self.reservoir += own
                return stop
            self.reservoir = None
        part.add(at, stop)
        return stop

    def begin(self, header: FrameHeader) -> None:
        part = Part("mp3", [], frames=0)
        if self.tag:
            part.pieces.append(self.tag)
            self.tag = None
        self.survey.parts.append(part)
        self.like, self.promised, self.trim, self.reservoir = header.like, None, 0, 0

    def end(self) -> None:
        """Complete the last part, if it is not."""
        if self.like is None:
            return
        part = self.survey.parts[-1]
        missing = (self.promised or 0) > 1  # some programs count the frame with the header, too
        if missing:
            self.survey.damage.append(f"{self.promised:,} of the frames that its header promises are missing")
        decoded = part.frames or 0
        part.frames = max(0, decoded - part.skip - (0 if missing else self.trim))
        part.pieces += [BEYOND, self.tail]
        if not decoded:
            self.survey.parts.pop()
        self.like = None

    def step_over(self, at: int, head: bytes) -> int:
        """Find the next frame or tag behind bytes that are neither; returns its position."""
        if head[:3] == b"ID3" and len(head) >= ID3_BYTES:
            length = id3_size(head)
            if not self.survey.parts and self.tag is None:
                self.tag = (at, min(at + length, self.size))
            return at + length
        if head[:3] == b"TAG" and self.size - at >= TAIL_BYTES:
            self.tail = head[:TAIL_BYTES]
            return at + TAIL_BYTES
        if head[:8] == b"APETAGEX" and len(head) >= 24:
            footer = int.from_bytes(head[12:16], "little")
            return at + footer + (32 if head[23] & 0x20 else 0)
        start, frames, blank = at, bool(self.survey.parts), True
        while at < self.size:
            if not (data := self.look(at, COPY_BYTES)):
                break
            for place in (found.start() for found in re.finditer(BEGINNINGS, data)):
                begin = self.look(at + place)
                header = frame_header(begin)
                begins = is_tag(begin) or (header and self.is_run(at + place, header))
                if begins and place + at > start:
                    self.skipped(start, at + place, frames, blank and not any(data[:place]))
                    return at + place
            blank = blank and not any(data)
            at += len(data)
        self.skipped(start, self.size, False, blank)
        return self.size

    def skipped(self, start: int, stop: int, between: bool, blank: bool) -> None:
        """Say what was stepped over: zeros are nothing, a piece before the first frame is a note."""
        if blank:
            return
        what = f"{stop - start:,} bytes at {start:,} are no MPEG audio"
        if between:
            self.survey.damage.append(what)
            self.end()
        else:
            self.survey.notes.append(LeftOut(f"{what}; they are left out"))


def survey_mpeg(stream: BinaryIO, missing: int = 0) -> Survey:
    """The recordings in an MPEG audio file that lacks so many bytes. Raises InputError where reading fails."""
    survey = Walk(stream).go()
    if missing > SLACK:
        survey.damage.append(f"{missing:,} bytes are missing")
    return survey


def is_tag(head: bytes) -> bool:
    """Whether bytes begin with the tag of a title and so on."""
    return head.startswith((b"ID3", b"TAG", b"APETAGEX"))


def id3_size(head: bytes) -> int:
    """Bytes of an ID3v2 tag, its header and footer included."""
    size = 0
    for byte in head[6:10]:
        size = size << 7 | byte & 0x7F
    return size + (20 if head[5] & 0x10 else 10)


def information(head: bytes, header: FrameHeader) -> tuple[int | None, int, int] | None:
    """What a frame says that holds no sound but the number of frames.

    Returns that number, or None where it is left out, and the samples to drop before and behind the sound; None for
    a frame of sound.
    """
    if head[36:40] == b"VBRI":
        return int.from_bytes(head[50:54], "big"), 0, 0
    at = HEADER_BYTES + header.side
    if header.like[1] != 3 or head[at : at + 4] not in (b"Xing", b"Info"):
        return None
    flags = int.from_bytes(head[at + 4 : at + 8], "big")
    frames = int.from_bytes(head[at + 8 : at + 12], "big") if flags & 1 else None
    lame = at + 8 + sum(size for bit, size in ((1, 4), (2, 4), (4, 100), (8, 4)) if flags & bit)
    trims = int.from_bytes(head[lame + 21 : lame + 24], "big")
    if not head[lame : lame + 4].strip(b"\0") or len(head) < lame + 24 or not trims:
        return frames, 0, 0
    return frames, (trims >> 12) + DECODER_DELAY, max(0, (trims & 0xFFF) - DECODER_DELAY)


def borrows(head: bytes, header: FrameHeader) -> tuple[int, int]:
    """Bytes that a Layer III frame needs of the frames before it, and bytes that it holds for itself and others."""
    at = HEADER_BYTES + (2 if header.checked else 0)
    bits = 9 if header.like[0] == 3 else 8
    borrowed = int.from_bytes(head[at : at + 2], "big") >> (16 - bits)
    return borrowed, header.size - at - header.side
