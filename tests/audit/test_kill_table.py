"""The audit finds what it is there to find, and nothing else."""

import json

import pytest
import torch
from tests.audit import models
from tests.audit.kill_table import MUTANTS, OFFSET, SEEDS, SIZES, difference, healthy, kill_table, mutant

from erlangen.audit import audit
from erlangen.groups import Scalar


@pytest.mark.parametrize("make", MUTANTS, ids=lambda make: make.__name__)
def test_a_mutant_changes_its_output_by_about_its_size(make):
    for size in SIZES:
        for seed in SEEDS:
            measured = difference(mutant(make, size, seed), mutant(make, 0.0, seed))
            assert 0.8 * size < measured < 1.25 * size


def test_every_bug_of_a_thousandth_is_found_and_no_healthy_network_is_blamed():
    table = kill_table()
    print(table)
    assert len(table.rows) == 9
    missed = [(name, size) for name in table.rows for size in (1e-1, 1e-3) if table.found(name, size) < len(SEEDS)]
    assert missed == []
    assert len(table.healthy) >= 100
    assert table.false_alarms == []
    # The healthy are exact, unless they cast.
    inexact = {name for name, report in table.healthy if report.verdict != "exact"}
    assert inexact and all(name.startswith("casts inside") for name in inexact)
    assert "healthy networks: 0 false alarms" in str(table)
    assert json.loads(json.dumps(table.to_dict()))["found"]["wrong parity"][:2] == [3, 3]


def test_a_large_offset_hides_no_bug():
    tried = 0
    for make in MUTANTS:
        case = mutant(make, 1e-3, 0)
        if isinstance(case.symmetry.output, Scalar):
            tried += 1
            report = audit(models.Shifted(case.module, OFFSET), *case.inputs, symmetry=case.symmetry)
            assert report.verdict == "breaks", case.name
    assert tried == 2


def test_healthy_twins_of_all_mutants_are_among_the_healthy():
    torch.manual_seed(0)
    names = {case.name.split(",")[0] for case in healthy()}
    assert {make(0.0).name for make in MUTANTS} < names
