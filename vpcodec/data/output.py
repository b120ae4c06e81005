"""Write files that appear complete or not at all, and replace nothing by accident.

A file is written without a name in its own folder, flushed to the disk and then given its name: whatever goes wrong
before, even `kill -9` or a power cut, nothing of it stays and an older file is as it was. Where the system has no
files without names, a temporary one is renamed, and removed after an error, Ctrl-C or SIGTERM.
"""

import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, cast

from vpcodec.data.streams import STANDARD, failure, shown
from vpcodec.errors import ConfigError, InputError

TEMPORARY_PREFIX, TEMPORARY_SUFFIX = ".vpcodec-", ".part"
PERMISSIONS = 0o777


@contextmanager
def open_output(
    target: str | os.PathLike[str],
    *,
    force: bool = False,
    like: str | os.PathLike[str] | None = None,
    time: int | None = None,
) -> Iterator[BinaryIO]:
    """A stream whose bytes become `target` when the block ends without an error.

    Args:
        target: A path, or `-` for standard output. Pipes and devices are written directly.
        force: Replace a file that is there; write to a terminal.
        like: A file whose permissions and modification time the new one gets.
        time: Modification time that it gets instead, ns.

    Raises:
        InputError: The target is there already, cannot be written, or the disk is full.
        ConfigError: The target is a terminal.
        BrokenPipeError: Whoever read standard output has gone.
    """
    if isinstance(target, str) and target == STANDARD:
        if sys.stdout.isatty() and not force:
            raise ConfigError(
                "binary output is not written to a terminal", hint="name a file with -o, redirect it, or use -f"
            )
        with errors_named(shown_output(target)):
            yield sys.stdout.buffer
            sys.stdout.buffer.flush()
        return
    with errors_named(target):
        if is_direct(target):
            with open(target, "wb", buffering=0) as stream:
                yield cast(BinaryIO, stream)
            return
        path, part = begin(target, force)
        try:
            with open(part.descriptor, "w+b") as stream:
                yield stream
                stream.flush()
                os.fchmod(stream.fileno(), permissions(like))
                os.fsync(stream.fileno())
                if like is not None:
                    times = os.stat(like)
                    os.utime(stream.fileno(), ns=(times.st_atime_ns, times.st_mtime_ns if time is None else time))
                put_in_place(part, path, target, force)  # while it is open: closed without a name it would be gone
        finally:
            part.remove()
        flush_folder(path.parent)


def check_output(target: str | os.PathLike[str], *, force: bool = False) -> None:
    """Raise InputError where `open_output` would at once: before work is done whose result goes there in the end."""
    with errors_named(target):
        if target != STANDARD and not is_direct(target):
            _, part = begin(target, force)
            os.close(part.descriptor)
            part.remove()


def is_direct(target: str | os.PathLike[str]) -> bool:
    """Whether a target is a pipe or a device."""
    return os.path.exists(target) and not os.path.isfile(target) and not os.path.isdir(target)


def begin(target: str | os.PathLike[str], force: bool) -> tuple[Path, "Part"]:
    """A file to be written for a target, and the path that it gets in the end. Raises InputError and OSError."""
    # A link is followed, so that the file it names is replaced and not the link; to a pipe it would lead nowhere.
    path = Path(os.path.realpath(target) if os.path.islink(target) else target)
    check_free(path, target, force)
    if not path.parent.is_dir():
        raise InputError(f"{shown(target)}: there is no folder {shown(path.parent)}", hint="make it first")
    try:
        return path, Part(path.parent)
    except OSError as error:
        raise failure(target, error) from None


class Part:
    """A file being written, readable by its owner only.

    Args:
        folder: Where it is to appear.

    Attributes:
        descriptor: Of the open file.
        name: Its temporary name; None while it has none.

    Raises:
        OSError: The folder is missing, or cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.name: str | None = None
        try:
            self.descriptor = os.open(folder, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600)
            if os.path.exists(self.handle):  # not without /proc
                return
            os.close(self.descriptor)
        except (OSError, AttributeError):  # a system or file system without them
            pass
        import tempfile

        self.descriptor, self.name = tempfile.mkstemp(TEMPORARY_SUFFIX, TEMPORARY_PREFIX, folder)

    @property
    def handle(self) -> str:
        """A path by which the system finds the open file, which needs no name for that."""
        return f"/proc/self/fd/{self.descriptor}"

    def link(self, path: Path) -> None:
        """Give the file a further name. Raises FileExistsError where that is taken, in one step."""
        if self.name is not None:
            os.link(self.name, path)
            return
        folder = os.open(self.folder, os.O_PATH)
        try:
            # The link behind the handle is followed only where a folder is named.
            os.link(self.handle, path.name, dst_dir_fd=folder, follow_symlinks=True)
        finally:
            os.close(folder)

    def replace(self, path: Path) -> None:
        """Give the file a name that another may bear, in one step."""
        if self.name is None:
            name = self.folder / f"{TEMPORARY_PREFIX}{os.urandom(8).hex()}{TEMPORARY_SUFFIX}"
            self.link(name)
            self.name = os.fspath(name)
        os.replace(self.name, path)
        self.name = None

    def remove(self) -> None:
        """Remove the temporary name, if there is one. What was put in place stays."""
        if self.name is not None:
            with suppress(OSError):
                os.unlink(self.name)


def check_free(path: Path, target: str | os.PathLike[str], force: bool) -> None:
    """Raise InputError if a target may not be written, before any work is done for it."""
    if path.is_dir():
        raise InputError(f"{shown(target)}: is a directory", hint="name a file, or use --output-dir")
    if not force and os.path.lexists(path):
        raise already_there(target)


def already_there(target: str | os.PathLike[str]) -> InputError:
    return InputError(f"{shown(target)}: exists already", hint="use -f to replace it")


def put_in_place(part: Part, path: Path, target: str | os.PathLike[str], force: bool) -> None:
    """Give a finished file its name; a file that appeared there meanwhile is replaced only by force."""
    if not force:
        try:
            part.link(path)
            return
        except FileExistsError:
            raise already_there(target) from None
        except OSError as error:
            if part.name is None:
                raise failure(target, error) from None
            check_free(path, target, force)  # a file system without links
    try:
        part.replace(path)
    except OSError as error:
        raise failure(target, error) from None


def permissions(like: str | os.PathLike[str] | None) -> int:
    """The permissions of a file, or those that the system gives new ones."""
    if like is not None:
        return stat.S_IMODE(os.stat(like).st_mode) & PERMISSIONS
    mask = os.umask(0o077)
    os.umask(mask)
    return 0o666 & ~mask


def flush_folder(folder: Path) -> None:
    """Make a rename last through a power cut, where the system can."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


@contextmanager
def errors_named(target: str | os.PathLike[str]) -> Iterator[None]:
    """Turn errors of the system into one line about the file they name, else about the target.

    A closed pipe stays what it is.
    """
    try:
        yield
    except BrokenPipeError:
        raise
    except ValueError as error:  # a name with a zero byte
        if "null" not in str(error):
            raise
        raise InputError(f"{shown(target)}: {error}") from None
    except OSError as error:
        raise failure(error.filename or target, error) from None


def shown_output(target: str | os.PathLike[str]) -> str:
    """The name of an output on one line; see `shown`."""
    return "standard output" if target == STANDARD else shown(target)
