"""Is an output what it should be? Asked before an input is deleted, and before work is skipped."""

import os

from vpcodec.codec.matching import prior_of
from vpcodec.container import Header, Index, SpeechFacts, verify
from vpcodec.container.header import MAGIC
from vpcodec.data.audio import open_audio
from vpcodec.data.image import open_image
from vpcodec.data.streams import open_input, shown
from vpcodec.errors import ContainerError, InputError
from vpcodec.registry import ModelFolder


def is_complete(target: str, source: str, model: ModelFolder, rate: int) -> bool:
    """Whether a token file is there, whole, made by this model and rate, and as old as its source.

    Outputs get the time of their source, so a source that has changed since is done again, and so is a damaged
    token file.

    Raises:
        InputError: There is something else in its place, which only force replaces.
    """
    if not os.path.lexists(target):
        return False
    replace = "use -f to replace it"
    with open_input(target) as stream:
        if stream.read(len(MAGIC)) != MAGIC:
            raise InputError(f"{shown(target)}: exists already and is no token file", hint=replace)
        try:
            header = Index(stream).header
        except ContainerError:
            return False
        if (header.model, header.weights, header.rate) != (model.name, model.checksum, rate):
            raise InputError(
                f"{shown(target)}: exists already, from model {header.model} at rate {header.rate}", hint=replace
            )
        stream.seek(0)
        if verify(stream, prior_of(header, model)):
            return False
    return abs(os.stat(target).st_mtime - os.stat(source).st_mtime) < 2  # some file systems count two seconds at a time


def read_back(target: str, header: Header, length: int, model: ModelFolder | None = None) -> None:
    """Read an output whole.

    Args:
        target: The file.
        header: Of the token file on either side.
        length: Samples a channel that it must have; nothing for a photo.
        model: Whose token file it is; None for a recording or photo.

    Raises:
        InputError: It is not what was written.
    """
    try:
        if model:
            with open_input(target) as stream:
                problems = verify(stream, prior_of(header, model))
        elif isinstance(header.signal, SpeechFacts):
            with open_audio(target) as audio:
                found = sum(len(block) for block in audio.blocks())
            problems = [] if found == length else [f"{found} samples instead of {length}"]
        else:
            facts = open_image(target).facts
            whole = (facts.width, facts.height) == (header.signal.width, header.signal.height)
            problems = [] if whole else [f"{facts.width}x{facts.height} pixels"]
    except InputError as error:
        problems = [error.what]
    if problems:
        raise InputError(f"{shown(target)}: reads back wrong ({problems[0]}), the input is kept")
