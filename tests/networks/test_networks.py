"""Networks: shapes, exact reconstruction of the transforms, and the receptive field that windows rely on."""

import math
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from vpcodec.autoencoder import Autoencoder
from vpcodec.config import Network
from vpcodec.errors import ConfigError
from vpcodec.networks import NETWORKS, build_network
from vpcodec.networks.blocks import Block, SignalNetwork
from vpcodec.networks.image import overlap_add as add_patches
from vpcodec.networks.image import patches
from vpcodec.networks.sound import OVERLAP, SoundNetwork, overlap_add
from vpcodec.recipe import Recipe
from vpcodec.testing.networks import CHECKS, signal_of

SMALL = Network(width=16, encoder_blocks=2, decoder_blocks=3, expansion=2, kernel=3)


STRIDE = replace(SMALL, stride=4)
SPECTRAL = replace(STRIDE, spectral_encoder_blocks=3, spectral_decoder_blocks=2)
STEREO = replace(SMALL, channels=2)


@pytest.fixture(
    params=[("speech", SMALL), ("speech", STRIDE), ("speech", SPECTRAL), ("audio", STEREO), ("image", SMALL)],
    ids=("speech", "stride", "spectral", "stereo", "image"),
)
def network(request: pytest.FixtureRequest) -> SignalNetwork:
    kind, options = request.param
    return build_network(kind, options, 4, 4)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_the_contract(check: Callable[[SignalNetwork], None], network: SignalNetwork) -> None:
    check(network)


def test_the_short_time_transform_and_its_inverse_restore_the_waveform() -> None:
    network = SoundNetwork(SMALL, 4, 4)
    signal = signal_of(network, 9)
    blocks = torch.nn.functional.pad(signal, (144, 144)).unflatten(1, (-1, network.hop))
    frames = torch.cat([blocks[:, shift : shift + 9] for shift in range(OVERLAP)], dim=-1)
    envelope = overlap_add(network.window.square().expand(1, 9, -1), network.hop)
    restored = overlap_add(frames @ network.analysis @ network.synthesis, network.hop) / envelope
    torch.testing.assert_close(restored, signal, atol=1e-5, rtol=0)


def test_patches_overlap_by_half_so_that_every_inner_pixel_is_seen_four_times() -> None:
    ones = torch.ones(1, 24, 32, 3)
    seen = add_patches(patches(ones))
    assert (seen[:, 4:-4, 4:-4] == 4).all()
    assert (seen[:, :4, :4] == 1).all()


@pytest.mark.parametrize("kind", NETWORKS)
def test_evaluation_returns_what_the_tokens_decode_to_bit_for_bit(kind: str) -> None:
    model = Autoencoder(kind, SMALL, {"method": "fsp", "rates": [256]}).eval()
    signal = signal_of(model.network, 6)
    reconstruction, quantized = model(signal)
    assert quantized.tokens is not None
    assert torch.equal(quantized.tokens, model.encode(signal))
    assert torch.equal(reconstruction, model.decode(model.encode(signal)))


def test_a_stride_is_for_speech() -> None:
    assert SoundNetwork(STRIDE, 4, 4).hop == 384
    for kind, stride in (("image", 2), ("speech", 0)):
        with pytest.raises(ConfigError, match=r"network\.stride"):
            Recipe(kind=kind, quantizer={"method": "fsp"}, network=replace(SMALL, stride=stride))


@pytest.mark.parametrize("blocks", [-1, 2])
def test_spectral_blocks_need_a_stride(blocks: int) -> None:
    with pytest.raises(ConfigError, match="spectral_decoder_blocks"):
        Recipe(kind="speech", quantizer={"method": "fsp"}, network=replace(SMALL, spectral_decoder_blocks=blocks))


def test_a_block_adds_its_gain_times_something_to_what_it_gets() -> None:
    torch.manual_seed(0)
    block = Block(8, 24, (3, 3)).requires_grad_(False)
    x = torch.randn(2, 5, 6, 8)
    once = block(x) - x
    block.gain.mul_(2)
    torch.testing.assert_close(block(x) - x, 2 * once, atol=1e-5, rtol=1e-4)
    block.gain.zero_()
    assert torch.equal(block(x), x)


# The head of the decoder of sound: magnitudes and phases to a waveform


@pytest.fixture
def small() -> SoundNetwork:
    return SoundNetwork(Network(width=8, encoder_blocks=1, decoder_blocks=1, kernel=3), 4, 4)


class Fixed(torch.nn.Module):
    """A decoder that asks for the same spectra whatever it is given."""

    def __init__(self, logarithms: torch.Tensor, phases: torch.Tensor) -> None:
        super().__init__()
        self.asked = torch.cat((logarithms, phases), dim=-1).unsqueeze(1)

    def forward(self, latents: torch.Tensor, condition: torch.Tensor | None = None) -> torch.Tensor:
        return self.asked


def test_a_sine_ten_times_full_scale_passes_unchanged(small: SoundNetwork) -> None:
    """Peaks of a quiet recording are far above full scale once its level is raised to the network's."""
    sine = 10 * torch.sin(2 * math.pi * 1000 / 16_000 * torch.arange(40 * 96))[None]
    logarithm, cosine, sinus = small.features(sine).split(193, dim=-1)
    small.decoder = Fixed(logarithm, torch.atan2(sinus, cosine))
    decoded = small.decode(torch.zeros(1, 40, 4))
    assert (decoded - sine)[:, 384:-384].abs().max() < 0.1


def test_a_head_that_asks_for_everything_gives_a_loud_sound_and_nothing_infinite(small: SoundNetwork) -> None:
    pulses = math.pi * torch.arange(193).expand(1, 40, -1)  # in the middle of each window
    small.decoder = Fixed(torch.full((1, 40, 193), 1000.0), pulses)
    decoded = small.decode(torch.zeros(1, 40, 4))
    assert decoded.isfinite().all()
    assert 100 < decoded.abs().max() < 10_000
