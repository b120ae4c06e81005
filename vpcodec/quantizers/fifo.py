"""The sample queue of VP-VAE: the newest latents of the training so far.

Rows are written in a ring, so the newest c rows of a long queue are exactly what a queue of capacity c
would hold: one queue serves every codebook size.

Source: Zhai et al., VP-VAE, arXiv 2602.17133, section 3.2.   N rows, C channels
"""

from typing import Any

import torch
from torch import Tensor, nn


class SampleQueue(nn.Module):
    """First in, first out: a ring of latents, empty at the start, whole in the `state_dict`.

    Args:
        capacity: Rows that are kept.
        channels: Size C of a row.
    """

    training_only = True  # not shipped with a model
    rows: Tensor
    pushed: Tensor

    def __init__(self, capacity: int, channels: int) -> None:
        super().__init__()
        self.capacity = capacity
        self.register_buffer("rows", torch.zeros(capacity, channels))
        self.register_buffer("pushed", torch.zeros((), dtype=torch.int64))  # rows ever written; place = modulo

    @torch.no_grad()
    def push(self, rows: Tensor) -> None:
        """Write [N, C] rows over the oldest ones; of more than fit, the last are kept."""
        if not len(self.rows):
            self.rows = rows.new_zeros(self.capacity, rows.shape[1])
        kept = rows[-self.capacity :]
        places = (self.pushed + torch.arange(len(kept), device=rows.device)) % self.capacity
        self.rows[places] = kept
        self.pushed += len(kept)

    def newest(self, count: int, until: int) -> Tensor:
        """[count, C], the rows that were the newest ones when `until` rows had been written.

        They must still be there: `until - count >= pushed - capacity`.
        """
        places = torch.arange(until - count, until, device=self.rows.device) % self.capacity
        return self.rows[places]

    def release(self) -> None:
        """Empty the queue and give its memory back, so that a finished model does not ship it."""
        self.rows = self.rows.new_zeros(0, self.rows.shape[1])
        self.pushed.zero_()

    def _load_from_state_dict(self, state: dict[str, Any], prefix: str, *rest: Any) -> None:
        saved = state.get(prefix + "rows")
        if saved is not None and len(saved) in (0, self.capacity):  # of a finished model, or of a run
            self.rows = self.rows.new_zeros(saved.shape)
        super()._load_from_state_dict(state, prefix, *rest)
