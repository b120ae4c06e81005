"""Ids as arrays and tensors: the same as in token files, both ways, for all models and engines."""

import numpy as np
import pytest
import torch

from tests.conftest import MEDIA
from vpcodec.codec.pipeline import Codec
from vpcodec.data.audio import open_audio
from vpcodec.data.image import open_image
from vpcodec.errors import ConfigError, InputError


@pytest.fixture(scope="module")
def sound() -> np.ndarray:
    with open_audio(MEDIA / "speech.flac") as audio:
        return audio.read_all()[:, 0]


@pytest.fixture(scope="module")
def photo() -> np.ndarray:
    return np.ascontiguousarray(open_image(MEDIA / "coffee.jpg").pixels[:90, :131])


@pytest.mark.parametrize("engine", ["onnx", "torch"])
@pytest.mark.parametrize("name", ["speech-vp", "speech-low", "speech-fsp-1024"])
def test_ids_of_a_sound_and_the_sound_of_ids_are_those_of_its_token_file(
    name: str, engine: str, sound: np.ndarray
) -> None:
    codec = Codec.load(name, engine=engine)
    for codebook in codec.codebooks:
        long = np.tile(sound, 4)[: 13 * 16_000]  # two windows of most models
        content = codec.encode(long, sample_rate=16_000, codebook=codebook)
        tokens = codec.encode_tokens(long, sample_rate=16_000, codebook=codebook)
        assert (tokens.ids == codec.tokens(content)).all()
        assert tokens.levels.shape == (1, -(-tokens.ids.shape[1] // 2048))
        assert tokens.lengths.tolist() == [[len(long)]]
        waveform = codec.decode_tokens(tokens.ids, codebook=codebook, level=tokens.levels, lengths=tokens.lengths)
        assert (waveform[0] == codec.decode_recording(content).samples[:, 0]).all()


@pytest.mark.parametrize("engine", ["onnx", "torch"])
@pytest.mark.parametrize("name", ["image-vp", "image-fsp-1024"])
def test_ids_of_a_photo_and_the_photo_of_ids_are_those_of_its_token_file(
    name: str, engine: str, photo: np.ndarray
) -> None:
    codec = Codec.load(name, engine=engine)
    for codebook in codec.codebooks:
        content = codec.encode(photo, codebook=codebook)
        tokens = codec.encode_tokens(photo, codebook=codebook)
        assert (tokens.ids[0] == codec.tokens(content)).all()
        pixels = codec.decode_tokens(tokens.ids, codebook=codebook, lengths=tokens.lengths)
        assert (pixels[0] == codec.decode_picture(content).pixels).all()


def test_a_batch_of_sounds_of_any_lengths_is_each_of_them(sound: np.ndarray) -> None:
    codec = Codec.load("speech-vp")
    sounds = [sound[:1600], sound[5000:5001], sound[:48_000], sound[1600:3200]]
    tokens = codec.encode_tokens(sounds, sample_rate=16_000, codebook=1024)
    waveform = codec.decode_tokens(tokens.ids, codebook=1024, level=tokens.levels, lengths=tokens.lengths)
    assert tokens.ids.shape == (4, 500)
    assert waveform.shape == (4, 48_000)
    for place, each in enumerate(sounds):
        alone = codec.encode_tokens(each, sample_rate=16_000, codebook=1024)
        count = alone.ids.shape[1]
        assert (tokens.ids[place, :count] == alone.ids[0]).all()
        assert not tokens.ids[place, count:].any()
        decoded = codec.decode_tokens(alone.ids, codebook=1024, level=alone.levels, lengths=alone.lengths)
        assert (waveform[place, : len(each)] == decoded[0]).all()
        assert not waveform[place, len(each) :].any()


def test_integers_and_other_sample_rates_are_taken(sound: np.ndarray) -> None:
    codec = Codec.load("speech-vp")
    integers = np.round(sound[:8000] * 32767).astype(np.int16)
    content = codec.encode(integers, sample_rate=8000)
    assert (codec.encode_tokens(integers, sample_rate=8000.0).ids == codec.tokens(content)).all()


def test_tensors_give_tensors_and_a_batch_on_torch_is_computed_as_one(sound: np.ndarray) -> None:
    codec = Codec.load("speech-vp", engine="torch")
    batch = torch.from_numpy(np.stack([sound[:8000], sound[8000:16_000], sound[16_000:24_000]]))
    calls: list[int] = []
    hook = codec.autoencoder.network.encoder.register_forward_hook(lambda _, given, __: calls.append(len(given[0])))
    tokens = codec.encode_tokens(batch, sample_rate=16_000)
    hook.remove()
    assert calls == [3]
    assert isinstance(tokens.ids, torch.Tensor)
    assert tokens.ids.dtype == torch.int64
    each = [codec.encode_tokens(row, sample_rate=16_000).ids[0] for row in batch]
    assert torch.equal(tokens.ids, torch.stack(each))
    assert isinstance(codec.decode_tokens(tokens.ids), torch.Tensor)


def test_the_level_of_decoded_ids_is_the_one_asked_for(sound: np.ndarray) -> None:
    codec = Codec.load("speech-vp")
    ids = codec.encode_tokens(sound, sample_rate=16_000).ids
    quiet, loud = (codec.decode_tokens(ids, level=level)[0] for level in (-40.0, -20.0))
    assert np.allclose(quiet * 10, loud, atol=1e-4)
    assert np.abs(loud).max() > 0.1
    both = codec.decode_tokens(np.concatenate([ids, ids]), level=[-40.0, -20.0])
    assert (both[0] == quiet).all()
    assert (both[1] == loud).all()


@pytest.mark.parametrize("chunk", [1, 7, 1000])
def test_ids_that_come_piece_by_piece_give_the_samples_of_the_whole(chunk: int, sound: np.ndarray) -> None:
    codec = Codec.load("speech-vp")
    ids = codec.encode_tokens(sound[:16_000], sample_rate=16_000, codebook=1024).ids[0]
    decoder = codec.token_decoder(1024)
    blocks = [decoder.push(ids[start : start + chunk]) for start in range(0, len(ids), chunk)]
    pieces = np.concatenate([*blocks, decoder.finish()])
    at_once = codec.token_decoder(1024)
    assert (pieces == np.concatenate([at_once.push(ids), at_once.finish()])).all()
    assert np.abs(pieces - codec.decode_tokens(ids, codebook=1024)[0]).max() < 1e-4
    if chunk == 1:
        first = next(place for place, block in enumerate(blocks) if len(block))
        assert first + 1 == codec.model.facts.decoder_reach + 2  # as soon as the network allows, and a block of two


def test_sound_that_comes_piece_by_piece_gives_ids_soon_and_the_same_ones(sound: np.ndarray) -> None:
    codec = Codec.load("speech-vp")
    found = []
    for chunk in (100, 16_000):
        encoder = codec.token_encoder(1024, sample_rate=16_000)
        pieces = [encoder.push(sound[start : start + chunk]) for start in range(0, 32_000, chunk)]
        if chunk == 100:
            first = next(place for place, piece in enumerate(pieces) if len(piece))
            assert (first + 1) * 100 <= (codec.model.facts.encoder_reach + 4) * codec.hop + 200
        found.append(np.concatenate([*pieces, encoder.finish()]))
    assert (found[0] == found[1]).all()
    assert len(found[0]) == -(-32_000 // codec.hop)
    whole = codec.encode_tokens(sound[:32_000], sample_rate=16_000, codebook=1024).ids[0]
    assert (found[0] == whole).mean() > 0.1  # another level, so not all


def test_gradients_pass_through_latents_and_back() -> None:
    codec = Codec.load("speech-fsp-1024", engine="torch")
    signal = (torch.randn(1, 20 * codec.hop, generator=torch.manual_seed(0)) * 0.1).requires_grad_()
    direction = torch.randn(signal.shape, generator=torch.manual_seed(1)) * 0.1
    step = 1e-3

    def sum_of(given: torch.Tensor) -> torch.Tensor:
        return codec.decode_latents(codec.latents(given)).square().sum()

    (slope,) = torch.autograd.grad(sum_of(signal), signal)
    with torch.no_grad():
        measured = (sum_of(signal + step * direction) - sum_of(signal - step * direction)) / (2 * step)
    assert (slope * direction).sum().item() == pytest.approx(measured.item(), rel=0.01)


def test_codebook_vectors_are_what_ids_decode_to() -> None:
    codec = Codec.load("speech-vp", engine="torch")
    vectors = codec.codebook_vectors(1024)
    ids = torch.tensor([[3, 1023, 0, 77] * 20])
    signal = codec.decode_latents(torch.from_numpy(vectors)[ids], 1024)
    assert vectors.shape[0] == codec.vocabulary(1024) == 1024
    assert np.allclose(signal.detach().numpy(), codec.engine.decode_batch(ids.numpy(), 1024), atol=1e-5)


def test_what_is_wrong_with_ids_is_told_with_its_place() -> None:
    codec = Codec.load("speech-vp")
    with pytest.raises(InputError, match=r"the id 1024 at \[2\] is outside the vocabulary, 0 to 1023"):
        codec.decode_tokens([[1, 2, 1024]], codebook=1024)
    with pytest.raises(InputError, match="3 ids are not a sound of 1000 samples"):
        codec.decode_tokens(np.zeros((1, 3), np.int64), lengths=[1000])
    with pytest.raises(InputError, match="tokens are integers"):
        codec.decode_tokens(np.zeros((1, 3)))
    with pytest.raises(InputError, match="the id -1 at"):
        codec.token_decoder(1024).push([-1])
    for call in (
        lambda: codec.encode_tokens(np.zeros((2, 3, 4), np.float32), sample_rate=16_000),
        lambda: codec.encode_tokens(np.zeros(3, np.float32)),
        lambda: codec.decode_tokens([[1, 2]], level=900.0),
        lambda: codec.decode_tokens([[1, 2]], lengths=[96, 96]),
        lambda: codec.latents(torch.zeros(1, 96)),
    ):
        with pytest.raises(ConfigError):
            call()


def test_a_codec_says_what_it_is() -> None:
    codec = Codec.load("speech-vp")
    assert repr(codec).startswith("<Codec speech-vp: speech, 166.667 tokens per second, codebooks 256, 1024")
    assert (codec.hop, codec.sample_rate, codec.channels, codec.device) == (96, 16_000, 1, "cpu")
    assert codec.to("cpu").engine.name == "torch on cpu"
    photos = Codec.load("image-vp")
    assert (photos.hop, photos.channels, photos.token_rate) == (8, 3, 1 / 64)
    with pytest.raises(InputError, match="codes images"):
        photos.token_decoder()
