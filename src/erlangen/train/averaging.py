"""A moving average of weights that lives beside them, in checkpoints too."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel


class AveragedWeights(nn.Module):
    r"""A module that learns as itself and is evaluated with an exponential moving average of its weights.

    In train mode it computes with the weights that the optimizer moves, and first takes them, as they are after the
    last step, into the average,

    .. math:: \bar w \leftarrow d\, \bar w + (1 - d)\, w, \qquad d = \min\big(\text{decay}, (1 + k) / (10 + k)\big)

    after k calls; a small k forgets the beginning soon. In eval mode it computes with :math:`\bar w`, which knows
    all steps but the last. Both are in the state dict: with `fit` validation, the best epoch, checkpoints and
    ``resume`` need nothing else. Buffers are those of the module, not averaged.

    It wraps any part of a model; what it computes, and promises, is what the module does. Call it once per step: with
    accumulated gradients, or called several times for one step, the average moves as often.

    Args:
        module: what learns.
        decay: d of long trainings, from 0 (no average) to below 1.

    Raises:
        ValueError: for a decay out of range.

    Source: Polyak, Juditsky, "Acceleration of Stochastic Approximation by Averaging", 1992.

    Example:
        >>> import torch
        >>> layer = AveragedWeights(nn.Linear(1, 1, bias=False), decay=0.9)
        >>> for weight in (1.0, 2.0):
        ...     _ = layer.module.weight.data.fill_(weight)
        ...     _ = layer.train()(torch.ones(1, 1))
        >>> layer.train()(torch.ones(1, 1)).item(), layer.eval()(torch.ones(1, 1)).item() < 2.0
        (2.0, True)
    """

    def __init__(self, module: nn.Module, decay: float = 0.99) -> None:
        super().__init__()
        if not 0 <= decay < 1:
            raise ValueError(f"AveragedWeights(decay): from 0 to below 1, got {decay}")
        self.module, self.decay = module, decay
        self.average = AveragedModel(module, avg_fn=self._mean).requires_grad_(False)

    @property
    def symmetry(self) -> Any:
        """What the module promises; None if nothing."""
        return getattr(self.module, "symmetry", None)

    def forward(self, *inputs: Any, **options: Any) -> Any:
        """What the module computes."""
        if not self.training:
            return self.average(*inputs, **options)
        self.average.update_parameters(self.module)
        return self.module(*inputs, **options)

    def _mean(self, average: Tensor, weight: Tensor, calls: Any) -> Tensor:
        k = float(calls)
        return average.lerp(weight.to(average), 1 - min(self.decay, (1 + k) / (10 + k)))
