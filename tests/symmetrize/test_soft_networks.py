"""Networks on tensors: strict where their weights are, gradients, residual paths, and the tuner of strengths."""

import copy
import math
import pickle

import pytest
import torch
from torch.func import functional_call, grad, jacrev, jvp, vmap

from erlangen.audit import audit, lie_derivative
from erlangen.groups import GL, SO, O, Scalar, Scaling, Symmetric, Symmetry, Vector, inclusion
from erlangen.symmetrize import (
    EMLP,
    EquivariantProjector,
    PenaltyTuner,
    ResidualPathwayEMLP,
    RPPLinear,
    SoftEMLP,
    equivariance_error,
    hidden_representation,
)
from erlangen.symmetrize.channels import moves_orthogonally
from erlangen.symmetrize.gated_bilinear import GatedBilinear, plain
from erlangen.symmetrize.linear_stack import split
from erlangen.symmetrize.penalty_tuner import tuned_strengths

PLANES = ["O(2)@xy", "O(2)@yz", "O(2)@xz"]
V, W = Vector(O(3)), Vector(GL(3))
ENDS = {O(3): (2 * Scalar(O(3)) + 3 * V, Scalar(O(3)) + V + V**2), GL(3): (2 * Scalar(GL(3)) + 3 * W, W + W**2)}
REPS = [3 * Scalar(O(3)) + 5 * V + 2 * V**2 + V**3, 2 * Scalar(O(3)), 3 * V, V + 2 * V**2 + 3 * Scalar(O(3))]


def random(*shape, seed=0, dtype=torch.float64):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


@pytest.mark.parametrize("norms", [False, True])
@pytest.mark.parametrize("leaks", [False, True])
@pytest.mark.parametrize("rep", REPS, ids=range(len(REPS)))
def test_the_written_out_layer_is_the_plain_one(rep, leaks, norms):
    layer = GatedBilinear(rep)
    mix = random(*layer.mix_shape, seed=2).requires_grad_() if norms else None
    leak = random(*layer.leak_shape, seed=3).requires_grad_() if leaks else None
    z = random(layer.rep_in.dim, 3).requires_grad_()
    given = [x for x in (z, mix, leak) if x is not None]
    y, want = layer(z, mix, leak), plain(z, mix, leak, layer.layout, layer.scale)
    torch.testing.assert_close(y, want, rtol=0, atol=1e-12)
    direction = random(*y.shape, seed=1)
    for a, b in zip(torch.autograd.grad(y, given, direction), torch.autograd.grad(want, given, direction), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-12)
    assert y.shape == (rep.dim, 3)


def test_gradients_of_the_layer_by_differences():
    layer = GatedBilinear(2 * Scalar(O(3)) + 2 * V + V**2)
    z, mix, leak = random(layer.rep_in.dim, 2), random(*layer.mix_shape, seed=1), random(*layer.leak_shape, seed=2)
    given = [x.clone().requires_grad_() for x in (z, mix, leak)]
    assert torch.autograd.gradcheck(layer, given)
    assert torch.autograd.gradgradcheck(layer, given)
    assert torch.autograd.gradgradcheck(lambda m: layer(z, m, leak), given[1:2])


def test_products_and_gates_by_hand():
    layer = GatedBilinear(Scalar(O(3)) + 2 * V + V**2, scale=0.1)
    z, mix, leaks = random(layer.rep_in.dim, 1), random(4, 3, seed=1), random(15, seed=2)
    gates, scalar, v, t = z[:, 0].split([3, 1, 6, 9])
    v, t = v.view(2, 3), t.view(3, 3)
    norms = torch.stack([v[0] @ v[0], v[1] @ v[1], (t * t).sum()])
    first = torch.cat([gates, scalar]) + 0.1 * mix @ norms
    t = t + 0.1 * torch.outer(v[0], v[1])
    tensors, leak = [v[0], v[1], t.flatten()], leaks.split([3, 3, 9])
    want = [first[3:] * first[3:].sigmoid()]
    want += [x * first[k].sigmoid() + leak[k] * x * x.sigmoid() for k, x in enumerate(tensors)]
    torch.testing.assert_close(layer(z, mix, leaks)[:, 0], torch.cat(want), rtol=0, atol=1e-12)
    with pytest.raises(ValueError, match="19 rows, got shape"):
        layer(random(18, 1), mix, leaks)


@pytest.mark.parametrize("channels", [1, 5, 32, 89, 128, 216, 384])
def test_channels_are_used_up(channels):
    assert hidden_representation(V, channels).dim == channels


def test_channels_by_hand():
    assert [c for c, _ in hidden_representation(V, 128).parts] == [38, 12, 3, 1]
    assert hidden_representation(V, 7).parts == ((4, Scalar(O(3))), (1, V))
    assert hidden_representation(Vector(Scaling()), 4) == 4 * Scalar(Scaling())
    with pytest.raises(ValueError, match="at least 1, got 0"):
        hidden_representation(V, 0)


def test_orthogonal_or_not_is_told_by_matrices():
    inside = [inclusion(group, GL(3)) for group in ("SO(3)", "O(2)@xy", "S(3)", "Scaling", "SO(3)*Scaling", "SL(3)")]
    assert [moves_orthogonally(W.along(hom)) for hom in inside] == [True, True, True, False, False, False]


@pytest.mark.parametrize(
    ("group", "whole"),
    [
        ("O(3)", O(3)),
        ("SO(3)", O(3)),
        ("O(2)@xy", O(3)),
        ("SO(3)", GL(3)),
        ("SO(3)*Scaling", GL(3)),
        ("Scaling", GL(3)),
    ],
)
def test_strict_networks(group, whole):
    for dtype, tol in ((torch.float64, 1e-12), (torch.float32, 1e-6)):
        net = EMLP(*ENDS[whole], group, channels=40, num_layers=4, generator=torch.Generator().manual_seed(0)).to(dtype)
        x = random(6, 11, dtype=dtype)
        g = net.hom.source.sample(6, generator=torch.Generator().manual_seed(1))
        moved = net.symmetry.inputs[0](g, x)
        want, got = net.symmetry.output(g, net(x)), net(moved)
        assert (want - got).norm() / want.norm() < tol


def test_a_soft_network_without_distance_and_leak_is_equivariant():
    net = SoftEMLP(
        *ENDS[O(3)], ["O(2)@xy", "O(3)"], channels=40, num_layers=3, generator=torch.Generator().manual_seed(0)
    ).double()
    promise = Symmetry(O(3), (net.rep_in,), net.rep_out)
    x = random(6, 11)
    assert audit(net, x, symmetry=promise).verdict == "breaks"
    with torch.no_grad():
        net.linears.flat.copy_(net._form.projection(1, net.linears.flat)(net.linears.flat))
        assert net.penalties().max() < 1e-20
        assert audit(net, x, symmetry=promise).verdict == "breaks"
        net.body.leak.zero_()
    assert net.leak_penalty() == 0
    assert audit(net, x, symmetry=promise).verdict == "exact"
    strict = EMLP(net.rep_in, net.rep_out, "O(3)", channels=40, num_layers=3).double()
    strict.free.load_state_dict(net.linears.state_dict())
    strict.body.load_state_dict(net.body.state_dict(), strict=False)
    torch.testing.assert_close(strict(x), net(x), rtol=0, atol=1e-12)


def test_norms_are_left_out_where_a_candidate_changes_lengths():
    def norms(*groups):
        return SoftEMLP(*ENDS[GL(3)], groups, channels=20, num_layers=2).body.mix is not None

    assert norms("SO(3)", "O(2)@xy") and not norms("SO(3)", "Scaling") and not norms("SL(3)")


def test_penalties_add_up_over_layers():
    net = SoftEMLP(*ENDS[O(3)], PLANES, channels=40, num_layers=3, generator=torch.Generator().manual_seed(0)).double()
    tensors, shapes = net.linears(), net.body.shapes
    for k, group in enumerate(PLANES):
        want = sum(
            EquivariantProjector(s.rep_in, s.rep_out, group).distance(w)
            + EquivariantProjector(Scalar(O(3)), s.rep_out, group).distance(b[:, None])
            for s, w, b in zip(shapes, tensors[::2], tensors[1::2], strict=True)
        )
        torch.testing.assert_close(net.penalties()[k], want, rtol=1e-10, atol=0)
    strengths = [0.3, 0.0, 2.0]
    want = (
        torch.tensor(strengths, dtype=torch.float64) * net.penalties()
    ).sum() + 0.05 * net.linears.flat.square().sum()
    torch.testing.assert_close(net.penalty(strengths, weight_decay=0.1), want, rtol=1e-10, atol=0)
    assert net.leak_penalty().item() == pytest.approx(2 * 1e-6 * sum(c * p.dim for c, p in net.body.hidden.parts[1:]))


def test_shapes_copies_and_states():
    net = SoftEMLP(*ENDS[O(3)], PLANES, channels=20, num_layers=3, generator=torch.Generator().manual_seed(0))
    again = SoftEMLP(*ENDS[O(3)], PLANES, channels=20, num_layers=3, generator=torch.Generator().manual_seed(0))
    x = random(2, 3, 11, dtype=torch.float32)
    for other in (again, copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        torch.testing.assert_close(other(x), net(x), rtol=0, atol=0)
        torch.testing.assert_close(other.penalties(), net.penalties(), rtol=0, atol=0)
    assert net(x).shape == (2, 3, 13)
    torch.testing.assert_close(net(x[1, 2]), net(x)[1, 2], rtol=1e-4, atol=1e-5)
    assert net(x[:, :0]).shape == (2, 0, 13)
    nothing_in = SoftEMLP(0 * V, V, PLANES, channels=8, num_layers=2)
    assert nothing_in(torch.zeros(2, 3, 0)).shape == (2, 3, 3) and nothing_in(torch.zeros(0)).shape == (3,)
    alone = SoftEMLP(*ENDS[O(3)], PLANES, channels=20, num_layers=1)
    assert alone.body.mix is None and alone.body.leak is None and alone(x).shape == (2, 3, 13)
    other = SoftEMLP(*ENDS[O(3)], PLANES, channels=20, num_layers=3)
    other.load_state_dict(net.state_dict())
    torch.testing.assert_close(other(x), net(x), rtol=0, atol=0)


def test_double_backward_and_compilation_see_the_same_network(monkeypatch):
    net = SoftEMLP(*ENDS[O(3)], PLANES, channels=20, num_layers=3).double()
    x = random(4, 11).requires_grad_()
    (force,) = torch.autograd.grad(net(x).sum(), x, create_graph=True)
    twice = torch.autograd.grad(force.square().sum(), [*net.parameters()], allow_unused=True)
    monkeypatch.setattr(torch.compiler, "is_compiling", lambda: True)
    (want,) = torch.autograd.grad(net(x).sum(), x, create_graph=True)
    torch.testing.assert_close(force, want, rtol=0, atol=1e-10)
    for a, b in zip(
        twice, torch.autograd.grad(want.square().sum(), [*net.parameters()], allow_unused=True), strict=True
    ):
        torch.testing.assert_close(a, b, rtol=1e-8, atol=1e-10)


NETWORKS = {
    "soft": lambda: SoftEMLP(*ENDS[O(3)], PLANES, channels=20, num_layers=3),
    "strict": lambda: EMLP(*ENDS[O(3)], "O(2)@xy", channels=20, num_layers=3),
    "residual": lambda: ResidualPathwayEMLP(*ENDS[O(3)], "O(3)", "O(2)@xy", channels=20, num_layers=3),
}


@pytest.mark.parametrize("kind", NETWORKS)
def test_networks_under_transforms(kind):
    net, x = NETWORKS[kind]().double(), random(4, 11)
    torch.testing.assert_close(vmap(net)(x), net(x), rtol=0, atol=1e-12)
    jacobian = torch.autograd.functional.jacobian(net, x[0])
    torch.testing.assert_close(jacrev(net)(x[0]), jacobian, rtol=0, atol=1e-12)
    torch.testing.assert_close(jvp(net, (x[0],), (x[1],))[1], jacobian @ x[1], rtol=0, atol=1e-12)

    def loss(weights, row):
        return functional_call(net, weights, (row,)).square().sum()

    weights = dict(net.named_parameters())
    single = vmap(grad(loss), in_dims=(None, 0))(weights, x)
    net(x).square().sum().backward()
    for name, weight in weights.items():
        torch.testing.assert_close(single[name].sum(0), weight.grad, rtol=1e-10, atol=1e-12)


def test_penalties_under_transforms():
    net = NETWORKS["soft"]().double()
    flat = net.linears.flat.detach()
    for function in (
        lambda w: net._form.penalty(w, [1.0, 0.5, 0.0], 0.1),
        lambda w: net._form.distances(w).sum(),
    ):
        want = torch.autograd.functional.jacobian(function, flat)
        torch.testing.assert_close(grad(function)(flat), want, rtol=1e-10, atol=1e-12)


def test_a_strict_network_has_no_lie_derivative():
    net = NETWORKS["strict"]()
    assert lie_derivative(net, random(4, 11, dtype=torch.float32), method="jvp").error < 1e-10


def test_an_export_leaves_nothing_behind():
    net, x = NETWORKS["residual"](), random(4, 11, dtype=torch.float32)
    exported = torch.export.export(net, (x,)).module()
    y = net(x)
    assert type(y) is torch.Tensor
    torch.testing.assert_close(exported(x), y, rtol=1e-5, atol=1e-6)


def test_inference_leaves_nothing_behind():
    net = NETWORKS["soft"]().to(torch.bfloat16)
    flat = net.linears.flat.detach()
    with torch.inference_mode():
        net.penalties()
    assert grad(lambda w: net._form.distances(w).sum())(flat).isfinite().all()


def test_a_hidden_representation_of_ones_own():
    hidden = 2 * V + 3 * Scalar(O(3)) + V**2
    net = SoftEMLP(*ENDS[O(3)], PLANES, channels=hidden, num_layers=2)
    assert net.body.hidden.parts == ((3, Scalar(O(3))), (2, V), (1, V**2))
    with pytest.raises(ValueError, match=r"a representation of O\(3\), got one of GL\(3\)"):
        SoftEMLP(*ENDS[O(3)], PLANES, channels=2 * W)
    product = SO(3) * Symmetric(2)
    with pytest.raises(ValueError, match="has no vectors to make 8 channels of; pass a representation"):
        EMLP(Scalar(product), Scalar(product), product, channels=8)


@pytest.mark.parametrize("kind", [SoftEMLP, EMLP, ResidualPathwayEMLP])
def test_networks_refuse_bad_arguments(kind):
    groups = PLANES if kind is SoftEMLP else PLANES[0]
    with pytest.raises(ValueError, match=rf"^{kind.__name__}\(num_layers\): at least 1, got 0"):
        kind(*ENDS[O(3)], groups, num_layers=0)
    with pytest.raises(ValueError, match="at least 1, got -3"):
        kind(*ENDS[O(3)], groups, channels=-3)
    if kind is not EMLP:
        with pytest.raises(ValueError, match=rf"^{kind.__name__}\(leak\): a finite number or None, got nan"):
            kind(*ENDS[O(3)], groups, channels=8, leak=math.nan)
    with pytest.raises(ValueError, match="say on which axes"):
        kind(*ENDS[O(3)], ["O(2)"] if kind is SoftEMLP else "O(2)")
    with pytest.raises(ValueError, match="both of one group"):
        kind(V, W, groups)
    with pytest.raises(ValueError, match="last axis must have size 11"):
        kind(*ENDS[O(3)], groups, channels=8, num_layers=2)(torch.zeros(2, 10))


@pytest.mark.parametrize("residual", [None, "O(2)@xy"])
def test_residual_paths(residual):
    layer = RPPLinear(4 * V, Scalar(O(3)) + V, "O(3)", residual, generator=torch.Generator().manual_seed(0)).double()
    main, side = layer.pathway.equivariant.flat.detach(), layer.pathway.residual.flat
    torch.testing.assert_close(side.detach(), 1e-3 * main, rtol=1e-6, atol=0)
    with torch.no_grad():
        side.copy_(random(*side.shape))
    shapes = layer.pathway.shapes
    (w_e, b_e), (w_b, b_b) = split(main, shapes), split(side.detach(), shapes)
    P = EquivariantProjector(4 * V, Scalar(O(3)) + V, "O(3)")
    P_bias = EquivariantProjector(Scalar(O(3)), Scalar(O(3)) + V, "O(3)")
    if residual:
        w_b = EquivariantProjector(4 * V, Scalar(O(3)) + V, residual)(w_b)
        b_b = EquivariantProjector(Scalar(O(3)), Scalar(O(3)) + V, residual)(b_b[:, None])[:, 0]
    x = random(5, 12)
    want = x @ (P(w_e) + w_b).T + P_bias(b_e[:, None])[:, 0] + b_b
    torch.testing.assert_close(layer(x), want, rtol=0, atol=1e-12)
    squares = main.square().sum(), side.detach().square().sum()
    torch.testing.assert_close(layer.penalty(0.5, 2.0), 0.5 * squares[0] + 2 * squares[1], rtol=1e-12, atol=0)
    net = ResidualPathwayEMLP(*ENDS[O(3)], "O(3)", residual, channels=20, num_layers=3).double()
    with torch.no_grad():
        net.pathway.residual.flat.copy_(random(*net.pathway.residual.flat.shape))
        net.body.leak.zero_()
    kept = Symmetry(net.homs[-1].source, (net.rep_in.along(net.homs[-1]),), net.rep_out.along(net.homs[-1]))
    assert audit(net, random(6, 11), symmetry=kept).verdict == ("exact" if residual else "breaks")
    assert len(net.symmetry) == (2 if residual else 1)


def test_tuning_by_hand():
    def tuned(strengths, least, power=2.0):
        return tuned_strengths(torch.tensor(strengths).double(), torch.tensor(least).double(), power).tolist()

    assert tuned([1.0, 1.0, 1.0], [0.2, 0.4, 0.8]) == pytest.approx([1, 1 / 4, 1 / 16])
    assert tuned([0.0, 3.0, 3.0], [1e-9, 0.5, 1.0], power=1.0) == pytest.approx([0, 3, 1.5])
    assert tuned([1.0, 1.0], [0.0, 1.0]) == pytest.approx([1, 1e-12])
    assert tuned([1.0, 1.0], [0.0, 0.0]) == [1.0, 1.0]
    assert tuned([5.0, 1.0], [1.0, 1e9], power=0.0) == [5.0, 1.0]


def test_tuner_takes_the_least_of_the_window_once():
    tuner = PenaltyTuner([1.0, 1.0, 0.0], at=5, warmup=2, window=2)
    rows = [[1e-6, 1e-6, 0.0], [1e-6, 1e-6, 0.0], [1e-6, 1.0, 0.0], [0.5, 4.0, 0.0], [1.0, 2.0, 7.0]]
    assert [tuner.record(torch.tensor(row)) for row in rows] == [False, False, False, False, True]
    assert tuner.least.tolist() == pytest.approx([0.5, 2.0, 0.0]) and tuner.tuned and tuner.records == 5
    assert tuner.strengths.tolist() == pytest.approx([1.0, 1 / 16, 0.0])
    assert not tuner.record([1.0, 9.0, 9.0]) and tuner.strengths.tolist() == pytest.approx([1.0, 1 / 16, 0.0])


def test_tuner_leaves_out_the_first_records():
    tuner = PenaltyTuner([1.0, 1.0], at=3, warmup=2)
    for row in ([0.1, 0.1], [0.1, 0.1], [1.0, 2.0]):
        tuner.record(row)
    assert tuner.least.tolist() == [1.0, 2.0] and tuner.strengths.tolist() == pytest.approx([1.0, 0.25])


def test_tuner_goes_on_where_it_stopped():
    rows = [[1.0, 3.0], [0.5, 2.0], [0.7, 1.0], [0.9, 1.5]]
    whole, first, second = (PenaltyTuner([1.0, 2.0], at=4, warmup=1, window=2) for _ in range(3))
    for row in rows:
        whole.record(row)
    for row in rows[:2]:
        first.record(row)
    second.load_state_dict(pickle.loads(pickle.dumps(first.state_dict())))
    for row in rows[2:]:
        second.record(row)
    assert second.tuned and second.strengths.tolist() == whole.strengths.tolist() == pytest.approx([1.0, 0.98])
    with pytest.raises(RuntimeError, match="size mismatch"):
        second.load_state_dict(PenaltyTuner([1.0] * 3, at=1).state_dict())


def test_tuner_refuses_bad_arguments():
    for strengths in ([], [0.0, 0.0]):
        with pytest.raises(ValueError, match="at least one above zero"):
            PenaltyTuner(strengths, at=1)
    with pytest.raises(ValueError, match="finite and not negative"):
        PenaltyTuner([1.0, -1.0], at=1)
    with pytest.raises(ValueError, match=r"PenaltyTuner\(strengths\): one axis, .* got shape \(\)"):
        PenaltyTuner(torch.tensor(1.0), at=1)
    for bad in ({"at": 0}, {"at": 3, "warmup": -1}, {"at": 3, "window": 0}, {"at": True}):
        with pytest.raises(ValueError, match="a whole number, at least"):
            PenaltyTuner([1.0], **bad)
    with pytest.raises(ValueError, match="less than at=3"):
        PenaltyTuner([1.0], at=3, warmup=3)
    with pytest.raises(ValueError, match=r"power\): finite and not negative, got -1"):
        PenaltyTuner([1.0], at=3, power=-1.0)
    tuner = PenaltyTuner([1.0, 1.0], at=3)
    with pytest.raises(ValueError, match="one for each of 2 symmetries, got shape"):
        tuner.record([1.0])
    with pytest.raises(ValueError, match="finite and not negative"):
        tuner.record([1.0, math.nan])


def test_equivariance_error_by_hand():
    x = torch.tensor([[1.0, 0.0, 0.0], [0.0, 2.0, 0.0], [0.0, 0.0, 3.0]], dtype=torch.float64)
    # A shift by s along z: |f(gx) - g f(x)| = |s - g s|, which half of O(1)@z makes 2 |s|, and the other half zero.
    shift = torch.tensor([0.0, 0.0, 0.5], dtype=torch.float64)
    error = equivariance_error(lambda v: 0 * v + shift, V, V, "O(1)@z", x, num_elements=400)
    assert error.mean() == pytest.approx(0.5, abs=0.05) and error.max() <= 1
    assert torch.equal(equivariance_error(lambda v: 0 * v + shift, V, V, "O(2)@xy", x), torch.zeros(3).double())
    assert torch.equal(equivariance_error(lambda v: 0 * v, V, V, "SO(3)", x), torch.zeros(3).double())
    one = equivariance_error(lambda v: v * v, V, V, "SO(3)", x, seed=1)
    assert torch.equal(one, equivariance_error(lambda v: v * v, V, V, "SO(3)", x, seed=1))
    assert not torch.equal(one, equivariance_error(lambda v: v * v, V, V, "SO(3)", x, seed=2))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("spread", [None, 0.3])
@pytest.mark.parametrize("group", ["SO(3)", "O(2)@xy", "SO(3)*Scaling", "S(3)"])
def test_equivariance_error_of_what_has_none(group, spread, dtype):
    x = random(5, 3, dtype=dtype)
    error = equivariance_error(lambda v: (v[:, :, None] * v[:, None]).flatten(1), W, W**2, group, x, spread=spread)
    assert error.dtype == dtype and error.max() < {torch.float32: 1e-6, torch.float64: 1e-14}[dtype]
    assert equivariance_error(torch.tanh, W, W, group, 2 * x, spread=spread).max() > (0.01 if group != "S(3)" else -1)


def test_spread_says_how_far_elements_reach():
    x = random(64, 3)
    near, far = (equivariance_error(lambda v: v * 0 + 1, W, W, "Scaling", x, spread=s).mean() for s in (0.01, 3.0))
    # |1 - s| / (1 + s) = tanh(|log s| / 2), with a mean logarithm of 0.01 sqrt(2 / pi).
    assert near == pytest.approx(0.005 * math.sqrt(2 / math.pi), rel=0.1) and far > 0.6


def test_equivariance_error_refuses_bad_arguments():
    x = random(4, 3)
    for arguments, message in (
        ({"num_elements": 0}, "at least 1, got 0"),
        ({"spread": 0.0}, "finite and above zero"),
        ({"x": x[:0]}, "at least one sample"),
        ({"x": x * math.nan}, "holds NaN"),
        ({"x": random(4, 2)}, "has size 3"),
    ):
        with pytest.raises(ValueError, match=message):
            equivariance_error(lambda v: v, V, V, "SO(3)", **({"x": x} | arguments))
    # Values that are no numbers agree with nothing: neither at the samples, nor only where these are moved.
    for broken in (lambda v: v * math.nan, lambda v: v / 0, lambda v: v if torch.equal(v, x) else v * math.nan):
        with pytest.raises(ValueError, match=r"equivariance_error\(function\): finite values, got NaN or infinity"):
            equivariance_error(broken, V, V, "SO(3)", x)
    with pytest.raises(ValueError, match=r"shape \(4, 3\), got \(4, 1\)"):
        equivariance_error(lambda v: v[:, :1], V, V, "SO(3)", x)
