"""The recipe at size smoke: what each experiment measures, with and without files, and its parts by hand."""

import dataclasses
import math
from collections import Counter

import networkx
import pytest
import torch
from networkx import from_numpy_array, weisfeiler_lehman_graph_hash
from scipy import stats

from erlangen.data import VARIABLE, data_root
from erlangen.data.small_graphs import load_graph7c
from erlangen.recipes import ConfigError
from erlangen.recipes.spen import Config, run
from erlangen.recipes.spen.classification import generated, paired_test
from erlangen.recipes.spen.expressivity import alike, one_seed
from erlangen.recipes.spen.mutag import METHODS, TASK
from erlangen.report import Result

FIGURES = {name: f"spen-{name}.png" for name in ("expressivity", "memory", "mutag", "proteins")}


@pytest.fixture
def nowhere(monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)


@pytest.mark.parametrize("name", ["expressivity", "memory", "mutag", "proteins"])
def test_experiments_without_files_measure_what_they_can(name, tmp_path, nowhere):
    result = run(Config(size="smoke", seeds=1, experiment=name, out=tmp_path, memory_nodes=32))
    measured = {c.name for c, v in result.claims if c.experiment == name and v.verdict != "not measurable here"}
    wanted = {
        "expressivity": {f"expressivity-{hops}" for hops in ("one", "two", "three")},
        "memory": {"memory-slope-global", "memory-slope-one"},
    }
    assert measured == wanted.get(name, set())  # files decide the others; memory ends at 32 nodes here
    assert result.checks or name == "memory"
    assert [check for check in result.checks if not check.passed] == []
    path = result.save(tmp_path / "result.json")
    assert Result.load(path).to_dict() == result.to_dict()
    files = {file.name for file in tmp_path.iterdir() if file.is_file()}
    assert files == {"result.json", FIGURES[name]} and result.figures.keys() == {FIGURES[name]}


def test_ego_networks_are_held_against_the_better_of_messages_and_all_pairs(nowhere):
    counts = one_seed(Config(size="smoke", expressivity_graphs=853), 0, lambda *steps: None).metrics
    hashes = Counter(weisfeiler_lehman_graph_hash(from_numpy_array(a.numpy()), iterations=7) for a in load_graph7c())
    refined = sum(math.comb(count, 2) for count in hashes.values())
    assert counts["graph7c_gin"] == refined and counts["graph7c_global"] >= refined
    assert counts["graph7c_half"] == refined / 2


@pytest.mark.skipif(data_root() is None, reason="ERLANGEN_DATA is not set")
def test_the_claims_of_real_proteins_are_judged():
    result = run(Config(size="smoke", seeds=1, experiment="proteins"))
    assert all(v.effect is not None for claim, v in result.claims if claim.experiment == "proteins")
    table = result.tables[0]
    assert table.title.startswith("PROTEINS") and [row[0] for row in table.rows][-1] == "the larger class"


def test_networks_of_similar_size():
    config = Config()
    weights = {name: sum(p.numel() for p in m.build(config, TASK, 7).parameters()) for name, m in METHODS.items()}
    assert (weights["spen"], weights["global"]) == (74818, 20530)
    assert 0.8 < weights["wide"] / weights["spen"] < 1.2 and 0.8 < weights["gin"] / weights["spen"] < 1.2


def test_generated_graphs_stand_for_molecules():
    graphs = generated(10)
    assert len(graphs) == 10 and [int(g.y) for g in graphs] == [1, 0] * 5
    parts = [networkx.number_connected_components(networkx.Graph(g.edge_index.T.tolist())) for g in graphs]
    assert parts == [2, 3] * 5 and all(bool((g.x.sum(1) == 1).all()) for g in graphs)


def test_the_paired_test_is_students_where_nothing_overlaps():
    generator = torch.Generator().manual_seed(0)
    ours, others = torch.rand(2, 12, generator=generator, dtype=torch.float64).tolist()
    assert paired_test(ours, others, 0.0) == pytest.approx(stats.ttest_rel(ours, others).pvalue)
    assert paired_test(ours, others, 0.125) > paired_test(ours, others, 0.0)
    assert paired_test([0.5, 0.5], [0.5, 0.5], 0.1) == 1.0 and paired_test([0.5, 0.5], [0.25, 0.25], 0.1) == 0.0


def test_rows_that_agree_are_found_whatever_their_order():
    generator = torch.Generator().manual_seed(0)
    rows = torch.randn(30, 3, generator=generator, dtype=torch.float64)
    rows[[7, 19]] = rows[3] + 1e-14
    rows[11, 0] = rows[12, 0]  # near in the first column alone
    assert alike(rows) == [(3, 7), (3, 19), (7, 19)]
    assert alike(rows[:1]) == []


@pytest.mark.parametrize(
    ("setting", "message"),
    [({"mutag_folds": 2}, "mutag_folds is 2; it takes a number from 3"), ({"proteins_epochs": 0}, "from 1"),
     ({"mutag_lr": -1.0}, "mutag_lr is -1.0"), ({"dropout": 1.0}, "dropout is 1.0"), ({"memory_nodes": 16}, "from 32"),
     ({"proteins_lr": math.nan}, "a positive number"), ({"weight_decay": -1.0}, "weight_decay is -1.0")],
)  # fmt: skip
def test_settings_without_meaning(setting, message):
    with pytest.raises(ConfigError, match=message):
        dataclasses.replace(Config(size="smoke"), **setting)
