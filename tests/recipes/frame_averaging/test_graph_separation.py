"""Graph separation at size smoke, with generated pairs and with real files; its parts on cases done by hand."""

import dataclasses
from pathlib import Path

import networkx
import pytest
import torch

from erlangen.audit import audit
from erlangen.data import MissingDataError, data_root
from erlangen.recipes.frame_averaging import Config
from erlangen.recipes.frame_averaging import graph_separation as recipe
from erlangen.recipes.frame_averaging.counting import (
    NETWORKS,
    embed,
    embedding,
    frames_of,
    random_network,
    undistinguished,
)
from erlangen.recipes.frame_averaging.graph_networks import GIN, FlatMLP
from erlangen.recipes.frame_averaging.pair_learning import (
    GROUP,
    PROMISE,
    drawn,
    load_pairs,
    place,
    source,
    spectral_ranks,
    split,
    steps,
)
from erlangen.recipes.frame_averaging.refinement import pairs_alike, refined
from erlangen.report import judge_claims
from erlangen.symmetrize import SortFrame, symmetrize


@pytest.fixture(scope="module")
def smoke(tmp_path_factory):
    folder = tmp_path_factory.mktemp("graph-separation")
    config = Config(size="smoke", seeds=1, experiment="graph-separation", data=folder / "nothing", out=folder)
    return config, recipe.run(config)


def test_without_files_it_measures_under_other_names(smoke):
    config, findings = smoke
    assert set(findings.metrics) == {
        *(f"cycles_{name}{ten}" for name in ("gin", "ga", "fa") for ten in ("", "_ten")),
        *(f"graph7c_{name}{equal}" for name in NETWORKS for equal in ("", "_equal")),
        "graph7c_refinement",
    }
    verdicts = judge_claims(recipe.CLAIMS, {recipe.NAME: findings.metrics})
    assert {verdict.verdict for _, verdict in verdicts} == {"not measurable here"}
    assert "EXP is not here" in findings.tables[0].title and "7 nodes" in findings.tables[1].title
    assert (config.out / "graph_separation.png").read_bytes().startswith(b"\x89PNG")


def test_its_checks_pass_and_the_audit_tells_what_is_averaged(smoke):
    _, findings = smoke
    assert [check for check in findings.checks if not check.passed] == [] and len(findings.checks) == 4
    found = {report["name"].removeprefix("relabelling: "): report["verdict"] for report in findings.audits}
    assert found == recipe.EXPECTED


def test_a_gin_gives_both_of_a_pair_the_same_and_so_reads_one_of_two(smoke):
    assert smoke[1].metrics["cycles_gin"] == smoke[1].metrics["cycles_gin_ten"] == [0.5]


def test_the_same_seed_gives_the_same_numbers(smoke):
    config, findings = smoke
    assert recipe.run(dataclasses.replace(config, out=None)).metrics == findings.metrics


def test_a_broken_file_is_no_missing_file(tmp_path):
    (tmp_path / "graph_separation").mkdir()
    (tmp_path / "graph_separation" / "exp.npz").write_bytes(b"broken")
    with pytest.raises(MissingDataError, match=r"exp\.npz: cannot be read"):
        recipe.run(Config(size="smoke", experiment="graph-separation", data=tmp_path))


@pytest.mark.skipif(data_root() is None, reason="no data root")
def test_real_files_are_read_where_they_are():
    config = Config(size="smoke", seeds=1, experiment="graph-separation")
    findings = recipe.run(config)
    assert source(config) == "exp" and findings.metrics["exp_gin"] == [0.5]
    assert all(check.passed for check in findings.checks)
    with pytest.raises(ValueError, match="graph_pairs is 601; EXP has 600"):
        load_pairs(dataclasses.replace(config, graph_pairs=601))


# ---------------------------------------------------------------- learning


def test_pairs_stay_together_and_are_split_once():
    train, val, test = split(30, seed=1)
    assert (len(train), len(val), len(test)) == (40, 10, 10)
    for part in (train, val, test):
        assert torch.equal(part[::2] + 1, part[1::2]) and bool((part[::2] % 2 == 0).all())
    assert sorted(torch.cat([train, val, test]).tolist()) == list(range(60))


def test_steps_are_counted():
    config = Config(size="small")
    assert steps(config) == 3 * 200 * 8  # 800 training graphs in batches of 100


def test_drawn_orders_sort_places_and_leave_padding_last():
    pairs = load_pairs(Config(size="smoke", data=None if data_root() else Path("."))).first(4)
    places = place(pairs, spectral_ranks(pairs))
    n = places.shape[1]
    seen = []

    class Record(torch.nn.Module):
        def forward(self, adjacency, features, place):
            seen.append((adjacency, features, place))
            return adjacency.sum((1, 2))[:, None]

    drawn(Record(), 3)(pairs.adjacency, pairs.bits, places)
    adjacency, bits, place_seen = (tensor.unflatten(0, (3, 4)) for tensor in seen[0])
    assert bool((place_seen[..., 0].diff() >= 0).all())
    for copy in range(3):
        for index in range(4):
            size = int(pairs.sizes[index])
            assert bool((place_seen[copy, index, size:] == n).all()) and bits[copy, index, size:].sum() == 0
            first = networkx.from_numpy_array(adjacency[copy, index].numpy())
            assert networkx.faster_could_be_isomorphic(first, networkx.from_numpy_array(pairs.adjacency[index].numpy()))
    assert not torch.equal(adjacency[0], adjacency[1])


def test_padding_changes_nothing():
    generator = torch.Generator().manual_seed(0)
    adjacency = (torch.rand(2, 5, 5, generator=generator) < 0.5).float().triu(1)
    adjacency = adjacency + adjacency.mT
    features, order = torch.rand(2, 5, 2, generator=generator), torch.arange(5).expand(2, 5)[..., None]
    wide = torch.nn.functional.pad
    padded = (wide(adjacency, (0, 3, 0, 3)), wide(features, (0, 0, 0, 3)), wide(order, (0, 0, 0, 3), value=8))
    for identified in (0, 8):
        network = GIN(2, (4,), identified=identified)
        short = network if identified == 0 else GIN(2, (4,), identified=8)
        short.load_state_dict(network.state_dict())
        torch.testing.assert_close(short(adjacency, features, order), network(*padded))


def test_one_layer_by_hand():
    path = torch.tensor([[[0.0, 1, 0], [1, 0, 1], [0, 1, 0]]])
    features = torch.tensor([[[1.0], [2.0], [4.0]]])
    # (1 + eps) h + neighbours with eps = 1: 4, 9, 10; the layer adds one; mean or sum; so does the head.
    for pool, expected in (("mean", (5 + 10 + 11) / 3 + 1), ("sum", 5 + 10 + 11 + 1)):
        network = GIN(1, (1,), num_layers=1, width=1, pool=pool)
        for parameter in network.parameters():
            torch.nn.init.ones_(parameter)
        torch.testing.assert_close(network(path, features, torch.zeros(1, 3, 1)), torch.tensor([[float(expected)]]))


def test_the_wide_mlp_has_the_input_of_the_paper():
    layer = FlatMLP(64, 2, (8, 1)).layers[0]
    assert isinstance(layer, torch.nn.Linear) and layer.in_features == 4224


def test_the_promises_are_kept():
    pairs = load_pairs(Config(size="smoke", data=None if data_root() else Path("."))).first(6)
    inputs = (pairs.adjacency, pairs.bits, place(pairs, spectral_ranks(pairs)))
    network = GIN(1, (3,), identified=inputs[0].shape[1])
    assert audit(GIN(1, (3,)), *inputs, symmetry=PROMISE, num_elements=4).verdict == "exact"
    assert audit(network, *inputs, symmetry=PROMISE, num_elements=4).verdict == "breaks"
    assert symmetrize(network, PROMISE, SortFrame(GROUP, rows=2, draws=1)).symmetry.kind == "in_expectation"


# ---------------------------------------------------------------- counting


def test_pairs_are_counted_by_hand():
    values = torch.tensor([[0.0, 0], [0.0, 6e-4], [6e-4, 6e-4], [5.0, 0]], dtype=torch.float64)
    pairs, largest = undistinguished(values, lambda index, chosen: values[chosen], 3)
    assert sorted(pairs.tolist()) == [[0, 1], [1, 2]] and largest.tolist() == pytest.approx([6e-4, 6e-4])
    told = torch.tensor([[0.0], [9e-4], [1.0], [0.0]], dtype=torch.float64)  # the second network tells 1 from 2
    pairs, largest = undistinguished(values, lambda index, chosen: told[chosen], 2)
    assert pairs.tolist() == [[0, 1]] and largest.tolist() == pytest.approx([9e-4])
    assert len(undistinguished(values[[0, 3]], lambda index, chosen: values[chosen], 2)[0]) == 0


def test_colour_refinement_by_hand():
    """A path of three, the same relabelled, a triangle; a hexagon and two triangles, which it takes for the same."""
    path = torch.tensor([[0.0, 1, 0], [1, 0, 1], [0, 1, 0]])
    classes = refined(torch.stack([path, path[[1, 0, 2]][:, [1, 0, 2]], 1 - torch.eye(3)]))
    assert classes[0] == classes[1] != classes[2] and pairs_alike(classes) == 1


def test_regular_graphs_are_one_to_a_gin_and_two_to_a_frame():
    """A cycle of six and two triangles: all nodes have two neighbours."""
    both = [networkx.cycle_graph(6), networkx.disjoint_union(networkx.cycle_graph(3), networkx.cycle_graph(3))]
    graphs = torch.stack([torch.from_numpy(networkx.to_numpy_array(graph)).float() for graph in both])
    frames = frames_of(graphs)
    for name, pairs in (("gin", 1), ("fa", 0), ("mlp", 0)):
        numbers = embedding(name, graphs, frames, seed=0)
        assert len(undistinguished(numbers(0, torch.arange(2)), numbers, 3)[0]) == pairs


def test_networks_of_a_seed_are_the_same_again_and_eps_is_what_the_name_says():
    first, again = random_network("fa", 7, 3), random_network("fa", 7, 3)
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), again.parameters(), strict=True))
    assert first.eps.abs().max() > 0 and random_network("fa_zero", 7, 3).eps.abs().max() == 0
    graphs = torch.ones(3, 4, 4) - torch.eye(4)
    assert embed(random_network("gin", 4, 0), graphs).shape == (3, 10)
