"""`vpcodec export` and `vpcodec import` as processes."""

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
        assert found.info["shape"] == list(expected.shape)


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
def test_names_begin_with_the_folder_that_was_named(vpcodec: Command, tokens: Path, form: str) -> None:
    for folder in ("a", "b", "c/a"):
        (tokens / folder / "deep").mkdir(parents=True)
        for name in ("x", "deep/y"):
            shutil.copy(tokens / "speech.tok", tokens / folder / f"{name}.tok")
    assert vpcodec("export", "-r", "a", "b", "c/a", "a/x.tok", "c/a/x.tok", "--to", form, "-o", "t").returncode == 0
    if form == "npz":
        names = np.load(tokens / "t")["name"].tolist()
    else:
        with tarfile.open(tokens / "t") as tar:
            names = [name.removesuffix(".npy") for name in tar.getnames() if name.endswith(".npy")]
    assert sorted(names) == ["a/deep/y", "a/x", "b/deep/y", "b/x", "c/a/deep/y", "c/a/x"]


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
    names = np.load(vpcodec.folder / "t.npz")["name"]
    assert json.dumps(names.tolist()) == '["speech"]'


def test_each_shard_holds_so_many_files_and_all_of_them_come_back(vpcodec: Command, tokens: Path) -> None:
    for number in range(5):
        shutil.copy(tokens / "speech.tok", tokens / f"{number}.tok")
    (tokens / "2.tok").write_bytes(b"no tokens")
    names = [f"{number}.tok" for number in range(5)]
    ended = vpcodec("export", *names, "-o", "t.tar", "--shard-size", "2")
    assert ended.returncode == 1
    assert b"2 token files -> t-000000.tar, " in ended.stderr
    assert vpcodec.names("t-*") == ["t-000000.tar", "t-000001.tar"]
    assert vpcodec("import", "t-000000.tar", "t-000001.tar", "--output-dir", "back", "-q").stderr == b""
    assert vpcodec.names("back/*") == [f"back/{number}.tok" for number in (0, 1, 3, 4)]
    assert (tokens / "back" / "4.tok").read_bytes() == (tokens / "speech.tok").read_bytes()


def test_tokens_go_through_somebody_elses_program_and_become_sound_again(vpcodec: Command, tokens: Path) -> None:
    assert vpcodec("export", "speech.tok", "-o", "ids.npz").returncode == 0
    np.save(vpcodec.folder / "mine.npy", np.load(vpcodec.folder / "ids.npz")["ids"])
    found = vpcodec("import", "mine.npy", "-m", "speech-vp", "-o", "-")
    sound = vpcodec("decode", "-", "-c", "--format", "raw", given=found.stdout).stdout
    original = vpcodec("decode", "speech.tok", "-c", "--format", "raw").stdout
    heard, wanted = np.frombuffer(sound, np.int16), np.frombuffer(original, np.float32)
    assert len(heard) - len(wanted) == -len(wanted) % 96  # nobody said where in the last hop it ends
    assert np.corrcoef(heard[: len(wanted)], wanted)[0, 1] > 0.999


def test_import_names_a_batch_by_its_file_and_never_leaves_the_folder(vpcodec: Command, tokens: Path) -> None:
    np.save(vpcodec.folder / "made.npy", np.zeros((2, 9), np.int64))
    assert vpcodec("import", "made.npy", "-m", "speech-vp").returncode == 0
    assert vpcodec("export", "made.tok", "-o", "ids.npz").returncode == 0
    arrays = dict(np.load(vpcodec.folder / "ids.npz"))
    arrays["info"] = np.frombuffer(bytes(arrays["info"]).replace(b'"name": "made"', b'"name": "/../../up"'), np.uint8)
    np.savez(vpcodec.folder / "ids.npz", **arrays)
    assert vpcodec("import", "ids.npz", "--output-dir", "back").returncode == 0
    assert vpcodec.names("*.tok") == ["back/up.tok", "made.tok", "made_2.tok", "photo.tok", "speech.tok"]


def test_one_wrong_array_does_not_stop_the_others(vpcodec: Command) -> None:
    np.savez(vpcodec.folder / "ids.npz", ids=np.array([1, 2, 999, 3]), length=np.array([2, 1, 1]))
    np.save(vpcodec.folder / "more.npy", np.array([4, 5]))
    ended = vpcodec("import", "ids.npz", "nowhere.npy", "more.npy", "-m", "speech-vp")
    assert ended.returncode == 1
    first, second, last = ended.stderr.decode().splitlines()
    assert first == "vpcodec: ids.npz: the id 999 at [0, 0] is outside the vocabulary, 0 to 239"
    assert second == "vpcodec: nowhere.npy: no such file or directory"
    assert last == "3 token files written, 2 failed"
    assert vpcodec.names("*.tok") == ["ids.tok", "ids_2.tok", "more.tok"]


def test_the_vectors_of_a_codebook_are_written(vpcodec: Command) -> None:
    assert vpcodec("export", "speech-vp", "--to", "codebook", "-o", "codebook.npy").returncode == 0
    assert np.load(vpcodec.folder / "codebook.npy").shape == (240, 3)
