"""Kinds of atoms as features, and back."""

import pytest
import torch

from erlangen.generative import AtomEncoding


def test_scales():
    encoding = AtomEncoding()
    x = encoding(torch.tensor([9, 6]))
    assert x.tolist() == [[0, 0, 0, 0, 0.25, pytest.approx(0.9)], [0, 0.25, 0, 0, 0, pytest.approx(0.6)]]
    assert encoding.num_features == 6
    bare = AtomEncoding((6, 1), type_scale=1.0, charge_scale=None)
    assert bare(torch.tensor([1])).tolist() == [[0.0, 1.0]] and bare.num_features == 2


@pytest.mark.parametrize("encoding", [AtomEncoding(), AtomEncoding((35, 1, 8), 2.0, None)])
def test_back_again_from_noisy_features(encoding):
    numbers = torch.tensor([*encoding.elements, *encoding.elements])
    x = encoding(numbers)
    noise = 0.49 / encoding.type_scale * (2 * torch.rand(x.shape, generator=torch.Generator().manual_seed(0)) - 1)
    assert torch.equal(encoding.decode(x + noise), numbers)
    assert encoding.decode(x[:0]).shape == (0,)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: AtomEncoding(()), "different atomic numbers from 1, got"),
        (lambda: AtomEncoding((1, 1)), "different atomic numbers"),
        (lambda: AtomEncoding((0, 1)), "from 1"),
        (lambda: AtomEncoding(type_scale=0.0), r"type_scale\): a positive number, got 0"),
        (lambda: AtomEncoding(charge_scale=-1.0), r"charge_scale\): a positive number"),
        (lambda: AtomEncoding()(torch.tensor([1, 17])), r"one of the elements \[1, 6, 7, 8, 9\], got 17"),
        (lambda: AtomEncoding().decode(torch.zeros(2, 5)), r"shape \(atoms, 6\), got \(2, 5\)"),
    ],
)
def test_errors(make, message):
    with pytest.raises(ValueError, match=message):
        make()
