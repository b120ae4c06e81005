"""The programs in `examples/` do what they say, on small data."""

import subprocess
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import MEDIA, ROOT
from vpcodec import load
from vpcodec.data.audio import open_audio
from vpcodec.export import Tokens, read_tokens, write_npz, write_parquet


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "model"), [("speech", "speech-low"), ("image", "image-vp")])
def test_a_language_model_learns_a_pattern_and_continues_it(
    kind: str, model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = spec_from_file_location("language_model", ROOT / "examples" / "language_model.py")
    assert spec is not None
    assert spec.loader is not None
    example = module_from_spec(spec)
    spec.loader.exec_module(example)
    sizes = {"WIDTH": 48, "BLOCKS": 2, "SIDE": 6, "TEMPERATURE": 0.1, "WARM": 5, "PEAK": 1e-2}
    for name, value in {**sizes, "LENGTH": {kind: 36}, "PROMPT": {kind: 18}, "BATCH": {kind: 8}}.items():
        monkeypatch.setattr(example, name, value)
    shape = (1, 72) if kind == "speech" else (12, 6)
    ids = (np.arange(72) * 7 % 12).reshape(shape).astype(np.uint16)  # twelve ids over and over
    info = {"kind": kind, "vocabulary": 1024, "model": model, "codebook": "1024", "length": 72, "shape": list(shape)}
    with open(tmp_path / "ids.npz", "wb") as out:
        write_npz([Tokens(ids, info)] * 9, out)
    words = [str(tmp_path / "ids.npz")] * 2
    monkeypatch.setattr("sys.argv", ["language_model.py", *words, "-o", str(tmp_path / "run"), "--minutes", "0.1"])
    example.main()
    said = capsys.readouterr().out.split()
    bits = {name: float(said[said.index(name) + 1]) for name in ("frequency", "model")}
    assert 3.5 < bits["frequency"] < 5
    assert bits["model"] < 0.5
    original, continued = (np.load(tmp_path / "run" / f"{name}.npy") for name in ("originals", "continued"))
    assert continued.shape == original.shape
    assert (continued == original).mean() > 0.9


def test_the_spawned_workers_of_a_data_loader_encode_recordings() -> None:
    program = [sys.executable, str(ROOT / "examples" / "data_loader.py")]
    ended = subprocess.run([*program, *[str(MEDIA / "speech.flac")] * 3], capture_output=True, check=True, text=True)
    assert ended.stdout == "[3, 179] [179, 179, 179]\n"
    assert len(Path(program[1]).read_text().splitlines()) <= 40


@pytest.mark.parametrize("form", [None, "numpy", "torch"])
def test_a_data_set_of_hugging_face_is_made_of_an_export_or_by_encoding(form: str | None, tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    codec = load("speech-vp")
    with open_audio(MEDIA / "speech.flac") as audio:
        samples = audio.read_all()[:, 0]
    sounds, exported = [samples[:8000], samples[8000:30_000]], []
    for number, sound in enumerate(sounds):
        (tmp_path / "a.tok").write_bytes(codec.encode(sound, sample_rate=16_000, codebook=1024))
        exported.append(read_tokens(str(tmp_path / "a.tok"), str(number)))
    with open(tmp_path / "ids.parquet", "wb") as out:
        write_parquet(exported, out)
    read = datasets.Dataset.from_parquet(str(tmp_path / "ids.parquet"), cache_dir=str(tmp_path / "cache"))
    assert read["ids"][:] == [each.ids[0].tolist() for each in exported]
    waveforms = codec.decode_tokens(read.with_format(form)[:]["ids"], codebook=1024)
    assert waveforms.shape == (2, 230 * 96)
    assert (np.asarray(waveforms)[0, : 84 * 96] == codec.decode_tokens(exported[0].ids, codebook=1024)[0]).all()

    def encode(row: dict) -> dict:
        tokens = codec.encode_tokens(row["samples"], sample_rate=16_000, codebook=1024)
        return {"ids": tokens.ids[0], "levels": tokens.levels[0]}

    encoded = datasets.Dataset.from_dict({"samples": sounds}).with_format(form).map(encode).with_format(None)
    assert encoded["ids"][:] == read["ids"][:]
    assert np.allclose(encoded["levels"][:], read["levels"][:])
