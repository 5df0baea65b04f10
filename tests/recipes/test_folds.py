"""Cross validation: no item is in two parts of a fold, and classes keep their shares."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from erlangen.recipes.folds import stratified_folds


@given(st.integers(3, 10), st.integers(0, 30), st.integers(0, 30), st.integers(0, 100))
def test_parts_are_disjoint_and_every_item_is_tested_and_validates_once(folds, more, others, seed):
    counts = torch.tensor([folds + more, folds + others])
    labels = torch.tensor([3, 7]).repeat_interleave(counts)
    found = stratified_folds(labels, folds, seed)
    everything = list(range(len(labels)))
    assert len(found) == folds
    for fold in found:
        assert torch.cat(list(fold)).sort().values.tolist() == everything
        for label, count in zip((3, 7), counts.tolist(), strict=True):
            assert int((labels[fold.test] == label).sum()) in (count // folds, -(-count // folds))
    for part in ("test", "validation"):
        assert torch.cat([getattr(fold, part) for fold in found]).sort().values.tolist() == everything


def test_the_seed_alone_decides():
    labels = torch.tensor([0, 1]).repeat(50)
    one, again, other = (stratified_folds(labels, seed=seed)[0].test.tolist() for seed in (0, 0, 1))
    assert one == again != other


@pytest.mark.parametrize(
    ("labels", "folds", "message"),
    [
        ([0, 1] * 5, 2, "from 3, got 2"),
        ([0] * 9 + [4] * 4, 5, "at least 5 items of each class.*got 4 of class 4"),
        ([], 3, "got none"),
    ],
)
def test_what_cannot_be_split(labels, folds, message):
    with pytest.raises(ValueError, match=message):
        stratified_folds(torch.tensor(labels, dtype=torch.long), folds)
