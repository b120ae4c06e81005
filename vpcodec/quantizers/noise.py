"""Random numbers for training whose future is in the `state_dict`."""

import torch
from torch import Tensor, nn

from vpcodec.quantizers.ranks import rank

RANK_STRIDE = 2**29 + 11  # keeps the seeds of neighbouring ranks far apart


class Noise(nn.Module):
    """Hands out a fresh, seeded generator for every draw.

    `torch.manual_seed` before the quantizer is built decides all of its noise. The seed and the number of draws
    so far are a buffer, so a resumed run goes on with the numbers that the uninterrupted one would have drawn.
    """

    training_only = True  # not shipped with a model
    state: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("state", torch.stack([torch.randint(2**31, ()), torch.tensor(0)]))

    def generator(self, device: torch.device | str, *, same_on_all_ranks: bool = False) -> torch.Generator:
        """The generator of the next draw. Ranks get different numbers unless asked otherwise."""
        seed, draws = self.state.tolist()
        self.state[1] += 1
        offset = 0 if same_on_all_ranks else rank() * RANK_STRIDE
        return torch.Generator(device).manual_seed(seed + draws + offset)

    def uniform(self, like: Tensor) -> Tensor:
        """Numbers from [0, 1), shaped like `like`."""
        return torch.rand(like.shape, device=like.device, generator=self.generator(like.device))

    def normal(self, like: Tensor) -> Tensor:
        """Standard normal numbers, shaped like `like`."""
        return torch.randn(like.shape, device=like.device, generator=self.generator(like.device))
