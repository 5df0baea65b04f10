"""What does not fit is refused by name."""

import pytest
import torch
from torch import nn

from erlangen.audit import audit
from erlangen.groups import (
    SO,
    BatchVector,
    E,
    EdgeIndex,
    Fields,
    Fixed,
    Nodes,
    Points,
    Scalar,
    Symmetric,
    Symmetry,
    Vector,
)

G = SO(3)
VECTORS = Symmetry(G, (Vector(G),), Scalar(G))
LENGTH = lambda x: x.norm(dim=-1)
S = Symmetric("n")
NAN = torch.tensor([[1.0, 2.0, 3.0], [1.0, float("nan"), 3.0]])


@pytest.mark.parametrize(
    ("inputs", "error", "message"),
    [
        (
            (torch.randn(5, 4),),
            ValueError,
            r"input 0: the last axis of Vector\(SO\(3\)\) has size 3, got shape \(5, 4\)",
        ),
        ((torch.randint(9, (5, 3)),), TypeError, r"input 0: Vector\(SO\(3\)\) moves real .* got dtype torch.int64"),
        ((torch.randn(5, 3, dtype=torch.cfloat),), TypeError, "input 0: .* got dtype torch.complex64"),
        ((NAN,), ValueError, r"input 0: holds NaN or infinity, first at index \(1, 1\)"),
        ((NAN.nan_to_num(float("inf")),), ValueError, "input 0: holds NaN or infinity"),
        ((torch.randn(0, 3),), ValueError, "the batch is empty"),
        ((torch.randn(5, 3), torch.randn(5, 3)), ValueError, r"the symmetry names 1 inputs .* got 2"),
        ((), ValueError, r"the symmetry names 1 inputs \(Vector\(SO\(3\)\)\), got 0"),
        (([1.0, 2.0, 3.0],), TypeError, "moves a tensor, got list"),
    ],
)
def test_inputs(inputs, error, message):
    with pytest.raises(error, match=message):
        audit(LENGTH, *inputs, symmetry=VECTORS)


@pytest.mark.parametrize(
    ("output", "error", "message"),
    [
        (lambda x: x, ValueError, r"output: the last axis"),
        (lambda x: (x, x), TypeError, "returned a tuple"),
        (lambda x: {"y": x}, TypeError, "returned a dict"),
        (lambda x: None, TypeError, "returned a NoneType"),
        (lambda x: x.argmax(-1, keepdim=True).expand(5, 4), TypeError, "got dtype torch.int64"),
        (lambda x: x[:, :1].repeat(1, 4) / 0, ValueError, "output: holds NaN or infinity"),
    ],
)
def test_outputs(output, error, message):
    wants_four = Symmetry(SO(4), (Fixed(), Vector(SO(4))), Vector(SO(4)))
    with pytest.raises(error, match=message):
        audit(lambda x, v: output(x), torch.randn(5, 3), torch.randn(5, 4), symmetry=wants_four)


def test_outputs_of_another_structure():
    two = Symmetry(G, (Vector(G),), (Scalar(G), Vector(G)))
    x = torch.randn(5, 3)
    with pytest.raises(TypeError, match=r"got Tensor; the symmetry's output is Fields"):
        audit(lambda x: x, x, symmetry=two)
    with pytest.raises(ValueError, match="2"):
        audit(lambda x: (x.norm(dim=-1), x, x), x, symmetry=two)
    with pytest.raises(ValueError, match="has no field 1"):
        audit(lambda x: (x.norm(dim=-1),), x, symmetry=two)
    named = Symmetry(G, (Vector(G),), {"energy": Scalar(G)})
    with pytest.raises(ValueError, match="has no field 'energy'; its fields are force"):
        audit(lambda x: {"force": x}, x, symmetry=named)


def test_what_is_fixed_must_be_finite_too():
    with pytest.raises(ValueError, match=r"output\[1\]: holds NaN"):
        fixed = Symmetry(G, (Vector(G),), (Scalar(G), Fixed()))
        audit(lambda x: (x.norm(dim=-1), x.norm(dim=-1) * float("nan")), torch.randn(5, 3), symmetry=fixed)


def test_outputs_that_change_their_shape():
    x = torch.randn(5, 3)
    first = x.clone()
    unstable = lambda y: y.norm(dim=-1)[: 5 if torch.allclose(y.float(), first) else 4]
    with pytest.raises(ValueError, match=r"output: shape \(4,\) for moved inputs, \(5,\) for the others"):
        audit(unstable, x, symmetry=VECTORS)


def test_sizes_that_disagree_are_both_named():
    promise = Symmetry(S, (Nodes(S), Nodes(S, order=2)), Scalar(S))
    with pytest.raises(ValueError, match="size 'n' is 5 in input 0 but 4 in input 1"):
        audit(lambda x, a: x.sum(), torch.randn(2, 5, 3), torch.randn(2, 4, 4, 1), symmetry=promise)
    with pytest.raises(ValueError, match=r"input 0: the node axes .* must agree"):
        audit(lambda a: a.sum(), torch.randn(2, 5, 4, 1), symmetry=Symmetry(S, (Nodes(S, order=2),), Scalar(S)))
    with pytest.raises(ValueError, match=r"input 1: node number 9 in a graph of 4 nodes"):
        promise = Symmetry(S, (Nodes(S), EdgeIndex(S)), Nodes(S))
        audit(lambda x, e: x, torch.randn(4, 2), torch.tensor([[0], [9]]), symmetry=promise)
    with pytest.raises(TypeError, match=r"input 1: a batch vector is a long tensor, got torch.float32"):
        promise = Symmetry(S, (Nodes(S), BatchVector(S)), Nodes(S))
        audit(lambda x, b: x, torch.randn(4, 2), torch.zeros(4), symmetry=promise)


def test_unnamed_fields():
    promise = Symmetry(E(3), (Fields(pos=Points(E(3))),), Scalar(E(3)))
    data = {"pos": torch.randn(2, 5, 3), "charge": torch.ones(2, 5)}
    with pytest.raises(ValueError, match=r"input 0.*'charge' has no action; name it in Fields, as Fixed\(\)"):
        audit(lambda d: d["pos"].sum(), data, symmetry=promise)
    with pytest.raises(ValueError, match="has no field 'pos'; its fields are charge"):
        audit(lambda d: d["charge"].sum(), {"charge": data["charge"]}, symmetry=promise)


def test_no_promise_and_what_is_none():
    x = torch.randn(5, 3)
    with pytest.raises(ValueError, match="declares no symmetry; pass one, or a group in words"):
        audit(nn.Linear(3, 3), x)
    # Wrong types are refused by the annotations here, and by the message without them.
    with pytest.raises(TypeError):
        audit(LENGTH, x, symmetry=3)
    module = nn.Linear(3, 3)
    module.symmetry = ["SO(3)"]
    with pytest.raises(TypeError, match="a Symmetry, several, a Group or its name"):
        audit(module, x)
    with pytest.raises(ValueError, match=r"unknown group 'SQ'; did you mean S"):
        audit(LENGTH, x, symmetry="SQ(3)")


@pytest.mark.parametrize("count", [0, -1])
def test_no_elements(count):
    with pytest.raises(ValueError, match=f"num_elements.*: at least 1, got {count}"):
        audit(LENGTH, torch.randn(5, 3), symmetry=VECTORS, num_elements=count)


def test_a_module_that_fails_says_why_itself():
    with pytest.raises(RuntimeError, match="mat1 and mat2"):
        audit(nn.Linear(4, 3), torch.randn(5, 3), symmetry=VECTORS)


def test_empty_things_are_named():
    empty = Symmetry(G, (Points(G),), Scalar(G))
    with pytest.raises(ValueError, match=r"input 0 has no entries, its shape is \(4, 0, 3\)"):
        audit(lambda x: x.sum((-2, -1)), torch.randn(4, 0, 3), symmetry=empty)
    with pytest.raises(ValueError, match="at least 1, got 0"):
        audit(lambda x: x, torch.randn(4, 0, 3), symmetry=Symmetry(S, (Nodes(S),), Nodes(S)))
