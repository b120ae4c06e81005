"""Cards and tables say what was measured, and come out the same every time."""

import json
import shutil

import pytest

from tests.evaluation.conftest import MuLaw
from vpcodec.errors import InputError, ModelError
from vpcodec.evaluation.cards import EXPLAINED, fill_tables, read_runs, record, results_tables, write_card
from vpcodec.evaluation.evaluate import evaluate
from vpcodec.registry import ModelFolder

FACTS = """
name = "mu-law"
kind = "speech"
hop = 96
encoder_reach = 1
decoder_reach = 1
rates = [16, 1024]
vocabularies = [16, 1000]
radices = [[16], [8, 5, 5, 5]]
parameters = 1234567
weights_sha256 = "00"
steps = 20000
minutes = 90.0
quantizer = { method = "fsp" }
"""


@pytest.fixture
def model(tmp_path) -> ModelFolder:
    folder = tmp_path / "models" / "mu-law"
    folder.mkdir(parents=True)
    (folder / "model.toml").write_text(FACTS)
    (folder / "recipe.toml").write_text('kind = "speech"\n')
    return ModelFolder(folder)


@pytest.fixture
def results(speech, tmp_path):
    return evaluate(speech, [MuLaw(4)], tmp_path / "log.jsonl", metrics=["si_sdr"])


def test_a_card_tells_the_facts_the_recipe_and_the_results(model, results):
    record(results, model)
    card = write_card(model).read_text()
    mean = results.candidates[0]["metrics"]["si_sdr"]["mean"]
    assert "| parameters | 1,234,567 |" in card
    assert "16, 1,024 (1,000 codes)" in card
    assert 'kind = "speech"' in card
    assert f"{mean:.2f}" in card
    assert "vpcodec encode in.wav --model mu-law" in card


def test_a_card_of_a_model_never_evaluated_says_so(model):
    assert "Not evaluated yet." in write_card(model).read_text()


def test_a_new_run_on_the_same_data_replaces_the_last(model, results):
    record(results, model)
    first = json.loads((model.path / "evaluation.json").read_text())
    record(results, model)
    assert json.loads((model.path / "evaluation.json").read_text()) == first
    assert [run["dataset"] for run in read_runs(model)] == ["speech"]


def test_only_the_models_own_figures_are_recorded(model, results):
    other = dict(results.candidates[0], name="other-16", family="other")
    results.candidates.append(other)
    record(results, model)
    assert [each["name"] for each in read_runs(model)[0]["candidates"]] == ["mulaw-4"]
    results.candidates.pop(0)
    with pytest.raises(ModelError, match="not part of this evaluation"):
        record(results, model)


def test_tables_are_written_between_their_markers_and_nowhere_else(model, results, tmp_path):
    record(results, model)
    document = tmp_path / "README.md"
    document.write_text("Before\n<!-- results -->\nstale\n<!-- /results -->\nAfter\n")
    assert fill_tables(document, [model])
    text = document.read_text()
    assert text.startswith(f"Before\n<!-- results -->\n{EXPLAINED}\n### Speech: the folder `speech`\n")
    assert text.endswith("<!-- /results -->\nAfter\n")
    assert "stale" not in text
    assert "mulaw-4" in text
    assert not fill_tables(document, [model])


def test_a_marker_may_ask_for_one_kind(model, results, tmp_path):
    record(results, model)
    document = tmp_path / "README.md"
    document.write_text("<!-- results image -->\nold\n<!-- /results -->\n")
    fill_tables(document, [model])
    assert document.read_text() == "<!-- results image -->\n<!-- /results -->\n"


def test_a_document_without_markers_is_told_what_to_put(model, tmp_path):
    document = tmp_path / "README.md"
    document.write_text("Nothing here")
    with pytest.raises(InputError) as failure:
        fill_tables(document, [model])
    assert "<!-- /results -->" in failure.value.hint


def test_a_codec_that_several_models_were_compared_with_stands_in_the_table_once(model, results, tmp_path):
    results.candidates.append(dict(results.candidates[0], name="opus:6", family="Opus", ours=False))
    record(results, model)
    assert results_tables([model, model]).count("opus:6") == 1


def test_a_codec_that_was_matched_to_several_models_stands_there_once_for_each(model, results, tmp_path):
    shutil.copytree(model.path, tmp_path / "other")
    models = [model, ModelFolder(tmp_path / "other")]
    results.candidates.append(dict(results.candidates[0], name="opus", family="Opus", ours=False))
    for folder, first in zip(models, ("small", "large"), strict=True):
        results.candidates[1]["matched"] = first
        record(results, folder)
    table = results_tables(models)
    assert [table.count(f"| opus, matched to {first} |") for first in ("small", "large")] == [1, 1]


def test_columns_have_units_and_say_which_way_is_better(model, results):
    results.candidates[0]["speed"]["multiplications"] = 2e6
    record(results, model)
    head = next(line for line in results_tables([model]).splitlines() if line.startswith("| codec"))
    for title in ("on disk (kbit/s)", "SI-SDR (dB) ↑", "multiply-adds (millions a second)"):
        assert f"| {title} |" in head


def test_a_damaged_evaluation_is_named(model):
    (model.path / "evaluation.json").write_text("{}")
    with pytest.raises(ModelError, match=r"evaluation\.json: not a readable evaluation"):
        write_card(model)
