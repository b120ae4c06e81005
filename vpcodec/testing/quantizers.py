"""What every quantizer promises, as checks that a method of your own can run, too.

    from vpcodec.testing.quantizers import CHECKS, Subject

    @pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
    def test_promises(check):
        check(Subject(lambda: Mine(rates=[256])))

A check raises AssertionError with what is wrong. `tests/quantizers/test_contract.py` runs all of them over every method
of the package.
"""

import copy
import math
import pickle
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import torch
from safetensors.torch import load, save
from torch import Tensor

from vpcodec.errors import ConfigError, DataError, ModelError
from vpcodec.quantizers.base import Quantized, Quantizer

PLENTY = 4096  # latents to finish with


@dataclass
class Subject:
    """A method to be checked.

    Attributes:
        build: Makes a new quantizer, always with the same options, of one rate and 1,000 codes at most.
        coded_as: Latents that the method codes as given decoded ones; most find these where they put them.
    """

    build: Callable[[], Quantizer]
    coded_as: Callable[[Tensor], Tensor] = lambda decoded: decoded
    made: list[Quantizer] = field(default_factory=list)

    def fresh(self) -> Quantizer:
        """One that has seen nothing; equal ones each time."""
        torch.manual_seed(0)
        return self.build()

    def trained(self) -> Quantizer:
        """One after a few steps of training, able to encode, in evaluation mode."""
        if not self.made:
            quantizer = self.fresh()
            train(quantizer, 3)
            quantizer.finish(iter([latents_for(quantizer, PLENTY, seed=99)]))
            self.made.append(quantizer.eval())
        return copy.deepcopy(self.made[0])

    def like(self, quantizer: Quantizer) -> Quantizer:
        """Another one with the same state, by way of a file."""
        torch.manual_seed(77)
        other = self.build()
        state = {key: value.contiguous() for key, value in quantizer.state_dict().items()}
        other.load_state_dict(load(save(state)))
        return other.eval()


def latents_for(quantizer: Quantizer, *positions: int, seed: int = 0) -> Tensor:
    """[*positions, input_channels] standard normal numbers, the same ones for a seed."""
    return torch.randn(*positions, quantizer.input_channels, generator=torch.Generator().manual_seed(seed))


def train(quantizer: Quantizer, steps: int, first: int = 0) -> list[list[Tensor]]:
    """Some of 20 steps of plain gradient descent; returns the output of each, its loss and the latents' gradient."""
    seen = []
    for step in range(first, first + steps):
        latents = latents_for(quantizer, 3, 100, seed=step).requires_grad_()
        quantized = quantizer.train()(latents, step / 20)
        gradient = backward(quantized, latents)
        with torch.no_grad():
            for parameter in quantizer.parameters():
                if parameter.grad is not None:
                    parameter.sub_(0.01 * parameter.grad)
                parameter.grad = None
        seen.append([quantized.latents.detach(), quantized.loss.detach(), gradient])
    return seen


def backward(quantized: Quantized, latents: Tensor) -> Tensor:
    """The gradient of a loss with respect to the latents; finite, as all that came out."""
    weights = torch.randn(quantized.latents.shape, generator=torch.Generator().manual_seed(1))
    distance = (quantized.latents.square() + weights * quantized.latents).sum()
    (distance + quantized.loss).backward()
    assert quantized.latents.isfinite().all()
    assert quantized.loss.isfinite()
    assert latents.grad is not None
    assert latents.grad.isfinite().all()
    return latents.grad


def state_of(quantizer: Quantizer) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in quantizer.state_dict().items()}


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    """Whether two states are equal; what is not a number yet equals itself."""
    return one.keys() == other.keys() and all(
        torch.equal(one[key].nan_to_num(), other[key].nan_to_num()) for key in one
    )


def every_token_has_latents_of_its_own_and_comes_back_from_them(subject: Subject) -> None:
    quantizer = subject.trained()
    tokens = torch.arange(quantizer.vocabulary())
    decoded = quantizer.decode(tokens)
    assert decoded.shape == (quantizer.vocabulary(), quantizer.channels)
    assert decoded.dtype == torch.float32
    assert len(decoded.unique(dim=0)) == quantizer.vocabulary()
    assert torch.equal(quantizer.encode(subject.coded_as(decoded)), tokens)
    assert math.prod(quantizer.radices()) == quantizer.vocabulary()


def what_a_model_hears_in_evaluation_is_what_its_tokens_decode_to(subject: Subject) -> None:
    quantizer = subject.trained()
    latents = latents_for(quantizer, 2, 50)
    quantized = quantizer(latents)
    assert torch.equal(quantized.tokens, quantizer.encode(latents))
    assert torch.equal(quantized.latents, quantizer.decode(quantized.tokens))
    assert quantized.loss == 0


def each_position_becomes_one_token_of_the_vocabulary(subject: Subject) -> None:
    quantizer = subject.trained()
    saturated = torch.tensor([50.0, -50.0, 1e4, -1e4]).view(4, 1).expand(4, quantizer.input_channels)
    for latents in (3 * latents_for(quantizer, 2, 50), saturated):
        tokens = quantizer.encode(latents)
        assert tokens.shape == latents.shape[:-1]
        assert tokens.dtype == torch.int64
        assert tokens.min() >= 0
        assert tokens.max() < quantizer.vocabulary()


def what_is_unquantized_lies_where_codes_lie(subject: Subject) -> None:
    quantizer = subject.trained()
    latents = latents_for(quantizer, 2, 50)
    unquantized, decoded = quantizer.unquantized(latents), quantizer(latents).latents
    assert unquantized.shape == decoded.shape
    assert unquantized.dtype == torch.float32
    others = decoded.roll(1, 1)
    assert (unquantized - decoded).square().mean() < 0.7 * (unquantized - others).square().mean()


def coding_changes_no_state_and_draws_no_random_number(subject: Subject) -> None:
    quantizer = subject.trained()
    latents = latents_for(quantizer, 2, 50)
    before, dice = state_of(quantizer), torch.get_rng_state()
    first, second = quantizer(latents), quantizer(latents)
    quantizer.unquantized(latents)
    assert torch.equal(first.tokens, second.tokens)
    assert torch.equal(first.latents, second.latents)
    quantizer.train()
    assert torch.equal(quantizer.encode(latents), first.tokens)
    quantizer.decode(first.tokens)
    assert same(before, state_of(quantizer))
    assert torch.equal(dice, torch.get_rng_state())
    relaxed = quantizer(latents, 0.5)  # zeros in place of ids would show as a collapsed codebook
    assert relaxed.tokens is None or torch.equal(relaxed.tokens, first.tokens)


def evaluation_follows_the_weights_however_they_change(subject: Subject) -> None:
    quantizer = subject.trained()
    latents = latents_for(quantizer, 2, 50)
    quantizer(latents)
    train(quantizer, 3, first=10)
    quantizer.eval()
    assert torch.equal(quantizer(latents).latents, subject.like(quantizer)(latents).latents)
    for parameter in quantizer.parameters():  # in place, and behind the back of autograd
        parameter.data.mul_(1.5).add_(0.1)
    assert torch.equal(quantizer(latents).latents, subject.like(quantizer)(latents).latents)


def the_state_dict_alone_makes_an_equal_quantizer(subject: Subject) -> None:
    quantizer = subject.trained()
    latents = latents_for(quantizer, 2, 50)
    for equal in (subject.like(quantizer), copy.deepcopy(quantizer), pickle.loads(pickle.dumps(quantizer))):
        assert torch.equal(equal(latents).latents, quantizer(latents).latents)
    torch.manual_seed(5)
    other = subject.build()
    train(other, 3, first=5)
    other.finish(iter([latents_for(other, PLENTY, seed=7)]))
    other.eval()(latents)
    other.load_state_dict(quantizer.state_dict())
    assert torch.equal(other(latents).latents, quantizer(latents).latents)


def a_resumed_training_is_the_uninterrupted_one(subject: Subject) -> None:
    for stop in (1, 4):
        straight, stopped = subject.fresh(), subject.fresh()
        expected = train(straight, 8)[stop:]
        train(stopped, stop)
        resumed = subject.like(stopped)
        found = train(resumed, 8 - stop, first=stop)
        for one, other in zip(found, expected, strict=True):
            assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))
        assert same(state_of(resumed), state_of(straight))


def training_sends_a_gradient_to_every_latent_and_parameter(subject: Subject) -> None:
    quantizer = subject.trained()
    latents = latents_for(quantizer, 4, 100).requires_grad_()
    assert (backward(quantizer.train()(latents, 0.5), latents) != 0).all()
    for name, parameter in quantizer.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.abs().sum() > 0, name


def number_types_around_a_quantizer_change_nothing(subject: Subject) -> None:
    quantizer = subject.trained()
    latents = latents_for(quantizer, 2, 50)
    plain = quantizer(latents)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        surrounded, tokens = quantizer(latents), quantizer.encode(latents)
        relaxed = quantizer.train()(latents, 0.5)
    quantizer.eval()
    assert torch.equal(surrounded.tokens, plain.tokens)
    assert torch.equal(surrounded.latents, plain.latents)
    assert torch.equal(tokens, plain.tokens)
    assert relaxed.latents.dtype == relaxed.loss.dtype == torch.float32
    rounded = latents.bfloat16()
    assert torch.equal(subject.trained()(rounded).tokens, subject.trained()(rounded.float()).tokens)


def equal_latents_get_equal_tokens_and_train_without_nan(subject: Subject) -> None:
    for quantizer in (subject.trained(), subject.fresh()):
        latents = latents_for(quantizer, 1, 1).expand(2, 300, -1)
        if quantizer.ready:
            assert len(quantizer.eval()(latents).tokens.unique()) == 1
        for silence in (latents, torch.zeros_like(latents)):
            for step in range(4):
                given = silence.clone().requires_grad_()
                backward(quantizer.train()(given, step / 4), given)
        if quantizer.ready:
            assert len(quantizer.eval()(latents).tokens.unique()) == 1


def frames_and_patches_are_coded_alike(subject: Subject) -> None:
    quantizer = subject.trained()
    patches = latents_for(quantizer, 2, 5, 10)
    frames = patches.flatten(1, 2)
    assert torch.equal(quantizer(patches).tokens.flatten(1), quantizer(frames).tokens)
    assert torch.equal(quantizer(patches).latents.flatten(1, 2), quantizer(frames).latents)
    relaxed = quantizer.train()(patches, 0.5)
    assert relaxed.latents.shape == (2, 5, 10, quantizer.channels)
    assert relaxed.tokens is None or relaxed.tokens.shape == (2, 5, 10)


def a_token_does_not_depend_on_the_tokens_beside_it(subject: Subject) -> None:
    quantizer = subject.trained()
    latents = latents_for(quantizer, 1, 37)
    alone = torch.cat([quantizer.encode(latents[:, at : at + 1]) for at in range(37)], 1)
    assert torch.equal(alone, quantizer.encode(latents))
    one = latents[:, :1].requires_grad_()
    backward(quantizer.train()(one, 0.5), one)


def the_log_has_the_same_columns_at_every_step(subject: Subject) -> None:
    quantizer = subject.fresh().train()
    stats = [quantizer(latents_for(quantizer, 3, 100, seed=step), step / 10).stats for step in range(10)]
    assert all(one.keys() == stats[0].keys() for one in stats)
    assert all(value.shape == () and not value.requires_grad for one in stats for value in one.values())


def a_quantizer_that_cannot_encode_yet_says_so(subject: Subject) -> None:
    quantizer = subject.fresh().eval()
    if quantizer.ready:
        assert quantizer(latents_for(quantizer, 1, 5)).tokens is not None
        quantizer.finish(iter([]))
        return
    for use in (lambda: quantizer(latents_for(quantizer, 1, 5)), lambda: quantizer.decode(torch.tensor([0]))):
        assert raises(ModelError, use)
    too_few = latents_for(quantizer, quantizer.radices()[0] - 1)
    assert raises(DataError, lambda: quantizer.finish(iter([])))
    assert raises(DataError, lambda: quantizer.finish(iter([too_few])))


def a_look_without_gradients_never_starts_a_codebook(subject: Subject) -> None:
    quantizer = subject.fresh().train()
    ready = quantizer.ready
    with torch.no_grad():
        for step in range(5):
            quantizer(latents_for(quantizer, 3, 200, seed=step), 0.0)
    assert quantizer.ready == ready


def a_rate_that_is_not_offered_is_refused(subject: Subject) -> None:
    quantizer = subject.trained()
    latents = latents_for(quantizer, 1, 5)
    for use in (quantizer.encode, quantizer):
        assert raises(ConfigError, partial(use, latents, rate=quantizer.rates[-1] + 1))
    assert raises(ConfigError, lambda: quantizer.decode(torch.tensor([0]), rate=quantizer.rates[-1] + 1))


def raises(error: type[Exception], use: Callable[[], object]) -> bool:
    """Whether a use ends with this error."""
    try:
        use()
    except error:
        return True
    return False


CHECKS: tuple[Callable[[Subject], None], ...] = (
    every_token_has_latents_of_its_own_and_comes_back_from_them,
    what_a_model_hears_in_evaluation_is_what_its_tokens_decode_to,
    each_position_becomes_one_token_of_the_vocabulary,
    what_is_unquantized_lies_where_codes_lie,
    coding_changes_no_state_and_draws_no_random_number,
    evaluation_follows_the_weights_however_they_change,
    the_state_dict_alone_makes_an_equal_quantizer,
    a_resumed_training_is_the_uninterrupted_one,
    training_sends_a_gradient_to_every_latent_and_parameter,
    number_types_around_a_quantizer_change_nothing,
    equal_latents_get_equal_tokens_and_train_without_nan,
    frames_and_patches_are_coded_alike,
    a_token_does_not_depend_on_the_tokens_beside_it,
    the_log_has_the_same_columns_at_every_step,
    a_quantizer_that_cannot_encode_yet_says_so,
    a_look_without_gradients_never_starts_a_codebook,
    a_rate_that_is_not_offered_is_refused,
)
