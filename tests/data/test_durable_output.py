"""What a power cut may find: an output has its name only once its bytes are on the disk."""

import os
from pathlib import Path

import pytest

from vpcodec.data.output import open_output


@pytest.mark.parametrize("nameless", [True, False])
@pytest.mark.parametrize("force", [True, False])
def test_bytes_reach_the_disk_before_their_name_does_and_the_name_before_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, nameless: bool, force: bool
) -> None:
    if not nameless:
        monkeypatch.delattr(os, "O_TMPFILE", raising=False)
    target, flushed = tmp_path / "a.tok", []
    flush = os.fsync

    def watched(descriptor: int) -> None:
        flush(descriptor)
        flushed.append((os.path.isdir(f"/proc/self/fd/{descriptor}"), os.fstat(descriptor).st_size, target.exists()))

    monkeypatch.setattr(os, "fsync", watched)
    with open_output(target, force=force) as stream:
        stream.write(bytes(1234))
    folders = [named for folder, _, named in flushed if folder]
    files = [(size, named) for folder, size, named in flushed if not folder]
    assert files == [(1234, False)]
    assert folders == [True]
