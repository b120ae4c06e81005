import io
import math
from dataclasses import replace

import numpy as np
import pytest

from tests.container.conftest import LEVELS, speech_header, wandering, written
from vpcodec.container import Frame, Index, Reader, verify
from vpcodec.container.modelled import decode_frames, encode_frame
from vpcodec.container.prior import load_prior
from vpcodec.container.prior_training import train_prior
from vpcodec.container.weights import FULL_BITS, UNIT, Plane, Weights, powers, weights_of
from vpcodec.errors import ContainerError


def test_the_table_of_powers_is_exact() -> None:
    table = powers().tolist()
    for distance, number in enumerate(table):
        assert number**UNIT <= 2 ** (FULL_BITS * UNIT - distance) < (number + 1) ** UNIT


@pytest.mark.parametrize("shape", [(1, 1), (1, 2), (1, 700), (2, 90), (3, 1)])
def test_speech_comes_back(speech_prior: bytes, shape: tuple[int, int]) -> None:
    weights = weights_of(speech_prior)
    frames = [wandering(shape, seed=seed) for seed in range(3)]
    payloads = [encode_frame(tokens, weights) for tokens in frames]
    assert (decode_frames(payloads, shape, weights) == np.stack(frames)).all()
    assert (decode_frames(payloads[:1], shape, weights)[0] == frames[0]).all()


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1), (20, 31)])
def test_images_come_back(image_prior: bytes, shape: tuple[int, int]) -> None:
    weights = weights_of(image_prior)
    frames = [wandering(shape, seed=seed) for seed in range(2)]
    payloads = [encode_frame(tokens, weights) for tokens in frames]
    assert (decode_frames(payloads, shape, weights) == np.stack(frames)).all()


@pytest.mark.parametrize("kind", ["speech", "image"])
def test_neighbours_come_in_earlier_waves(kind: str, speech_prior: bytes, image_prior: bytes) -> None:
    prior = replace(load_prior(image_prior if kind == "image" else speech_prior), neighbours=10)
    plane = Plane(prior, (7, 23), 1)
    waves = np.full(plane.cells.shape[1], -1)
    waves[plane.positions] = plane.waves
    assert (waves[plane.positions[:, None] + plane.steps] < plane.waves[:, None]).all()


def test_likely_tokens_take_fewer_bytes(speech_prior: bytes) -> None:
    tokens = wandering((1, 1667), seed=99)
    flat = written(speech_header(), [Frame(tokens)])
    modelled = written(speech_header(speech_prior), [Frame(tokens)], speech_prior)
    assert len(modelled) < 0.8 * len(flat)


def test_unlikely_tokens_take_no_more_than_flat_coding(speech_prior: bytes) -> None:
    tokens = np.random.default_rng(0).integers(0, 1000, (1, 1667))
    flat = written(speech_header(), [Frame(tokens)])
    assert len(written(speech_header(speech_prior), [Frame(tokens)], speech_prior)) == len(flat) + 4  # prior's name


def test_frames_are_decoded_alone_and_together(speech_prior: bytes) -> None:
    frames = [Frame(wandering((1, 50 + 10 * (seed // 3)), seed=seed), bytes([seed])) for seed in range(7)]
    content = written(speech_header(speech_prior), frames, speech_prior)
    for together in (1, 2, 100):
        found = list(Reader(io.BytesIO(content)).frames(speech_prior, together=together))
        assert [frame.side for frame in found] == [frame.side for frame in frames]
        assert all((a.tokens == b.tokens).all() for a, b in zip(found, frames, strict=True))
    assert (Index(io.BytesIO(content)).read(4, speech_prior).tokens == frames[4].tokens).all()


def test_a_wrong_or_missing_prior_is_refused(speech_prior: bytes) -> None:
    content = written(speech_header(speech_prior), [Frame(wandering((1, 50)))], speech_prior)
    with pytest.raises(ContainerError, match="none is here"):
        next(Reader(io.BytesIO(content)).frames())
    with pytest.raises(ContainerError, match="was made with prior"):
        next(Reader(io.BytesIO(content)).frames(speech_prior + b"\0"))
    with pytest.raises(ContainerError, match="was made with no prior"):
        next(Reader(io.BytesIO(written(speech_header(), []))).frames(speech_prior))


def test_a_file_can_be_verified_without_its_prior(speech_prior: bytes) -> None:
    content = written(speech_header(speech_prior), [Frame(wandering((1, 50)))], speech_prior)
    assert verify(io.BytesIO(content)) == verify(io.BytesIO(content), speech_prior) == []


def test_a_prior_for_other_tokens_is_refused(image_prior: bytes, speech_prior: bytes) -> None:
    with pytest.raises(ContainerError, match="prior is for image tokens below 1000, expected speech tokens below 1000"):
        written(speech_header(image_prior), [Frame(wandering((1, 50)))], image_prior)
    header = speech_header(speech_prior, levels=(8, 6, 5), rate=256)
    with pytest.raises(ContainerError, match="expected speech tokens below 240"):
        written(header, [Frame(wandering((1, 50), (8, 6, 5)))], speech_prior)


def test_tokens_of_another_prior_are_noticed(image_prior: bytes) -> None:
    weights = weights_of(image_prior)
    other = weights_of(train_prior([wandering((64, 64), seed=9)], LEVELS, "image", neighbours=3, width=4))
    payload = encode_frame(wandering((16, 16)), weights)
    with pytest.raises(ContainerError, match="made with another prior"):
        decode_frames([payload], (16, 16), other)


def test_a_few_bytes_never_stand_for_many_tokens(speech_prior: bytes) -> None:
    prior = load_prior(speech_prior)
    certain = Weights(
        replace(prior, usual=tuple(table - 9999 * (np.arange(table.shape[1]) > 0) for table in prior.usual))
    )
    tokens = np.zeros((1, 1280), np.int64)
    payload = encode_frame(tokens, certain)
    assert len(payload) >= 20
    assert (decode_frames([payload], tokens.shape, certain)[0] == tokens).all()
    with pytest.raises(ContainerError, match="expected 20 bytes"):
        decode_frames([payload[-19:]], tokens.shape, certain)


def test_the_bytes_do_not_depend_on_how_numbers_are_laid_out(image_prior: bytes) -> None:
    weights = weights_of(image_prior)
    tokens = wandering((12, 12))
    assert encode_frame(np.asfortranarray(tokens), weights) == encode_frame(tokens, weights)
    assert encode_frame(tokens[::-1][::-1], weights) == encode_frame(tokens, weights)


def test_a_codebook_without_structure_is_coded_by_what_surrounds_its_codes() -> None:
    random = np.random.default_rng(3)
    names = random.permutation(80)  # ids that tell nothing
    train = [names[wandering((1, 4000), (5, 4, 4), seed)] for seed in range(4)]
    test = names[wandering((1, 1667), (5, 4, 4), 99)]
    weights = weights_of(train_prior(train, (80,), "speech", neighbours=1, width=16, passes=12))
    payload = encode_frame(test, weights)
    assert len(payload) < 0.85 * 1667 * math.log2(80) / 8
    assert (decode_frames([payload], test.shape, weights)[0] == test).all()


def test_digits_of_no_token_are_refused() -> None:
    prior = load_prior(train_prior([wandering((1, 200), (5,))], (5,), "speech", neighbours=1, width=2))
    three = Weights(replace(prior, vocabulary=3))
    payload = encode_frame(np.array([[1, 2, 4, 0]]), Weights(prior))
    with pytest.raises(ContainerError, match="digits of no token below 3"):
        decode_frames([payload], (1, 4), three)
