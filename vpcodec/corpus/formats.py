"""Names of files and formats: what is read, what is written, and what a suffix says about either."""

import hashlib
import os

from vpcodec.data.kinds import EXTRA_SUFFIXES
from vpcodec.data.kinds import SUFFIXES as MEDIA
from vpcodec.data.streams import STANDARD, shown
from vpcodec.errors import ConfigError

TOKENS = ".tok"
DECODED = ".decoded"  # before the suffix of what is decoded, so that an original is never in danger
LONGEST_NAME = 255  # bytes, in all usual file systems
FORMATS = {"speech": ("wav", "flac", "ogg", "raw"), "image": ("png", "webp", "jpeg")}  # the first is the default
SUFFIX_FORMATS = {
    **{f".{form}": form for forms in FORMATS.values() for form in forms},
    ".jpg": "jpeg",
    ".pcm": "raw",
    ".oga": "ogg",
}
# Names that are taken from a directory, by what is done with them.
SUFFIXES = {"encode": (*MEDIA["speech"], *MEDIA["image"], *EXTRA_SUFFIXES), "decode": (TOKENS,)}


def form_of(target: str, kind: str, open_ended: bool) -> str:
    """The format that an output's name asks for, else the default of its kind.

    Raises:
        ConfigError: The name has a suffix that says nothing.
    """
    suffix = os.path.splitext(target)[1].lower()
    if open_ended or target == STANDARD or not suffix:
        return FORMATS[kind][0]
    if suffix not in SUFFIX_FORMATS:
        raise ConfigError(f"{shown(target)}: {suffix} is not a format to write", hint="choose one with --format")
    return SUFFIX_FORMATS[suffix]


def output_name(stem: str, suffix: str) -> str:
    """A path with a suffix. A name too long for it is cut; a checksum of the whole name stands for the rest."""
    folder, name = os.path.split(stem)
    whole = os.fsencode(name)
    if len(whole) + len(suffix) > LONGEST_NAME:
        mark = f"~{hashlib.sha256(whole).hexdigest()[:8]}"
        name = whole[: LONGEST_NAME - len(mark + suffix)].decode(errors="ignore") + mark
    return os.path.join(folder, name + suffix)


def checked_form(form: str | None) -> str | None:
    """A format by its name or suffix: `jpg` is `jpeg`. Raises ConfigError for one that nobody writes."""
    if form is None:
        return None
    known = SUFFIX_FORMATS.get(f".{form.lower().lstrip('.')}")
    if known is None:
        forms = ", ".join(form for forms in FORMATS.values() for form in forms)
        raise ConfigError(f"--format {form}: not a format to write", hint=f"use {forms}")
    return known


def is_medium_name(name: str) -> bool:
    """Whether a file of this name would be taken for a recording or photo."""
    return name.lower().endswith(SUFFIXES["encode"])
