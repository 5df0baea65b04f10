"""The recipe at size smoke, and its parts against definitions."""

import itertools
import math

import pytest
import torch
from torch import nn
from torch_geometric.data import Data

from erlangen.data.multitask_graphs import KINDS, answers, multitask_graphs
from erlangen.data.planetoid import load_planetoid
from erlangen.data.sources import MissingDataError
from erlangen.graphs import PlanCache
from erlangen.recipes import ConfigError
from erlangen.recipes.lcm import Config, real_graphs, run
from erlangen.recipes.lcm.networks import METHODS, Convolution, degree_histogram
from erlangen.recipes.lcm.pna_multitask import MultitaskNetwork
from erlangen.recipes.lcm.real_graphs import CitationNetwork
from erlangen.recipes.lcm.recurrent import RecurrentAggregation
from erlangen.recipes.lcm.second_minimum import METHODS as ON_SETS
from erlangen.recipes.lcm.second_minimum import accuracy, defect, loss, one_cycle, unchanged
from erlangen.recipes.lcm.sets import SetNetwork, draw_sets, second_smallest, to_bits
from erlangen.report import Result


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module", params=["second-minimum", "depth", "pna-multitask"])
def ran(request, tmp_path_factory):
    out = tmp_path_factory.mktemp("lcm")
    return request.param, out, run(Config(size="smoke", experiment=request.param, out=out))


def test_experiments_measure_what_their_claims_need(ran):
    name, out, result = ran
    claims = [(claim, verdict) for claim, verdict in result.claims if claim.experiment == name]
    measured = [claim.name for claim, verdict in claims if verdict.verdict != "not measurable here"]
    # The sets of smoke end before those of two claims.
    assert measured == [c.name for c, _ in claims if c.name not in ("depth-4096", "depth-flat")]
    assert [check for check in result.checks if not check.passed] == []
    path = result.save(out / "result.json")
    assert Result.load(path).to_dict() == result.to_dict()
    assert {file.name for file in out.iterdir() if file.is_file()} == {"result.json", *result.figures}
    assert all((out / figure).stat().st_size < 100_000 for figure in result.figures)


def test_a_run_that_is_done_is_not_trained_again(ran, monkeypatch):
    name, out, result = ran
    if name == "second-minimum":
        monkeypatch.setattr("torch.optim.Adam.step", lambda *_: pytest.fail("it trains"))
        again = run(Config(size="smoke", experiment=name, out=out, resume=True))
        assert again.metrics == result.metrics


def test_without_files_it_is_said_where_they_are_from(tmp_path):
    result = run(Config(size="smoke", experiment="real-graphs", data=tmp_path))
    assert {v.verdict for c, v in result.claims} == {"not measurable here"}
    assert "github.com/kimiyoung/planetoid" in str(result.tables[0].rows)


@pytest.mark.parametrize("wrong", [{"minimum_size": 1}, {"depth_power": 5}, {"real_epochs": 0}, {"minimum_lr": 0.0},
                                   {"minimum_dropout": 1.0}, {"minimum_bits": 17}])  # fmt: skip
def test_settings_without_meaning_are_refused(wrong):
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        Config(**wrong)


# ---------------------------------------------------------------- sets
def test_the_second_smallest_by_sorting():
    numbers, sizes = draw_sets(300, (2, 9), 4, 1)
    found = second_smallest(numbers, sizes).tolist()
    assert found == [sorted(row[:n])[1] for row, n in zip(numbers.tolist(), sizes.tolist(), strict=True)]
    assert {int(n) for n in sizes} == set(range(2, 10))
    weights = 2 ** torch.arange(3, -1, -1)
    assert torch.equal((to_bits(numbers, 4) * weights).sum(-1).long(), numbers)


@pytest.mark.parametrize("name", ON_SETS)
def test_networks_read_the_numbers_that_count_alone(name):
    torch.manual_seed(0)
    network = SetNetwork(ON_SETS[name].make, Config(size="smoke")).double().eval()
    numbers, sizes = draw_sets(20, (2, 5), 3, 2)
    with torch.no_grad():
        network.encoder.double()
        expected = network.float()(numbers, sizes)
        beyond = torch.arange(5) >= sizes[:, None]
        torch.testing.assert_close(network(numbers.masked_fill(beyond, 7), sizes), expected)
        alone = torch.cat([network(numbers[i : i + 1, :n], sizes[i : i + 1]) for i, n in enumerate(sizes.tolist())])
        torch.testing.assert_close(alone, expected, rtol=0, atol=1e-5)


def test_associativity_warms_up_by_steps_of_training():
    torch.manual_seed(0)
    network = SetNetwork(ON_SETS["lcm"].make, Config(size="smoke"))
    batch = draw_sets(30, (3, 4), 3, 0)
    plain = loss(network, batch, 0.0, 4)
    found = []
    for _ in range(6):
        torch.manual_seed(1)
        found.append(float((loss(network, batch, 2.0, 4) - plain).detach()))
    ratios = [value / found[0] for value in found]
    assert ratios == pytest.approx([1, 2, 3, 4, 4, 4], rel=1e-3)
    assert int(network.steps) == 6
    network.eval()
    loss(network, batch, 2.0, 4)
    assert int(network.steps) == 6


def test_the_schedule_of_one_cycle_is_the_usual_one():
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    usual = torch.optim.lr_scheduler.OneCycleLR(optimizer, 1.0, total_steps=1001, cycle_momentum=False)
    for step in range(1001):
        # Theirs has the top at step 299.3 of 1000.
        assert one_cycle(step / 1000) == pytest.approx(optimizer.param_groups[0]["lr"], abs=5e-3)
        if step < 1000:
            optimizer.step()
            usual.step()


def test_measures_of_a_network_that_knows_the_answer():
    class Knows(SetNetwork):
        def forward(self, numbers, sizes):
            return to_bits(second_smallest(numbers, sizes), self.bits) - 0.5

    network = Knows(ON_SETS["lcm"].make, Config(size="smoke"))
    sets = draw_sets(50, (8, 8), 3, 0)
    assert accuracy(network, sets) == unchanged(network, sets, 0) == 1.0
    measured = defect(network, sets, 0)
    assert measured["defect"] > 0 and measured["relative"] > 0


# ---------------------------------------------------------------- recurrent
def test_the_recurrent_aggregation_reads_each_set_alone():
    torch.manual_seed(0)
    aggregation = RecurrentAggregation(4).double().eval()
    for index in (torch.tensor([3, 0, 3, 0, 0, 3, 3]), torch.tensor([3, 0, 3, 5, 0, 3, 3])):
        x = torch.randn(7, 4, generator=seeded()).double()
        found = aggregation(x, index, dim_size=7)
        for s in range(7):
            own = x[index == s]
            expected = aggregation.gru(own[:, None])[1][0, 0] if len(own) else torch.zeros(4).double()
            assert (found[s] - expected).abs().max() < 1e-14
    alike = torch.tensor([4, 1, 1, 4])
    packed = aggregation(torch.cat([x[:4], x[:1]]), torch.cat([alike, torch.tensor([0])]), dim_size=5)
    assert (aggregation(x[:4], alike, dim_size=5)[1:] - packed[1:]).abs().max() < 1e-14
    assert aggregation(x[:0], index[:0], dim_size=3).shape == (3, 4)
    aggregation.train()
    torch.manual_seed(1)
    assert (aggregation(x, index, dim_size=7) - found).abs().max() > 1e-4


# ---------------------------------------------------------------- graphs
def test_answers_are_those_of_networkx():
    networkx = pytest.importorskip("networkx")
    for graph in multitask_graphs(2, seed=3):
        n = graph.num_nodes
        known = networkx.Graph(graph.edge_index.T.tolist())
        known.add_nodes_from(range(n))
        mark = int(graph.x[:, 1].argmax())
        lengths = dict(networkx.all_pairs_shortest_path_length(known))
        assert graph.y_node[:, 0].tolist() == [lengths[mark].get(i, 0) for i in range(n)]
        assert graph.y_node[:, 1].tolist() == [max(lengths[i].values()) for i in range(n)]
        laplacian = torch.from_numpy(networkx.laplacian_matrix(known, nodelist=range(n)).toarray()).float()
        torch.testing.assert_close(graph.y_node[:, 2], laplacian @ graph.x[:, 0], rtol=1e-4, atol=1e-5)
        connected, diameter, radius = graph.y_graph[0].tolist()
        assert connected == networkx.is_connected(known)
        assert diameter == max(max(row.values()) for row in lengths.values())
        adjacency = torch.from_numpy(networkx.to_numpy_array(known, nodelist=range(n)))
        assert radius == pytest.approx(float(torch.linalg.eigvalsh(adjacency).max()), rel=1e-5)


def test_graphs_of_all_kinds_some_of_which_fall_apart():
    graphs = multitask_graphs(12, seed=1)
    assert len(graphs) == 12 * len(KINDS)
    connected = torch.stack([graph.y_graph[0, 0] for graph in graphs]).view(len(KINDS), -1).mean(1)
    assert 0.4 < connected.mean() < 0.9 and (connected < 1).sum() >= 6
    assert all(graph.x[:, 1].sum() == 1 and graph.is_undirected() for graph in graphs)
    again = multitask_graphs(12, seed=1)
    assert all(torch.equal(a.edge_index, b.edge_index) for a, b in zip(graphs, again, strict=True))
    for wrong in ({"per_kind": 0}, {"per_kind": 1, "nodes": (5, 9)}):
        with pytest.raises(ValueError, match=r"takes? "):
            multitask_graphs(**wrong)
    at_nodes, of_graph = answers(torch.zeros(6, 6).numpy(), 0, torch.ones(6).numpy())
    assert not at_nodes.any() and of_graph.tolist() == [0, 0, 0]


@pytest.mark.parametrize("name", METHODS)
def test_networks_do_not_know_which_graphs_share_their_batch(name):
    graphs = multitask_graphs(1, seed=5)[:4]
    torch.manual_seed(0)
    network = MultitaskNetwork(METHODS[name], 6, 2, degree_histogram(graphs)).eval()

    def answer(chosen):
        index = torch.cat([g.edge_index + sum(h.num_nodes for h in chosen[:i]) for i, g in enumerate(chosen)], 1)
        batch = torch.arange(len(chosen)).repeat_interleave(torch.tensor([g.num_nodes for g in chosen]))
        return network(torch.cat([g.x for g in chosen]), index, batch, len(chosen))

    together = answer(graphs)
    alone = [answer([graph]) for graph in graphs]
    for found, parts in zip(together, zip(*alone, strict=True), strict=True):
        torch.testing.assert_close(found, torch.cat(parts), rtol=1e-4, atol=1e-5)


def test_degrees_are_counted():
    graph = Data(edge_index=torch.tensor([[0, 1, 2], [1, 1, 0]]), num_nodes=4)
    assert degree_histogram([graph, graph]).tolist() == [4, 2, 2]
    conv = Convolution(METHODS["pna"], 4, PlanCache(), degree_histogram([graph]), pairs=False)
    assert conv(torch.randn(4, 4), graph.edge_index).shape == (4, 4)


# ---------------------------------------------------------------- citations
def citations(tmp_path, name="Cora"):
    """A tiny graph in the layout of the publisher: 6 nodes to learn from, 500 to choose the epoch, 4 to test."""
    pickle, np, sparse = (pytest.importorskip(m) for m in ("pickle", "numpy", "scipy.sparse"))
    raw = tmp_path / "planetoid" / name / "raw"
    raw.mkdir(parents=True)
    rng = np.random.default_rng(0)
    topics = np.arange(510) % 3
    words = np.eye(3)[topics].repeat(4, 1) * (rng.random((510, 12)) < 0.7)
    labels = np.eye(3)[topics].astype(np.int32)
    order = [508, 506, 509, 507]
    graph = {i: [(i + 3) % 510, (i + 507) % 510] for i in range(510)}
    for leaf in range(30, 90, 3):  # node 0 is a hub of its topic
        graph[0].append(leaf)
        graph[leaf].append(0)
    tables = {
        "x": words[:6], "y": labels[:6], "allx": words[:506], "ally": labels[:506],
        "tx": words[order], "ty": labels[order],
    }  # fmt: skip
    for part, table in tables.items():
        stored = sparse.csr_matrix(table.astype(np.float32)) if part.endswith("x") else table
        (raw / f"ind.{name.lower()}.{part}").write_bytes(pickle.dumps(stored))
    (raw / f"ind.{name.lower()}.graph").write_bytes(pickle.dumps(graph))
    (raw / f"ind.{name.lower()}.test.index").write_text("\n".join(map(str, order)) + "\n")
    return words, topics


def test_citation_graphs_are_read_from_the_layout_of_their_publisher(tmp_path):
    words, topics = citations(tmp_path)
    data = load_planetoid("Cora", tmp_path)
    torch.testing.assert_close(data.x, torch.from_numpy(words).float())
    assert data.y.tolist() == topics.tolist()
    assert data.train_mask.nonzero()[:, 0].tolist() == list(range(6))
    assert int(data.val_mask.sum()) == 500 and data.test_mask.nonzero()[:, 0].tolist() == [506, 507, 508, 509]
    assert data.is_undirected()
    with pytest.raises(ValueError, match="PubMed"):
        load_planetoid("PubMed", tmp_path)
    with pytest.raises(MissingDataError, match=r"ind\.citeseer\.x"):
        load_planetoid("CiteSeer", tmp_path)
    (tmp_path / "planetoid/Cora/raw/ind.cora.graph").write_bytes(b"broken")
    with pytest.raises(MissingDataError, match="get it again"):
        load_planetoid("Cora", tmp_path)


def test_citations_are_learned(tmp_path):
    citations(tmp_path)
    config = Config(size="smoke", seeds=1, experiment="real-graphs", data=tmp_path, out=tmp_path, real_epochs=12,
                    real_channels=8)  # fmt: skip
    assert real_graphs.available(config) == ("Cora",)
    result = run(config)
    assert {claim.name for claim, verdict in result.claims if verdict.verdict == "undecided"} == {
        "real-cora-recurrent", "real-cora-fixed", "real-cora-seconds"
    }  # fmt: skip
    assert {len(table.rows) for table in result.tables} == {1, 5}
    assert result.metrics["real-graphs"]["cora_mean"][0] > 0.4
    assert all((tmp_path / figure).is_file() for figure in result.figures)


def test_masks_do_not_leak_and_dropout_is_of_training_alone(tmp_path):
    citations(tmp_path)
    data = real_graphs.load("Cora", Config(data=tmp_path))
    torch.testing.assert_close(data.x.sum(1)[data.x.sum(1) > 0], torch.ones(int((data.x.sum(1) > 0).sum())))
    network = CitationNetwork(METHODS["lcm"], 12, 8, 3, degree_histogram([data])).eval()
    assert torch.equal(network(data.x, data.edge_index), network(data.x, data.edge_index))
    before = real_graphs.loss(network, data)
    data.y[~data.train_mask] = 0
    assert torch.equal(real_graphs.loss(network, data), before)


def test_slopes():
    from erlangen.recipes.lcm.depth import slope

    x = [4, 5, 7, 9]
    assert slope(x, [math.log2(3 * 2 ** (0.7 * a)) for a in x]) == pytest.approx(0.7)
    assert all(slope(x, list(itertools.repeat(c, 4))) == 0 for c in (1.0, 5.0))
