"""Minimal frames: one element (or two), on every group that has one."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from erlangen.audit import audit
from erlangen.groups import (
    GL,
    SE,
    SL,
    SO,
    SU,
    Affine,
    E,
    GLPlus,
    Lorentz,
    O,
    Points,
    Scalar,
    SignedPermutation,
    Symmetry,
    U,
    Vector,
)
from erlangen.symmetrize import FixedSigns, MinimalFrame, PCAFrame, symmetrize

REAL = [
    O(1), O(2), O(3), SO(2), SO(3), SO(4), E(2), E(3), SE(2), SE(3), Lorentz(2), Lorentz(4), GL(2), GL(3), GLPlus(2),
    GLPlus(3), SL(2), SL(3), Affine(2), Affine(3, SL(3)), Affine(2, GLPlus(2)),
]  # fmt: skip


def mlp(n, d, out=None, seed=0):
    torch.manual_seed(seed)
    tail = [] if out else [nn.Unflatten(1, (n, d))]
    return nn.Sequential(nn.Flatten(), nn.Linear(n * d, 16), nn.SiLU(), nn.Linear(16, out or n * d), *tail).double()


@pytest.mark.parametrize("group", [*REAL, U(1), U(3), SU(2), SU(3)], ids=str)
@settings(max_examples=5)
@given(extra=st.integers(0, 3), seed=st.integers(0, 1000))
def test_one_element_that_moves_with_the_points(group, extra, seed):
    rng = torch.Generator().manual_seed(seed)
    d = group.matrix_dim
    shape = (3, d + 1 + extra, d)
    x = torch.randn(shape, generator=rng, dtype=torch.float64)
    if group.complex:
        x = torch.complex(x, torch.randn(shape, generator=rng, dtype=torch.float64))
    g = group.sample(3, generator=rng)
    before, weight = MinimalFrame(group)(x)
    after, _ = MinimalFrame(group)(Points(group)(g, x))
    assert before.shape[1] == 1 and weight is None
    assert group.contains(before, 1e-6).all()
    torch.testing.assert_close(after, group.compose(g[:, None], before), rtol=1e-7, atol=1e-8)


@pytest.mark.parametrize("group", REAL, ids=str)
@pytest.mark.parametrize("output", [Scalar, Vector, Points])
def test_wrapped_networks_keep_their_promise(group, output):
    d = group.matrix_dim
    model = symmetrize(
        mlp(6, d, 3 if output is Scalar else None), Symmetry(group, Points(group), output(group)), MinimalFrame(group)
    )
    assert audit(model, torch.randn(5, 6, d)).verdict == "exact"


def test_complex_networks_keep_their_promise():
    class Complex(nn.Module):
        def __init__(self, real):
            super().__init__()
            self.real = real

        def forward(self, z):
            y = self.real(torch.view_as_real(z).flatten(-2))
            return torch.view_as_complex(y.unflatten(-1, (-1, 2)).contiguous())

    for group in (U(2), SU(3)):
        promise = Symmetry(group, Points(group), Vector(group))
        model = symmetrize(Complex(mlp(4, 2 * group.n)), promise, MinimalFrame(group))
        assert audit(model, torch.randn(3, 4, group.n, dtype=torch.complex64)).verdict == "exact"


@pytest.mark.parametrize("group", [O(3), E(3), SO(3), SE(3)], ids=str)
def test_flat_clouds(group):
    x = torch.randn(4, 6, 3, dtype=torch.float64)
    x[1:3, :, 2] = 0
    elements, weight = MinimalFrame(group)(x)
    if isinstance(group, O | E):
        assert elements.shape[1] == 2
        assert weight.tolist() == [[1, 0], [0.5, 0.5], [0.5, 0.5], [1, 0]]
    else:
        assert elements.shape[1] == 1 and weight is None
    model = symmetrize(mlp(6, 3), Symmetry(group, Points(group), Vector(group)), MinimalFrame(group))
    assert audit(model, x).verdict == "exact"


@pytest.mark.parametrize("offset", [0.0, 3.0, 30.0, 1000.0])
@pytest.mark.parametrize("group", [O(3), E(3), SE(3)], ids=str)
def test_flat_clouds_in_single_precision(group, offset):
    """What rounding leaves beside the plane is no third direction."""
    generator = torch.Generator().manual_seed(0)
    turn = SO(3).sample(100, 2, generator=generator)
    flat = torch.randn(100, 6, 3, dtype=torch.float64, generator=generator)
    flat[..., 2] = 0
    centre = offset * torch.randn(3, dtype=torch.float64, generator=generator) if offset else torch.zeros(3).double()
    first, second = ((flat @ turn[:, i].mT + (centre if group != O(3) else 0)).float() for i in (0, 1))
    net = mlp(6, 3, 2).float()
    model = symmetrize(net, Symmetry(group, Points(group), Scalar(group)), MinimalFrame(group))
    assert (model(first) - model(second)).abs().max() < 1e-3 * max(1.0, offset / 30)


def test_a_line_in_single_precision_is_refused():
    generator = torch.Generator().manual_seed(0)
    direction = torch.randn(100, 1, 3, generator=generator)
    line = torch.randn(100, 6, 1, generator=generator) * direction + 3.0
    for cloud in line:
        with pytest.raises(ValueError, match=r"sample 0 spans 1 dimensions, SO\(3\) needs 2"):
            MinimalFrame(SE(3))(cloud[None])


@pytest.mark.parametrize("group", [O(3), SO(3), GL(2), SL(3), Lorentz(4), SE(3)], ids=str)
def test_clouds_that_span_too_little_follow_the_policy(group):
    d = group.matrix_dim
    x = torch.randn(2, 5, d, dtype=torch.float64)
    x[1, :, 1:] = 0
    with pytest.raises(ValueError, match=r"MinimalFrame: sample 1 spans 1 dimensions, .* needs"):
        MinimalFrame(group)(x)
    with pytest.warns(UserWarning, match="the promise does not hold there"):
        elements, _ = MinimalFrame(group, degenerate="warn")(x)
    assert elements.isfinite().all() and group.contains(elements, 1e-6).all()


def test_points_that_repeat_are_skipped():
    x = torch.randn(1, 3, 3, dtype=torch.float64)
    again = torch.stack([x[:, 0], 2 * x[:, 0], x[:, 1], x[:, 0] - x[:, 1], x[:, 2]], 1)
    torch.testing.assert_close(MinimalFrame(O(3))(again)[0], MinimalFrame(O(3))(x)[0], rtol=0, atol=1e-10)


def test_the_order_of_the_points_matters():
    x = torch.randn(1, 4, 3, dtype=torch.float64)
    assert not torch.allclose(MinimalFrame(SO(3))(x)[0], MinimalFrame(SO(3))(x.flip(1))[0])


@pytest.mark.parametrize("group", [O(3), SO(3), SE(2), E(2)], ids=str)
def test_fixed_signs_pick_one_element_of_the_frame(group):
    x = torch.randn(5, 6, group.matrix_dim, dtype=torch.float64)
    every, _ = PCAFrame(group)(x)
    picked, weight = FixedSigns(PCAFrame(group))(x)
    assert picked.shape[1] == 1 and weight is None
    assert ((every - picked).flatten(2).abs().amax(-1) == 0).any(1).all()
    sums = group.matrix(picked)[:, 0].sum(1)
    free = sums if isinstance(group, O | E) else sums[:, :-1]
    assert (free >= 0).all()
    promise = Symmetry(group, Points(group), Scalar(group))
    assert symmetrize(mlp(6, group.matrix_dim, 1), promise, FixedSigns(PCAFrame(group))).symmetry.kind == "approximate"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: MinimalFrame(SignedPermutation(3)), "got SignedPermutation\\(3\\)"),
        (lambda: MinimalFrame(Affine(2, SignedPermutation(2))), "O, SO, E, SE, U|a group of 2 by 2 matrices"),
        (lambda: MinimalFrame(O(3))(torch.randn(4, 3)), "coordinates of shape .B, n, 3., got .4, 3."),
        (lambda: MinimalFrame(O(3), degenerate="x"), "one of raise, warn, perturb"),
    ],
)
def test_refusals(make, message):
    with pytest.raises(ValueError, match=message):
        make()
