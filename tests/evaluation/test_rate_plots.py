"""`scripts/rate_plots.py` draws quality over bits from evaluations, as a picture that stands alone."""

import json
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from scripts import rate_plots
from vpcodec.evaluation.cards import read_evaluation
from vpcodec.evaluation.results import to_json
from vpcodec.registry import find_model

SPEECH = [find_model(name).path / "evaluation.json" for name in ("speech-vp", "speech-low")]


def drawn(monkeypatch: pytest.MonkeyPatch, output: Path, *arguments: str | Path) -> str:
    monkeypatch.setattr(sys, "argv", ["rate_plots.py", *map(str, arguments), "-o", str(output)])
    rate_plots.main()
    return output.read_text(encoding="utf-8")


def test_every_codebook_and_rival_is_a_point_with_its_figures(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    text = drawn(monkeypatch, tmp_path / "rates.svg", *SPEECH)
    titles = [each.text or "" for each in ElementTree.fromstring(text).iter("{http://www.w3.org/2000/svg}title")]
    (run,) = read_evaluation(SPEECH[0])
    for figures in run.candidates:
        (pesq, stoi) = (title for title in titles if title.startswith(f"{figures.full_name}: "))
        assert pesq.endswith(f"{figures.bitrate.file.mean:.4g} kbit/s, {figures.metrics['pesq_wb'].mean:.4g}")
        assert stoi.endswith(f"{figures.metrics['stoi'].mean:.4g}")
    assert len([title for title in titles if title.startswith("opus:6")]) == 2  # once in each panel, not once a model
    assert all(f">{name}<" in text for name in ("speech-vp", "speech-low", "Opus", "Codec 2"))


def test_the_json_of_a_run_is_drawn_as_well(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (run,) = read_evaluation(SPEECH[0])
    (tmp_path / "run.json").write_text(json.dumps({**to_json(run), "rows": []}))
    texts = [drawn(monkeypatch, tmp_path / "out.svg", each) for each in (SPEECH[0], tmp_path / "run.json")]
    assert texts[0] == texts[1]


def test_two_data_sets_are_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        drawn(monkeypatch, tmp_path / "out.svg", SPEECH[0], find_model("image-vp").path / "evaluation.json")
    assert "one data set at a time" in capsys.readouterr().err


def test_each_kind_of_released_models_has_a_picture_that_names_its_evaluations(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(rate_plots, "FOLDER", tmp_path)
    found = rate_plots.made()
    assert [path.name for path in found] == ["rates-speech.svg", "rates-image.svg"]
    path, (mark, write) = next(iter(found.items()))
    write()
    assert path.read_text().endswith(mark)
    monkeypatch.setattr(rate_plots, "released", lambda: [find_model("speech-low")])
    ((other, _),) = rate_plots.made().values()
    assert other != mark
