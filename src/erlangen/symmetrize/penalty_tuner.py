"""Strengths of penalties, adjusted once during training to how far each symmetry is violated."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from erlangen.symmetrize.soft_linear import require_strengths

#: Distances below this count as this: a symmetry that holds by construction must not silence all the others.
SMALLEST = 1e-12
#: No strength is weakened by more than this ratio of distances, before the power is taken.
LARGEST_RATIO = 1e6


class PenaltyTuner(nn.Module):
    r"""Weakens the penalties of symmetries that the data violate, once, by what training has shown until then.

    Let :math:`\underline R_g` be the least distance of each symmetry among the last ``window`` records before record
    number ``at``, those up to ``warmup`` left out. Then

    .. math::
        \lambda_g \leftarrow \lambda_g
        \left( \frac{\min_{h: \lambda_h \ne 0} \underline R_h}{\underline R_g} \right)^p ,

    so the symmetry that is violated least keeps its strength. Distances below 1e-12 count as that, ratios beyond 1e6 as
    that, and a strength of zero stays. Tune late: at first all distances shrink alike, whatever the data say.

    It is a module without parameters: as a part of what is trained it goes into the checkpoint, so that a training that
    was interrupted tunes alike.

    Args:
        strengths: at the start, one for each symmetry.
        at: after how many records to tune.
        power: the power :math:`p`; 0 leaves everything as it is.
        warmup: records at the beginning that do not count.
        window: how many records before ``at`` count; all by default.

    Attributes:
        strengths: as they are now, float64.
        least: the least distance of each symmetry among the records that count, float64; infinite before the first.
        records: number of records until the adjustment.

    Raises:
        ValueError: for no strengths, negative ones or none above zero; records to count that there are none of; a
            negative power; when recording, for another number of distances, or one that is negative or not finite.

    Source: Kim, Lee, Yang, Lee, "Regularizing Towards Soft Equivariance Under Mixed Symmetries", 2023.

    Example:
        >>> tuner = PenaltyTuner([1.0, 1.0, 1.0], at=1)
        >>> tuner.record([0.5, 1.0, 2.0])
        True
        >>> tuner.strengths.tolist()
        [1.0, 0.25, 0.0625]
    """

    strengths: Tensor
    least: Tensor
    records: Tensor

    def __init__(
        self,
        strengths: Sequence[float] | Tensor,
        at: int,
        power: float = 2.0,
        warmup: int = 0,
        window: int | None = None,
    ) -> None:
        super().__init__()
        values = require_strengths("PenaltyTuner(strengths)", strengths)
        if not any(values):
            raise ValueError(f"PenaltyTuner(strengths): at least one above zero, got {values}")
        for name, value, least in (("at", at, 1), ("warmup", warmup, 0), ("window", window, 1)):
            if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < least):
                raise ValueError(f"PenaltyTuner({name}): a whole number, at least {least}, got {value!r}")
        if warmup >= at:
            raise ValueError(
                f"PenaltyTuner(warmup): less than at={at}, so that records are left to tune by, got {warmup}"
            )
        if not 0 <= power < math.inf:
            raise ValueError(f"PenaltyTuner(power): finite and not negative, got {power}")
        self.at, self.power = at, float(power)
        #: Records that are left out at the beginning.
        self.skipped = warmup if window is None else max(warmup, at - window)
        self.register_buffer("strengths", torch.tensor(values, dtype=torch.float64))
        self.register_buffer("least", torch.full((len(values),), math.inf, dtype=torch.float64))
        self.register_buffer("records", torch.zeros((), dtype=torch.long))

    @property
    def tuned(self) -> bool:
        """Whether the adjustment has been made."""
        return int(self.records) >= self.at

    @torch.no_grad()
    def record(self, distances: Sequence[float] | Tensor) -> bool:
        """Takes note of the distances, ``model.penalties()``; tells whether it has just adjusted the strengths."""
        values = torch.as_tensor(distances, dtype=self.least.dtype, device=self.least.device)
        if values.shape != self.least.shape:
            raise ValueError(
                f"record(distances): one for each of {len(self.least)} symmetries, got shape {tuple(values.shape)}"
            )
        if not bool(((values >= 0) & values.isfinite()).all()):
            raise ValueError(f"record(distances): finite and not negative, got {values.tolist()}")
        if self.tuned:
            return False
        self.records += 1
        if int(self.records) > self.skipped:
            self.least.copy_(torch.minimum(self.least, values))
        if self.tuned:
            self.strengths.copy_(tuned_strengths(self.strengths, self.least, self.power))
        return self.tuned

    def extra_repr(self) -> str:
        """Shown by ``print(module)``."""
        return f"{len(self.strengths)} symmetries, after {self.at} records, power={self.power:g}"


def tuned_strengths(strengths: Tensor, least: Tensor, power: float = 2.0) -> Tensor:
    r"""Strengths times :math:`(\min_h R_h / R_g)^p`, the least taken over those that are not zero.

    Example:
        >>> tuned_strengths(torch.tensor([0.0, 3.0, 3.0]), torch.tensor([0.1, 1.0, 2.0]))
        tensor([0.0000, 3.0000, 0.7500])
    """
    floored = least.clamp_min(SMALLEST)
    ratio = floored / floored[strengths > 0].min()
    return strengths / ratio.clamp(1.0, LARGEST_RATIO) ** power
