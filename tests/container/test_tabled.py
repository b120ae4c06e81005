import io
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tests.container.conftest import speech_header, wandering, written
from tests.container.golden_files import FOLDER
from vpcodec.container import Frame, Reader, tabled, verify
from vpcodec.container.coding import STEPS
from vpcodec.container.prior import load_prior
from vpcodec.container.tabled import Decoder, Lookups, decode_frame, encode_frame, filled_grid, lookups_of
from vpcodec.errors import ContainerError


@pytest.mark.parametrize("shape", [(1, 1), (1, 2), (1, 700), (2, 90), (3, 1)])
def test_speech_comes_back(speech_prior: bytes, shape: tuple[int, int]) -> None:
    tokens = wandering(shape)
    lookups = lookups_of(speech_prior)
    assert (decode_frame(encode_frame(tokens, lookups), shape, lookups) == tokens).all()


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1), (20, 31)])
def test_images_come_back(image_prior: bytes, shape: tuple[int, int]) -> None:
    tokens = wandering(shape)
    lookups = lookups_of(image_prior)
    assert (decode_frame(encode_frame(tokens, lookups), shape, lookups) == tokens).all()


def test_a_frame_is_coded_with_the_end_of_the_one_that_it_continues(speech_prior: bytes) -> None:
    lookups = lookups_of(speech_prior)
    tokens = wandering((2, 900))
    first, second = tokens[:, :850], tokens[:, 850:]
    payload = encode_frame(second, lookups, first)
    assert (Decoder(payload).tokens((2, 50), lookups, first) == second).all()
    assert len(payload) < len(encode_frame(second, lookups))
    assert encode_frame(second, lookups, first[:, -2:]) == encode_frame(second, lookups, first)  # it looks at two


@pytest.mark.parametrize("kind", ["speech", "image"])
def test_neighbors_come_before_a_token(kind: str, speech_prior: bytes, image_prior: bytes) -> None:
    prior = load_prior(image_prior if kind == "image" else speech_prior)
    lookups = Lookups(prior._replace(around=prior.around[:1] * 10))
    order = np.arange(7 * 23)
    (near,) = filled_grid(order.reshape(7, 23), lookups)[0].around()
    missing = near == prior.vocabulary
    assert (missing | (near < order[:, None])).all()
    assert not missing.all(axis=0).any()


@pytest.mark.parametrize("name", ["speech", "image", "codebook", "pairs"])
def test_the_compiled_coder_and_plain_python_agree(name: str, compiled: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    lookups = lookups_of((FOLDER / f"{name}-tables.prior").read_bytes())
    random = np.random.default_rng(0)
    for shape in ((1, 1), (1, 90), (2, 40), (9, 7)):
        last = random.integers(0, lookups.prior.vocabulary, (shape[0], 3)) if name != "image" else None
        tokens = random.integers(0, lookups.prior.vocabulary, shape)
        found = []
        for coder in (None, compiled):
            monkeypatch.setattr(tabled, "native", coder)
            payload = encode_frame(tokens, lookups, last, [(100, 1, 256), (480, 1280, 2048)])
            arriving = iter(payload)
            decoder = Decoder(more=lambda arriving=arriving: bytes([next(arriving)]))
            assert [decoder.value(range(257)), decoder.value(STEPS)] == [100, 3]
            assert (decoder.tokens(shape, lookups, last) == tokens).all()
            assert decoder.finish() == len(decoder.payload) == len(payload)  # no byte behind it was asked for
            alone = encode_frame(tokens, lookups)
            found.append((payload, alone, [outcome(wrong, shape, lookups) for wrong in damaged(alone)]))
        assert found[0] == found[1]


def damaged(payload: bytes) -> list[bytes]:
    """Payloads of all kinds, most of which nothing makes."""
    random = np.random.default_rng(1)
    noise = [random.bytes(int(size)) for size in random.integers(0, 2 * len(payload) + 4, 20)]
    return [*noise, payload[:-1], payload[:-2], payload + b"\0\0", bytes(len(payload)), b"\xff" * len(payload)]


def outcome(payload: bytes, shape: tuple[int, int], lookups: Lookups) -> object:
    """What decoding comes to."""
    try:
        return decode_frame(payload, shape, lookups).tolist()
    except ContainerError as error:
        return error.what


def test_the_compiled_coder_refuses_arrays_that_do_not_belong_together(
    compiled: Any, speech_prior: bytes, image_prior: bytes
) -> None:
    layout, bins, below, tables = lookups_of(speech_prior).compiled
    places = np.arange(2), np.arange(2), np.zeros((1, 9), np.int32)
    for other in (lookups_of(image_prior).compiled[0], layout[:-1], layout[:0], layout * 100):
        with pytest.raises(ValueError, match="arrays of no prior"):
            compiled.encode(other, bins, below, tables, *places, b"", b"")
    with pytest.raises(ValueError, match="arrays of no prior"):
        compiled.encode(layout, bins, below, tables[1:], *places, b"", b"")


def test_likely_tokens_take_fewer_bytes(speech_prior: bytes) -> None:
    tokens = wandering((1, 1667), seed=99)
    flat = written(speech_header(), [Frame(tokens)])
    tabled = written(speech_header(speech_prior), [Frame(tokens)], speech_prior)
    assert len(tabled) < 0.8 * len(flat)


def test_unlikely_tokens_take_no_more_than_flat_coding(speech_prior: bytes) -> None:
    tokens = np.random.default_rng(0).integers(0, 1000, (1, 1667))
    flat = written(speech_header(), [Frame(tokens)])
    assert len(written(speech_header(speech_prior), [Frame(tokens)], speech_prior)) == len(flat) + 4  # prior's name


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


def test_damaged_payloads_are_noticed(speech_prior: bytes) -> None:
    lookups = lookups_of(speech_prior)
    payload = encode_frame(wandering((1, 300)), lookups)
    middle = len(payload) // 2
    for wrong in (
        b"",
        payload[:-2],
        payload + b"\0\0",
        payload[:middle] + bytes([payload[middle] ^ 1]) + payload[middle + 1 :],
        bytes(len(payload)),
        b"\xff" * len(payload),
    ):
        with pytest.raises(ContainerError, match="damaged, or made with another prior"):
            decode_frame(wrong, (1, 300), lookups)


def test_a_few_bytes_never_stand_for_many_tokens(speech_prior: bytes) -> None:
    prior = load_prior(speech_prior)
    certain = []
    for rows in prior.below:
        sure = np.tile(np.arange(rows.shape[1], dtype=np.uint16) + 2**11 - rows.shape[1], (len(rows), 1))
        sure[:, 0] = 0
        certain.append(sure)
    lookups = Lookups(prior._replace(below=tuple(certain)))
    tokens = np.zeros((1, 12800), np.int64)
    payload = encode_frame(tokens, lookups)
    assert len(payload) == 200
    assert (decode_frame(payload, (1, 12800), lookups) == tokens).all()
    with pytest.raises(ContainerError, match="199 bytes are too few"):
        decode_frame(payload[:199], (1, 12800), lookups)
    with pytest.raises(ContainerError, match="damaged"):
        decode_frame(payload[:199] + b"\1", (1, 12800), lookups)


def test_the_bytes_do_not_depend_on_how_numbers_are_laid_out(image_prior: bytes) -> None:
    lookups = lookups_of(image_prior)
    tokens = wandering((12, 12))
    payload = encode_frame(tokens, lookups)
    assert encode_frame(np.asfortranarray(tokens), lookups) == payload
    assert encode_frame(tokens[::-1].copy()[::-1], lookups) == payload


def test_digits_of_no_token_are_refused() -> None:
    prior = load_prior((FOLDER / "codebook-tables.prior").read_bytes())
    (order,) = prior.orders
    assert order is not None
    whole = Lookups(prior._replace(digits=replace(prior.digits, codes=(128,)), orders=(None,)))
    missing = np.setdiff1d(np.arange(128), order)[0]
    payload = encode_frame(np.array([[missing]]), whole)
    with pytest.raises(ContainerError, match="digits of no token below 81"):
        decode_frame(payload, (1, 1), Lookups(prior))
