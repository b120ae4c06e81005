"""Exported tokens, read back by the libraries that others read them with."""

import io
import tarfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from vpcodec.container import Frame, Header, SoundFacts, Writer
from vpcodec.errors import ConfigError
from vpcodec.export import (
    Tokens,
    checked_format,
    read_tokens,
    write_npz,
    write_parquet,
    write_webdataset,
)


@pytest.fixture
def exported() -> list[Tokens]:
    """Two made files: speech of two channels, and an image of a large vocabulary."""
    random = np.random.default_rng(0)
    made = []
    for name, kind, shape, vocabulary in (("a.b/ one", "speech", (2, 50), 1000), ("two", "image", (7, 9), 100_000)):
        ids = random.integers(0, vocabulary, shape).astype(np.uint16 if vocabulary < 1 << 16 else np.uint32)
        info = {"name": name, "kind": kind, "model": f"{kind}-x", "weights": "0" * 16, "codebook": "1024"}
        info |= {"vocabulary": vocabulary, "length": ids.size, "shape": list(shape), "tokens_per_second": 41.5}
        made.append(Tokens(ids, {**info, "window": 0, "levels": [-20.5, -119.0], "metadata": "{}"}))
    return made


def test_npz_holds_all_tokens_with_their_lengths_names_and_models(exported: list[Tokens], tmp_path: Path) -> None:
    with open(tmp_path / "t.npz", "wb") as out:
        write_npz(exported, out)
    archive = np.load(tmp_path / "t.npz")
    ends = archive["length"].cumsum()
    for number, (start, each) in enumerate(zip(ends - archive["length"], exported, strict=True)):
        ids = archive["ids"][start : ends[number]].reshape(archive["shape"][number])
        assert (ids == each.ids).all()
        for column in ("name", "model", "tokens_per_second"):
            assert archive[column][number] == each.info[column]


def test_parquet_has_a_row_for_each_file(exported: list[Tokens], tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    with open(tmp_path / "t.parquet", "wb") as out:
        write_parquet(exported, out)
    rows = parquet.read_table(tmp_path / "t.parquet").to_pylist()
    for row, each in zip(rows, exported, strict=True):
        ids = row.pop("ids")
        assert row == each.info
        assert ids == each.ids.ravel().tolist()


def test_webdataset_has_an_array_and_its_info_for_each_file(exported: list[Tokens], tmp_path: Path) -> None:
    webdataset = pytest.importorskip("webdataset")
    with open(tmp_path / "t.tar", "wb") as out:
        write_webdataset([*exported, exported[0]], out)
    samples = list(webdataset.WebDataset(str(tmp_path / "t.tar"), shardshuffle=False).decode())
    assert [sample["__key__"] for sample in samples] == ["a_b/ one", "two", "a_b/ one_2"]
    for sample, each in zip(samples, exported, strict=False):
        assert (sample["npy"] == each.ids).all()
        assert sample["json"] == each.info


def test_no_two_files_share_a_key_of_a_webdataset(exported: list[Tokens], tmp_path: Path) -> None:
    named = [replace(exported[0], info={**exported[0].info, "name": name}) for name in ("a", "a", "a_2", "a.2")]
    with open(tmp_path / "t.tar", "wb") as out:
        write_webdataset(named, out)
    with tarfile.open(tmp_path / "t.tar") as tar:
        arrays = [name for name in tar.getnames() if name.endswith(".npy")]
    assert arrays == ["a.npy", "a_2.npy", "a_2_2.npy", "a_2_3.npy"]


def test_a_webdataset_is_the_same_whenever_it_is_written(exported: list[Tokens], tmp_path: Path) -> None:
    for name in ("one", "two"):
        with open(tmp_path / name, "wb") as out:
            write_webdataset(exported, out)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_a_format_that_nobody_knows_is_refused() -> None:
    assert checked_format(None, "tokens.parquet") == "parquet"
    with pytest.raises(ConfigError, match="cannot export"):
        checked_format(None, "tokens.csv")


@pytest.mark.parametrize(("vocabulary", "wanted"), [(65_535, np.uint16), (65_536, np.uint16), (65_537, np.uint32)])
def test_tokens_take_two_bytes_up_to_65536_codes_and_four_beyond(tmp_path: Path, vocabulary: int, wanted: type) -> None:
    content = io.BytesIO()
    writer = Writer(content, Header("made", b"\1" * 8, vocabulary, (vocabulary,), SoundFacts(16_000)))
    ids = np.array([[0, 1, vocabulary - 1]])
    writer.write(Frame(ids, b"\1"))
    writer.close(288)
    (tmp_path / "a.tok").write_bytes(content.getvalue())
    found = read_tokens(str(tmp_path / "a.tok"), "a").ids
    assert found.dtype == wanted
    assert found.tolist() == ids.tolist()
