"""What every network promises, as checks that a network of your own can run, too.

    from vpcodec.testing.networks import CHECKS

    @pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
    def test_promises(check):
        check(Mine(Network(width=16), 4, 4))

A check raises AssertionError with what is wrong. `tests/networks/test_networks.py` runs all of them over every network
of the package.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from vpcodec.networks.blocks import SignalNetwork


def signal_of(network: SignalNetwork, positions: int) -> Tensor:
    """A signal of so many positions along each axis, one fewer along a second: noise in [-0.5, 0.5]."""
    return torch.rand(network.shape(positions), generator=torch.Generator().manual_seed(0)) - 0.5


def latents_of(network: SignalNetwork, positions: int) -> Tensor:
    """Latents of so many positions along each axis, normal numbers; the decoder takes what the encoder gives."""
    given = network.encode(signal_of(network, positions))
    return torch.randn(given.shape, generator=torch.Generator().manual_seed(0))


def each_position_has_one_latent_and_comes_back_as_long_as_it_was(network: SignalNetwork) -> None:
    signal = signal_of(network, 5)
    latents = network.encode(signal)
    assert latents.shape[:-1] == (1, 5, 6)[: network.axes + 1]
    assert latents.dtype == torch.float32
    decoded = network.decode(latents)
    assert decoded.shape == signal.shape
    assert decoded.dtype == torch.float32


def no_latent_changes_when_the_signal_changes_beyond_the_stated_reach(network: SignalNetwork) -> None:
    reach, positions = network.encoder_reach, 2 * network.encoder_reach + 6
    for axis in range(1, network.axes + 1):
        signal = signal_of(network, positions)
        changed = signal.clone()
        changed.movedim(axis, 0)[-network.hop :] += 1
        differs = places_that_differ(network.encode(signal), network.encode(changed), axis)
        assert differs[-1]
        assert not differs[: -1 - reach].any()


def no_sample_changes_when_a_latent_changes_beyond_the_stated_reach(network: SignalNetwork) -> None:
    reach, positions = network.decoder_reach, 2 * network.decoder_reach + 6
    for axis in range(1, network.axes + 1):
        latents = latents_of(network, positions)
        changed = latents.clone()
        changed.movedim(axis, 0)[-1] += 1
        differs = places_that_differ(network.decode(latents), network.decode(changed), axis)
        assert differs[-network.hop :].any()
        assert not differs[: (-1 - reach) * network.hop].any()


def every_parameter_gets_a_gradient(network: SignalNetwork) -> None:
    signal = signal_of(network, 5)
    reconstruction = network.decode(network.encode(signal))
    (reconstruction - signal).square().mean().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
    network.zero_grad()


def places_that_differ(one: Tensor, other: Tensor, axis: int) -> Tensor:
    """Along one axis, where two tensors of one shape differ anywhere: [length] of truth values."""
    return (one != other).movedim(axis, 0).flatten(1).any(1)


CHECKS: tuple[Callable[[SignalNetwork], None], ...] = (
    each_position_has_one_latent_and_comes_back_as_long_as_it_was,
    no_latent_changes_when_the_signal_changes_beyond_the_stated_reach,
    no_sample_changes_when_a_latent_changes_beyond_the_stated_reach,
    every_parameter_gets_a_gradient,
)
