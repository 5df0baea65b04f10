"""The recipe at size smoke, and its parts against brute force."""

import itertools

import networkx
import pytest
import torch
from networkx.algorithms.isomorphism import GraphMatcher

from erlangen.data.strongly_regular import FAMILIES, is_strongly_regular, load_strongly_regular, rook_and_shrikhande
from erlangen.graphs import is_computable
from erlangen.recipes import ConfigError
from erlangen.recipes.equivariant_polynomials import Config, run
from erlangen.recipes.equivariant_polynomials.cliques import clique_graphs, count_cliques
from erlangen.recipes.equivariant_polynomials.gin_plus import METHODS, add_features, count_polynomials
from erlangen.recipes.equivariant_polynomials.k4_regression import add_polynomials
from erlangen.recipes.equivariant_polynomials.patterns import PATTERNS, count_patterns, pattern_graphs
from erlangen.recipes.equivariant_polynomials.power_table import FIFTH, FROM_FIFTH, follows_from_fifth, largest_gap
from erlangen.recipes.equivariant_polynomials.strongly_regular import pair_distances, polynomial_sets, signatures
from erlangen.report import Result

DATA_FREE = {"regular-five", "regular-six", "regular-more", "regular-network", "gin-mutag"}


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    out = tmp_path_factory.mktemp("polynomials")
    return out, run(Config(size="smoke", out=out, data=tmp_path_factory.mktemp("empty")))


def test_without_files_all_but_the_claims_on_them_are_measured(ran):
    out, result = ran
    assert result.status == "complete"
    missing = {claim.name for claim, verdict in result.claims if verdict.verdict == "not measurable here"}
    assert missing == DATA_FREE
    assert [check for check in result.checks if not check.passed] == []
    path = result.save(out / "result.json")
    assert Result.load(path).to_dict() == result.to_dict()
    assert {file.name for file in out.iterdir() if file.is_file()} == {"result.json", *result.figures}
    assert all((out / name).stat().st_size < 100_000 for name in result.figures)


def test_rook_and_shrikhande_are_told_apart(ran):
    _, result = ran
    metrics = result.metrics["strongly-regular"]
    assert metrics["sr16622_alike_plain"] == [1.0] and metrics["sr16622_alike_five"] == [0.0]
    assert metrics["sr16622_network_ppgn"] == [0.0, 0.0] and metrics["sr16622_network_six"] == [1.0, 1.0]


def test_a_run_that_is_done_is_not_trained_again(tmp_path, monkeypatch):
    settings = {"size": "smoke", "experiment": "k4-regression", "seeds": 1, "out": tmp_path}
    first = run(Config(**settings))
    monkeypatch.setattr("torch.optim.Adam.step", lambda *_: pytest.fail("it trains"))
    again = run(Config(**settings, resume=True))
    assert again.metrics == first.metrics


def write_molecules(root, graphs=22):
    """Rings and paths of five or six atoms in the layout of MUTAG; rings are one class, paths the other."""
    folder = root / "tu" / "MUTAG" / "raw"
    folder.mkdir(parents=True)
    edges, owner, labels, first = [], [], [], 1
    for number in range(graphs):
        n = 5 + number % 2
        ring = networkx.cycle_graph(n) if number % 4 < 2 else networkx.path_graph(n)
        edges += [f"{first + a}, {first + b}" for i, j in ring.edges for a, b in ((i, j), (j, i))]
        owner += [str(number + 1)] * n
        labels.append("1" if number % 4 < 2 else "-1")
        first += n
    rows = {
        "A": edges, "graph_indicator": owner, "graph_labels": labels, "node_labels": ["0", "1"] + ["0"] * (first - 3),
        "edge_labels": ["0"] * len(edges),
    }  # fmt: skip
    for part, lines in rows.items():
        (folder / f"MUTAG_{part}.txt").write_text("\n".join(lines) + "\n")


def test_molecules_are_read_where_they_are(tmp_path):
    write_molecules(tmp_path)
    few = {"patterns_train": 8, "patterns_validation": 4, "patterns_tests": 4, "patterns_epochs": 1}
    result = run(Config(size="smoke", experiment="gin-plus", data=tmp_path, seeds=1, **few))
    metrics = result.metrics["gin-plus"]
    assert all(0 <= metrics[f"{name}_mutag"][0] <= 1 for name in ("gin", "six"))
    assert [table.title for table in result.tables] == ["Counting small patterns", "Reading MUTAG"]


# ---------------------------------------------------------------- what is missing
def test_seven_follow_from_the_fifth():
    assert largest_gap(seed=3) == 0 and len(FROM_FIFTH) == 7
    assert all(map(follows_from_fifth, FROM_FIFTH))
    assert not any(is_computable(graph, "edge") for graph in (FIFTH, *FROM_FIFTH))


# ---------------------------------------------------------------- strongly regular graphs
def test_rook_and_shrikhande_by_networkx():
    rook, shrikhande = (networkx.from_numpy_array(a.numpy()) for a in rook_and_shrikhande())
    board = networkx.line_graph(networkx.complete_bipartite_graph(4, 4))
    assert networkx.is_isomorphic(rook, board) and not networkx.is_isomorphic(rook, shrikhande)
    assert all(networkx.is_strongly_regular(graph) for graph in (rook, shrikhande))
    assert not is_strongly_regular(1 - torch.eye(4)[None], 4, 2, 1, 1)


def test_families_are_read_and_checked(tmp_path):
    folder = tmp_path / "graph_separation"
    folder.mkdir()
    lines = [networkx.to_graph6_bytes(networkx.from_numpy_array(a.numpy())) for a in rook_and_shrikhande()]
    for family in FAMILIES:
        (folder / f"{family}.g6").write_bytes(b"".join(lines))
    assert torch.equal(load_strongly_regular("sr16622", tmp_path), rook_and_shrikhande())
    with pytest.raises(FileNotFoundError, match=r"sr251256\.g6: 15 graphs of 25 nodes, got others"):
        load_strongly_regular("sr251256", tmp_path)
    other = networkx.to_graph6_bytes(networkx.circulant_graph(16, [1, 2, 3]))
    (folder / "sr16622.g6").write_bytes(lines[0] + other)
    with pytest.raises(FileNotFoundError, match=r"sr16622\.g6: a graph is not strongly regular"):
        load_strongly_regular("sr16622", tmp_path)
    with pytest.raises(ValueError, match=r"load_strongly_regular\(family\): one of sr16622"):
        load_strongly_regular("sr1", tmp_path)


def test_signatures_do_not_depend_on_the_order_of_nodes():
    graphs = rook_and_shrikhande().double()
    order = torch.randperm(16, generator=torch.Generator().manual_seed(0))
    for polynomials in polynomial_sets().values():
        assert signatures(graphs, polynomials) == signatures(graphs[:, order][:, :, order], polynomials)
    assert len(pair_distances(torch.randn(5, 3))) == 10


# ---------------------------------------------------------------- cliques and patterns
def test_regular_graphs_and_their_cliques():
    graphs = clique_graphs(12, seed=2)
    for data in graphs:
        degree = torch.bincount(data.edge_index[0], minlength=data.num_nodes)
        assert degree.unique().tolist() == [6] and 12 <= data.num_nodes <= 16
        assert data.is_undirected() and not data.has_self_loops()
        graph = networkx.Graph(data.edge_index.T.tolist())
        cliques = sum(
            graph.subgraph(four).number_of_edges() == 6 for four in itertools.combinations(range(data.num_nodes), 4)
        )
        assert count_cliques(graph) == cliques == round(float(data.y.expm1()))
    again = clique_graphs(12, seed=2)
    assert all(torch.equal(a.edge_index, b.edge_index) for a, b in zip(graphs, again, strict=True))


def test_channels_are_scaled_by_the_graphs_to_learn_from():
    train, test = clique_graphs(6, seed=0), clique_graphs(4, seed=1)
    assert add_polynomials([train, test]) < 1e-2
    rows = torch.cat([data.pairs_six for data in train])
    torch.testing.assert_close(rows.amax(0), torch.ones(12))
    assert all(data.pairs_five.shape == (data.num_nodes**2, 1) for data in test)


def subgraphs(graph, pattern):
    """Sub-graphs that are a pattern: injective maps of its nodes that keep edges, up to its automorphisms."""
    maps = sum(1 for _ in GraphMatcher(graph, pattern).subgraph_monomorphisms_iter())
    return maps // sum(1 for _ in GraphMatcher(pattern, pattern).isomorphisms_iter())


def test_patterns_by_brute_force():
    chord = networkx.Graph([(0, 1), (1, 2), (2, 3), (3, 0), (0, 2)])
    patterns = [
        networkx.star_graph(3),
        networkx.cycle_graph(3),
        networkx.cycle_graph(4),
        chord,
        networkx.cycle_graph(5),
    ]
    for seed in range(4):
        graph = networkx.gnp_random_graph(9, 0.5, seed=seed)
        adjacency = torch.from_numpy(networkx.to_numpy_array(graph))
        assert count_patterns(adjacency).tolist() == [subgraphs(graph, pattern) for pattern in patterns]
    assert all(data.y.shape == (1, len(PATTERNS)) for data in pattern_graphs(4, seed=0))


def test_polynomials_at_nodes():
    graphs = pattern_graphs(6, seed=1)
    add_features(graphs, count_polynomials(graphs), torch.arange(4))
    both = torch.cat([data.polynomials for data in graphs[:4]])
    assert both.shape[1] <= 88 and both.min() >= 0
    torch.testing.assert_close(both.amax(0), torch.ones(both.shape[1]))
    assert len(METHODS) == 3
    for data in graphs:  # closed walks of three steps: twice the triangles at each node
        triangles = networkx.triangles(networkx.Graph(data.edge_index.T.tolist()))
        counts = torch.tensor([triangles.get(node, 0) for node in range(data.num_nodes)])
        ratio = (2.0 * counts).log1p() / data.low_polynomials[:, 0]
        seen = ratio[counts > 0]
        torch.testing.assert_close(seen, seen[:1].expand_as(seen))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"table_degree": 8}, "table_degree is 8; it takes a whole number up to 7"),
        ({"cliques_train": 5}, "cliques_train is 5; it takes an even number"),
        ({"patterns_train": 1}, "patterns_train is 1; it takes a whole number from 2"),
        ({"patterns_epochs": 0}, "patterns_epochs is 0; it takes a whole number from 1"),
    ],
)
def test_settings_without_meaning(change, message):
    with pytest.raises(ConfigError, match=message):
        Config(**change)
