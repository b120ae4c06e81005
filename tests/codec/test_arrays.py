"""Ids as arrays and tensors: the same as in token files, both ways, for all models and engines."""

from pathlib import Path

import numpy as np
import pytest
import torch

from tests.conftest import MEDIA
from tests.test_registry import saved
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
        one = {"level": tokens.levels[0], "lengths": tokens.lengths[0]}
        waveform = codec.decode_tokens(tokens.ids[0], codebook=codebook, **one)
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


@pytest.mark.parametrize("name", ["speech-vp", "image-vp"])
def test_a_batch_of_tensors_is_computed_as_one_and_gives_the_tensors_of_each(
    name: str, sound: np.ndarray, photo: np.ndarray
) -> None:
    codec = Codec.load(name, engine="torch")
    members = [sound[:8000], sound[8000:16_000], sound[16_000:24_000]]
    rate = {"sample_rate": 16_000} if name == "speech-vp" else {}
    batch = torch.from_numpy(np.stack(members if rate else [photo, photo[::-1], photo[:, ::-1]]))
    calls: list[int] = []
    network = codec.autoencoder.network
    hooks = [
        module.register_forward_hook(lambda _, given, __: calls.append(len(given[0])))
        for module in (network.encoder, network.decoder)
    ]
    tokens = codec.encode_tokens(batch, **rate)
    signals = codec.decode_tokens(tokens.ids, level=tokens.levels, lengths=tokens.lengths)
    for hook in hooks:
        hook.remove()
    assert calls == [3, 3]
    assert tokens.ids.dtype == torch.int64
    assert signals.dtype == (torch.float32 if rate else torch.uint8)
    assert signals.shape == batch.shape
    for place, row in enumerate(batch):
        alone = codec.encode_tokens(row, **rate)
        assert torch.equal(alone.ids[0], tokens.ids[place])
        again = codec.decode_tokens(alone.ids, level=alone.levels, lengths=alone.lengths)
        assert torch.equal(again[0], signals[place])


def test_signals_and_ids_of_every_type_of_number_are_taken(sound: np.ndarray) -> None:
    codec = Codec.load("speech-vp")
    signal = torch.from_numpy(sound[:4800].copy())
    for dtype in (torch.float64, torch.float16, torch.bfloat16):
        rounded = signal.to(dtype).requires_grad_()
        ids = codec.encode_tokens(rounded, sample_rate=16_000, codebook=1024).ids
        assert torch.equal(ids, codec.encode_tokens(rounded.detach().float(), sample_rate=16_000, codebook=1024).ids)
    half = sound[:4800].astype(np.float16)
    assert (
        codec.encode_tokens(half, sample_rate=16_000, codebook=1024).ids
        == codec.encode_tokens(half.astype(np.float32), sample_rate=16_000, codebook=1024).ids
    ).all()
    wanted = codec.decode_tokens(ids, codebook=1024, level=torch.tensor([-30.0]))
    ragged = np.empty(2, object)  # what some libraries make of rows of different lengths
    ragged[:] = [ids[0].numpy(), ids[0, :9].numpy()]
    assert (codec.decode_tokens(ragged, codebook=1024, level=-30.0)[0, :4800] == wanted.numpy()).all()
    for same in (ids.int(), ids.to(torch.uint16), ids.numpy().astype(np.uint16), ids[0], ids.tolist(), ids[0].tolist()):
        decoded = codec.decode_tokens(
            same, codebook=1024, level=torch.tensor(-30.0).bfloat16(), lengths=torch.tensor(4800)
        )
        assert (np.asarray(decoded) == wanted.numpy()).all()
        assert isinstance(decoded, torch.Tensor) == isinstance(same, torch.Tensor)


def test_an_empty_batch_gives_an_empty_batch(photo: np.ndarray) -> None:
    codec, photos = Codec.load("speech-vp"), Codec.load("image-vp")
    tokens = codec.encode_tokens(torch.zeros(0, 4800), sample_rate=16_000)
    assert [each.shape for each in vars(tokens).values()] == [(0, 0), (0, 1), (0, 0)]
    assert codec.decode_tokens(tokens.ids, level=tokens.levels, lengths=tokens.lengths).shape == (0, 0)
    tokens = photos.encode_tokens(photo[None][:0])
    assert [each.shape for each in vars(tokens).values()] == [(0, 0, 0), (0, 2), (0, 0)]
    assert photos.decode_tokens(tokens.ids, lengths=tokens.lengths).shape == (0, 0, 0, 3)


def test_pictures_of_any_sizes_are_a_batch_and_lengths_may_be_one_for_all(photo: np.ndarray) -> None:
    codec = Codec.load("image-vp")
    pictures = [torch.from_numpy(each.copy()) for each in (photo, photo[:8, :9], photo[::-1])]
    tokens = codec.encode_tokens(pictures)
    pixels = codec.decode_tokens(tokens.ids, level=tokens.levels, lengths=tokens.lengths)
    assert pixels.shape == (3, 90, 131, 3)
    assert not pixels[1, 8:].any()
    for place, picture in enumerate(pictures):
        alone = codec.decode_tokens(codec.encode_tokens(picture).ids, lengths=list(picture.shape[:2]))
        assert torch.equal(pixels[place, : picture.shape[0], : picture.shape[1]], alone[0])
    assert codec.decode_tokens(tokens.ids[[0, 2]], lengths=[90, 131]).shape == (2, 90, 131, 3)


def test_the_level_of_decoded_ids_is_the_one_asked_for(sound: np.ndarray) -> None:
    codec = Codec.load("speech-vp")
    ids = codec.encode_tokens(sound, sample_rate=16_000).ids
    quiet, loud = (codec.decode_tokens(ids, level=level)[0] for level in (-40.0, -20.0))
    assert np.allclose(quiet * 10, loud, atol=1e-4)
    assert np.abs(loud).max() > 0.1
    both = codec.decode_tokens(np.concatenate([ids, ids]), level=[-40.0, -20.0])
    assert (both[0] == quiet).all()
    assert (both[1] == loud).all()


def test_a_stream_begins_anew_after_its_end_and_takes_what_language_models_give(sound: np.ndarray) -> None:
    codec = Codec.load("speech-vp")
    encoder, decoder = codec.token_encoder(sample_rate=24_000), codec.token_decoder()
    signal = torch.from_numpy(sound[:7200].copy())
    ids = [torch.cat([encoder.push(signal.bfloat16()[None]), encoder.finish()]) for _ in range(2)]
    assert torch.equal(*ids)
    assert ids[0].dtype == torch.int64
    sounds = [torch.cat([decoder.push(ids[0][None, :7]), decoder.push(ids[0][7:8]), decoder.push(ids[0][8:])])]
    sounds[0] = torch.cat([sounds[0], decoder.finish()])
    each = [decoder.push(number) for number in ids[0].tolist()]
    assert (np.concatenate([*each, decoder.finish()]) == sounds[0].numpy()).all()
    assert len(decoder.push([])) == 0
    decoder.push(ids[0][:3])
    decoder.reset()
    assert len(decoder.finish()) == 0
    for wrong in (lambda: decoder.push(ids[0].view(1, -1).expand(2, -1)), lambda: codec.token_decoder(block=0)):
        with pytest.raises(ConfigError):
            wrong()


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


@pytest.mark.parametrize(("name", "codebook"), [("speech-low", 4096), ("image-fsp-1024", None)])
def test_codebook_vectors_are_what_ids_decode_to(name: str, codebook: int | None) -> None:
    codec = Codec.load(name, engine="torch")
    vectors = codec.codebook_vectors(codebook)
    last = codec.vocabulary(codebook) - 1
    ids = torch.tensor([[3, last, 0, 77] * 20])
    ids = ids if codec.kind == "speech" else ids[:, None]
    signal = codec.decode_latents(torch.from_numpy(vectors)[ids], codebook)
    assert vectors.shape[0] == last + 1
    wanted = codec.engine.decode(ids.numpy(), codec.model.checked_codebook(codebook))
    assert np.allclose(signal.detach().numpy(), wanted, atol=1e-5)


def test_ids_of_several_codes_a_position_are_split_into_those_of_each_and_joined(tmp_path: Path) -> None:
    settings = ["quantizer.rates=[256, '2x256']"]
    codec = Codec.load(saved(tmp_path / "pairs", settings=settings), engine="torch")
    size = codec.vocabulary(256)
    ids = torch.tensor([[0, size - 1, size, size**2 - 1, 3 + size * 7]])
    codes = codec.split_ids(ids, "2x256")
    assert codes.tolist() == [[[0, 0], [size - 1, 0], [0, 1], [size - 1, size - 1], [3, 7]]]
    assert torch.equal(codec.join_ids(codes.int(), "2x256"), ids)
    assert codec.split_ids(ids[:, :2], 256).tolist() == [[[0], [size - 1]]]
    vectors = torch.from_numpy(codec.codebook_vectors("2x256"))
    latents = torch.cat([vectors[group][codes[..., group]] for group in range(2)], dim=-1)
    decoded = codec.decode_latents(latents, "2x256").numpy()
    assert np.allclose(decoded, codec.engine.decode(ids.numpy(), codec.model.checked_codebook("2x256")))
    with pytest.raises(InputError, match=rf"the id {size} at \[0, 1\] is outside the vocabulary, 0 to {size - 1}"):
        codec.join_ids([[0, size]], "2x256")
    with pytest.raises(InputError, match="do not end with 2 codes"):
        codec.join_ids(ids[0], "2x256")


def test_what_is_wrong_with_ids_is_told_with_its_place() -> None:
    codec = Codec.load("speech-vp")
    with pytest.raises(InputError, match=r"the id 1024 at \[2\] is outside the vocabulary, 0 to 1023"):
        codec.decode_tokens([[1, 2, 1024]], codebook=1024)
    with pytest.raises(InputError, match=r"the id -1 at \[1, 0\] is outside"):
        codec.decode_tokens([[1, 2, 3], [-1]])
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
        lambda: codec.decode_tokens([[1, 2]], level=None),
        lambda: codec.decode_tokens([[1, 2]] * 3, level=[-20.0, -30.0]),
        lambda: codec.decode_tokens([[1, 2]], lengths=[96, 96]),
        lambda: codec.decode_tokens([[1, 2]], lengths=[96.5]),
        lambda: codec.decode_tokens("ids"),
        lambda: codec.latents(torch.zeros(1, 96)),
        lambda: codec.to("cpu").latents(torch.zeros(1, 97)),
        lambda: codec.to("cpu").latents(torch.zeros(96)),
    ):
        with pytest.raises(ConfigError):
            call()


@pytest.mark.parametrize("channels", [1, 2])
def test_a_recording_whose_channels_stand_last_is_not_taken_for_a_batch_of_tiny_sounds(channels: int) -> None:
    codec = Codec.load("speech-vp")
    recording = np.zeros((4800, channels), np.float32)
    for same in (recording, torch.from_numpy(recording), recording.tolist()):
        with pytest.raises(
            ConfigError, match=rf"\[4800, {channels}\] is read as \[B, n\]: 4,800 sounds of {channels} s"
        ):
            codec.encode_tokens(same, sample_rate=16_000)
    assert codec.encode_tokens(recording.T, sample_rate=16_000).ids.shape == (channels, 50)
    assert codec.encode_tokens(recording[:2, :1].T, sample_rate=16_000).ids.shape == (1, 1)


def test_a_codec_says_what_it_is() -> None:
    codec = Codec.load("speech-vp")
    codebooks = ", ".join(map(str, codec.codebooks))
    assert repr(codec).startswith(f"<Codec speech-vp: speech, 166.667 tokens per second, codebooks {codebooks}")
    assert (codec.hop, codec.sample_rate, codec.channels, codec.device) == (96, 16_000, 1, "cpu")
    assert codec.to("cpu").engine.name == "torch on cpu"
    photos = Codec.load("image-vp")
    assert (photos.hop, photos.channels, photos.token_rate) == (8, 3, 1 / 64)
    with pytest.raises(InputError, match="codes images"):
        photos.token_decoder()
