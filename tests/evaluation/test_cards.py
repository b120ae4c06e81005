"""Cards and tables say what was measured, and come out the same every time."""

import json
import shutil
from dataclasses import replace

import pytest

from tests.evaluation.conftest import MuLaw
from vpcodec.errors import ModelError
from vpcodec.evaluation.cards import (
    EXPLAINED,
    evaluation_text,
    read_runs,
    record,
    results_tables,
    with_tables,
    write_card,
)
from vpcodec.evaluation.evaluate import evaluate
from vpcodec.registry import ModelFolder, list_models

FACTS = """
name = "mu-law"
kind = "speech"
hop = 96
encoder_reach = 1
decoder_reach = 1
rates = [16, 1024, 4096]
vocabularies = [16, 1000, 4096]
radices = [[16], [8, 5, 5, 5], [64, 64]]
parameters = 1234567
weights_sha256 = "00"
steps = 20000
minutes = 90.0
quantizer = { method = "fsp", rates = [16, 1024, "2x64"] }
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


def test_a_card_has_the_model_the_recipe_and_the_results(model, results):
    record(results, model)
    card = write_card(model).read_text()
    mean = results.summary.candidates[0].metrics["si_sdr"].mean
    assert "| parameters | 1,234,567 |" in card
    assert "| codebook sizes | 16, 1,024 (1,000 codes), 2x64 |" in card
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
    assert [run.dataset for run in read_runs(model)] == ["speech"]


def test_codecs_that_a_machine_lacks_keep_their_figures_from_the_last_run_on_the_same_items(model, results):
    own = results.summary.candidates[0]
    other = replace(own, name="codec2:3200", family="codec2", ours=False)
    tuned = replace(own, name="avif", family="avif", ours=False, matched="mulaw-4")
    record(replace(results, summary=replace(results.summary, candidates=[own, other, tuned])), model)
    record(results, model)
    assert [each.name for each in read_runs(model)[0].candidates] == ["mulaw-4", "codec2:3200"]
    record(replace(results, summary=replace(results.summary, items=99)), model)
    assert [each.name for each in read_runs(model)[0].candidates] == ["mulaw-4"]


def test_only_the_models_own_figures_are_recorded(model, results):
    candidates = results.summary.candidates
    candidates.append(replace(candidates[0], name="other-16", family="other"))
    record(results, model)
    assert [each.name for each in read_runs(model)[0].candidates] == ["mulaw-4"]
    candidates.pop(0)
    with pytest.raises(ModelError, match="not part of this evaluation"):
        record(results, model)


def test_tables_are_written_between_their_markers_and_nowhere_else(model, results):
    record(results, model)
    text = with_tables("Before\n<!-- results -->\nstale\n<!-- /results -->\nAfter\n", [model])
    assert text.startswith(f"Before\n<!-- results -->\n{EXPLAINED}\n### Speech: the folder `speech`\n")
    assert text.endswith("<!-- /results -->\nAfter\n")
    assert "stale" not in text
    assert "mulaw-4" in text
    assert with_tables(text, [model]) == text


def test_a_marker_may_ask_for_one_kind(model, results):
    record(results, model)
    text = with_tables("<!-- results image -->\nold\n<!-- /results -->\n", [model])
    assert text == "<!-- results image -->\n<!-- /results -->\n"


def test_a_codec_that_several_models_were_compared_with_stands_in_the_table_once(model, results, tmp_path):
    candidates = results.summary.candidates
    candidates.append(replace(candidates[0], name="opus:6", family="Opus", ours=False))
    record(results, model)
    assert results_tables([model, model]).count("opus:6") == 1


def test_a_codec_that_was_matched_to_several_models_stands_there_once_for_each(model, results, tmp_path):
    shutil.copytree(model.path, tmp_path / "other")
    models = [model, ModelFolder(tmp_path / "other")]
    candidates = results.summary.candidates
    opus = replace(candidates[0], name="opus", family="Opus", ours=False)
    for folder, first in zip(models, ("small", "large"), strict=True):
        candidates[1:] = [replace(opus, matched=first)]
        record(results, folder)
    table = results_tables(models)
    assert [table.count(f"| opus, matched to {first} |") for first in ("small", "large")] == [1, 1]


def test_columns_have_units_and_say_which_way_is_better(model, results):
    (figures,) = candidates = results.summary.candidates
    candidates[0] = replace(figures, speed=replace(figures.speed, multiplications=2e6))
    record(results, model)
    head = next(line for line in results_tables([model]).splitlines() if line.startswith("| codec"))
    for title in ("on disk (kbit/s)", "SI-SDR (dB) ↑", "multiply-adds (millions a second)"):
        assert f"| {title} |" in head


@pytest.mark.parametrize(
    "content", ["{}", "[]", '{"format": 1, "runs": [{"kind": "speech"}]}', '{"format": 1, "runs": 3}']
)
def test_a_damaged_evaluation_is_named(model, content):
    (model.path / "evaluation.json").write_text(content)
    with pytest.raises(ModelError, match=r"evaluation\.json: not a readable evaluation"):
        write_card(model)


@pytest.mark.parametrize("released", list_models(), ids=lambda model: model.name)
def test_what_is_read_from_an_evaluation_is_written_back_unchanged(released):
    assert evaluation_text(read_runs(released)) == (released.path / "evaluation.json").read_text()
