"""Open inputs: a path, standard input or any binary stream, with errors that say what to do.

Names are shown escaped, so that one error stays one line whatever a file is called, and files are opened by
Python itself, so that every name the system allows works with every library behind.
"""

import io
import os
import stat
import sys
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import accumulate
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias, cast

from vpcodec.errors import ConfigError, InputError

Source: TypeAlias = str | os.PathLike[str] | BinaryIO
Piece: TypeAlias = tuple[int, int] | bytes | int  # first position and the one after the last, bytes, or a gap's size

STANDARD = "-"  # the name of standard input and output
HEAD_BYTES = 4096  # enough to tell what a file is and, of most, what its samples are
COPY_BYTES = 1 << 18
SPOOL_BYTES = 1 << 23  # a pipe that must be read out of order is kept in memory up to here, then on disk


class LeftOut(str):
    """A note on a part of the input that is not in the output. Such an input is never deleted."""


class Common(str):
    """A note that may hold for most files of a corpus. Of files from folders it is told once, with their number."""


class Seen(io.RawIOBase):
    """A pipe whose bytes are kept as they are read, so that they can be read again; see `peek`."""

    def __init__(self, rest: BinaryIO) -> None:
        self.rest = rest
        self.content = b""
        self.name = getattr(rest, "name", "")

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1, /) -> bytes:
        found = self.rest.read(size)
        self.content += found
        return found

    def again(self) -> BinaryIO:
        """The pipe from where this began."""
        return cast(BinaryIO, Headed(self.content, self.rest))


def shown(source: Source) -> str:
    """The name of a path or stream on one line: control characters and bytes that are not UTF-8 are escaped."""
    if not isinstance(source, str | os.PathLike):
        source = getattr(source, "name", "")
        if source == "<stdin>" or source == "":
            return "standard input" if source else "the stream"
        if not isinstance(source, str | os.PathLike):  # a file descriptor's number, for example
            return "the stream"
    if source == STANDARD:
        return "standard input"
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in os.fspath(source))


def failure(source: Source, error: OSError) -> InputError:
    """An InputError in the system's own words: `speech.wav: no such file or directory`."""
    reason = error.strerror or str(error) or type(error).__name__
    return InputError(f"{shown(source)}: {reason[0].lower()}{reason[1:]}")


def files_below(top: str | os.PathLike[str], missed: Callable[[OSError], None]) -> Iterator[str]:
    """Files below a folder, by name; links are followed, each folder once.

    `missed` is called with the error of every folder that cannot be read.
    """
    seen = {identity(os.fspath(top))}
    for folder, folders, files in os.walk(top, onerror=missed, followlinks=True):
        kept = []
        for name in sorted(folders, key=os.fsencode):
            if (found := identity(os.path.join(folder, name))) not in seen:
                seen.add(found)
                kept.append(name)
        folders[:] = kept
        yield from (os.path.join(folder, name) for name in sorted(files, key=os.fsencode))


def identity(folder: str) -> tuple[int, int] | str:
    """What tells a folder from all others, whatever it is called; its path where the system does not say more."""
    try:
        status = os.stat(folder)
    except OSError:
        return folder
    return status.st_dev, status.st_ino


@contextmanager
def open_input(source: Source) -> Iterator[BinaryIO]:
    """Open a path or `-` for reading; a stream is handed through and stays open.

    Raises:
        InputError: Nothing can be read there, or it is a directory or a device without an end.
        ConfigError: Standard input is a terminal, or the source is something else, such as an array.
    """
    if not isinstance(source, str | os.PathLike):
        if not hasattr(source, "read"):
            raise ConfigError(f"a {type(source).__name__} is neither a path nor a binary stream")
        yield source
    elif source == STANDARD:
        if sys.stdin.isatty():
            raise ConfigError("standard input is a terminal", hint="name a file, or pipe one in")
        yield sys.stdin.buffer
    else:
        try:
            opened = open(source, "rb")  # noqa: SIM115 - closed below, apart from errors of the reader
        except ValueError as error:  # a name with a zero byte
            raise InputError(f"{shown(source)}: {error}") from None
        except OSError as error:
            raise failure(source, error) from None
        with opened:
            mode = os.fstat(opened.fileno()).st_mode
            if stat.S_ISCHR(mode) or stat.S_ISBLK(mode):
                raise InputError(f"{shown(source)}: a device is not a recording or a photo")
            yield opened


def at_start(stream: BinaryIO) -> bool:
    """Whether a stream can be read out of order, from its beginning."""
    try:
        return stream.seekable() and stream.tell() == 0
    except (OSError, AttributeError):
        return False


def size_of(stream: BinaryIO) -> int:
    """Bytes in a seekable stream; its position becomes the beginning."""
    size = stream.seek(0, os.SEEK_END)
    stream.seek(0)
    return size


def read_exactly(stream: BinaryIO, count: int) -> bytes:
    """Up to `count` bytes, fewer only at the end: pipes hand out what they have. Raises InputError."""
    parts: list[bytes] = []
    try:
        while count > 0 and (part := stream.read(min(count, COPY_BYTES))):
            parts.append(part)
            count -= len(part)
    except OSError as error:
        raise failure(stream, error) from None
    return b"".join(parts)


def skip(stream: BinaryIO, count: int) -> None:
    """Go on by so many bytes, or to the end."""
    if getattr(stream, "seekable", bool)():
        stream.seek(count, os.SEEK_CUR)
        return
    while count > 0 and (part := read_exactly(stream, min(count, COPY_BYTES))):
        count -= len(part)


class Headed(io.RawIOBase):
    """A stream whose first bytes were looked at and come again; neither seekable nor closing what it reads."""

    def __init__(self, head: bytes, rest: BinaryIO) -> None:
        self.head = head
        self.rest = rest
        self.name = getattr(rest, "name", "")

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1, /) -> bytes:
        if size < 0:
            found, self.head = self.head + self.rest.read(), b""
            return found
        if self.head:
            found, self.head = self.head[:size], self.head[size:]
            return found
        return self.rest.read(size)


def peek(stream: BinaryIO, count: int = HEAD_BYTES) -> tuple[bytes, BinaryIO]:
    """The first `count` bytes of a stream, and a stream that still holds them: itself where it can go back.

    A pipe is waited for until they are in, or it ends.

    Raises InputError where reading fails, as for a directory or a disk with errors.
    """
    begins, head = at_start(stream), read_exactly(stream, count)
    if begins:
        stream.seek(0)
    return head, stream if begins else cast(BinaryIO, Headed(head, stream))


@contextmanager
def seekable(stream: BinaryIO) -> Iterator[BinaryIO]:
    """The same bytes in a stream that can be read out of order: in memory if small, else in a nameless file."""
    if at_start(stream):
        yield stream
        return
    import tempfile

    with tempfile.SpooledTemporaryFile(SPOOL_BYTES) as spool:
        while part := read_exactly(stream, COPY_BYTES):
            try:
                spool.write(part)
            except OSError as error:
                raise failure(Path(tempfile.gettempdir()), error) from None
        spool.seek(0)
        yield cast(BinaryIO, spool)


def pieces_of(stream: BinaryIO, pieces: Sequence[Piece]) -> BinaryIO:
    """Pieces of a seekable stream, which stays open, as one stream.

    A number among them is a gap of so many bytes: the stream ends there, and goes on behind it for who seeks there.
    """
    return io.BufferedReader(Pieces(stream, pieces), COPY_BYTES)


class Pieces(io.RawIOBase):
    """See `pieces_of`."""

    def __init__(self, stream: BinaryIO, pieces: Sequence[Piece]) -> None:
        self.stream = stream
        self.pieces = pieces
        sizes = (p if isinstance(p, int) else len(p) if isinstance(p, bytes) else p[1] - p[0] for p in pieces)
        self.starts = [0, *accumulate(sizes)]
        self.position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        position = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self.position, os.SEEK_END: self.starts[-1]}[whence]
        if position < 0:
            raise ValueError("a negative position")
        self.position = position
        return position

    def readinto(self, buffer: Any, /) -> int:
        number = bisect_right(self.starts, self.position) - 1
        piece = self.pieces[number] if number < len(self.pieces) else 0
        inside = self.position - self.starts[number]
        if isinstance(piece, int):
            return 0
        if isinstance(piece, bytes):
            data = piece[inside : inside + len(buffer)]
        else:
            self.stream.seek(piece[0] + inside)
            data = self.stream.read(min(len(buffer), piece[1] - piece[0] - inside))
        buffer[: len(data)] = data
        self.position += len(data)
        return len(data)
