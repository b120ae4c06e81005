"""Mistakes that people make: the command line, the line that is printed, the exit code.

`...` stands for anything. `docs/mistakes.md` is made from this table, and a test types every line of it.
"""

import os
import zlib
from pathlib import Path

FOLDER_NOTE = """\
The folder holds `speech.wav`, `photo.png` and their token files `sound.tok` and `picture.tok`; `folder` with media in
it, `empty-folder`; `notes.txt`, `empty.wav`, `film.mp4`; `cut.wav` and `cut.tok`, which end too early; `broken.tok`
with a wrong byte, `future.tok` of a later version, `foreign.tok` of a model that is not installed; `taken.tok`.
"""


def prepare(folder: Path) -> None:
    """Add to a folder with speech.wav, photo.png, speech.tok and photo.tok what the mistakes are made with."""
    os.rename(folder / "speech.tok", folder / "sound.tok")
    os.rename(folder / "photo.tok", folder / "picture.tok")
    sound = (folder / "sound.tok").read_bytes()
    (folder / "folder").mkdir()
    (folder / "empty-folder").mkdir()
    contents = {
        "folder/speech.wav": (folder / "speech.wav").read_bytes(),
        "notes.txt": b"that is a very fine cap you have, he said\n",
        "empty.wav": b"",
        "film.mp4": b"\0\0\0\x20ftypisom" + bytes(100),
        "cut.wav": (folder / "speech.wav").read_bytes()[:3000],
        "speech.pcm": bytes(8000),
        "cut.tok": sound[:-20],
        "broken.tok": sound[:-60] + bytes([sound[-60] ^ 1]) + sound[-59:],
        "future.tok": with_checksum(sound[:3] + b"\x09" + sound[4:]),
        "foreign.tok": with_checksum(sound.replace(b"speech-fsp-1024", b"speech-abc-1024")),
        "taken.tok": b"something dear to somebody",
    }
    for name, content in contents.items():
        (folder / name).write_bytes(content)


def with_checksum(content: bytes) -> bytes:
    """A token file whose header was changed, with a checksum that fits it."""
    size, start = content[4], 5
    if size > 127:
        size, start = size - 128 + 128 * content[5], 6
    end = start + size
    return content[:end] + zlib.crc32(content[:end]).to_bytes(4, "little") + content[end + 4 :]
