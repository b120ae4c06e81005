"""Training media, wherever they lie: loose files in folders, or members of tar shards."""

import io
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vpcodec.data.kinds import SUFFIXES, Kind, is_named
from vpcodec.errors import DataError


@dataclass(frozen=True)
class Medium:
    """One recording or photo: a stretch of bytes in a file."""

    path: Path
    name: str
    offset: int
    size: int

    def read(self) -> bytes:
        with self.path.open("rb") as file:
            file.seek(self.offset)
            return file.read(self.size)

    def open(self) -> io.BufferedReader:
        """Its bytes as a file that is read only as far as someone asks."""
        return io.BufferedReader(Section(self))


class Section(io.RawIOBase):
    """Part of a file as a file of its own."""

    def __init__(self, medium: Medium) -> None:
        self.file = medium.path.open("rb", buffering=0)
        self.start, self.size, self.place = medium.offset, medium.size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self.place = max(0, offset + {io.SEEK_SET: 0, io.SEEK_CUR: self.place, io.SEEK_END: self.size}[whence])
        return self.place

    def readinto(self, buffer: Any) -> int:
        self.file.seek(self.start + self.place)
        found = self.file.read(max(0, min(len(buffer), self.size - self.place)))
        buffer[: len(found)] = found
        self.place += len(found)
        return len(found)

    def close(self) -> None:
        self.file.close()
        super().close()


def list_media(root: Path, kind: Kind) -> list[Medium]:
    """All media of a kind below a folder (or in one tar file), in the order of their names.

    Args:
        root: A folder with loose files, tar shards or both; or one tar shard.
        kind: "speech" or "image".

    Raises:
        DataError: The place is missing, holds none, or a shard is broken.
    """
    if not root.exists():
        raise DataError(f"{root}: no such folder")
    files = [root] if root.is_file() else sorted(path for path in root.rglob("*") if path.is_file())
    media: list[Medium] = []
    for path in files:
        if path.suffix == ".tar":
            media.extend(list_shard(path, kind))
        elif is_named(path.as_posix(), SUFFIXES[kind]):
            media.append(Medium(path, path.name, 0, path.stat().st_size))
    if not media:
        raise DataError(f"{root}: no {kind} files", hint=f"looked for {', '.join(SUFFIXES[kind])} and .tar shards")
    return media


def list_shard(path: Path, kind: Kind) -> list[Medium]:
    """The media of a kind in one tar file, without reading them."""
    try:
        with tarfile.open(path, "r:") as shard:  # not packed, or its members could not be read in place
            return [
                Medium(path, member.name, member.offset_data, member.size)
                for member in shard
                if member.isfile() and is_named(member.name, SUFFIXES[kind])
            ]
    except (OSError, tarfile.TarError) as error:
        raise DataError(f"{path}: not a readable tar shard ({error})") from error
