import math
from dataclasses import replace

import numpy as np
import pytest

from tests.container.conftest import LEVELS, speech_header, wandering, written
from tests.container.golden_files import FOLDER
from vpcodec.container import Frame
from vpcodec.container.modelled import decode_frames, encode_frame
from vpcodec.container.network_training import train_network_prior
from vpcodec.container.prior import load_prior
from vpcodec.container.weights import FULL_BITS, UNIT, Plane, Weights, powers, weights_of
from vpcodec.errors import ContainerError

SPEECH, IMAGE, CODEBOOK = ((FOLDER / f"{name}.prior").read_bytes() for name in ("speech", "image", "codebook"))


def test_the_table_of_powers_is_exact() -> None:
    table = powers().tolist()
    for distance, number in enumerate(table):
        assert number**UNIT <= 2 ** (FULL_BITS * UNIT - distance) < (number + 1) ** UNIT


@pytest.mark.parametrize("shape", [(1, 1), (1, 2), (1, 700), (2, 90), (3, 1)])
def test_speech_comes_back(shape: tuple[int, int]) -> None:
    weights = weights_of(SPEECH)
    frames = [wandering(shape, seed=seed) for seed in range(3)]
    payloads = [encode_frame(tokens, weights) for tokens in frames]
    assert (decode_frames(payloads, shape, weights) == np.stack(frames)).all()
    assert (decode_frames(payloads[:1], shape, weights)[0] == frames[0]).all()


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1), (20, 31)])
def test_images_come_back(shape: tuple[int, int]) -> None:
    weights = weights_of(IMAGE)
    frames = [wandering(shape, seed=seed) for seed in range(2)]
    payloads = [encode_frame(tokens, weights) for tokens in frames]
    assert (decode_frames(payloads, shape, weights) == np.stack(frames)).all()


@pytest.mark.parametrize("prior", [SPEECH, IMAGE])
def test_neighbours_come_in_earlier_waves(prior: bytes) -> None:
    plane = Plane(replace(load_prior(prior), neighbours=10), (7, 23), 1)
    waves = np.full(plane.cells.shape[1], -1)
    waves[plane.grid.positions] = plane.waves
    assert (waves[plane.grid.positions[:, None] + plane.grid.steps] < plane.waves[:, None]).all()


def test_likely_tokens_take_fewer_bytes_and_unlikely_ones_are_coded_flat() -> None:
    likely, unlikely = wandering((1, 1667), seed=99), np.random.default_rng(0).integers(0, 1000, (1, 1667))
    flat = len(written(speech_header(), [Frame(likely)]))
    assert len(written(speech_header(SPEECH), [Frame(likely)], SPEECH)) < 0.8 * flat
    assert len(written(speech_header(SPEECH), [Frame(unlikely)], SPEECH)) == flat + 4  # the name of the prior


def test_training_is_repeatable() -> None:
    frames = [wandering((1, 2000))]
    first, second = (train_network_prior(frames, LEVELS, "speech", neighbours=1, width=4, passes=1) for _ in range(2))
    assert first == second
    assert load_prior(first).to_bytes() == first


def test_a_codebook_is_coded_by_what_surrounds_its_codes() -> None:
    names = np.random.default_rng(3).permutation(80)  # ids that tell nothing
    train = [names[wandering((1, 4000), (5, 4, 4), seed)] for seed in range(4)]
    test = names[wandering((1, 1667), (5, 4, 4), 99)]
    weights = weights_of(train_network_prior(train, (80,), "speech", neighbours=1, width=16, passes=12))
    assert len(encode_frame(test, weights)) < 0.85 * 1667 * math.log2(80) / 8


def test_tokens_of_another_prior_are_noticed() -> None:
    payload = encode_frame(wandering((1, 256)), weights_of(SPEECH))
    other = Weights(replace(load_prior(SPEECH), neighbours=2, context=load_prior(SPEECH).context[: 2 * (23 + 4)]))
    with pytest.raises(ContainerError, match="made with another prior"):
        decode_frames([payload], (1, 256), other)


def test_a_few_bytes_never_stand_for_many_tokens() -> None:
    prior = load_prior(SPEECH)
    certain = Weights(
        replace(prior, usual=tuple(table - 9999 * (np.arange(table.shape[1]) > 0) for table in prior.usual))
    )
    tokens = np.zeros((1, 1280), np.int64)
    payload = encode_frame(tokens, certain)
    assert len(payload) >= 20
    assert (decode_frames([payload], tokens.shape, certain)[0] == tokens).all()
    with pytest.raises(ContainerError, match="expected 20 bytes"):
        decode_frames([payload[-19:]], tokens.shape, certain)


def test_digits_of_no_token_are_refused() -> None:
    prior = load_prior(CODEBOOK)
    fewer = Weights(replace(prior, vocabulary=60, order=prior.order[:60]))
    payload = encode_frame(np.array([[1, 2, 80, 0]]), Weights(prior))
    with pytest.raises(ContainerError, match="digits of no token below 60"):
        decode_frames([payload], (1, 4), fewer)


@pytest.mark.parametrize(
    ("start", "replacement", "message"),
    [
        (0, b"nope", "not a prior of version 1"),
        (4, b"\x02", "kind is 2, expected 0 to 1"),
        (5, b"\x01\x00", "vocabulary"),
        (7, b"\x00", "digits is 0"),
        (8, b"\x09", "radix|ends inside|follow its end"),
        (8, b"\x02", "make 250 numbers for 1,000 tokens"),
        (12, b"\x11", "neighbours is 17, expected 1 to 16"),
        (13, b"\xff\x7f", "width is 16383, expected 1 to 256"),
        (14, b"\x02", "order is 2"),
        (14, b"\x01", "order does not give each token a number of its own|ends inside"),
    ],
)
def test_a_damaged_prior_is_refused(start: int, replacement: bytes, message: str) -> None:
    with pytest.raises(ContainerError, match=message):
        load_prior(SPEECH[:start] + replacement + SPEECH[start + len(replacement) :])


def test_a_truncated_or_longer_prior_is_refused() -> None:
    for length in (0, 3, 10, 100, len(SPEECH) - 1):
        with pytest.raises(ContainerError):
            load_prior(SPEECH[:length])
    with pytest.raises(ContainerError, match="1 bytes follow its end"):
        load_prior(SPEECH + b"\0")


def test_a_prior_whose_sums_overflow_is_refused() -> None:
    prior = load_prior(SPEECH)
    heavy = replace(
        prior,
        context=np.full_like(prior.context, 32767),
        matrix=tuple(np.full_like(part, -32768) for part in prior.matrix),
    )
    with pytest.raises(ContainerError, match="expected less than 2\\^31"):
        Weights(heavy)
