"""`vpcodec export` as a process, and the tokens that it reads."""

import json
import shutil
import tarfile
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


def test_a_missing_model_does_not_stop_the_graphs_of_others(vpcodec: Command, models: Path) -> None:
    folder = shutil.copytree(models / "speech-vp", vpcodec.folder / "model")
    (folder / "encoder.onnx").unlink()
    ended = vpcodec("export", "nowhere", "model", "--to", "onnx")
    assert ended.returncode == 1
    failure, note = ended.stderr.decode().splitlines()
    assert failure.startswith("vpcodec: no model named 'nowhere'; installed: ")
    assert note == "model: graphs written"
    assert (folder / "encoder.onnx").read_bytes() == (models / "speech-vp" / "encoder.onnx").read_bytes()


@pytest.mark.parametrize("form", ["npz", "webdataset"])
def test_equal_names_are_told_apart_by_their_folders(vpcodec: Command, tokens: Path, form: str) -> None:
    for folder in ("a", "b"):
        (tokens / folder / "deep").mkdir(parents=True)
        for name in ("x", "deep/y", f"only-{folder}"):
            shutil.copy(tokens / "speech.tok", tokens / folder / f"{name}.tok")
    assert vpcodec("export", "-r", "a", "b", "a/x.tok", "--to", form, "-o", "t").returncode == 0
    if form == "npz":
        names = np.load(tokens / "t")["names"].tolist()
    else:
        with tarfile.open(tokens / "t") as tar:
            names = [name.removesuffix(".npy") for name in tar.getnames() if name.endswith(".npy")]
    assert sorted(names) == ["a/deep/y", "a/x", "b/deep/y", "b/x", "only-a", "only-b"]


def test_an_export_from_several_codebooks_is_noted(vpcodec: Command, tokens: Path) -> None:
    said = vpcodec("export", "speech.tok", "photo.tok", "-o", "t.npz").stderr.decode()
    assert "the ids come from different codebooks: image-vp (" in said
    assert ") with codebook 256, speech-vp (" in said
    assert b"codebooks" not in vpcodec("export", "speech.tok", "-o", "u.npz").stderr


def test_the_command_exports_what_it_can_read(vpcodec: Command, token_files: Path) -> None:
    (vpcodec.folder / "broken.tok").write_bytes(b"no tokens")
    ended = vpcodec("export", "broken.tok", "-r", str(token_files), "--to", "webdataset", "-o", "t.tar")
    assert ended.returncode == 1
    assert b"vpcodec: broken.tok: not a token file" in ended.stderr
    assert b"2 token files -> t.tar" in ended.stderr
    assert vpcodec("export", str(token_files / "speech.tok"), "-o", "t.npz", "-q").stderr == b""
    names = np.load(vpcodec.folder / "t.npz")["names"]
    assert json.dumps(names.tolist()) == '["speech"]'
