"""Random numbers for training are seeded and never repeat; test_contract.py resumes them."""

import torch

from vpcodec.quantizers.base import Noise

SHAPE = torch.empty(3, 4)


def test_every_draw_is_new():
    noise = Noise()
    assert not torch.equal(noise.uniform(SHAPE), noise.uniform(SHAPE))


def test_the_global_seed_at_construction_decides_all_draws():
    torch.manual_seed(1)
    one = Noise()
    torch.manual_seed(1)
    other = Noise()
    torch.manual_seed(2)
    assert torch.equal(one.normal(SHAPE), other.normal(SHAPE))
    assert torch.equal(one.uniform(SHAPE), other.uniform(SHAPE))


def test_draws_leave_the_global_generator_alone():
    noise = Noise()
    before = torch.get_rng_state()
    noise.uniform(SHAPE)
    assert torch.equal(torch.get_rng_state(), before)
