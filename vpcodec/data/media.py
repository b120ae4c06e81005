"""Training media, wherever they lie: loose files in folders or members of tar shards; and how much each holds.

A source is a folder, a tar shard (`.tar`, `.tar.gz`, `.tgz`), a numbered row of either (`train-{000..099}.tar`), or
`@list.txt`: a file with one source or media file a line, relative to that file's folder.

What was measured is kept in an index in the cache folder ($VPCODEC_CACHE, or `vpcodec` where the system keeps caches)
and holds as long as a file's path, size and time of change stay. Packed shards are unpacked there, once, because
a random crop needs its file at once.
"""

import gzip
import hashlib
import io
import json
import os
import re
import shutil
import tarfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, NamedTuple, NoReturn

from vpcodec.data.kinds import SUFFIXES, Kind, is_named
from vpcodec.data.output import open_output
from vpcodec.data.streams import Pieces, failure, files_below
from vpcodec.errors import DataError, InputError

Sources = Path | Sequence[Path]
PACKED = (".tar.gz", ".tgz")
NUMBERS = re.compile(r"\{(\d+)\.\.(\d+)\}")
THREADS = 8  # that measure files; most of the time they wait for a disk


class MediaFile(NamedTuple):
    """One recording or photo: a range of bytes in a file.

    Attributes:
        source: What it was found through.
        path: The file on disk.
        name: Its name there or in the shard.
        offset: Of its first byte.
        size: Its bytes.
    """

    source: Path
    path: Path
    name: str
    offset: int
    size: int

    def read(self) -> bytes:
        with self.open() as stream:
            return stream.read()

    @contextmanager
    def open(self) -> Iterator[BinaryIO]:
        """Its bytes as a stream, read only as far as someone asks."""
        with self.path.open("rb", buffering=0) as file:
            yield io.BufferedReader(Pieces(file, [(self.offset, self.offset + self.size)]))


def list_media(sources: Sources, kind: Kind) -> list[MediaFile]:
    """All media of a kind in one source or several, in the order of the sources and, in each, of the names.

    Raises:
        DataError: A source is missing or holds none, a folder cannot be read, or a shard is broken.
    """
    media: list[MediaFile] = []
    for source in [sources] if isinstance(sources, Path) else sources:
        found = [each for path in paths_of(source) for each in media_at(path, kind, source)]
        if not found:
            raise DataError(
                f"{source}: no {kind} files", hint=f"looked for {', '.join(SUFFIXES[kind])} and .tar shards"
            )
        media += found
    return media


def paths_of(source: Path) -> Iterator[Path]:
    """Folders and files that a source stands for. Raises DataError for those that are missing."""
    if str(source).startswith("@"):
        names = Path(str(source)[1:])
        try:
            lines = names.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise DataError(f"{names}: not a readable list of paths ({error})") from error
        for line in filter(None, map(str.strip, lines)):
            try:
                yield from paths_of(names.parent / line)
            except DataError as error:
                raise DataError(f"{names}: {error.what}") from error
    elif source.exists():
        yield source
    elif numbers := NUMBERS.search(str(source)):
        first, last = numbers.groups()
        for number in range(int(first), int(last) + 1):
            yield from paths_of(Path(NUMBERS.sub(f"{number:0{len(first)}}", str(source), count=1)))
    else:
        raise DataError(f"{source}: no such file or folder")


def media_at(path: Path, kind: Kind, source: Path) -> Iterator[MediaFile]:
    """The media of a kind below a folder, in one shard, or one media file; a link that leads nowhere is one, too."""
    if path.is_dir():
        for below in sorted(map(Path, files_below(path, refuse))):
            if below.is_file() or not below.exists():
                yield from media_at(below, kind, source)
    elif path.name.endswith((".tar", *PACKED)):
        yield from in_shard(path, kind, source)
    elif is_named(path.as_posix(), SUFFIXES[kind]):
        yield MediaFile(source, path, path.name, 0, path.stat().st_size if path.exists() else 0)


def refuse(error: OSError) -> NoReturn:
    """Raise DataError for a folder that cannot be read: nobody knows how much is in it."""
    raise DataError(failure(error.filename, error).what) from error


def in_shard(path: Path, kind: Kind, source: Path) -> list[MediaFile]:
    """The media of a kind in one tar file, without reading them."""
    try:
        plain = unpacked(path) if path.name.endswith(PACKED) else path
        with tarfile.open(plain, "r:") as shard:
            return [
                MediaFile(source, plain, member.name, member.offset_data, member.size)
                for member in shard
                if member.isfile() and is_named(member.name, SUFFIXES[kind])
            ]
    except (OSError, EOFError, tarfile.TarError) as error:
        raise DataError(f"{path}: not a readable tar shard ({error})") from error


def unpacked(path: Path) -> Path:
    """A packed shard's tar file in the cache."""
    status = path.stat()
    target = cache_file(f"{path.resolve()} {status.st_size} {status.st_mtime_ns}", ".tar")
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        with gzip.open(path) as packed, open_output(target, force=True) as file:
            shutil.copyfileobj(packed, file, 1 << 20)
    return target


Measured = list[float | DataError]


def measured(media: Sequence[MediaFile], kind: Kind, measure: Callable[[MediaFile], float]) -> Measured:
    """Seconds or megapixels of each file, or why it cannot be read; from the index where that knows."""
    amounts: Measured = []
    for source in dict.fromkeys(each.source for each in media):
        files = [each for each in media if each.source == source]
        index = cache_file(f"{kind} {Path(str(source).lstrip('@')).resolve()}", ".json")
        amounts += measured_source(files, index, measure)
    return amounts


def measured_source(files: Sequence[MediaFile], index: Path, measure: Callable[[MediaFile], float]) -> Measured:
    """`measured` for one source, whose index is read and, if it lacks something, written."""
    known: dict[str, float] = {}
    with suppress(OSError, ValueError):
        known = json.loads(index.read_text(encoding="utf-8"))
    changes = {path: path.stat().st_mtime_ns if path.exists() else 0 for path in {each.path for each in files}}
    keys = [f"{each.path.resolve()} {each.offset} {each.size} {changes[each.path]}" for each in files]

    def amount(number: int) -> float | DataError:
        try:
            return known[keys[number]] if keys[number] in known else measure(files[number])
        except DataError as error:
            return error

    with ThreadPoolExecutor(THREADS) as pool:
        amounts = list(pool.map(amount, range(len(files))))
    found = {key: value for key, value in zip(keys, amounts, strict=True) if not isinstance(value, DataError)}
    if found.keys() - known.keys():
        with suppress(OSError, InputError):  # a cache that cannot be written is none
            index.parent.mkdir(parents=True, exist_ok=True)
            with open_output(index, force=True) as file:
                file.write(json.dumps(found).encode())
    return amounts


def cache_file(key: str, suffix: str) -> Path:
    """Where the cache keeps what belongs to a key."""
    root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    folder = Path(os.environ.get("VPCODEC_CACHE") or Path(root, "vpcodec"))
    return folder / (hashlib.sha256(key.encode(errors="surrogateescape")).hexdigest()[:32] + suffix)
