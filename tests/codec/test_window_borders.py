"""A range of a recording is that range of the whole, also where it begins and ends at the borders of windows."""

import io

import numpy as np
import pytest
import soundfile

from tests.conftest import MEDIA
from vpcodec.codec.pipeline import Codec
from vpcodec.codec.signals import Span
from vpcodec.codec.sound import decode_range
from vpcodec.container import Index

WINDOW = 64 * 96 / 16_000  # seconds, of the codec that the fixture makes


@pytest.mark.parametrize("rate", [16_000, 48_000])
@pytest.mark.parametrize("inside", [0.0, 0.001])
def test_a_range_between_two_borders_is_that_range_of_the_whole(speech: Codec, rate: int, inside: float) -> None:
    """Where it begins just behind a border, resampling needs the window before, and at its end the one after."""
    samples = soundfile.read(MEDIA / "speech.flac", dtype="float32")[0]
    content = speech.encode(np.repeat(samples, rate // 16_000), sample_rate=rate)
    whole = speech.decode(content).samples
    span = Span(2 * WINDOW + inside, 3 * WINDOW - inside)
    index = Index(io.BytesIO(content))
    part = np.concatenate(list(decode_range(speech.coding(index.header), index, span)))
    start, stop = round(span.start * rate), round(span.stop * rate)
    assert len(part) == stop - start
    assert np.abs(part - whole[start:stop]).max() < 1e-5
