"""`scripts/narrow.py` takes away what a network hardly misses."""

import pytest
import torch
from torch import nn

from scripts.narrow import inputs_of, narrow, shorten
from vpcodec.config import Network
from vpcodec.errors import ConfigError
from vpcodec.networks.blocks import INITIAL_GAIN, Block, Trunk

SIGNAL = torch.randn(2, 1, 200, 8, generator=torch.Generator().manual_seed(0))
HIDDEN = 24


@pytest.fixture
def blocks() -> nn.Sequential:
    """Two blocks of 8 channels with 24 hidden ones, far from where they began."""
    torch.manual_seed(0)
    blocks = nn.Sequential(Block(8, HIDDEN, (1, 3)), Block(8, HIDDEN, (1, 3)))
    for parameter in blocks.parameters():
        parameter.data.add_(0.3 * torch.randn_like(parameter))
    return blocks.requires_grad_(False)


def narrowed(blocks: nn.Sequential, hidden: int) -> dict[str, tuple[float, int]]:
    return narrow(blocks, hidden, lambda: blocks(SIGNAL))


def double(block: Block) -> None:
    """Let the second half of the hidden channels repeat the first."""
    half = HIDDEN // 2
    block.expand.weight[half:] = block.expand.weight[:half]
    block.expand.bias[half:] = block.expand.bias[:half]


def test_channels_that_repeat_others_are_not_missed(blocks: nn.Sequential) -> None:
    for block in blocks:
        double(block)
    before = blocks(SIGNAL)
    found = narrowed(blocks, HIDDEN // 2)
    assert blocks[0].expand.out_features == blocks[1].project.in_features == HIDDEN // 2
    assert all(lost < 1e-4 and fresh == 0 for lost, fresh in found.values())
    torch.testing.assert_close(blocks(SIGNAL), before, atol=0.02, rtol=0)


def test_the_others_make_up_for_what_is_taken_away(blocks: nn.Sequential) -> None:
    block = blocks[0]
    activations = inputs_of(block.project, lambda: blocks(SIGNAL))
    wanted = activations @ block.project.weight.mT * block.gain
    loudest = (activations.var(0) * (block.project.weight * block.gain[:, None]).square().sum(0)).argsort()[-18:]
    dropped = wanted - activations[:, loudest] @ block.project.weight[:, loudest].mT * block.gain
    lost, _ = narrowed(blocks, 18)["0"]
    assert 0 < lost < 0.2 * float(dropped.var(0).sum() / wanted.var(0).sum())


def test_what_is_lost_is_what_the_block_then_lacks(blocks: nn.Sequential) -> None:
    before = blocks[0](SIGNAL) - SIGNAL
    lost, _ = narrowed(blocks, 12)["0"]
    missing = blocks[0](SIGNAL) - SIGNAL - before
    shares = missing.detach().var((0, 1, 2)).sum() / before.var((0, 1, 2)).sum()
    assert lost == pytest.approx(float(shares), rel=0.02)


def test_dead_channels_give_way_to_new_ones_that_change_nothing_and_can_learn(blocks: nn.Sequential) -> None:
    blocks[1].project.weight[:, 6:] = 0
    before = blocks(SIGNAL)
    _, fresh = narrowed(blocks, HIDDEN)["1"]
    assert fresh == HIDDEN - 6
    torch.testing.assert_close(blocks(SIGNAL), before, atol=0.02, rtol=0)
    assert (blocks[1].gain == INITIAL_GAIN).all()
    blocks.requires_grad_(True)(SIGNAL).square().sum().backward()
    assert (blocks[1].project.weight.grad[:, -fresh:].abs().sum(0) > 0).all()


def test_blocks_that_add_a_constant_can_go() -> None:
    torch.manual_seed(0)
    options = Network(width=8, decoder_blocks=4, expansion=3, kernel=3)
    trunk = Trunk(8, 4, 4, options, grid=1).requires_grad_(False)
    trunk.blocks[1].gain[0] = 0  # a channel in which the block before them adds nothing
    trunk.blocks[2].project.weight.zero_()
    trunk.blocks[2].project.bias.normal_(0, 10)
    trunk.blocks[3].gain.zero_()
    before = trunk(SIGNAL)
    assert shorten(trunk, 2, lambda: trunk(SIGNAL)) < 1e-6
    assert len(trunk.blocks) == 2
    torch.testing.assert_close(trunk(SIGNAL), before, atol=1e-4, rtol=0)


def test_what_shortening_loses_is_told() -> None:
    torch.manual_seed(0)
    trunk = Trunk(8, 4, 3, Network(width=8, expansion=3, kernel=3), grid=1).requires_grad_(False)
    trunk.blocks[2].gain.fill_(3)
    before = inputs_of(trunk.write_norm, lambda: trunk(SIGNAL))
    lost = shorten(trunk, 2, lambda: trunk(SIGNAL))
    after = inputs_of(trunk.write_norm, lambda: trunk(SIGNAL))
    torch.testing.assert_close(after.mean(0), before.mean(0), atol=1e-4, rtol=0)
    assert lost == pytest.approx(float((before - after).var(0).sum() / before.var(0).sum()), rel=1e-3)
    assert lost > 0.1


@pytest.mark.parametrize("blocks", [0, 3, 4])
def test_a_trunk_keeps_a_block_and_loses_one(blocks: int) -> None:
    trunk = Trunk(8, 8, 3, Network(width=8, kernel=3), 1)
    with pytest.raises(ConfigError, match="of 3 blocks"):
        shorten(trunk, blocks, lambda: trunk(SIGNAL))
