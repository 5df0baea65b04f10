"""Weighted frames: they move with the input, weights included, and they do not jump."""

import itertools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from erlangen.audit import audit
from erlangen.groups import SE, SO, E, Nodes, O, Points, Scalar, Symmetric, Symmetry, Vector
from erlangen.symmetrize import DirectionFrame, PCAFrame, SortFrame, WeightedFrame, symmetrize

GROUPS = [SO(2), O(2), SE(2), E(2), SO(3), O(3), SE(3), E(3), SO(4)]


def mlp(n, d, out=None, seed=0):
    torch.manual_seed(seed)
    tail = [] if out else [nn.Unflatten(1, (n, d))]
    return nn.Sequential(nn.Flatten(), nn.Linear(n * d, 16), nn.SiLU(), nn.Linear(16, out or n * d), *tail).double()


def weighted_sets_agree(a, wa, b, wb, tol):
    """Whether two weighted sets of elements are the same measure: equal mass near every element."""
    near = (a[:, :, None] - b[:, None]).flatten(3).abs().amax(-1) < tol
    same = (a[:, :, None] - a[:, None]).flatten(3).abs().amax(-1) < tol
    mass_a, mass_b = (same * wa[:, None]).sum(-1), (near * wb[:, None]).sum(-1)
    return (mass_a - mass_b).abs().max() < 1e-9 and (wa.sum(1) - 1).abs().max() < 1e-12


@pytest.mark.parametrize("group", GROUPS, ids=str)
@settings(max_examples=5)
@given(n=st.integers(4, 6), seed=st.integers(0, 1000))
def test_they_move_with_the_cloud(group, n, seed):
    rng = torch.Generator().manual_seed(seed)
    x = torch.randn(2, n, group.matrix_dim, generator=rng, dtype=torch.float64)
    g = group.sample(2, generator=rng)
    before, weight = WeightedFrame(group)(x)
    after, weight_after = WeightedFrame(group)(Points(group)(g, x))
    assert group.contains(before, 1e-9).all()
    assert weighted_sets_agree(after, weight_after, group.compose(g[:, None], before), weight, 1e-8)


def test_weights_in_the_plane_and_in_space():
    x = torch.randn(1, 4, 2, dtype=torch.float64)
    elements, weight = WeightedFrame(SO(2))(x)
    torch.testing.assert_close(weight[0], x[0].norm(dim=1) / x[0].norm(dim=1).sum())
    torch.testing.assert_close(elements[0, :, :, 0], x[0] / x[0].norm(dim=1, keepdim=True))
    y = torch.randn(1, 4, 3, dtype=torch.float64)
    elements, weight = WeightedFrame(SO(3))(y)
    pairs = list(itertools.permutations(range(4), 2))
    areas = torch.stack([torch.linalg.cross(y[0, i], y[0, j]).norm() for i, j in pairs])
    torch.testing.assert_close(weight[0], areas / areas.sum())
    for k, (i, j) in enumerate(pairs):
        normal = torch.linalg.cross(y[0, i], y[0, j])
        torch.testing.assert_close(elements[0, k, :, 0], y[0, i] / y[0, i].norm())
        torch.testing.assert_close(elements[0, k, :, 2], normal / normal.norm())
    _, mirrored = WeightedFrame(O(3))(y)
    torch.testing.assert_close(mirrored, torch.cat([weight, weight], 1) / 2)


@pytest.mark.parametrize("group", GROUPS[:8], ids=str)
@pytest.mark.parametrize("output", [Vector, Scalar])
def test_wrapped_networks_keep_their_promise(group, output):
    d = group.matrix_dim
    net = mlp(5, d, 3 if output is Scalar else None)
    model = symmetrize(net, Symmetry(group, Points(group), output(group)), WeightedFrame(group), "weighted")
    x = torch.randn(3, 5, d)
    assert audit(model, x).verdict == "exact"

    class Distances(nn.Module):
        def forward(self, x):
            return torch.cdist(x, x).flatten(1).sort().values

    invariant = symmetrize(Distances(), Symmetry(group, Points(group), Scalar(group)), WeightedFrame(group))
    torch.testing.assert_close(invariant(x.double()), Distances()(x.double()), rtol=1e-10, atol=1e-10)


def path(steps):
    """Four points whose two principal moments cross in the middle."""
    t = torch.linspace(-0.5, 0.5, steps, dtype=torch.float64)
    zero, one = torch.zeros_like(t), torch.ones_like(t)
    rows = [(1 + t, zero), (-1 - t, zero), (zero, one), (zero, -one)]
    return torch.stack([torch.stack(row, -1) for row in rows], 1)


@pytest.mark.parametrize("seed", range(3))
def test_principal_axes_jump_where_weights_do_not(seed):
    class Smooth(nn.Module):
        def __init__(self):
            super().__init__()
            w = torch.randn(8, 8, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
            self.register_buffer("w", w)

        def forward(self, x):
            return torch.tanh(x.flatten(1) @ self.w + 0.5).sum(1)

    promise = Symmetry(SO(2), Points(SO(2)), Scalar(SO(2)))
    sides = path(401)[[199, 201]]  # just before and after the crossing
    jump = symmetrize(Smooth(), promise, PCAFrame(SO(2)))(sides).diff().abs().item()
    calm = symmetrize(Smooth(), promise, WeightedFrame(SO(2)))(path(401)).diff().abs().max().item()
    assert jump > 0.05
    assert calm < 0.02 and calm < jump / 10
    finer = symmetrize(Smooth(), promise, WeightedFrame(SO(2)))(path(4001)).diff().abs().max().item()
    assert finer < calm / 5  # a continuous function's steps shrink with the step


def test_gradients():
    x = torch.randn(1, 4, 2, dtype=torch.float64, requires_grad=True)
    promise = Symmetry(SE(2), Points(SE(2)), Scalar(SE(2)))
    model = symmetrize(mlp(4, 2, 1), promise, WeightedFrame(SE(2), grad="full"))
    assert torch.autograd.gradcheck(model, (x,))
    full = torch.autograd.grad(model(x).sum(), x)[0]
    # Rotating the cloud changes nothing, so the gradient has no torque: only the full gradient knows that.
    torque = (x[0, :, 0] * full[0, :, 1] - x[0, :, 1] * full[0, :, 0]).sum().item()
    assert abs(torque) < 1e-10
    principal = symmetrize(mlp(4, 2, 1), promise, PCAFrame(SE(2), grad="full"))
    assert torch.autograd.gradcheck(principal, (x,))


def test_degenerate_clouds_follow_the_policy():
    flat = torch.randn(2, 5, 1, dtype=torch.float64) * torch.tensor([1.0, 2.0, -1.0])
    with pytest.raises(ValueError, match="sample 0 spans fewer than 2 dimensions"):
        WeightedFrame(SO(3))(flat)
    with pytest.warns(UserWarning, match="all weights are zero"):
        elements, weight = WeightedFrame(SO(3), degenerate="warn")(flat)
    assert elements.isfinite().all() and weight.sum(1).allclose(torch.ones(2).double())
    with pytest.raises(ValueError, match="sample 1 spans"):
        WeightedFrame(SO(2))(torch.stack([torch.randn(3, 2), torch.zeros(3, 2)]))
    # A point at the origin has weight zero, and nothing else happens.
    x = torch.tensor([[[0.0, 0.0], [1.0, 0.0], [0.0, 2.0]]])
    elements, weight = WeightedFrame(SO(2))(x)
    assert weight[0, 0] == 0 and SO(2).contains(elements).all()


def test_directions_in_the_plane_are_counted_exactly():
    x = torch.randn(2, 4, 2, dtype=torch.float64)
    elements, weight = DirectionFrame(Symmetric("n"))(x)
    assert elements.shape[1] == 4 * 3 and weight.sum(1).allclose(torch.ones(2).double())
    angles = (torch.arange(20_000, dtype=torch.float64) + 0.5) * (2 * math.pi / 20_000)
    a = torch.stack([angles.cos(), angles.sin()], -1)
    for b in range(2):
        every = (a @ x[b].T).argsort(-1).tolist()
        for g, w in zip(elements[b].tolist(), weight[b].tolist(), strict=True):
            assert every.count(g) / 20_000 == pytest.approx(w, abs=2e-3)


def test_sorting_along_directions_keeps_permutations():
    S = Symmetric("n")
    for out, net in ((Nodes(S), mlp(4, 2)), (Scalar(S), mlp(4, 2, 3))):
        assert (
            audit(symmetrize(net, Symmetry(S, Nodes(S), out), DirectionFrame(S)), torch.randn(3, 4, 2)).verdict
            == "exact"
        )
    one = symmetrize(mlp(4, 1, 2), Symmetry(S, Nodes(S), Scalar(S)), DirectionFrame(S))
    assert audit(one, torch.randn(3, 4, 1)).verdict == "exact"
    drawn = symmetrize(mlp(4, 3, 2), Symmetry(S, Nodes(S), Scalar(S)), DirectionFrame(S, draws=4))
    assert drawn.symmetry.kind == "in_expectation"
    assert audit(drawn, torch.randn(3, 4, 3)).verdict == "in_expectation"


def test_directions_do_not_jump_where_sorting_does():
    S = Symmetric("n")
    t = torch.linspace(-0.1, 0.1, 201, dtype=torch.float64)
    x = torch.stack([torch.stack([t, 0 * t + 1], -1), torch.stack([-t, 0 * t], -1)], 1)  # the first column crosses
    promise = Symmetry(S, Nodes(S), Scalar(S))
    jump = symmetrize(mlp(2, 2, 1), promise, SortFrame(S))(x).diff(dim=0).abs().max()
    calm = symmetrize(mlp(2, 2, 1), promise, DirectionFrame(S))(x).diff(dim=0).abs().max()
    assert jump > 20 * calm


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: WeightedFrame(SO(1)), "d >= 2, got SO\\(1\\)"),
        (lambda: WeightedFrame(SO(3), grad="no"), "'detach' or 'full'"),
        (lambda: WeightedFrame(SO(3))(torch.randn(2, 4, 2)), "coordinates of shape .B, n, 3., got .2, 4, 2."),
        (lambda: WeightedFrame(SE(3))(torch.randn(2, 1, 3)), "at least 2 points, got shape .2, 1, 3."),
        (lambda: WeightedFrame(SE(3))(torch.randn(2, 0, 3)), "at least 2 points, got shape .2, 0, 3."),
        (lambda: DirectionFrame(Symmetric(3))(torch.randn(2, 3, 3)), "more than two need random directions"),
        (lambda: DirectionFrame(Symmetric(3), draws=0), "at least 1, got 0"),
        (lambda: PCAFrame(SO(3), grad="half"), "'detach' or 'full', got 'half'"),
    ],
)
def test_refusals(make, message):
    with pytest.raises(ValueError, match=message):
        make()
