"""`--effort`: better tokens for pictures, which every decoder reads."""

import numpy as np
import pytest
from PIL import Image

from tests.conftest import MEDIA
from vpcodec.codec.effort import STEPS
from vpcodec.codec.engines import MOST_EFFORT
from vpcodec.codec.onnx_engine import OnnxEngine
from vpcodec.codec.pipeline import Codec
from vpcodec.errors import ConfigError
from vpcodec.registry import list_models

SPOKEN = [model for model in list_models() if model.facts.kind == "speech" and model.facts.graphs]
RELEASED = [model for model in list_models() if model.facts.kind == "image"]


@pytest.fixture(scope="module")
def photo() -> np.ndarray:
    with Image.open(MEDIA / "cat.png") as stored:
        return np.asarray(stored.convert("RGB").crop((60, 60, 156, 148)))


def error(codec: Codec, photo: np.ndarray, ids: np.ndarray) -> float:
    """Mean squared difference of what ids decode to."""
    decoded = codec.decode_tokens(ids, lengths=[photo.shape[:2]])
    return float(np.square(decoded.astype(float) - photo).mean())


@pytest.mark.skipif(not RELEASED, reason="no image model is installed")
def test_more_effort_loses_less_and_any_engine_decodes_it(photo: np.ndarray) -> None:
    plain = Codec.load(RELEASED[-1])
    errors = []
    for effort in (0, 1):
        codec = Codec.load(RELEASED[-1], effort=effort)
        ids = codec.encode_tokens(photo).ids
        assert np.array_equal(plain.decode(codec.encode(photo)).pixels, plain.decode_tokens(ids)[0][:88, :96])
        errors.append(error(plain, photo, ids))
    assert errors[1] < 0.97 * errors[0]
    assert len(STEPS) == MOST_EFFORT + 1


def test_the_same_picture_gets_the_same_tokens_alone_and_in_a_batch(image: Codec, photo: np.ndarray) -> None:
    codec = Codec.load(image.model, effort=1)
    flipped = photo[:, ::-1].copy()
    together = codec.encode_tokens(np.stack([photo, flipped])).ids
    assert np.array_equal(together[0], codec.encode_tokens(photo).ids[0])
    assert np.array_equal(together[1], codec.encode_tokens(flipped).ids[0])


@pytest.mark.skipif(not SPOKEN, reason="no speech model with graphs is installed")
def test_sound_is_encoded_as_ever() -> None:
    assert isinstance(Codec.load(SPOKEN[0], effort=2).engine, OnnxEngine)
    assert Codec.load(SPOKEN[0], engine="torch", device="cpu", effort=2).engine.name == "torch on cpu"


@pytest.mark.parametrize(
    ("engine", "effort", "message"),
    [("onnx", 1, "the onnx engine has no gradients for effort 1"), ("auto", 3, "effort must be 0 to 2, got 3")],
)
def test_an_effort_that_cannot_be_made_is_refused(image: Codec, engine: str, effort: int, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Codec.load(image.model, engine=engine, effort=effort)
