"""Spectral frames of graphs: keys that know no labels, frames that hold every automorphism."""

import itertools
import os
from pathlib import Path

import networkx as nx
import pytest
import torch
from torch import nn

from erlangen.audit import audit
from erlangen.groups import Nodes, Scalar, Symmetric, Symmetry
from erlangen.symmetrize import SpectralFrame, WholeGroup, symmetrize
from erlangen.symmetrize.spectral import clustered, spectral_keys

S = Symmetric("n")
GRAPH = Symmetry(S, Nodes(S, order=2, features=0), Scalar(S))


def adjacency(*graphs):
    return torch.stack([torch.tensor(nx.to_numpy_array(g), dtype=torch.float64) for g in graphs])


def network(n, out=3, seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Flatten(), nn.Linear(n * n, 24), nn.SiLU(), nn.Linear(24, out)).double()


def relabelled(a, p):
    return Nodes(Symmetric(a.shape[-1]), order=2, features=0)(p, a)


def test_keys_move_with_the_nodes():
    a = adjacency(*(nx.gnp_random_graph(9, 0.4, seed=s) for s in range(20)), nx.cycle_graph(9), nx.star_graph(8))
    p = Symmetric(9).sample(generator=torch.Generator().manual_seed(0))
    keys, moved = spectral_keys(a), spectral_keys(relabelled(a, p))
    torch.testing.assert_close(moved[:, p], keys, rtol=0, atol=1e-7)


def test_keys_are_norms_of_projections():
    a = adjacency(nx.petersen_graph())
    values, vectors = torch.linalg.eigh(a[0].sum(1).diag() - a[0])
    keys = spectral_keys(a)[0]
    for k, value in enumerate((0.0, 2.0, 5.0)):
        inside = (values - value).abs() < 1e-8
        projector = vectors[:, inside] @ vectors[:, inside].T
        torch.testing.assert_close(keys[:, k], projector.norm(dim=0), rtol=0, atol=1e-10)
    assert keys[:, 3:].abs().max() < 1e-12


def test_equal_values_are_never_cut_by_a_rounding_border():
    values = torch.tensor([0.12344999999, 0.12345000001, 0.5, 0.500004, 0.500008, 0.6])[None, :, None]
    assert clustered(values, 1e-5)[0, :, 0].tolist() == [0, 0, 1, 1, 1, 2]


ATLAS = [g for g in nx.graph_atlas_g() if 1 <= g.number_of_nodes() <= 6]


def test_frames_hold_a_coset_of_the_automorphisms():
    for g in (g for g in ATLAS if g.number_of_nodes() <= 5):
        n = g.number_of_nodes()
        a = adjacency(g)
        elements, weight = SpectralFrame(S, max_frame=200)(a)
        shares = weight[0] if weight is not None else torch.ones(1)
        frame = {tuple(e) for e, w in zip(elements[0].tolist(), shares.tolist(), strict=True) if w > 0}
        for p in map(torch.tensor, itertools.permutations(range(n))):
            if torch.equal(relabelled(a, p), a):
                assert {tuple(p[list(e)].tolist()) for e in frame} == frame


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 6])
def test_averages_agree_on_all_relabellings_of_every_small_graph(n):
    a = adjacency(*(g for g in ATLAS if g.number_of_nodes() == n))
    model = symmetrize(network(n), GRAPH, SpectralFrame(S, max_frame=720))
    want = model(a)
    every = list(itertools.permutations(range(n)))
    for p in map(torch.tensor, every if n < 6 else every[::48]):
        torch.testing.assert_close(model(relabelled(a, p)), want, rtol=0, atol=1e-9)


@pytest.mark.parametrize("n", [2, 3, 4, 5, 6])
def test_the_whole_group_is_brute_force(n):
    a = adjacency(*(g for g in ATLAS if g.number_of_nodes() == n))
    net = network(n)
    every = [net(relabelled(a, torch.tensor(p))) for p in itertools.permutations(range(n))]
    bound = Symmetry(Symmetric(n), Nodes(Symmetric(n), order=2, features=0), Scalar(Symmetric(n)))
    model = symmetrize(net, bound, WholeGroup(Symmetric(n)))
    torch.testing.assert_close(model(a), torch.stack(every).mean(0), rtol=0, atol=1e-12)


def test_features_sort_before_the_spectrum():
    a = adjacency(nx.cycle_graph(6))
    x = torch.tensor([[1.0, 0, 0, 1, 0, 0]])[..., None]
    assert SpectralFrame(S).sizes(a) == [720]
    assert SpectralFrame(S, features=1).sizes(a, x) == [2 * 24]
    ranks = SpectralFrame(S, features=1).ranks(a, x)[0]
    assert ranks.tolist() == [1, 0, 0, 1, 0, 0]


def test_padding_sorts_behind_the_nodes():
    small, large = nx.path_graph(3), nx.gnp_random_graph(5, 0.5, seed=3)
    a = torch.zeros(2, 5, 5, dtype=torch.float64)
    a[0, :3, :3], a[1] = adjacency(small)[0], adjacency(large)[0]
    frame = SpectralFrame(S, sizes_input=1)
    elements, _ = frame(a, torch.tensor([3, 5]))
    assert elements.shape[1] == 2  # the ends of the path; padding is in no order to be chosen
    assert set(elements[0, :, :3].flatten().tolist()) == {0, 1, 2}


def test_random_orders_keep_the_promise_in_expectation():
    a = adjacency(nx.cycle_graph(7), nx.star_graph(6), nx.gnp_random_graph(7, 0.5, seed=1))
    model = symmetrize(network(7), GRAPH, SpectralFrame(S, draws=2))
    assert model.symmetry.kind == "in_expectation"
    assert audit(model, a).verdict == "in_expectation"
    frame = SpectralFrame(S, draws=500, generator=torch.Generator().manual_seed(0))
    drawn, _ = frame(adjacency(nx.star_graph(3)))
    counts = torch.unique(drawn[0], dim=0, return_counts=True)[1]
    assert len(counts) == 6 and counts.min() > 50  # the six orders of three leaves, evenly


def test_too_many_automorphisms():
    with pytest.raises(ValueError, match=r"5040 ways to sort sample 0, more than max_frame=64 \(draws=1"):
        SpectralFrame(S)(adjacency(nx.complete_graph(7)))


def test_statistics_of_all_connected_graphs_on_eight_nodes():
    root = Path(os.environ.get("ERLANGEN_DATA", "missing")) / "graph_separation" / "graph8c.g6"
    if not root.exists():
        pytest.skip("ERLANGEN_DATA holds no graph_separation/graph8c.g6")
    a = adjacency(*nx.read_graph6(root))
    sizes = torch.tensor(SpectralFrame(Symmetric(8)).sizes(a), dtype=torch.float64)
    assert (len(a), int((sizes == 1).sum()), sizes.median().item(), sizes.max().item()) == (11117, 3070, 2, 40320)
    assert sizes.mean().item() == pytest.approx(52.95, abs=0.01)
    values = torch.linalg.eigvalsh(a.sum(-1).diag_embed() - a)
    assert int(((values[:, 1:] - values[:, :-1]) < 1e-6).any(1).sum()) == 2754


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: SpectralFrame(S)(torch.ones(2, 3, 4)), "adjacency matrices of shape .B, n, n., got .2, 3, 4."),
        (lambda: SpectralFrame(S)(torch.triu(torch.ones(2, 3, 3))), "must be symmetric, sample 0 is not"),
        (lambda: SpectralFrame(S)(torch.full((1, 2, 2), float("nan"))), "holds NaN or infinity"),
        (lambda: SpectralFrame(S, features=1)(torch.ones(2, 3, 3), torch.ones(2, 4, 1)), "SpectralFrame\\(features\\)"),
        (lambda: SpectralFrame(S, draws=0), "SpectralFrame\\(draws\\): at least 1, got 0"),
    ],
)
def test_refusals(make, message):
    with pytest.raises(ValueError, match=message):
        make()
