"""The random move of VP-VAE: as far as a quantization error, and keeping the distribution as it is.

    radius      R(z) = reach * D_M(z), the distance to the M-th nearest of a set of rows
    proposal    z' uniform in the ball of radius R(z) around z
    acceptance  min(1, (D_k(z) D_M(z) / (D_k(z') D_M(z')))^C), the Metropolis-Hastings ratio for a density
                taken as D_k^-C; zero if z lies outside the ball around z', for then there is no way back

Source: Zhai et al., VP-VAE, arXiv 2602.17133, equations 3 to 9.   N vectors, C channels
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from vpcodec.quantizers.knn import Neighbours
from vpcodec.quantizers.noise import Noise


@dataclass(frozen=True)
class Walk:
    """How vectors move.

    Attributes:
        ranks: k and M, the neighbours whose distances measure the density and the radius.
        reach: Radius as a multiple of D_M (the paper's eta).
        moves: Steps, each proposed and accepted or not.
        metropolis: False accepts every proposal.
    """

    ranks: tuple[int, int]
    reach: float
    moves: int = 1
    metropolis: bool = True

    @torch.no_grad()
    def move(self, points: Tensor, rows: Neighbours, noise: Noise) -> tuple[Tensor, dict[str, float]]:
        """Where [N, C] vectors get to, and what happened on the way.

        Returns:
            [N, C], and the mean `radius` before the first step, shares of the proposals that were `accepted` or
            `reversible` (the ball around them reaches back), and the number of vectors that are `degenerate`.
        """
        near = rows.distances(points, self.ranks)
        radius, degenerate = self.reach * near[:, 1].mean(), (near == 0).any(-1).sum()
        accepted, reversible = points.new_zeros(()), points.new_zeros(())
        for _ in range(self.moves):
            ball = uniform_in_ball(noise.normal(points), noise.uniform(points[:, :1]))
            proposals = points + self.reach * near[:, 1:] * ball
            near_there = rows.distances(proposals, self.ranks)
            steps = (proposals - points).norm(dim=-1)
            chance = acceptance(near, near_there, steps, self.reach, points.shape[1])
            taken = noise.uniform(chance) < (chance if self.metropolis else torch.ones_like(chance))
            points = torch.where(taken[:, None], proposals, points)
            near = torch.where(taken[:, None], near_there, near)
            accepted += taken.float().mean() / self.moves
            reversible += (steps <= self.reach * near_there[:, 1]).float().mean() / self.moves
        seen = {"radius": radius, "accepted": accepted, "reversible": reversible, "degenerate": degenerate}
        return points, {name: float(value) for name, value in seen.items()}


def uniform_in_ball(normal: Tensor, uniform: Tensor) -> Tensor:
    """[N, C] standard normal and [N, 1] uniform numbers -> [N, C], uniform in the unit ball (equation 5)."""
    direction = normal / normal.norm(dim=-1, keepdim=True).clamp(min=torch.finfo(normal.dtype).tiny)
    return direction * uniform ** (1 / normal.shape[-1])


def acceptance(near: Tensor, near_there: Tensor, steps: Tensor, reach: float, channels: int) -> Tensor:
    """Metropolis-Hastings acceptance (equations 6 to 8).

    On bit-identical latents, such as those of digital silence, D_k or D_M is zero and the density has no estimate:
    a vector that is there stays, one that is elsewhere may go there.

    Args:
        near: [N, 2], D_k and D_M of the vectors.
        near_there: [N, 2], those of the proposals.
        steps: [N], distances of the proposals from the vectors.
        reach: Radius as a multiple of D_M.
        channels: C.

    Returns:
        [N] probabilities, never NaN.
    """
    log_ratio = channels * (near.log().sum(-1) - near_there.log().sum(-1))
    chance = torch.where((near_there == 0).any(-1), 1.0, log_ratio.clamp(max=0).exp())
    possible = (near > 0).all(-1) & (steps <= reach * torch.minimum(near[:, 1], near_there[:, 1]))
    return torch.where(possible, chance, 0.0)  # never NaN: whatever 0/0 gave above is not possible
