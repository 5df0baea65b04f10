"""Training: one function on top of Lightning, for plain modules, that a kill at any moment cannot spoil.

>>> import torch
>>> from erlangen.train import fit
>>> x = torch.linspace(-1, 1, 64)[:, None]
>>> fitted = fit(
...     torch.nn.Linear(1, 1),
...     (x, 2 * x + 1),
...     lambda model, batch: (model(batch[0]) - batch[1]).square().mean(),
...     epochs=20,
...     batch_size=16,
...     lr=0.1,
... )
>>> round(fitted.model.weight.item(), 1), len(fitted.history)
(2.0, 20)
"""

from erlangen.train.averaging import AveragedWeights
from erlangen.train.checkpoint import CheckpointError, load_weights
from erlangen.train.fit import Fitted, fit
from erlangen.train.folder import remove_trainings
from erlangen.train.journey import DivergedError
from erlangen.train.placement import require_placement, strategies

__all__ = [
    "AveragedWeights",
    "CheckpointError",
    "DivergedError",
    "Fitted",
    "fit",
    "load_weights",
    "remove_trainings",
    "require_placement",
    "strategies",
]
