"""A network that learns with a penalty for each candidate, whose strengths are tuned once on the way."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from erlangen.groups import Hom
from erlangen.symmetrize import PenaltyTuner, SoftEMLP, equivariance_penalty


class Penalised(nn.Module):
    """A soft network with the tuner of its penalties; all is in the state dict, so that trainings may be interrupted.

    Args:
        network: the network.
        homs: the candidates, as maps into the group of its representations.
        start: strength of every penalty until they are tuned; 0 for none.
        power: how much weaker a penalty becomes.
        steps: of the whole training.
        tune_at: share of them after which strengths are tuned.
        every: steps between two looks at the distances.
    """

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
        self.network, self.homs, self.start = network, tuple(homs), start
        wanted = max(1, round(tune_at * steps))
        self.every = max(1, min(every, wanted // 8))
        looks = max(1, wanted // self.every)
        self.tuned_at = looks * self.every
        # The first half of the looks shows how penalties fall from where they started, not the data.
        self.tuner = PenaltyTuner([start] * len(homs), looks, power, warmup=looks // 2) if start else None
        self.register_buffer("behind", torch.zeros((), dtype=torch.long))
        # Twice the time of the tuning, so that weights have taken it in, but an end of the training in any case.
        self.choose_from = min(2 * self.tuned_at, round(0.8 * steps))

    def forward(self, x: Tensor) -> Tensor:
        """The answer, ``(samples, rep_in.dim)`` to ``(samples, rep_out.dim)``."""
        return self.network(x)

    def distances(self) -> Tensor:
        """How far the linear maps are from commuting with each candidate, ``(candidates,)``."""
        return equivariance_penalty(self.network, self.homs)

    @property
    def strengths(self) -> list[float]:
        """Of the penalties, as they are now."""
        return [0.0] * len(self.homs) if self.tuner is None else self.tuner.strengths.tolist()

    def penalty(self) -> Tensor | float:
        """What is added to the loss of this step; in training, time goes on by it."""
        if self.training:
            self._look()
        if self.tuner is None:
            return 0.0
        weighted = equivariance_penalty(self.network, self.homs, self.tuner.strengths)
        return weighted + self.start * self.network.leak_penalty()

    @torch.no_grad()
    def _look(self) -> None:
        now = int(self.behind)
        if self.tuner is not None and not self.tuner.tuned and now and now % self.every == 0:
            distances = self.distances()
            if bool(distances.isfinite().all()):  # a training that diverges is told by its loss
                self.tuner.record(distances)
        self.behind += 1

    @property
    def may_be_chosen(self) -> bool:
        """Whether these weights may count as the best: before, the strengths were others."""
        return not self.start or int(self.behind) >= self.choose_from
