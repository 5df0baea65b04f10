"""Reports print, draw, and become JSON."""

import json

import pytest
import torch
from torch import nn

from erlangen.audit import audit, lie_derivative
from erlangen.groups import SO, Pixels, Points, Scalar, Symmetry, Vector

G = SO(3)
PROMISE = Symmetry(G, (Vector(G),), Scalar(G), holds_where="x is not zero")


def reports():
    torch.manual_seed(0)
    x = torch.randn(6, 3)
    yield audit(lambda x: x.norm(dim=-1), x, symmetry=PROMISE)
    yield audit(lambda x: x[:, 0], x, symmetry=PROMISE)
    yield audit(lambda x: x[:, 0], x, symmetry=PROMISE.replace(kind="approximate"))
    yield audit(lambda x: x[:, 0] / 0 if x.abs().max() < 0 else x.norm(dim=-1) + torch.rand(()), x, symmetry=PROMISE)
    yield audit(nn.Sequential(nn.Linear(3, 2)), x, symmetry=PROMISE, per_layer=True)
    yield audit(nn.Sequential(nn.Linear(3, 2)), x, symmetry=[PROMISE, PROMISE], hidden={"0": PROMISE})
    yield audit(lambda x: (x.norm(dim=-1), x[:, 0]), x, symmetry=Symmetry(G, (Vector(G),), (Scalar(G), Scalar(G))))
    yield audit(lambda x: x.norm(dim=-1), x, symmetry="SO(3)")
    images = Symmetry(SO(2), (Pixels(SO(2)),), Scalar(SO(2)), kind="approximate")
    yield audit(lambda x: x[..., 0].mean((1, 2)), torch.rand(3, 1, 6, 6), symmetry=images)
    expected = PROMISE.replace(kind="in_expectation")
    yield audit(lambda x: x.norm(dim=-1) + torch.rand(len(x)), x, symmetry=expected)


def strict(values):
    return json.loads(json.dumps(values, allow_nan=False))


def test_every_kind_of_report_prints_draws_and_becomes_json(tmp_path):
    verdicts = set()
    for i, report in enumerate(reports()):
        verdicts.add(report.verdict)
        table = report.table()
        assert str(report) == table
        for word in ("promise", "verdict", report.verdict, "error", "cost"):
            assert word in table
        assert all(len(line) < 400 for line in table.splitlines())
        values = strict(report.to_dict())
        assert values["verdict"] == report.verdict and values["holds"] == report.holds()
        assert len(values["per_element"]) == len(report.per_element)
        assert len(values["others"]) == len(report.others) and len(values["layers"]) == len(report.layers)
        report.figure().savefig(tmp_path / f"{i}.png")
        assert (tmp_path / f"{i}.png").stat().st_size > 1000
    assert verdicts == {"exact", "breaks", "approximate", "unsteady", "in_expectation"}


def test_the_table_says_where_and_what_was_assumed():
    kept, broken, *_ = reports()
    assert "worst at" in broken.table() and f"{broken.num_bad} bad of 32" in broken.table()
    assert "holds where" in kept.table() and "x is not zero" in kept.table()
    assert kept.num_bad == 0 and kept.moved_in > 0.1
    inferred = audit(lambda x: x.norm(dim=-1), torch.randn(6, 3), symmetry="SO(3)")
    assert "assumed" in inferred.table() and "Vector(SO(3))" in inferred.table()


def test_the_worst_entry_is_where_it_is():
    x = torch.randn(6, 3)

    def one_bad(x):
        y = x.norm(dim=-1, keepdim=True).repeat(1, 4)
        y[4, 2] += 5 * x[4, 0]
        return y

    worst = audit(one_bad, x, symmetry=PROMISE).worst
    assert worst is not None and worst.output == "output" and worst.index == (4, 2)


def test_numbers_are_what_they_say():
    torch.manual_seed(0)
    x = torch.randn(50, 3)
    report = audit(lambda x: x[:, 0], x, symmetry=PROMISE)
    assert report.error == max(report.per_element.values()) == report.per_output["output"] == report.error64
    assert report.mean == pytest.approx(sum(report.per_element.values()) / 32)
    assert report.moved_out == pytest.approx(report.error)  # an output that should not move, and does
    assert 1e-8 < report.floor32 < 1e-5 and report.control == 0.0
    assert report.forwards > 64 and report.seconds > 0
    assert report.holds(tol=100.0) and not report.holds(tol=0.1)


def test_a_lie_report_prints_and_becomes_json():
    report = lie_derivative(lambda x: x[:, 0], torch.randn(6, 3), symmetry=PROMISE)
    assert str(report) == report.table() and "direction 2" in report.table()
    assert strict(report.to_dict())["per_direction"] == report.per_direction


def test_points_and_vectors_read_well():
    assert "Points(SO(3))" in repr(Symmetry(G, (Points(G),), Scalar(G)))
