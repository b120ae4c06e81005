"""Figures of reports: intervals that hold what they say, and work as it is counted by running the networks."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from tests.codec.conftest import untrained
from tests.evaluation.conftest import MuLaw
from vpcodec.evaluation.candidates import multiplications
from vpcodec.evaluation.results import Row
from vpcodec.evaluation.signals import SIGNALS
from vpcodec.evaluation.summary import bitrate, estimate
from vpcodec.registry import ModelFolder, find_model, list_models


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


@pytest.mark.parametrize("kind", ["audio", *(model.name for model in list_models())])
def test_multiply_adds_are_those_of_the_products_that_run(kind: str, tmp_path: Path) -> None:
    model = ModelFolder(untrained(kind, tmp_path)) if kind == "audio" else find_model(kind)
    network, hop = model.autoencoder().network, model.facts.hop
    size = {
        "speech": (1000 * hop,),
        "audio": (1000 * hop, model.facts.network.channels),
        "image": (24 * hop,) * 2 + (3,),
    }
    signal = torch.zeros(1, *size[model.facts.kind])
    with FlopCounterMode(display=False) as counter:
        network.decode(torch.zeros(*network.encode(signal).shape[:-1], network.decoder.read.in_features))
    extent = SIGNALS[model.facts.kind].extent_of(signal[0])
    assert multiplications(model.facts) == pytest.approx(counter.get_total_flops() / 2 / extent, rel=0.03)
