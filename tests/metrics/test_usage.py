"""Codebook usage: one histogram, then its figures."""

import json
import math
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from vpcodec.errors import ConfigError, DataError
from vpcodec.metrics.usage import TOKENS_A_CODE, Usage

GOLDEN = json.loads((Path(__file__).resolve().parents[1] / "golden" / "quantizers.json").read_text())

HISTOGRAMS = {
    "uniform8": [5] * 8,
    "onehot8": [0, 0, 7, 0, 0, 0, 0, 0],
    "half8": [3, 3, 3, 3, 0, 0, 0, 0],
    "dyadic5": [8, 4, 2, 1, 1],
    "skew4": [97, 1, 1, 1],
    "two_of_1024": [1, 1] + [0] * 1022,
}


def usage(counts, rate=None):
    return Usage.of(np.repeat(np.arange(len(counts)), counts), len(counts), rate)


@pytest.mark.parametrize("name", HISTOGRAMS)
def test_the_figures_of_a_histogram_are_the_golden_ones(name):
    measured, expected = usage(HISTOGRAMS[name]).figures(), GOLDEN["usage"][name]
    for figure in ("entropy_bits", "perplexity", "cvu", "used", "dead", "usage_rate"):
        assert getattr(measured, figure) == pytest.approx(expected[figure], abs=1e-9), figure


def test_shards_are_merged_by_counts_not_by_figures():
    first, second = usage([4, 0, 0, 0]), usage([0, 4, 0, 0])
    assert first.figures().cvu == second.figures().cvu == GOLDEN["usage_merge"]["cvu_a"]
    assert (first + second).figures().cvu == pytest.approx(GOLDEN["usage_merge"]["cvu_sum"])


def test_counting_in_shards_equals_counting_at_once():
    tokens = np.random.default_rng(0).integers(0, 50, (4, 33))
    parts = sum((Usage.of(row, 50) for row in tokens[1:]), Usage.of(tokens[0], 50))
    assert parts.figures() == Usage.of(tokens, 50).figures()


def test_cvu_is_told_for_the_codes_that_can_occur_and_for_the_nominal_size():
    even = usage([2] * 1000, rate=1024).figures()
    assert even.cvu == pytest.approx(1)
    assert even.cvu_target == pytest.approx(1000 / 1024)
    fsp = usage([2] * 4375, rate=4096).figures()
    assert fsp.cvu_target == pytest.approx(GOLDEN["levels"]["4096"]["ratio_to_target"])


def test_codes_that_never_occur_lower_cvu_in_proportion():
    counts = [8, 4, 2, 1, 1]
    assert usage([*counts, 0, 0, 0, 0, 0]).figures().cvu == pytest.approx(usage(counts).figures().cvu / 2)


def test_the_order_of_the_codes_does_not_matter():
    assert usage([97, 1, 2, 1]).figures() == usage([1, 2, 97, 1]).figures()


@pytest.mark.parametrize("tokens", [[0, 1, -1], [0, 4, 1]])
def test_an_id_outside_of_the_vocabulary_is_refused(tokens):
    with pytest.raises(DataError, match="vocabulary of 4"):
        Usage.of(np.array(tokens), 4)


def test_ids_that_went_through_floats_are_refused():
    with pytest.raises(TypeError):
        Usage.of(np.array([0.0, 1.0]), 4)


def test_usage_of_different_codebooks_cannot_be_added():
    with pytest.raises(ConfigError, match="4 and of 5 codes"):
        usage([1, 1, 1, 1]) + usage([1, 1, 1, 1, 1])


def test_figures_of_no_tokens_are_refused():
    with pytest.raises(DataError, match="no tokens"):
        Usage.of(np.array([], dtype=np.int64), 4).figures()


def test_the_figures_are_plain_numbers_that_json_can_hold():
    figures = asdict(usage([3, 0, 1]).figures())
    assert json.loads(json.dumps(figures)) == figures
    assert all(value is None or math.isfinite(value) for value in figures.values())


def test_counting_does_not_import_torch():
    program = "import sys, vpcodec.metrics.usage; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0


@pytest.mark.parametrize("skew", [0.0, 0.5, 1.0, 1.6])
def test_the_corrected_cvu_of_few_tokens_is_near_the_true_one_where_that_of_the_counts_is_not(skew):
    random = np.random.default_rng(0)
    weights = np.exp(skew * random.standard_normal(4096))
    shares = weights / weights.sum()
    true = math.exp(-(shares * np.log(shares)).sum()) / 4096
    counts = random.multinomial(TOKENS_A_CODE * 4096, shares)
    counted = Usage.of(np.repeat(np.arange(4096), counts), 4096).figures()
    assert counted.cvu_corrected == pytest.approx(true, rel=0.04)
    assert counted.cvu < 0.92 * true


def test_the_correction_is_that_of_miller_and_madow_and_never_beyond_even_use():
    figures = usage([97, 1, 1, 1]).figures()
    assert figures.entropy_bits_corrected == pytest.approx(figures.entropy_bits + 3 / 200 / math.log(2))
    assert figures.cvu_corrected == pytest.approx(2**figures.entropy_bits_corrected / 4)
    assert usage([5] * 8).figures().cvu_corrected == 1


def test_with_fewer_than_four_tokens_a_code_nothing_is_corrected():
    assert usage([5, 5, 5, 1]).figures().cvu_corrected
    assert usage([5, 5, 5, 0]).figures().cvu_corrected is None


def test_vocabularies_larger_than_memory_are_counted() -> None:
    first = Usage.of(np.array([0, 1 << 59, 5]), 1 << 60)
    figures = (first + Usage.of(np.array([[5]]), 1 << 60)).figures()
    assert (figures.tokens, figures.used, figures.entropy_bits) == (4, 3, 1.5)
