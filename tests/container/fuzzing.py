"""Structure-aware damage for token files: what a fuzzer changes, and what must hold whatever it changes."""

import io
import itertools
import random
import zlib
from collections.abc import Iterator

from tests.fuzzing import CHANGES
from vpcodec.container import Index, Reader, verify
from vpcodec.container.fields import varint, word
from vpcodec.container.format import NUMBER_FACTOR
from vpcodec.errors import ContainerError

TELLING = (0, 1, 2, 4, 127, 128, 255, 256, 65535, 65536, 65537, 1 << 24, 1 << 31, 1 << 32, (1 << 63) - 1)


def damaged(content: bytes, draw: random.Random) -> bytes:
    """The content after one to three changes; often with checksums put right, so that what lies behind is reached."""
    starts = part_starts(content)
    for _ in range(draw.randint(1, 3)):
        content = draw.choice(DAMAGE)(content, draw)
    return mended(content, starts) if draw.random() < 0.6 else content


def overwrite(content: bytes, draw: random.Random) -> bytes:
    """A telling number in place of whatever is there, as long as it is."""
    start = draw.randrange(len(content) + 1)
    number = varint(draw.choice(TELLING))
    return content[:start] + number + content[start + len(number) :]


DAMAGE = (*CHANGES, overwrite, overwrite)


def part_starts(content: bytes) -> list[int]:
    """Where header, frames and footer start, and where the footer ends; none for what is no token file."""
    try:
        index = Index(io.BytesIO(content))
    except ContainerError:
        return []
    return [0, *index.starts, len(content) - len(varint(len(content) - index.starts[-1]))]


def mended(content: bytes, starts: list[int]) -> bytes:
    """Checksums made right for what now lies where header, frames and footer lay."""
    changed = bytearray(content)
    for number, (start, stop) in enumerate(itertools.pairwise(starts), -1):
        if stop - start > 4 and stop <= len(changed):
            checksum = zlib.crc32(changed[start : stop - 4])
            frame = 0 <= number < len(starts) - 3
            changed[stop - 4 : stop] = word(checksum + (number * NUMBER_FACTOR if frame else 0))
    return bytes(changed)


def survive(content: bytes, prior: bytes | None) -> bool:
    """Read content in every way there is. True if it is sound; any failure but ContainerError passes through."""
    sound = True
    for read in (read_whole, read_by_index, read_around_damage):
        try:
            read(content, prior)
        except ContainerError:
            sound = False
    problems = verify(io.BytesIO(content), prior)
    assert not (sound and problems), "verify finds problems in a file that reads well"
    return sound


def read_whole(content: bytes, prior: bytes | None) -> None:
    reader = Reader(io.BytesIO(content))
    for _ in reader.frames(prior if reader.header.prior else None):
        pass


def read_by_index(content: bytes, prior: bytes | None) -> None:
    index = Index(io.BytesIO(content))
    for number in range(min(len(index), 20)):
        index.read(number, prior if index.header.prior else None)


def read_around_damage(content: bytes, prior: bytes | None) -> None:
    reader = Reader(io.BytesIO(content))
    for _ in limited(reader.sound_frames(lambda _: None, prior if reader.header.prior else None)):
        pass


def limited(frames: Iterator[object]) -> Iterator[object]:
    """Lost frames are cheap but may be many."""
    for _, frame in zip(range(5000), frames, strict=False):
        yield frame
