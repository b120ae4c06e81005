"""Figures of reports: intervals that hold what they say, and work as it is counted by running the networks."""

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from tests.evaluation.conftest import MuLaw
from vpcodec.evaluation.candidates import multiplications
from vpcodec.evaluation.results import Row
from vpcodec.evaluation.signals import SIGNALS
from vpcodec.evaluation.summary import bitrate, estimate
from vpcodec.registry import ModelFolder, list_models


def test_an_interval_holds_the_mean_with_95_percent_confidence() -> None:
    """For many items it is the mean and 1.96 standard errors to either side."""
    values = np.random.default_rng(0).normal(3.0, 2.0, 500).tolist()
    found = estimate(values)
    wide = 1.96 * np.std(values) / np.sqrt(len(values))
    assert found.mean == pytest.approx(np.mean(values), abs=1e-5)
    assert found.high - found.mean == pytest.approx(wide, rel=0.15)
    assert found.mean - found.low == pytest.approx(wide, rel=0.15)


def test_the_rate_on_disk_is_all_bits_over_all_seconds() -> None:
    """Not the mean of the files' rates, in which short ones would count as much as long ones."""
    rows = [Row("codec", name, extent=seconds, size=1000) for name, seconds in (("short", 1.0), ("long", 9.0))]
    assert bitrate(MuLaw(8), rows, SIGNALS["speech"], None).file.mean == pytest.approx(2 * 8 / 10)  # kbit/s


@pytest.mark.parametrize("model", list_models(), ids=lambda model: model.name)
def test_multiply_adds_are_those_of_the_products_that_run(model: ModelFolder) -> None:
    network = model.autoencoder().network
    positions, hop = (1000, model.facts.hop) if model.facts.kind == "speech" else (24, model.facts.hop)
    speech = model.facts.kind == "speech"
    signal = torch.zeros(1, positions * hop) if speech else torch.zeros(1, positions * hop, positions * hop, 3)
    with FlopCounterMode(display=False) as counter:
        network.decode(torch.zeros(*network.encode(signal).shape[:-1], network.decoder.read.in_features))
    extent = positions * hop / 16_000 if speech else (positions * hop) ** 2
    assert multiplications(model.facts) == pytest.approx(counter.get_total_flops() / 2 / extent, rel=0.03)
