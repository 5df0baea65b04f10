"""The Lie derivative against closed forms."""

import pytest
import torch
from tests.audit import models
from torch import Tensor

from erlangen.audit import lie_derivative
from erlangen.groups import (
    SE,
    SO,
    BatchVector,
    Cyclic,
    E,
    EdgeIndex,
    GLPlus,
    Nodes,
    O,
    Pixels,
    Points,
    Scalar,
    Symmetric,
    Symmetry,
    Translation,
    Vector,
)

METHODS = ("difference", "jvp")
X = torch.randn(32, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def spread(y: Tensor) -> float:
    return (y - y.mean(0)).square().mean().sqrt().item()


@pytest.mark.parametrize("method", METHODS)
def test_a_linear_function_under_rotations(method):
    """Of f(x) = w.x the derivative along A is w.(A x)."""
    w = torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64)
    G = SO(3)
    report = lie_derivative(lambda x: x @ w.to(x), X, symmetry=Symmetry(G, (Vector(G),), Scalar(G)), method=method)
    want = [(X @ A.mT @ w).abs().max().item() / spread(X @ w) for A in G.algebra_basis()]
    assert report.per_direction == pytest.approx(want, rel=1e-5)
    assert report.error == max(report.per_direction)


@pytest.mark.parametrize("method", METHODS)
def test_a_linear_map_has_the_commutator(method):
    """Of f(x) = M x the derivative of exp(-tA) M exp(tA) x is (M A - A M) x."""
    M = torch.randn(3, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    G = GLPlus(3)
    report = lie_derivative(lambda x: x @ M.mT.to(x), X, symmetry=Symmetry(G, (Vector(G),), Vector(G)), method=method)
    want = [(X @ (M @ A - A @ M).mT).abs().max().item() / spread(X @ M.mT) for A in G.algebra_basis()]
    assert report.per_direction == pytest.approx(want, rel=1e-5)


@pytest.mark.parametrize("method", METHODS)
def test_translations(method):
    G = Translation(2)
    x = X[:, None, :2]  # clouds of one point
    promise = Symmetry(G, (Points(G),), Scalar(G))
    report = lie_derivative(lambda x: x.sin().sum((-2, -1)), x, symmetry=promise, method=method)
    size = spread(x.sin().sum((-2, -1)))
    assert report.per_direction == pytest.approx((x[:, 0].cos().abs().amax(0) / size).tolist(), rel=1e-5)


def test_the_error_of_the_difference_falls_with_the_square_of_the_step():
    G = SO(2)
    promise = Symmetry(G, (Vector(G),), Scalar(G))
    f = lambda x: (2 * x[:, 0]).sin() * x[:, 1]
    exact = lie_derivative(f, X[:, :2], symmetry=promise, method="jvp").error
    gaps = [abs(lie_derivative(f, X[:, :2], symmetry=promise, step=h).error - exact) for h in (4e-2, 2e-2, 1e-2)]
    assert gaps[0] / gaps[1] == pytest.approx(4, rel=0.05) and gaps[1] / gaps[2] == pytest.approx(4, rel=0.05)


@pytest.mark.parametrize("method", METHODS)
def test_what_keeps_its_promise_has_none_and_what_does_not_has_one(method):
    S = Symmetric("n")
    G = S * E(3)
    moved, nodes = Nodes(S) & Points(E(3)), Nodes(S)
    promise = Symmetry(G, (moved, nodes), (moved, nodes))
    torch.manual_seed(0)
    x, h = torch.randn(3, 4, 3), torch.randn(3, 4, 4)
    assert lie_derivative(models.EGNN(), x, h, symmetry=promise, method=method).error < 1e-8
    assert lie_derivative(models.EGNN(absolute=0.1), x, h, symmetry=promise, method=method).error > 1e-3


@pytest.mark.parametrize("method", METHODS)
def test_reflections_are_not_seen_and_that_is_said(method):
    G = O(3)
    chiral = lambda x: torch.linalg.det(x[:, :3])
    promise = Symmetry(G, (Points(G),), Scalar(G))
    report = lie_derivative(chiral, X.view(8, 4, 3), symmetry=promise, method=method)
    assert report.error < 1e-8
    assert any("reflections" in note for note in report.notes)
    proper = Symmetry(SO(3), (Points(SO(3)),), Scalar(SO(3)))
    assert lie_derivative(chiral, X.view(8, 4, 3), symmetry=proper, method=method).notes == []


def test_leaves_have_their_own_spread_and_offsets_hide_nothing():
    G = SO(3)
    promise = Symmetry(G, (Vector(G),), (Scalar(G), Scalar(G)))
    big = lambda x: (1e6 * x.norm(dim=-1), 1e-3 * x[:, 0] + 1e3)
    small = lie_derivative(lambda x: x[:, 0], X, symmetry=Symmetry(G, (Vector(G),), Scalar(G))).error
    assert lie_derivative(big, X, symmetry=promise).error == pytest.approx(small, rel=1e-4)


def test_a_pyg_batch():
    S = Symmetric("n")
    torch.manual_seed(0)
    batch = torch.tensor([0, 0, 0, 1, 1])
    edges = torch.tensor([[0, 1, 2, 3, 4], [1, 2, 0, 4, 3]])
    promise = Symmetry(
        S * E(3),
        (Nodes(S) & Points(E(3)), Nodes(S), EdgeIndex(S), BatchVector(S)),
        (Nodes(S) & Points(E(3)), Scalar(E(3))),
    )
    assert (
        lie_derivative(models.RaggedEGNN(), torch.randn(5, 3), torch.randn(5, 4), edges, batch, symmetry=promise).error
        < 1e-8
    )


def test_images_turn_smoothly_enough_for_a_difference_only():
    G = SO(2)
    promise = Symmetry(G, (Pixels(G),), Scalar(G), kind="approximate")
    image = torch.rand(2, 1, 8, 8)
    assert lie_derivative(lambda x: x[..., 0, :].sum((-2, -1)), image, symmetry=promise).error > 0.1
    with pytest.raises(ValueError, match="use method='difference'"):
        lie_derivative(lambda x: x.sum((-3, -2, -1)), image, symmetry=promise, method="jvp")


def test_several_promises():
    G = SO(3)
    kept, broken = Symmetry(G, (Vector(G),), Scalar(G)), Symmetry(G, (Vector(G),), Scalar(G), holds_where="nowhere")
    C = Cyclic(4)
    f = lambda x: x.norm(dim=-1)
    report = lie_derivative(f, X, symmetry=[kept, broken])
    assert len(report.others) == 1 and "\n\n" in report.table() and len(report.to_dict()["others"]) == 1
    plane = Symmetry(C, (Vector(C),), Scalar(C))
    turns = Symmetry(SO(2), (Vector(SO(2)),), Scalar(SO(2)))
    assert lie_derivative(f, X[:, :2], symmetry=[plane, turns]).symmetry.group == SO(2)
    with pytest.raises(ValueError, match="discrete and has no Lie algebra"):
        lie_derivative(f, X[:, :2], symmetry=plane)


def test_modules_in_float32_and_things_that_say_nothing():
    G = SO(3)
    promise = Symmetry(G, (Vector(G),), Scalar(G))

    def only32(x: Tensor) -> Tensor:
        if x.dtype != torch.float32:
            raise RuntimeError("float32 only")
        return x[:, 0]

    report = lie_derivative(only32, X, symmetry=promise, step=1e-2)
    assert report.error == pytest.approx(lie_derivative(lambda x: x[:, 0], X, symmetry=promise).error, rel=1e-2)
    assert any("rounding below" in note for note in report.notes)
    with pytest.raises(ValueError, match="does not run in float64"):
        lie_derivative(only32, X, symmetry=promise, method="jvp")
    zero = lie_derivative(lambda x: x.norm(dim=-1), torch.zeros(4, 3), symmetry=promise)
    assert any("moves no input" in note for note in zero.notes)
    constant = lie_derivative(lambda x: 0 * x[:, 0] + 1, X, symmetry=promise)
    assert any("never vary" in note for note in constant.notes)


def test_bad_arguments():
    promise = Symmetry(SE(3), (Points(SE(3)),), Scalar(SE(3)))
    f = lambda x: x.norm(dim=-1)
    with pytest.raises(ValueError, match="'difference' or 'jvp', got 'autograd'"):
        lie_derivative(f, X, symmetry=promise, method="autograd")
    with pytest.raises(ValueError, match="a positive number"):
        lie_derivative(f, X, symmetry=promise, step=0.0)
    with pytest.raises(ValueError, match="declares no symmetry"):
        lie_derivative(f, X)
