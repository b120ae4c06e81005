"""`vpcodec export` as a process, and the tokens that it reads."""

import json
from pathlib import Path

import numpy as np
import pytest

from tests.cli.conftest import Command
from vpcodec.export import read_tokens


def test_tokens_are_those_of_the_codec(token_files: Path, models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from vpcodec.codec.pipeline import Codec

    monkeypatch.setenv("VPCODEC_MODELS", str(models))
    for kind, name in (("speech", "speech.tok"), ("image", "photo.tok")):
        found = read_tokens(str(token_files / name), name)
        expected = Codec.load(f"{kind}-vp").tokens((token_files / name).read_bytes())
        assert found.ids.dtype == np.uint16
        assert (found.ids == expected).all()
        assert found.facts["shape"] == list(expected.shape)


def test_the_command_exports_what_it_can_read(vpcodec: Command, token_files: Path) -> None:
    (vpcodec.folder / "broken.tok").write_bytes(b"no tokens")
    ended = vpcodec("export", "broken.tok", "-r", str(token_files), "--to", "webdataset", "-o", "t.tar")
    assert ended.returncode == 1
    assert b"vpcodec: broken.tok: not a token file" in ended.stderr
    assert b"2 token files -> t.tar" in ended.stderr
    assert vpcodec("export", str(token_files / "speech.tok"), "-o", "t.npz", "-q").stderr == b""
    names = np.load(vpcodec.folder / "t.npz")["names"]
    assert json.dumps(names.tolist()) == '["speech"]'
