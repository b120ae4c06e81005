"""What every quantizer promises, whatever its method."""

import copy
import math
import pickle

import pytest
import torch
from safetensors.torch import load, save

from vpcodec.errors import ConfigError, DataError, ModelError
from vpcodec.quantizers import QUANTIZERS, build_quantizer
from vpcodec.quantizers.fsp import UNIFORM_STD

RATE = 256
SMALL = {
    "vp": {"channels": 3, "rows_per_code": 16},
    "vq": {"start_tokens": 512},
    "ema": {"start_tokens": 512, "restart": True},
    "nsvq": {"start_tokens": 512},
    "transvq": {"width": 32},
}

# Ids that can occur at each nominal size: the scalar methods have the product of their levels.
LEVELS = {256: 240, 1024: 1000, 4096: 4375, 16384: 15360}
VOCABULARIES = {name: LEVELS if name in ("fsp", "fsq") else {rate: rate for rate in LEVELS} for name in QUANTIZERS}

CHANNELS = {"tokenbridge": (4, 5, 6, 7), "vqgan-fc": (8, 8, 8, 8)}  # else 3, 4, 5, 5

# All that an optimizer sees. What is not listed is a buffer, out of reach of gradients and of weight decay.
LEARNED = {"vq": {"codebook"}, "vqgan-fc": {"codebook"}, "nsvq": {"codebook"}, "simvq": {"map.weight", "map.bias"}}
LEARNED["vq in groups"] = {"parts.0.codebook", "parts.1.codebook"}

# Latents that a method codes as the decoded ones; most find a decoded latent where they put it.
LATENTS_OF = {
    "fsp": lambda decoded: torch.atanh(2 * UNIFORM_STD * decoded),
    "fsq": lambda decoded: torch.atanh(decoded * 0.999),
    "tokenbridge": lambda decoded: torch.cat([decoded, torch.zeros_like(decoded)], -1),
}


# Two codes of 16 a position make as many ids as one of 256.
GROUPED = {
    "vp in groups": {"channels": 2, "rows_per_code": 16},
    "fsp in groups": {"levels": [4, 4]},
    "vq in groups": {"channels": 2, "start_tokens": 64},
}


def build(name, **options):
    if name in GROUPED:
        return build_quantizer(name.partition(" ")[0], rates=["2x16"], **GROUPED[name], **options)
    return build_quantizer(name, rates=[RATE], **SMALL.get(name, {}), **options)


def random_latents(quantizer, *positions, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*positions, quantizer.input_channels, generator=generator)


def train(quantizer, steps, first=0):
    """A few steps with plain gradient descent; returns what each put out, and its loss."""
    seen = []
    for step in range(first, first + steps):
        latents = random_latents(quantizer, 3, 100, seed=step).requires_grad_()
        quantized = quantizer.train()(latents, step / 20)
        (quantized.latents.square().sum() + quantized.loss).backward()
        with torch.no_grad():
            for parameter in quantizer.parameters():
                parameter -= 0.01 * parameter.grad
                parameter.grad = None
        seen.append((quantized.latents.detach(), quantized.loss.detach(), latents.grad))
    return seen


def state_of(quantizer):
    return {name: value.clone() for name, value in quantizer.state_dict().items()}


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)


@pytest.fixture(scope="module", params=[*QUANTIZERS, *GROUPED])
def name(request):
    return request.param


@pytest.fixture(scope="module")
def made(name):
    """A quantizer after a few steps of training, able to encode."""
    torch.manual_seed(0)
    quantizer = build(name)
    train(quantizer, 3)
    quantizer.finish(iter([random_latents(quantizer, 4096, seed=99)]))
    return quantizer.eval()


@pytest.fixture
def trained(made):
    return copy.deepcopy(made)


def test_every_token_has_latents_of_its_own_and_comes_back_from_them(name, trained):
    tokens = torch.arange(trained.vocabulary())
    decoded = trained.decode(tokens)
    assert decoded.shape == (trained.vocabulary(), trained.channels)
    assert decoded.dtype == torch.float32
    assert len(decoded.unique(dim=0)) == trained.vocabulary()
    latents = LATENTS_OF.get(name.partition(" ")[0], lambda same: same)(decoded)
    assert torch.equal(trained.encode(latents), tokens)


def test_what_a_model_hears_in_evaluation_is_what_its_tokens_decode_to(trained):
    latents = random_latents(trained, 2, 50)
    quantized = trained(latents)
    assert torch.equal(quantized.tokens, trained.encode(latents))
    assert torch.equal(quantized.latents, trained.decode(quantized.tokens))
    assert quantized.loss == 0


def test_each_position_becomes_one_token_of_the_vocabulary(trained):
    tokens = trained.encode(3 * random_latents(trained, 2, 50))
    assert tokens.shape == (2, 50)
    assert tokens.dtype == torch.int64
    assert tokens.min() >= 0
    assert tokens.max() < trained.vocabulary()


def test_evaluation_changes_no_state_and_draws_no_random_number(trained):
    latents = random_latents(trained, 2, 50)
    before, dice = state_of(trained), torch.get_rng_state()
    first, second = trained(latents), trained(latents)
    assert torch.equal(first.tokens, second.tokens)
    assert torch.equal(first.latents, second.latents)
    assert same(before, state_of(trained))
    assert torch.equal(dice, torch.get_rng_state())


def test_encoding_and_decoding_are_pure_in_training_too(trained):
    latents = random_latents(trained, 2, 50)
    expected = trained.encode(latents)
    trained.train()
    before = state_of(trained)
    assert torch.equal(trained.encode(latents), expected)
    trained.decode(expected)
    assert same(before, state_of(trained))


def test_evaluation_follows_the_weights_after_more_training(name, trained):
    latents = random_latents(trained, 2, 50)
    trained(latents)
    train(trained, 3, first=10)
    trained.eval()
    fresh = build_like(name, trained)
    assert torch.equal(trained(latents).latents, fresh(latents).latents)


def build_like(name, quantizer):
    """Another quantizer with the same state, by way of a file."""
    other = build(name)
    other.load_state_dict(load(save({key: value.contiguous() for key, value in quantizer.state_dict().items()})))
    return other.eval()


def test_the_state_dict_alone_makes_an_equal_quantizer(name, trained):
    latents = random_latents(trained, 2, 50)
    assert torch.equal(build_like(name, trained)(latents).latents, trained(latents).latents)


def test_loading_weights_replaces_what_evaluation_had_built(name, trained):
    torch.manual_seed(5)
    other = build(name)
    train(other, 3)
    other.finish(iter([random_latents(other, 4096, seed=7)]))
    latents = random_latents(trained, 2, 50)
    other.eval()(latents)
    other.load_state_dict(trained.state_dict())
    assert torch.equal(other(latents).latents, trained(latents).latents)


@pytest.mark.parametrize("stop", [1, 4])
def test_a_resumed_training_is_the_uninterrupted_one(name, stop):
    torch.manual_seed(0)
    straight = build(name)
    expected = train(straight, 8)[stop:]
    torch.manual_seed(0)
    stopped = build(name)
    train(stopped, stop)
    torch.manual_seed(77)
    resumed = build_like(name, stopped)
    found = train(resumed, 8 - stop, first=stop)
    for one, other in zip(found, expected, strict=True):
        assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))
    assert same(state_of(resumed), state_of(straight))


def test_training_sends_a_finite_gradient_to_every_latent(trained):
    latents = random_latents(trained, 2, 50).requires_grad_()
    quantized = trained.train()(latents, 0.5)
    weights = torch.randn(quantized.latents.shape, generator=torch.Generator().manual_seed(1))
    ((quantized.latents * weights).sum() + quantized.loss).backward()
    assert latents.grad.isfinite().all()
    assert (latents.grad != 0).all()


def test_training_teaches_every_parameter(trained):
    quantized = trained.train()(random_latents(trained, 4, 100).requires_grad_(), 0.5)
    (quantized.latents.square().sum() + quantized.loss).backward()
    for parameter in trained.parameters():
        assert parameter.grad is not None
        assert parameter.grad.abs().sum() > 0


def test_only_what_is_learned_is_a_parameter(name, trained):
    learned = {key for key, _ in trained.named_parameters()}
    if name == "transvq":
        assert all(key.startswith("map.") for key in learned)
    else:
        assert learned == LEARNED.get(name, set())


def test_number_types_around_a_quantizer_change_nothing(trained):
    latents = random_latents(trained, 2, 50)
    plain = trained(latents)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        surrounded = trained.train().eval()(latents)
        tokens = trained.train().eval().encode(latents)
        relaxed = trained.train()(latents, 0.5)
    assert torch.equal(surrounded.tokens, plain.tokens)
    assert torch.equal(surrounded.latents, plain.latents)
    assert torch.equal(tokens, plain.tokens)
    assert relaxed.latents.dtype == torch.float32
    assert relaxed.loss.dtype == torch.float32


def test_low_precision_latents_are_taken_for_what_they_are(trained):
    rounded = random_latents(trained, 2, 50).bfloat16()
    assert torch.equal(trained(rounded).tokens, trained(rounded.float()).tokens)


def test_equal_latents_get_equal_tokens_and_train_without_nan(trained):
    latents = random_latents(trained, 1, 1).expand(2, 300, -1).clone().requires_grad_()
    assert len(trained(latents).tokens.unique()) == 1
    for step in range(3):
        quantized = trained.train()(latents, step / 3)
        (quantized.latents.sum() + quantized.loss).backward()
        assert quantized.latents.isfinite().all()
    assert latents.grad.isfinite().all()
    assert all(value.isfinite().all() for value in trained.state_dict().values())
    assert all(parameter.grad.isfinite().all() for parameter in trained.parameters())


def test_silence_from_the_first_step_on_makes_no_nan(name):
    quantizer = build(name)
    for step in range(4):
        latents = torch.zeros(2, 200, quantizer.input_channels).requires_grad_()
        quantized = quantizer.train()(latents, step / 4)
        (quantized.latents.sum() + quantized.loss).backward()
        assert quantized.latents.isfinite().all()
        assert latents.grad.isfinite().all()
    assert all(value.isfinite().all() for value in quantizer.state_dict().values() if value.is_floating_point()) or (
        name == "nsvq"
    )


def test_one_token_is_enough(trained):
    latents = random_latents(trained, 1, 1).requires_grad_()
    assert trained(latents).tokens.shape == (1, 1)
    quantized = trained.train()(latents, 0.5)
    (quantized.latents.sum() + quantized.loss).backward()
    assert latents.grad.isfinite().all()
    assert quantized.loss.isfinite()


def test_frames_and_patches_are_coded_alike(trained):
    patches = random_latents(trained, 2, 5, 10)
    frames = patches.flatten(1, 2)
    assert torch.equal(trained(patches).tokens.flatten(1), trained(frames).tokens)
    assert torch.equal(trained(patches).latents.flatten(1, 2), trained(frames).latents)
    relaxed = trained.train()(patches, 0.5)
    assert relaxed.latents.shape == (2, 5, 10, trained.channels)
    assert relaxed.tokens is None or relaxed.tokens.shape == (2, 5, 10)


def test_a_token_does_not_depend_on_the_tokens_beside_it(trained):
    latents = random_latents(trained, 1, 37)
    alone = torch.cat([trained.encode(latents[:, at : at + 1]) for at in range(37)], 1)
    assert torch.equal(alone, trained.encode(latents))


def test_saturated_latents_stay_in_the_vocabulary(trained):
    corners = torch.tensor([50.0, -50.0, 1e4, -1e4]).view(4, 1).expand(4, trained.input_channels)
    tokens = trained.encode(corners)
    assert tokens.min() >= 0
    assert tokens.max() < trained.vocabulary()


def test_the_log_has_the_same_columns_at_every_step(name):
    quantizer = build(name).train()
    columns = [set(quantizer(random_latents(quantizer, 3, 100), step / 10).stats) for step in range(10)]
    assert all(one == columns[0] for one in columns)
    assert all(isinstance(value, float) for value in quantizer(random_latents(quantizer, 3, 100)).stats.values())


def test_training_ids_are_true_or_none(trained):
    """Zeros in their place would show as a collapsed codebook."""
    latents = random_latents(trained, 2, 50)
    expected = trained.encode(latents)
    relaxed = trained.train()(latents, 0.5)
    assert relaxed.tokens is None or torch.equal(relaxed.tokens, expected)


def test_copies_and_pickles_are_independent_quantizers(trained):
    latents = random_latents(trained, 2, 50)
    for other in (copy.deepcopy(trained), pickle.loads(pickle.dumps(trained))):
        assert torch.equal(other(latents).latents, trained(latents).latents)


@pytest.mark.parametrize("method", QUANTIZERS)
@pytest.mark.parametrize("rate", LEVELS)
def test_a_quantizer_says_how_many_ids_can_occur(method, rate):
    quantizer = build_quantizer(method, rates=[rate])
    assert quantizer.vocabulary() == VOCABULARIES[method][rate]
    assert quantizer.channels == dict(zip(LEVELS, CHANNELS.get(method, (3, 4, 5, 5)), strict=True))[rate]
    assert math.prod(quantizer.radices()) == quantizer.vocabulary()


@pytest.mark.parametrize("method", ["fsp", "fsq", "tokenbridge"])
def test_ids_of_many_codes_survive_low_precision_surroundings(method):
    quantizer = build_quantizer(method, rates=[16384]).eval()
    tokens = torch.arange(quantizer.vocabulary())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        latents = LATENTS_OF[method](quantizer.decode(tokens))
        assert torch.equal(quantizer.encode(latents), tokens)
        assert torch.equal(quantizer(latents.view(1, -1, quantizer.input_channels)).tokens.flatten(), tokens)


def test_a_quantizer_that_cannot_encode_yet_says_so(name):
    quantizer = build(name).eval()
    if quantizer.ready:
        assert quantizer(random_latents(quantizer, 1, 5)).tokens is not None
        return
    for use in (lambda: quantizer(random_latents(quantizer, 1, 5)), lambda: quantizer.decode(torch.tensor([0]))):
        with pytest.raises(ModelError):
            use()


def test_too_few_latents_to_finish_with_are_a_fault_of_the_data(name):
    quantizer = build(name)
    if quantizer.ready:
        quantizer.finish(iter([]))
        return
    codes = quantizer.radices()[0]
    for given in ([], [random_latents(quantizer, codes - 1)]):
        with pytest.raises(DataError, match=f"{codes} codes"):
            quantizer.finish(iter(given))


def test_a_look_without_gradients_never_starts_a_codebook(name):
    quantizer = build(name).train()
    ready = quantizer.ready
    with torch.no_grad():
        for step in range(5):
            quantizer(random_latents(quantizer, 3, 200, seed=step), 0.0)
    assert quantizer.ready == ready


def test_a_rate_that_is_not_offered_is_refused(trained):
    for use in (trained.encode, trained):
        with pytest.raises(ConfigError, match="512"):
            use(random_latents(trained, 1, 5), rate=512)
    with pytest.raises(ConfigError, match="512"):
        trained.decode(torch.tensor([0]), rate=512)


def test_an_unknown_option_is_a_wrong_recipe(name):
    with pytest.raises(ConfigError):
        build(name, colour="blue")
