"""Is an output what it should be? Asked before an input is deleted, and before work is skipped."""

import hashlib
import os

from vpcodec.codec.token_files import SIGNALS, prior_of
from vpcodec.container import Header, Index, verify
from vpcodec.container.header import MAGIC
from vpcodec.data.streams import open_input, shown
from vpcodec.errors import ContainerError, InputError
from vpcodec.registry import ModelFolder

SECOND = 10**9  # in nanoseconds, the unit of times of files
COARSEST = 2 * SECOND  # some file systems count two seconds at a time
REPLACE = "use -f to replace it"


def is_encoded(target: str, source: str, model: ModelFolder, rate: int) -> bool:
    """Whether a token file is there, whole, made by this model and rate, and as old as its source.

    Outputs get the time of their source, so a source that has changed since is done again, and so is a damaged
    token file.

    Raises:
        InputError: There is something else in its place, which only force replaces.
    """
    if not os.path.lexists(target):
        return False
    foreign = InputError(f"{shown(target)}: exists already and is not a token file", hint=REPLACE)
    if not os.path.isfile(target):
        raise foreign
    with open_input(target) as stream:
        if stream.read(len(MAGIC)) != MAGIC:
            raise foreign
        try:
            header = Index(stream).header
        except ContainerError:
            return False
        if (header.model, header.weights, header.rate) != (model.name, model.checksum, rate):
            raise InputError(
                f"{shown(target)}: exists already, from model {header.model} with codebook {header.rate}", hint=REPLACE
            )
        stream.seek(0)
        if verify(stream, prior_of(header, model)):
            return False
    return abs(os.stat(target).st_mtime_ns - os.stat(source).st_mtime_ns) < COARSEST


def decoded_time(source: str, resync: bool) -> int:
    """The modification time, in ns, of what is decoded from a token file of a directory.

    It is the token file's to the second. The fraction is a checksum of its bytes: a token file that is made anew from
    the same recording has the old time, but another checksum. Where a file system keeps no fractions, all is decoded
    again.

    Args:
        source: The token file.
        resync: Whether damage is stepped over, which may make something else of it.
    """
    with open(source, "rb") as stream:
        checksum = hashlib.file_digest(stream, "sha256")
        second = os.fstat(stream.fileno()).st_mtime_ns // SECOND
    checksum.update(b"resync" if resync else b"")
    return second * SECOND + int.from_bytes(checksum.digest()) % SECOND


def is_decoded(target: str, source: str, time: int, form: str) -> bool:
    """Whether what is decoded from a token file is there, whole.

    Args:
        target: Where it would be.
        source: The token file.
        time: Its `decoded_time`.
        form: Format of the target.

    Raises:
        InputError: There is something else in its place, which only force replaces.
    """
    if not os.path.lexists(target):
        return False
    if not os.path.isfile(target) or abs((found := os.stat(target).st_mtime_ns) - time) > COARSEST:
        raise InputError(f"{shown(target)}: exists already and is not from {shown(source)}", hint=REPLACE)
    try:
        with open_input(source) as stream:
            index = Index(stream)
        check_decoded(target, index.header, index.length, form)
    except (ContainerError, InputError):
        return False
    return found == time


def check_encoded(target: str, model: ModelFolder, rate: int) -> None:
    """Read a token file whole that a model made. Raises InputError if it is damaged."""
    with open_input(target) as stream:
        if problems := verify(stream, model.prior(rate)):
            raise reads_back_wrong(target, problems[0])


def check_decoded(target: str, header: Header, length: int, form: str) -> None:
    """Read a decoded recording or photo whole.

    Args:
        target: The file.
        header: Of its token file.
        length: Samples a channel that it must have; nothing for a photo.
        form: Its format. Raw samples are only counted.

    Raises:
        InputError: It is not what was written.
    """
    try:
        found, wanted = SIGNALS[header.kind].check(target, header, length, form)
    except InputError as error:
        raise reads_back_wrong(target, error.what) from None
    if found != wanted:
        raise reads_back_wrong(target, f"{found} instead of {wanted}")


def reads_back_wrong(target: str, problem: str) -> InputError:
    return InputError(f"{shown(target)}: verification failed ({problem}); the input is kept")
