"""Labels made of angles at size smoke; chains and clusters against angles computed one by one."""

import itertools
import math

import pytest
import torch

from erlangen.recipes.ponita import Config, run
from erlangen.recipes.ponita.directional import (
    CLAIMS,
    CLOSEST,
    METHODS,
    POINTS,
    TASKS,
    bonds,
    chains,
    clusters,
    labelled,
    three_body,
)
from erlangen.report import Result


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("directional")


@pytest.fixture(scope="module")
def result(folder):
    return run(Config(size="smoke", experiment="directional", out=folder))


def test_it_measures_what_it_claims_and_its_checks_pass(result, folder):
    verdicts = [verdict for claim, verdict in result.claims if claim.experiment == "directional"]
    assert len(verdicts) == len(CLAIMS) and all(verdict.effect is not None for verdict in verdicts)
    assert len(result.checks) == 3 and [check for check in result.checks if not check.passed] == []
    verdicts = {report["name"]: report["verdict"] for report in result.audits}
    for task in TASKS.values():
        for name in task.methods:
            want = "approximate" if METHODS[name].orientations > 0 else "exact"
            assert verdicts[f"{METHODS[name].title}, {task.title}"] == want
    path = result.save(folder / "result.json")
    assert Result.load(path).to_dict() == result.to_dict()
    assert {file.name for file in folder.iterdir() if file.is_file()} == {"directional.png", "result.json"}


def test_only_the_grid_changes_what_it_says_of_turned_chains(result):
    metrics = result.metrics["directional"]
    for kind, task in TASKS.items():
        for name in task.methods:
            assert (max(metrics[f"{kind}_{name}_turned"]) < 1e-4) == (METHODS[name].orientations <= 0)


def angle(a, b, c):
    """The cosine of the angle at b."""
    left, right = a - b, c - b
    return float(left @ right / (left.norm() * right.norm()))


def test_bonds_of_a_chain_have_length_one_and_its_label_is_of_their_angles():
    pos, label = chains(4, torch.Generator().manual_seed(0))
    torch.testing.assert_close((pos[:, 1:] - pos[:, :-1]).norm(dim=-1), torch.ones(4, POINTS - 1).double())
    for p, y in zip(pos, label, strict=True):
        inner = sum((angle(*p[i - 1 : i + 2]) + 1 / 3) ** 2 for i in range(1, POINTS - 1))
        assert float(y) == pytest.approx(inner)
    source, target = bonds()
    torch.testing.assert_close((pos[:, source] - pos[:, target]).norm(dim=-1), torch.ones(4, 10).double())


def test_the_label_of_a_cluster_is_a_sum_over_triples():
    pos, label = clusters(3, torch.Generator().manual_seed(0))

    def near(r):
        return 0.5 * (1 + math.cos(math.pi * r / 2)) if r < 2 else 0.0

    for p, y in zip(pos, label, strict=True):
        total = 0.0
        for i in range(POINTS):
            for j, k in itertools.combinations([n for n in range(POINTS) if n != i], 2):
                weight = near(float((p[i] - p[j]).norm())) * near(float((p[i] - p[k]).norm()))
                total += weight * (angle(p[j], p[i], p[k]) + 1 / 3) ** 2
        assert float(y) == pytest.approx(total)
        assert torch.pdist(p).min() > CLOSEST


def test_three_points_by_hand():
    """A right angle and two of 45 degrees, at distances 1, 1 and the root of two."""
    pos = torch.tensor([[[0.0, 0, 0], [1, 0, 0], [0, 1, 0]]]).double()
    one, root = 0.5, 0.5 * (1 + math.cos(math.pi / 2**0.5))
    want = one * one / 9 + 2 * one * root * (0.5**0.5 + 1 / 3) ** 2
    assert float(three_body(pos)) == pytest.approx(want)


def test_labels_are_standardised_by_what_is_learnt_from():
    pos, label = chains(30, torch.Generator().manual_seed(0))
    train, test = labelled(pos, label, bonds(), 20)
    seen = torch.cat([one.scalar for one in train])
    assert (len(train), len(test)) == (20, 10)
    assert float(seen.mean()) == pytest.approx(0, abs=1e-6) and float(seen.std(correction=0)) == pytest.approx(1)
    want = (label[20:] - label[:20].mean()) / label[:20].std(correction=0)
    torch.testing.assert_close(torch.cat([one.scalar for one in test])[:, 0], want.float())
