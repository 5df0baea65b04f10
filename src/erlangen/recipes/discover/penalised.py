"""A network that learns with a penalty for each candidate, whose strengths are tuned once on the way."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from erlangen.groups import Hom
from erlangen.symmetrize import SoftEMLP, equivariance_penalty
from erlangen.symmetrize.penalty_tuner import tuned_strengths


class Penalised(nn.Module):
    """A soft network, the strengths of its penalties, and what tuning needs to know of the past.

    All of it is in the state dict, so that a training that was interrupted goes on alike.

    Args:
        network: the network.
        homs: the candidates, as maps into the group of its representations.
        start: strength of every penalty until they are tuned; 0 for none.
        power: how much weaker a penalty becomes.
        steps: of the whole training.
        tune_at: share of them after which strengths are tuned.
        every: steps between two looks at the distances.
    """

    strengths: Tensor
    least: Tensor
    behind: Tensor

    def __init__(
        self,
        network: SoftEMLP,
        homs: Sequence[Hom],
        start: float,
        power: float,
        steps: int,
        tune_at: float,
        every: int,
    ) -> None:
        super().__init__()
        self.network, self.homs, self.start, self.power = network, tuple(homs), start, power
        self.tuned_at = max(1, round(tune_at * steps))
        self.every = max(1, min(every, self.tuned_at // 8))
        self.register_buffer("strengths", torch.full((len(homs),), start, dtype=torch.float64))
        self.register_buffer("least", torch.full((len(homs),), torch.inf, dtype=torch.float64))
        self.register_buffer("behind", torch.zeros((), dtype=torch.long))
        # Twice the time of the tuning, so that weights have taken it in, but an end of the training in any case.
        self.choose_from = min(2 * self.tuned_at, round(0.8 * steps))

    def forward(self, x: Tensor) -> Tensor:
        """The answer, ``(samples, rep_in.dim)`` to ``(samples, rep_out.dim)``."""
        return self.network(x)

    def distances(self) -> Tensor:
        """How far the linear maps are from commuting with each candidate, ``(candidates,)``."""
        return equivariance_penalty(self.network, self.homs)

    def penalty(self) -> Tensor | float:
        """What is added to the loss of this step; in training, time goes on by it."""
        if self.training:
            self._look()
        if not self.start:
            return 0.0
        return equivariance_penalty(self.network, self.homs, self.strengths) + self.start * self.network.leak_penalty()

    @torch.no_grad()
    def _look(self) -> None:
        now = int(self.behind)
        # The first half of the time until the tuning shows how penalties fall from where they started, not the data.
        noted = self.tuned_at / 2 <= now < self.tuned_at and now % self.every == 0
        if self.start and (noted or now == self.tuned_at):
            self.least.copy_(torch.minimum(self.least, self.distances().to(self.least)))
        if self.start and now == self.tuned_at:
            tuned = tuned_strengths(self.strengths.tolist(), self.least.tolist(), self.power)
            self.strengths.copy_(torch.tensor(tuned))
        self.behind += 1

    @property
    def may_be_chosen(self) -> bool:
        """Whether these weights may count as the best: before, the strengths were others."""
        return not self.start or int(self.behind) >= self.choose_from
