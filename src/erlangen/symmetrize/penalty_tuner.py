"""Strengths of penalties, adjusted once during training to how far each symmetry is violated."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence

import torch
from torch import Tensor

from erlangen.symmetrize.soft_linear import require_strengths

#: Distances below this count as this: a symmetry that holds by construction must not silence all the others.
SMALLEST = 1e-12
#: No strength is weakened by more than this ratio of distances, before the power is taken.
LARGEST_RATIO = 1e6


class PenaltyTuner:
    r"""Weakens the penalties of symmetries that the data violate, once, by what training has shown until then.

    Let :math:`\underline R_g` be the least distance of each symmetry among the last ``window`` records before record
    number ``at``, those up to ``warmup`` left out. Then

    .. math::
        \lambda_g \leftarrow \lambda_g
        \left( \frac{\min_{h: \lambda_h \ne 0} \underline R_h}{\underline R_g} \right)^p ,

    so the symmetry that is violated least keeps its strength. Distances below 1e-12 count as that, ratios beyond 1e6 as
    that, and a strength of zero stays. Tune late: at first all distances shrink alike, whatever the data say.

    Args:
        strengths: at the start, one for each symmetry.
        at: after how many records to tune.
        power: the power :math:`p`; 0 leaves everything as it is.
        warmup: records at the beginning that do not count.
        window: how many records before ``at`` count; all by default.

    Attributes:
        strengths: as they are now.
        tuned: whether the adjustment has been made.
        records: number of records so far.

    Raises:
        ValueError: for no strengths, negative ones or none above zero; records to count that there are none of; a
            negative power; when recording, for another number of distances, or one that is negative or not finite.

    Source: Kim, Lee, Yang, Lee, "Regularizing Towards Soft Equivariance Under Mixed Symmetries", 2023.

    Example:
        >>> tuner = PenaltyTuner([1.0, 1.0, 1.0], at=1)
        >>> tuner.record([0.5, 1.0, 2.0])
        True
        >>> tuner.strengths
        [1.0, 0.25, 0.0625]
    """

    def __init__(
        self,
        strengths: Sequence[float] | Tensor,
        at: int,
        power: float = 2.0,
        warmup: int = 0,
        window: int | None = None,
    ) -> None:
        self.strengths = require_strengths("PenaltyTuner(strengths)", strengths, len(strengths))
        if not self.strengths or not any(self.strengths):
            raise ValueError(f"PenaltyTuner(strengths): at least one above zero, got {self.strengths}")
        for name, value, least in (("at", at, 1), ("warmup", warmup, 0), ("window", window, 1)):
            if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < least):
                raise ValueError(f"PenaltyTuner({name}): a whole number, at least {least}, got {value!r}")
        if warmup >= at:
            raise ValueError(
                f"PenaltyTuner(warmup): less than at={at}, so that records are left to tune by, got {warmup}"
            )
        if not 0 <= power < math.inf:
            raise ValueError(f"PenaltyTuner(power): finite and not negative, got {power}")
        self.at, self.power, self.warmup, self.window = at, float(power), warmup, window
        self.records, self.tuned = 0, False
        self._kept: deque[list[float]] = deque(maxlen=window)

    def record(self, distances: Sequence[float] | Tensor) -> bool:
        """Takes note of the distances, ``model.penalties()``; tells whether it has just adjusted the strengths."""
        values = [float(r) for r in (distances.tolist() if isinstance(distances, Tensor) else distances)]
        if len(values) != len(self.strengths):
            raise ValueError(f"record(distances): one for each of {len(self.strengths)} symmetries, got {len(values)}")
        if not all(0 <= value < math.inf for value in values):
            raise ValueError(f"record(distances): finite and not negative, got {values}")
        self.records += 1
        if self.tuned:
            return False
        if self.records > self.warmup:
            self._kept.append(values)
        if self.records < self.at:
            return False
        self.strengths = tuned_strengths(self.strengths, self.least, self.power)
        self.tuned = True
        return True

    @property
    def least(self) -> list[float]:
        """The least distance of each symmetry among the records that count; infinite before the first."""
        return [min((row[g] for row in self._kept), default=math.inf) for g in range(len(self.strengths))]

    def state_dict(self) -> dict[str, object]:
        """What a checkpoint has to keep: numbers and lists of them."""
        kept = [list(row) for row in self._kept]
        return {"strengths": list(self.strengths), "records": self.records, "tuned": self.tuned, "kept": kept}

    def load_state_dict(self, state: dict[str, object]) -> None:
        """Goes on from where :meth:`state_dict` was taken.

        Raises:
            ValueError: when the state is one of another number of symmetries.
        """
        strengths, kept = state["strengths"], state["kept"]
        assert isinstance(strengths, list) and isinstance(kept, list)
        if len(strengths) != len(self.strengths):
            raise ValueError(
                f"load_state_dict(state): {len(self.strengths)} symmetries, got a state of {len(strengths)}"
            )
        self.strengths, self.records, self.tuned = list(strengths), int(str(state["records"])), bool(state["tuned"])
        self._kept = deque(([float(r) for r in row] for row in kept), maxlen=self.window)


def tuned_strengths(strengths: Sequence[float], least: Sequence[float], power: float = 2.0) -> list[float]:
    r"""Strengths times :math:`(\min_h R_h / R_g)^p`, the least taken over those that are not zero.

    Example:
        >>> tuned_strengths([0.0, 3.0, 3.0], [0.1, 1.0, 2.0])
        [0.0, 3.0, 0.75]
    """
    floored = torch.tensor(list(least), dtype=torch.float64).clamp_min(SMALLEST).tolist()
    base = min(r for s, r in zip(strengths, floored, strict=True) if s)
    return [s / min(max(r / base, 1.0), LARGEST_RATIO) ** power for s, r in zip(strengths, floored, strict=True)]
