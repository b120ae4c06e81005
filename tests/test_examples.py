"""The programs in `examples/` do what they say, on small data."""

from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import ROOT
from vpcodec.export import Tokens, write_npz


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
