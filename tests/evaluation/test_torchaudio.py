"""torchaudio's own data set classes find the same recordings; they serve as an oracle only.

They need torchaudio's compiled part to load, and decode through it, while a list of files is all that an
evaluation wants of a data set.
"""

import sys
import types
from pathlib import Path

import pytest

from vpcodec.evaluation.datasets import open_dataset


@pytest.fixture(scope="module")
def datasets():
    """torchaudio.datasets, without the compiled part that a CPU build of torch cannot load."""
    extension = types.ModuleType("torchaudio._extension")
    extension._IS_TORCHAUDIO_EXT_AVAILABLE = False  # type: ignore[attr-defined]
    extension.fail_if_no_align = lambda function: function  # type: ignore[attr-defined]
    sys.modules.setdefault("torchaudio._extension", extension)
    return pytest.importorskip("torchaudio.datasets")


def test_librispeech(datasets, tmp_path: Path) -> None:
    chapter = tmp_path / "LibriSpeech" / "test-other" / "367" / "130732"
    chapter.mkdir(parents=True)
    for number in (1, 0, 10):
        (chapter / f"367-130732-{number:04}.flac").touch()
    (chapter / "367-130732.trans.txt").write_text("".join(f"367-130732-{n:04} WORD\n" for n in (0, 1, 10)))
    theirs = datasets.LIBRISPEECH(tmp_path, url="test-other", download=False)
    paths = [tmp_path / "LibriSpeech" / theirs.get_metadata(index)[0] for index in range(len(theirs))]
    ours = open_dataset("librispeech/test-other", tmp_path)
    assert [item.path for item in ours.items] == paths


def test_common_voice(datasets, tmp_path: Path) -> None:
    release = tmp_path / "en"
    (release / "clips").mkdir(parents=True)
    names = ["b.mp3", "a.mp3"]
    for name in names:
        (release / "clips" / name).touch()
    rows = "".join(f"speaker\t{name}\tHello\n" for name in names)
    (release / "test.tsv").write_text("client_id\tpath\tsentence\n" + rows)
    theirs = datasets.COMMONVOICE(release, tsv="test.tsv")
    ours = open_dataset("common-voice", tmp_path)
    assert sorted(row[1] for row in theirs._walker) == [item.path.name for item in ours.items]
