import io
import math
from dataclasses import replace

import numpy as np
import pytest

from tests.container.conftest import speech_header, wandering, written
from vpcodec.container import Frame, Index, Reader, Writer, verify
from vpcodec.container.prior_training import train_prior
from vpcodec.container.rans import FEW
from vpcodec.container.tabled import Lookups, Plane, decode_frames, encode_frames, lookups_of
from vpcodec.container.tables import load_tables
from vpcodec.errors import ContainerError


@pytest.mark.parametrize("shape", [(1, 1), (1, 2), (1, 700), (2, 90), (3, 1)])
def test_speech_comes_back(speech_prior: bytes, shape: tuple[int, int]) -> None:
    frames = np.stack([wandering(shape, seed=seed) for seed in range(3)])
    lookups = lookups_of(speech_prior)
    assert (decode_frames(encode_frames(frames, lookups), shape, lookups) == frames).all()


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1), (20, 31)])
def test_images_come_back(image_prior: bytes, shape: tuple[int, int]) -> None:
    frames = np.stack([wandering(shape, seed=seed) for seed in range(2)])
    lookups = lookups_of(image_prior)
    assert (decode_frames(encode_frames(frames, lookups), shape, lookups) == frames).all()


@pytest.mark.parametrize("shape", [(1, 130), (2, 40), (7, 11)])
def test_frames_have_the_same_bytes_alone_and_beside_many(
    speech_prior: bytes, image_prior: bytes, shape: tuple[int, int]
) -> None:
    lookups = lookups_of(image_prior if shape[0] > 2 else speech_prior)
    frames = np.stack([wandering(shape, seed=seed) for seed in range(FEW + 3)])
    together = encode_frames(frames, lookups)
    assert together == [payload for frame in frames for payload in encode_frames(frame[None], lookups)]
    assert (decode_frames(together, shape, lookups) == frames).all()
    assert (decode_frames(together[:FEW], shape, lookups) == frames[:FEW]).all()


@pytest.mark.parametrize("kind", ["speech", "image"])
def test_neighbours_come_before_a_token(kind: str, speech_prior: bytes, image_prior: bytes) -> None:
    prior = load_tables(image_prior if kind == "image" else speech_prior)
    plane = Plane(Lookups(replace(prior, around=prior.around[:1] * 10)), (7, 23), 1)
    order = np.full(len(plane.cells), -1)
    order[plane.grid.positions] = np.arange(len(plane.grid.positions))
    near = order[plane.grid.positions[:, None] + plane.grid.steps]
    assert (near < np.arange(len(near))[:, None]).all()
    assert (near >= 0).any(axis=0).all()


def test_likely_tokens_take_fewer_bytes(speech_prior: bytes) -> None:
    tokens = wandering((1, 1667), seed=99)
    flat = written(speech_header(), [Frame(tokens)])
    tabled = written(speech_header(speech_prior), [Frame(tokens)], speech_prior)
    assert len(tabled) < 0.8 * len(flat)


def test_unlikely_tokens_take_no_more_than_flat_coding(speech_prior: bytes) -> None:
    tokens = np.random.default_rng(0).integers(0, 1000, (1, 1667))
    flat = written(speech_header(), [Frame(tokens)])
    assert len(written(speech_header(speech_prior), [Frame(tokens)], speech_prior)) == len(flat) + 4  # prior's name


def test_files_are_the_same_however_many_frames_are_written_and_read_at_once(speech_prior: bytes) -> None:
    frames = [Frame(wandering((1, 50 + 10 * (seed // 60)), seed=seed), bytes([seed])) for seed in range(100)]
    frames[7::9] = [Frame(np.random.default_rng(0).integers(0, 1000, (1, 60)), bytes([99]))] * len(frames[7::9])  # flat
    header = speech_header(speech_prior)
    content = written(header, frames, speech_prior)
    stream = io.BytesIO()
    writer = Writer(stream, header, speech_prior)
    writer.write(*frames[:70])
    writer.write(*frames[70:])
    writer.close()
    assert stream.getvalue() == content
    for together in (1, 40, 1000):
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


@pytest.mark.parametrize("lanes", [1, FEW + 1])
def test_damaged_payloads_are_noticed(speech_prior: bytes, lanes: int) -> None:
    lookups = lookups_of(speech_prior)
    frames = np.stack([wandering((1, 300), seed=seed) for seed in range(lanes)])
    payloads = encode_frames(frames, lookups)
    middle = len(payloads[0]) // 2
    for wrong in (
        payloads[0][:-2],
        payloads[0] + b"\0\0",
        payloads[0][:middle] + bytes([payloads[0][middle] ^ 1]) + payloads[0][middle + 1 :],
        bytes(len(payloads[0])),
        b"\xff" * len(payloads[0]),
    ):
        with pytest.raises(ContainerError, match="damaged, or made with another prior"):
            decode_frames([wrong, *payloads[1:]], (1, 300), lookups)
    for short in (b"", payloads[0][:3]):
        with pytest.raises(ContainerError, match="expected 4 or more"):
            decode_frames([short, *payloads[1:]], (1, 300), lookups)


@pytest.mark.parametrize("lanes", [1, FEW + 1])
def test_a_few_bytes_never_stand_for_many_tokens(speech_prior: bytes, lanes: int) -> None:
    prior = load_tables(speech_prior)
    certain = []
    for rows in prior.weights:
        sure = np.ones_like(rows)
        sure[:, 0] = 2**11 - rows.shape[1] + 1
        certain.append(sure)
    lookups = Lookups(replace(prior, weights=tuple(certain)))
    frames = np.zeros((lanes, 1, 12800), np.int64)
    payloads = encode_frames(frames, lookups)
    assert {len(payload) for payload in payloads} == {200}
    assert (decode_frames(payloads, (1, 12800), lookups) == frames).all()
    with pytest.raises(ContainerError, match="expected 200 or more"):
        decode_frames([payload[:199] for payload in payloads], (1, 12800), lookups)
    with pytest.raises(ContainerError, match="damaged"):
        decode_frames([payload[:199] + b"\1" for payload in payloads], (1, 12800), lookups)


def test_the_bytes_do_not_depend_on_how_numbers_are_laid_out(image_prior: bytes) -> None:
    lookups = lookups_of(image_prior)
    frames = wandering((12, 12))[None]
    assert encode_frames(np.asfortranarray(frames), lookups) == encode_frames(frames, lookups)
    assert encode_frames(frames[:, ::-1][:, ::-1], lookups) == encode_frames(frames, lookups)


def test_a_codebook_without_structure_is_coded_by_what_surrounds_its_codes() -> None:
    random = np.random.default_rng(3)
    names = random.permutation(80)  # ids that tell nothing
    train = [names[wandering((1, 4000), (5, 4, 4), seed)] for seed in range(4)]
    test = names[wandering((1, 1667), (5, 4, 4), 99)][None]
    lookups = lookups_of(train_prior(train, (80,), "speech", neighbours=1, passes=12))
    payloads = encode_frames(test, lookups)
    assert len(payloads[0]) < 0.85 * 1667 * math.log2(80) / 8
    assert (decode_frames(payloads, (1, 1667), lookups) == test).all()


@pytest.mark.parametrize("lanes", [1, FEW + 1])
def test_digits_of_no_token_are_refused(lanes: int) -> None:
    prior = load_tables(train_prior([np.arange(1000)[None] % 80], (80,), "speech", neighbours=1, bins=(2,), passes=1))
    assert prior.order is not None
    whole = Lookups(replace(prior, vocabulary=128, order=np.arange(128)))
    missing = np.setdiff1d(np.arange(128), prior.order)[0]
    payloads = encode_frames(np.full((lanes, 1, 4), missing), whole)
    with pytest.raises(ContainerError, match="digits of no token below 80"):
        decode_frames(payloads, (1, 4), Lookups(prior))
