"""The random move of VP-VAE: as far as a quantization error, and keeping the distribution as it is.

    radius      R(z) = reach * D_M(z), the distance to the M-th nearest of a set of rows
    proposal    z' uniform in the ball of radius R(z) around z
    acceptance  min(1, (D_k(z) D_M(z) / (D_k(z') D_M(z')))^C), the Metropolis-Hastings ratio for a density
                taken as D_k^-C; zero if z lies outside the ball around z', for then there is no way back

The rows are the newest latents of the training, in a queue. Distances to near rows are exact, at a cost that hardly
grows with the number of rows. On the CPU a k-d tree (scipy's) looks only at the few leaves around a point; on an
accelerator the rows are taken in blocks and the nearest so far are kept, so memory stays bounded whatever the number
of rows. Distances come from differences, never from |x|^2 - 2xy + |y|^2: that loses small distances to rounding, TF32
would make it worse, and its rounding depends on the shape of the batch.

Source: Zhai et al., VP-VAE, arXiv 2602.17133, section 3.2 and equations 3 to 9.   N vectors, R rows, C channels
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vpcodec.quantizers.base import HostState, Noise

BLOCK = 2**25  # distances held at a time: 128 MiB
LEAF_ROWS = 32
Floats = NDArray[np.float64]


class SampleQueue(HostState):
    """First in, first out: a ring of latents, empty at the start, whole in the `state_dict`.

    The newest c rows of a long queue are exactly what a queue of capacity c would hold: one queue serves every
    codebook size.

    Args:
        capacity: Rows that are kept.
        channels: Size C of a row.
    """

    training_only = True  # not shipped with a model
    on_host = ("pushed",)
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
        self.rows[self.places(int(self.pushed), len(kept))] = kept
        self.pushed += len(kept)

    def newest(self, count: int, until: int) -> Tensor:
        """[count, C], the rows that were the newest ones when `until` rows had been written.

        They must still be there: `until - count >= pushed - capacity`.
        """
        return self.rows[self.places(until - count, count)]

    def places(self, first: int, count: int) -> Tensor:
        """[count], where the rows lie that were written from the first one on."""
        return torch.arange(first, first + count, device=self.rows.device) % self.capacity

    def release(self) -> None:
        """Empty the queue and give its memory back, so that a finished model does not ship it."""
        self.rows = self.rows.new_zeros(0, self.rows.shape[1])
        self.pushed.zero_()

    def _load_from_state_dict(self, state: dict[str, Any], prefix: str, *rest: Any) -> None:
        saved = state.get(prefix + "rows")
        if saved is not None and len(saved) in (0, self.capacity):  # of a finished model, or of a run
            self.rows = self.rows.new_zeros(saved.shape)
        super()._load_from_state_dict(state, prefix, *rest)


class Neighbours:
    """A fixed set of rows [R, C], all finite, asked for the distances of points to their m-th nearest rows."""

    def __init__(self, rows: Tensor) -> None:
        self.rows = rows
        self.tree: Any = None
        if rows.device.type == "cpu":
            exact = rows.double().numpy()
            self.tree = build_tree(exact[spatial_order(exact)])

    def distances(self, points: Tensor, ranks: Sequence[int]) -> Tensor:
        """[N, C] -> [N, len(ranks)], Euclidean distances from each point to its m-th nearest rows, m from 1 to R."""
        if self.tree is None:
            return blocked_distances(points, self.rows, ranks)
        exact = points.double().numpy()
        order = spatial_order(exact)
        found = np.empty((len(exact), len(ranks)))
        found[order] = self.tree.query(exact[order], k=list(ranks), workers=torch.get_num_threads())[0]
        return torch.from_numpy(found).to(points)


def spatial_order(points: Floats) -> NDArray[np.intp]:
    """Indices that put near points one after the other: the order of the leaves of a tree.

    What a search visits next is then in the cache: measured on 1.3 million rows, it answers three times as fast.
    """
    order: NDArray[np.intp] = build_tree(points).indices
    return order


def build_tree(rows: Floats) -> Any:
    """A k-d tree over [R, C] rows."""
    from scipy.spatial import cKDTree  # here: only training needs it

    # Halving space instead of the rows builds the tree in about half the time; searching takes as long.
    return cKDTree(rows, leafsize=LEAF_ROWS, balanced_tree=False)


def blocked_distances(points: Tensor, rows: Tensor, ranks: Sequence[int], block: int = BLOCK) -> Tensor:
    """What `Neighbours.distances` returns, by looking at every row, `block` distances at a time."""
    most = max(ranks)
    points_at_once = max(1, min(len(points), block // (4 * most)))
    rows_at_once = max(most, block // points_at_once)
    found = []
    for some_points in points.split(points_at_once):
        nearest = points.new_full((len(some_points), most), torch.inf)
        for some_rows in rows.split(rows_at_once):
            candidates = torch.cat([nearest, squared_distances(some_points, some_rows)], 1)
            nearest = candidates.topk(most, largest=False).values
        found.append(torch.stack([nearest[:, rank - 1] for rank in ranks], 1).sqrt())
    return torch.cat(found) if found else points.new_zeros(0, len(ranks))


def squared_distances(points: Tensor, rows: Tensor) -> Tensor:
    """[N, C], [R, C] -> [N, R], channel by channel."""
    total = points.new_zeros(len(points), len(rows))
    for of_points, of_rows in zip(points.T, rows.T, strict=True):
        total += (of_points[:, None] - of_rows).square_()
    return total


@torch.no_grad()
def walk(
    points: Tensor,
    rows: Neighbours,
    ranks: tuple[int, int],
    reach: float,
    noise: Noise,
    *,
    moves: int = 1,
    metropolis: bool = True,
) -> tuple[Tensor, dict[str, Tensor]]:
    """Where [N, C] vectors get to, and what happened on the way.

    Args:
        points: [N, C].
        rows: Whose distances measure density and radius.
        ranks: k and M, the neighbors whose distances these are.
        reach: Radius as a multiple of D_M (the paper's eta).
        noise: Draws the moves.
        moves: Steps, each proposed and accepted or not.
        metropolis: False accepts every proposal.

    Returns:
        [N, C], and the mean `radius` before the first step, shares of the proposals that were `accepted` or
        `reversible` (the ball around them reaches back), and the number of vectors that are `degenerate`.
    """
    near = rows.distances(points, ranks)
    radius, degenerate = reach * near[:, 1].mean(), (near == 0).any(-1).float().sum()
    accepted, reversible = points.new_zeros(()), points.new_zeros(())
    for _ in range(moves):
        ball = uniform_in_ball(noise.normal(points), noise.uniform(points[:, :1]))
        proposals = points + reach * near[:, 1:] * ball
        near_there = rows.distances(proposals, ranks)
        steps = (proposals - points).norm(dim=-1)
        chance = acceptance(near, near_there, steps, reach, points.shape[1])
        taken = noise.uniform(chance) < (chance if metropolis else torch.ones_like(chance))
        points = torch.where(taken[:, None], proposals, points)
        near = torch.where(taken[:, None], near_there, near)
        accepted += taken.float().mean() / moves
        reversible += (steps <= reach * near_there[:, 1]).float().mean() / moves
    return points, {"radius": radius, "accepted": accepted, "reversible": reversible, "degenerate": degenerate}


def uniform_in_ball(normal: Tensor, uniform: Tensor) -> Tensor:
    """[N, C] standard normal and [N, 1] uniform numbers -> [N, C], uniform in the unit ball (equation 5)."""
    direction = normal / normal.norm(dim=-1, keepdim=True).clamp(min=torch.finfo(normal.dtype).tiny)
    return direction * uniform ** (1 / normal.shape[-1])


def acceptance(near: Tensor, near_there: Tensor, steps: Tensor, reach: float, channels: int) -> Tensor:
    """Metropolis-Hastings acceptance (equations 6 to 8), [N] probabilities.

    On bit-identical latents, such as those of digital silence, D_k or D_M is zero and the density has no estimate:
    a vector that is there stays, one that is elsewhere may go there.

    Args:
        near: [N, 2], D_k and D_M of the vectors.
        near_there: [N, 2], those of the proposals.
        steps: [N], distances of the proposals from the vectors.
        reach: Radius as a multiple of D_M.
        channels: C.
    """
    log_ratio = channels * (near.log().sum(-1) - near_there.log().sum(-1))
    chance = torch.where((near_there == 0).any(-1), 1.0, log_ratio.clamp(max=0).exp())
    possible = (near > 0).all(-1) & (steps <= reach * torch.minimum(near[:, 1], near_there[:, 1]))
    return torch.where(possible, chance, 0.0)  # never NaN: whatever 0/0 gave above is not possible
