"""Commutative operators, and the losses that measure what is missing to a monoid."""

import copy

import jaxtyping
import pytest
import torch
from torch import nn

from erlangen.audit import audit
from erlangen.graphs import (
    BinaryGRU,
    CommutativeOperator,
    OperatorInputs,
    SegmentTreePlan,
    SymmetricMLP,
    associativity_loss,
    identity_loss,
    segment_tree_reduce,
)
from erlangen.testing import assert_equivariant

KINDS = [BinaryGRU, SymmetricMLP]


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def made(kind, channels=6):
    torch.manual_seed(0)
    return kind(channels).double()


def rows(count=50, channels=6, seed=1):
    return torch.randn(count, channels, generator=seeded(seed), dtype=torch.float64)


# ---------------------------------------------------------------- operators
@pytest.mark.parametrize("kind", KINDS)
def test_commutative_to_rounding(kind):
    pairs = rows(200).view(100, 2, 6)
    op = made(kind)
    assert (op(pairs) - op(pairs.flip(1))).abs().max() <= 1e-15
    assert_equivariant(op, pairs)


def test_an_audit_sees_an_operator_that_minds_the_order():
    class First(CommutativeOperator):
        def forward(self, pairs):
            return pairs[:, 0]

    assert audit(First(), rows(20).view(10, 2, 6)).verdict == "breaks"


def test_the_gru_by_its_equations():
    op = made(BinaryGRU)
    wi, wh, bi, bh = (getattr(op.cell, name) for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"))
    (wir, wiz, win), (whr, whz, whn) = wi.chunk(3), wh.chunk(3)
    (bir, biz, bin_), (bhr, bhz, bhn) = bi.chunk(3), bh.chunk(3)

    def gru(u, h):
        r = torch.sigmoid(wir @ u + bir + whr @ h + bhr)
        z = torch.sigmoid(wiz @ u + biz + whz @ h + bhz)
        n = torch.tanh(win @ u + bin_ + r * (whn @ h + bhn))
        return (1 - z) * n + z * h

    x, y = rows(2)
    torch.testing.assert_close(op(torch.stack([x, y])[None])[0], (gru(x, y) + gru(y, x)) / 2, rtol=0, atol=1e-15)
    assert sum(p.numel() for p in op.parameters()) == 6 * 6**2 + 6 * 6


def test_the_gru_keeps_any_number_of_elements_bounded():
    op = made(BinaryGRU)
    with torch.no_grad():
        for weight in op.parameters():
            weight.mul_(5)
    x = 4 * rows(4096)
    found = segment_tree_reduce(x, SegmentTreePlan.from_ptr(torch.tensor([0, 4096])), op)
    assert found.abs().max() <= max(1.0, float(x.abs().max()))


def test_sums_and_products_do_not_tell_pairs_apart_and_the_mlp_does():
    one = torch.tensor([[[1.0, 1.0], [0.0, 0.0]]]).double()
    other = torch.tensor([[[1.0, 0.0], [0.0, 1.0]]]).double()
    assert torch.equal(one.sum(1), other.sum(1)) and torch.equal(one.prod(1), other.prod(1))
    torch.manual_seed(0)
    op = SymmetricMLP(2, hidden=16).double()
    assert (op(one) - op(other)).abs().max() > 1e-3


@pytest.mark.parametrize("kind", KINDS)
def test_weights_are_drawn_anew_kept_and_learn(kind):
    op = made(kind)
    other = copy.deepcopy(op)
    other.reset_parameters()
    assert all(not torch.equal(a, b) for a, b in zip(op.parameters(), other.parameters(), strict=True))
    other.load_state_dict(op.state_dict())
    pairs = rows(10).view(5, 2, 6).requires_grad_()
    assert torch.equal(op(pairs), other(pairs))
    assert torch.autograd.gradcheck(op, pairs)


# ---------------------------------------------------------------- losses
def test_no_loss_for_monoids():
    x = rows()
    for op in (lambda p: p.amax(1), lambda p: p.sum(1)):
        assert 0 <= associativity_loss(op, x, generator=seeded()) < 1e-28
    assert associativity_loss(lambda p: p.amax(1), x, generator=seeded()) == 0


def test_the_loss_by_hand():
    x, op = rows(), made(BinaryGRU).requires_grad_(False)
    draw = torch.randint(len(x), (3, 40), generator=seeded(3))
    expected = 0.0
    for i, j, k in draw.T.tolist():
        both = [torch.stack([x[i], x[j]])[None], torch.stack([x[j], x[k]])[None]]
        left = op(torch.stack([op(both[0])[0], x[k]])[None])[0]
        right = op(torch.stack([x[i], op(both[1])[0]])[None])[0]
        expected += float((left - right).square().sum()) / 40
    assert float(associativity_loss(op, x, 40, seeded(3))) == pytest.approx(expected, rel=1e-12)
    assert expected > 1e-3


def test_training_on_the_loss_makes_an_operator_more_associative():
    op, x = made(BinaryGRU), rows(200)
    optimizer, generator = torch.optim.Adam(op.parameters(), lr=0.01), seeded()
    before = float(associativity_loss(op, x, 1000, seeded(9)).detach())
    for _ in range(60):
        optimizer.zero_grad()
        associativity_loss(op, x, 64, generator).backward()
        optimizer.step()
    assert associativity_loss(op, x, 1000, seeded(9)) < before / 5


def test_the_identity():
    x = rows()
    assert identity_loss(lambda p: p.sum(1), x, torch.zeros(6).double()) == 0
    e = torch.full((6,), 0.5).double()
    assert float(identity_loss(lambda p: p.sum(1), x, e)) == pytest.approx(1.5)
    assert identity_loss(lambda p: p.sum(1), x[:0], e) == 0 and associativity_loss(lambda p: p.sum(1), x[:0]) == 0


def test_what_operators_were_given_is_noted_while_it_lasts():
    op, x = made(BinaryGRU).requires_grad_(False), rows(13)
    plan = SegmentTreePlan.from_ptr(torch.tensor([0, 8, 8, 13]))
    with OperatorInputs(nn.Sequential(op)) as inputs:
        expected = segment_tree_reduce(x, plan, op)
    (seen,) = inputs.seen
    assert [len(part) for part in seen] == [2 * level.num_pairs for level in plan.levels]
    assert {tuple(row) for row in seen[0].tolist()} <= {tuple(row) for row in x.tolist()}
    loss = inputs.associativity_loss(64, seeded(2))
    assert float(loss) == pytest.approx(float(associativity_loss(op, torch.cat(seen), 64, seeded(2))))
    assert torch.equal(segment_tree_reduce(x, plan, op), expected) and len(inputs.seen[0]) == plan.depth
    assert not op._forward_pre_hooks
    with inputs:
        pass
    assert inputs.associativity_loss() == 0


def test_notes_end_with_an_error():
    op = made(BinaryGRU)
    with pytest.raises(ValueError), OperatorInputs(op):
        op(torch.zeros(1, 2, 5).double())
    assert not op._forward_pre_hooks


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: BinaryGRU(0), r"BinaryGRU\(channels\)"),
        (lambda: SymmetricMLP(4, hidden=0), r"SymmetricMLP\(hidden\)"),
        (lambda: BinaryGRU(4)(torch.zeros(3, 2, 5)), r"shape \(pairs, 2, 4\), got \(3, 2, 5\)"),
        (lambda: SymmetricMLP(4)(torch.zeros(3, 4)), r"got \(3, 4\)"),
        (lambda: associativity_loss(lambda p: p.sum(1), torch.zeros(3, 2), 0), "num_triples.*got 0"),
        (lambda: associativity_loss(lambda p: p.sum(1), torch.zeros(3)), "two axes"),
        (lambda: identity_loss(lambda p: p.sum(1), torch.zeros(3, 2), torch.zeros(3)), "x and e"),
        (lambda: OperatorInputs(nn.Linear(2, 2)), "got Linear without any"),
    ],
)  # fmt: skip
def test_refuses(make, message, monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # what users see, who have no run-time checks
    with pytest.raises(ValueError, match=message):
        make()
