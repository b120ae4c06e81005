"""The residual blocks that both networks are made of."""

import torch

from vpcodec.networks.blocks import Block


def test_a_block_adds_its_gain_times_something_to_what_it_gets() -> None:
    torch.manual_seed(0)
    block = Block(8, 24, (3, 3)).requires_grad_(False)
    x = torch.randn(2, 5, 6, 8)
    once = block(x) - x
    block.gain.mul_(2)
    torch.testing.assert_close(block(x) - x, 2 * once, atol=1e-5, rtol=1e-4)
    block.gain.zero_()
    assert torch.equal(block(x), x)
