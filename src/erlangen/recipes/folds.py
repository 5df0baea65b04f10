"""Cross validation in which the fold that is tested never has a say in what is chosen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Int
from torch import Tensor

from erlangen.extras import require


class Fold(NamedTuple):
    """Which items to learn from, which choose the epoch, and which are tested: numbers, ascending, none in two."""

    train: Tensor
    validation: Tensor
    test: Tensor


def stratified_folds(labels: Int[Tensor, " items"], folds: int = 10, seed: int = 0) -> list[Fold]:
    """Splits items into parts that have each class in equal shares; fold i tests part i and validates on part i + 1.

    So every item is tested once and validates once, and with ten folds eight tenths are learned from. The epoch is the
    one that is best on the validation part; accuracies of test parts are compared fold by fold.

    Args:
        labels: The class of each item.
        folds: How many.
        seed: Of the assignment of items to parts.

    Raises:
        ValueError: If there are less than three folds, or a class has less items than there are folds.
        MissingExtra: If scikit-learn is not installed.

    >>> folds = stratified_folds(torch.tensor([0] * 10 + [1] * 5), folds=5)
    >>> [len(part) for part in folds[0]]
    [9, 3, 3]
    >>> torch.cat([fold.test for fold in folds]).sort().values.tolist() == list(range(15))
    True
    """
    if folds < 3:
        raise ValueError(f"stratified_folds(folds): a whole number from 3, got {folds}")
    values, counts = labels.cpu().unique(return_counts=True)
    if not len(values) or int(counts.min()) < folds:
        rare = f"{int(counts.min())} of class {int(values[counts.argmin()])}" if len(values) else "none"
        raise ValueError(
            f"stratified_folds(labels): at least {folds} items of each class, one for each fold, got {rare}"
        )
    selection = require("sklearn.model_selection", "recipes", "cross validation")
    splitter = selection.StratifiedKFold(folds, shuffle=True, random_state=seed)
    parts = [torch.from_numpy(test).long() for _, test in splitter.split(torch.zeros(len(labels), 1), labels.cpu())]
    return [_fold(parts, i) for i in range(folds)]


def _fold(parts: Sequence[Tensor], i: int) -> Fold:
    after = (i + 1) % len(parts)
    rest = torch.cat([part for j, part in enumerate(parts) if j not in (i, after)])
    return Fold(rest.sort().values, parts[after], parts[i])
