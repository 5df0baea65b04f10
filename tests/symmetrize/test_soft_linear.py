"""Projections and penalties against dense null spaces, group averages, and closed forms of least squares."""

import math

import numpy as np
import pytest
import scipy.linalg
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from erlangen.groups import GL, O, Scalar, Symmetric, Vector, equivariant_basis, inclusion
from erlangen.symmetrize import (
    EMLP,
    EquivariantProjector,
    RPPLinear,
    SoftEMLP,
    SoftEquivariantLinear,
    equivariance_penalty,
)
from erlangen.symmetrize.block_form import LinearShape, block_form

PLANES = ["O(2)@xy", "O(2)@yz", "O(2)@xz"]
GROUPS = ["O(3)", "SO(3)", "O(2)@xy", "Scaling", "SO(3)*Scaling", "S(3)"]
V, W = Vector(O(3)), Vector(GL(3))
ONE = Scalar(GL(3))


def random(*shape, seed=0, dtype=torch.float64):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def dense_projection(rep_in, rep_out, group):
    """From the null space of all constraints on all entries at once, without blocks."""
    hom = inclusion(group, rep_in.group)
    there, here = rep_out.along(hom), rep_in.along(hom)
    one_out, one_in = np.eye(there.dim), np.eye(here.dim)
    rows = [np.kron(there.rho(g).numpy(), one_in) - np.kron(one_out, here.rho(g).numpy().T)
            for g in hom.source.generators()]  # fmt: skip
    rows += [np.kron(there.drho(a).numpy(), one_in) - np.kron(one_out, here.drho(a).numpy().T)
             for a in hom.source.algebra_basis()]  # fmt: skip
    null = scipy.linalg.null_space(np.concatenate(rows), rcond=1e-10)
    return torch.from_numpy(null @ null.T)


@pytest.mark.parametrize("group", GROUPS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_projection_is_the_nearest_equivariant_map(group, dtype):
    rep_in, rep_out = 2 * ONE + W + W**2, ONE + 2 * W + W**2
    project, w = EquivariantProjector(rep_in, rep_out, group), random(rep_out.dim, rep_in.dim, dtype=dtype)
    exact, tol = dtype == torch.float64, {torch.float64: 1e-10, torch.float32: 2e-5}[dtype]
    p = project(w)
    assert p.dtype == dtype
    want = (dense_projection(rep_in, rep_out, group) @ w.double().flatten()).view_as(w)
    torch.testing.assert_close(p.double(), want, rtol=0, atol=tol)
    torch.testing.assert_close(project(p), p, rtol=0, atol=tol)
    u = random(*w.shape, seed=1, dtype=dtype)
    torch.testing.assert_close((project(u) * w).sum(), (u * p).sum(), rtol=0, atol=40 * tol)
    g = project.hom.source.sample(20, generator=torch.Generator().manual_seed(2))
    left = rep_out.along(project.hom).rho(g) @ p.double()
    gap = (left - p.double() @ rep_in.along(project.hom).rho(g)).norm(dim=(1, 2)) / left.norm(dim=(1, 2)).clamp_min(1)
    assert gap.max() < (1e-8 if exact else 1e-5)
    assert project.distance(p) < (1e-18 if exact else 1e-9)
    assert project.distance(w) > 1


@pytest.mark.parametrize(("small", "large"), [("O(2)@xy", "O(3)"), ("SO(3)", "O(3)"), ("SO(3)", "SO(3)*Scaling")])
def test_smaller_groups_are_nearer(small, large):
    rep_in, rep_out = ONE + W + W**2, W + W**2
    near, far = (EquivariantProjector(rep_in, rep_out, group) for group in (small, large))
    w = random(rep_out.dim, rep_in.dim)
    assert near.distance(w) < far.distance(w)
    torch.testing.assert_close(near(far(w)), far(w), rtol=0, atol=1e-10)
    torch.testing.assert_close(far(near(w)), far(w), rtol=0, atol=1e-10)


def test_three_planes_make_the_whole_group():
    rep_in, rep_out = Scalar(O(3)) + 2 * V + V**2, V + V**2
    together = sum(torch.eye(12 * 16) - dense_projection(rep_in, rep_out, g).float() for g in PLANES)
    null = int((torch.linalg.eigvalsh(together.double()) < 1e-5).sum())
    assert null == equivariant_basis(rep_in, rep_out).dim
    w = EquivariantProjector(rep_in, rep_out, "O(3)")(random(12, 16))
    assert all(EquivariantProjector(rep_in, rep_out, g).distance(w) < 1e-18 for g in PLANES)
    xy = EquivariantProjector(rep_in, rep_out, PLANES[0])(random(12, 16))
    assert min(EquivariantProjector(rep_in, rep_out, g).distance(xy).item() for g in PLANES[1:]) > 1e-2


def test_projection_is_the_mean_over_a_compact_group():
    rep_in, rep_out = 2 * Scalar(O(3)) + V + V**2, V + V**2
    project, w = EquivariantProjector(rep_in, rep_out, "O(2)@xy"), random(12, 14)
    # Matrix elements are trigonometric of degree four at most: nine angles integrate them exactly.
    angles = 2 * math.pi * torch.arange(9, dtype=torch.float64) / 9
    c, s = angles.cos(), angles.sin()
    turns = torch.stack([torch.stack([c, -s], -1), torch.stack([s, c], -1)], -2)
    g = torch.cat([turns, turns @ torch.diag(torch.tensor([1.0, -1.0], dtype=torch.float64))])
    there, back = rep_out.along(project.hom).rho(g), rep_in.along(project.hom).rho(g.mT)
    torch.testing.assert_close(project(w), (there @ w @ back).mean(0), rtol=0, atol=1e-8)


def test_distance_is_a_convex_quadratic_with_the_residual_as_gradient():
    project = EquivariantProjector(2 * V, V**2, "O(2)@xy")
    w = random(9, 6).requires_grad_()
    (gradient,) = torch.autograd.grad(project.distance(w), w)
    torch.testing.assert_close(gradient, w.detach() - project(w.detach()), rtol=0, atol=1e-12)
    torch.testing.assert_close(project.distance(3 * w), 9 * project.distance(w), rtol=1e-12, atol=0)
    u = random(9, 6, seed=1)
    assert project.distance((w + u) / 2) <= (project.distance(w) + project.distance(u)) / 2


def test_projector_refuses_what_does_not_fit():
    with pytest.raises(ValueError, match="both of one group"):
        EquivariantProjector(V, W, "O(3)")
    with pytest.raises(ValueError, match="say on which axes"):
        EquivariantProjector(V, V, "O(2)")
    with pytest.raises(ValueError, match="4096 that are solved for"):
        EquivariantProjector(V**4, V**4, "SO(3)")
    with pytest.raises(ValueError, match=r"shape \(3, 3\)"):
        EquivariantProjector(V, V, "SO(3)")(torch.zeros(3, 4))
    basis = EquivariantProjector(V, V, "SO(3)").basis
    for call, wrong in ((basis.project, torch.eye(3, dtype=torch.long)), (basis.matrix, torch.ones(1).long())):
        with pytest.raises(TypeError, match=r"floating-point numbers, got torch\.int64"):
            call(wrong)


@st.composite
def representations(draw):
    parts = draw(st.lists(st.tuples(st.integers(1, 3), st.integers(0, 2)), min_size=1, max_size=3))
    rep = 0 * ONE
    for copies, rank in parts:
        rep = rep + copies * W**rank
    return rep


@given(
    rep_in=representations(),
    rep_out=representations(),
    groups=st.lists(
        st.sampled_from(["SO(3)", "O(2)@xy", "Scaling", "SO(3)*Scaling", "SO(2)@yz"]), min_size=1, max_size=3
    ),
    bias=st.booleans(),
    dtype=st.sampled_from([torch.float32, torch.float64]),
)
@settings(max_examples=15)
def test_the_layer_knows_its_distances(rep_in, rep_out, groups, bias, dtype):
    layer = SoftEquivariantLinear(rep_in, rep_out, groups, bias, generator=torch.Generator().manual_seed(0)).to(dtype)
    rtol, atol = (1e-10, 1e-12) if dtype == torch.float64 else (1e-5, 1e-5)
    want = []
    for group in groups:
        want.append(EquivariantProjector(rep_in, rep_out, group).distance(layer.weight))
        if layer.bias is not None:
            want[-1] = want[-1] + EquivariantProjector(ONE, rep_out, group).distance(layer.bias[:, None])
    want = torch.stack(want)
    torch.testing.assert_close(layer.penalties(), want, rtol=rtol, atol=atol)
    strengths = torch.arange(1, len(groups) + 1).to(dtype) / 3
    squares = sum(p.square().sum() for p in layer.parameters())
    fused, split = layer.penalty(strengths, weight_decay=0.7), (strengths * want).sum() + 0.35 * squares
    torch.testing.assert_close(fused, split, rtol=rtol, atol=atol)
    parameters = [*layer.parameters()]
    gradients = torch.autograd.grad(fused, parameters), torch.autograd.grad(split, parameters)
    for a, b in zip(*gradients, strict=True):
        torch.testing.assert_close(a, b, rtol=rtol, atol=10 * atol)


def test_penalties_are_differentiable_twice():
    form = block_form((LinearShape(V, V**2, True),), tuple(inclusion(g, O(3)) for g in PLANES))
    flat = random(36).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: form.penalty(x, [1.0, 0.5, 0.0], 0.1), flat)
    assert torch.autograd.gradgradcheck(lambda x: form.penalty(x, [1.0, 0.5, 0.0], 0.1), flat)
    assert torch.autograd.gradcheck(form.projection(1, flat), flat)
    assert torch.autograd.gradcheck(form.distances, flat)
    hessian = torch.autograd.functional.hessian(lambda x: form.penalty(x, [1.0, 1.0, 1.0]), flat.detach())
    assert torch.linalg.eigvalsh(hessian).min() > -1e-12


def test_strengths_can_be_learned():
    layer = SoftEquivariantLinear(2 * V, V, PLANES)
    strengths = torch.ones(3, requires_grad=True)
    layer.penalty(strengths).backward()
    torch.testing.assert_close(strengths.grad, layer.penalties().detach())
    torch.testing.assert_close(layer.penalty(strengths), layer.penalty([1.0, 1.0, 1.0]))


def test_a_small_distance_is_not_lost_in_rounding():
    layer = SoftEquivariantLinear(4 * V, 4 * V, ["SO(3)"], bias=False)
    with torch.no_grad():
        layer.weight.copy_(layer.projected("SO(3)"))
        layer.weight[0, 1] += 1e-4
    assert layer.penalties().item() == pytest.approx(5e-9, rel=1e-2)


def test_groups_of_permutations_have_a_place():
    rep = Vector(Symmetric(4))
    layer = SoftEquivariantLinear(rep, rep, [Symmetric(4)], bias=False).double()
    w = layer.weight.detach()
    d, rest = w.diagonal().mean(), (w.sum() - w.trace()) / 12
    want = rest + (d - rest) * torch.eye(4, dtype=torch.float64)
    torch.testing.assert_close(layer.penalties()[0], (w - want).square().sum() / 2, rtol=1e-10, atol=0)


@pytest.mark.parametrize("init", ["orthogonal", "halfsoft", "rpp"])
def test_first_weights(init):
    layers = [
        SoftEquivariantLinear(8 * V, 4 * V, ["O(2)@xy"], init=i, generator=torch.Generator().manual_seed(3)).double()
        for i in ("orthogonal", init)
    ]
    free, here = (layer.weight.detach() for layer in layers)
    torch.testing.assert_close(free @ free.T, torch.eye(12, dtype=torch.float64), atol=1e-5, rtol=0)
    projected = EquivariantProjector(8 * V, 4 * V, "O(3)")(free)
    want = {"orthogonal": free, "halfsoft": (free + projected) / 2, "rpp": projected + 1e-3 * free}[init]
    torch.testing.assert_close(here, want, atol=1e-6, rtol=0)
    bias = layers[0].bias.detach()
    assert bias.min() >= 0 and bias.max() <= 1 / 12**0.5 and bias.std() > 0


def test_layer_refuses_bad_arguments():
    with pytest.raises(ValueError, match="at least one group, got none"):
        SoftEquivariantLinear(V, V, [])
    with pytest.raises(TypeError, match="put it in brackets"):
        SoftEquivariantLinear(V, V, "SO(3)")
    with pytest.raises(ValueError, match="one of orthogonal, halfsoft, rpp, got 'zeros'"):
        SoftEquivariantLinear(V, V, PLANES, init="zeros")
    with pytest.raises(ValueError, match="both of one group"):
        SoftEquivariantLinear(V, W, PLANES)
    layer = SoftEquivariantLinear(V, V, PLANES)
    with pytest.raises(ValueError, match="one for each of the 3 groups, got 2"):
        layer.penalty([1.0, 2.0])
    for bad in (-1.0, math.nan, math.inf):
        with pytest.raises(ValueError, match="finite and not negative"):
            layer.penalty([1.0, bad, 0.0])
    for strengths in ([1.0, 1.0, 1.0], torch.ones(3, requires_grad=True)):
        with pytest.raises(ValueError, match=r"penalty\(weight_decay\): finite and not negative"):
            layer.penalty(strengths, weight_decay=-1.0)
    with pytest.raises(ValueError, match=r"one axis, with a number for each group, got shape \(1, 3\)"):
        layer.penalty(torch.ones(1, 3))
    with pytest.raises(ValueError, match="last axis must have size 3, got shape"):
        layer(torch.zeros(2, 4))


def test_layer_is_a_linear_layer():
    layer = SoftEquivariantLinear(2 * V, V, PLANES)
    x = random(2, 0, 6, dtype=torch.float32)
    assert layer(x).shape == (2, 0, 3)
    other = SoftEquivariantLinear(2 * V, V, PLANES)
    other.load_state_dict(layer.state_dict())
    x = random(4, 6, dtype=torch.float32)
    torch.testing.assert_close(other(x), nn.functional.linear(x, layer.weight, layer.bias))


@pytest.mark.parametrize("strength", [0.0, 1e9])
def test_between_free_and_equivariant_least_squares(strength):
    rep_in, rep_out, x = 2 * V, V, random(200, 6)
    target = x @ random(6, 3, seed=1) + 0.1 * random(200, 3, seed=2)
    project = dense_projection(rep_in, rep_out, "O(2)@xy")
    # The minimum of |x W^T - y|^2 / (2 n) + strength R(W), from its normal equations.
    gram = torch.kron(torch.eye(3, dtype=torch.float64), x.T @ x / 200)
    right = (target.T @ x / 200).flatten()
    w = torch.linalg.solve(gram + strength * (torch.eye(18, dtype=torch.float64) - project), right).view(3, 6)
    layer = SoftEquivariantLinear(rep_in, rep_out, ["O(2)@xy"], bias=False).double()
    with torch.no_grad():
        layer.weight.copy_(w)
    loss = (layer(x) - target).square().sum() / 400 + layer.penalty([strength])
    (gradient,) = torch.autograd.grad(loss, layer.weight)
    assert gradient.abs().max() < 1e-6
    if strength:
        basis = equivariant_basis(*(r.along(inclusion("O(2)@xy", O(3))) for r in (rep_in, rep_out))).dense().flatten(1)
        inside = torch.linalg.solve(basis @ gram @ basis.T, basis @ right) @ basis
        torch.testing.assert_close(w.flatten(), inside, rtol=0, atol=1e-6)
    else:
        torch.testing.assert_close(w.T, torch.linalg.lstsq(x, target).solution, rtol=0, atol=1e-6)


def test_penalty_of_any_module():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(6, 8), nn.SiLU(), nn.Linear(8, 9, bias=False))
    ends = {"0": (2 * V, 8 * Scalar(O(3))), "2": (8 * Scalar(O(3)), V**2)}
    found = equivariance_penalty(net, [*PLANES, "O(3)"], representations=ends)
    for k, group in enumerate([*PLANES, "O(3)"]):
        want = sum(
            EquivariantProjector(*ends[name], group).distance(layer.weight)
            for name, layer in (("0", net[0]), ("2", net[2]))
        )
        torch.testing.assert_close(found[k], want, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(
        equivariance_penalty(net, PLANES, [1.0, 2.0, 3.0], ends), (found[:3] * torch.tensor([1.0, 2, 3])).sum()
    )
    # Layers that say what they are need no names, and a name goes before what a layer says.
    mixed = nn.Sequential(SoftEquivariantLinear(V, V, PLANES), nn.Linear(3, 3))
    torch.testing.assert_close(equivariance_penalty(mixed, PLANES), mixed[0].penalties())
    turned = equivariance_penalty(mixed, PLANES, representations={"0": (3 * Scalar(O(3)), V)})
    assert not torch.allclose(turned, mixed[0].penalties())
    layer = nn.Linear(3, 3)
    assert equivariance_penalty(layer, ["SO(3)"], representations={"": (V, V)}).item() > 0


def test_penalty_of_networks_that_make_their_weights():
    soft = SoftEMLP(2 * V, V, PLANES, channels=20, num_layers=3)
    torch.testing.assert_close(equivariance_penalty(soft, PLANES), soft.penalties())
    strict = nn.Sequential(EMLP(2 * V, V, PLANES[0], channels=20, num_layers=3))
    assert equivariance_penalty(strict, PLANES)[0] < 1e-9 < equivariance_penalty(strict, PLANES)[1]
    torch.testing.assert_close(
        equivariance_penalty(nn.Sequential(soft, strict), PLANES),
        soft.penalties() + equivariance_penalty(strict, PLANES),
    )
    assert equivariance_penalty(RPPLinear(2 * V, V, "O(3)"), ["O(3)"]).item() < 1e-4


def test_penalty_refuses_what_it_does_not_know():
    net = nn.Sequential(nn.Linear(3, 3))
    with pytest.raises(ValueError, match="no linear layer whose representations are known"):
        equivariance_penalty(net, ["SO(3)"])
    with pytest.raises(ValueError, match="'1' is no layer"):
        equivariance_penalty(net, ["SO(3)"], representations={"1": (V, V)})
    with pytest.raises(ValueError, match=r"layer '0': a weight of shape \(3, 6\), got \(3, 3\)"):
        equivariance_penalty(net, ["SO(3)"], representations={"0": (2 * V, V)})
    with pytest.raises(ValueError, match=r"a weight of shape .*, got none"):
        equivariance_penalty(nn.Sequential(nn.SiLU()), ["SO(3)"], representations={"0": (V, V)})
    both = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    with pytest.raises(ValueError, match="all layers of one group"):
        equivariance_penalty(both, ["SO(3)"], representations={"0": (V, V), "1": (W, W)})
    with pytest.raises(ValueError, match="at least one group"):
        equivariance_penalty(net, [], representations={"0": (V, V)})
