"""The frames of GRAPH8c and EXP, against numbers that were measured with other code. Needs the files."""

import numpy as np
import pytest
import torch

from erlangen.data import SOURCES, data_root, look
from erlangen.data.graph_pairs import load_exp
from erlangen.data.small_graphs import load_graph8c
from erlangen.groups import Nodes, Symmetric
from erlangen.recipes.frame_averaging.orderings import orderings
from erlangen.recipes.frame_averaging.pair_learning import spectral_ranks
from erlangen.recipes.frame_averaging.refinement import pairs_alike, refined
from erlangen.symmetrize import SpectralFrame

GROUP = Symmetric("n")


def needs(name):
    return pytest.mark.skipif(not look(SOURCES[name], data_root()).there, reason=f"{name} is not here")


@needs("graph8c")
def test_graph8c_has_the_frames_that_were_counted():
    """Measured independently: 11117 graphs, 2754 with a repeated eigenvalue, 3070 with one element, mean 52.95."""
    graphs = load_graph8c().double()
    values = torch.linalg.eigvalsh(graphs.sum(-1).diag_embed() - graphs)
    assert len(graphs) == 11117 and int((values.diff() < 1e-6).any(1).sum()) == 2754
    sizes = torch.tensor(SpectralFrame(GROUP).sizes(graphs)).double()
    assert int((sizes == 1).sum()) == 3070 and int(sizes.max()) == 40320 and int(sizes.median()) == 2
    assert float(sizes.mean()) == pytest.approx(52.95, abs=0.01)
    assert torch.equal(orderings(graphs, SpectralFrame(GROUP).ranks(graphs)).sizes.double(), sizes)


@needs("exp")
def test_exp_has_the_frames_that_were_counted():
    """Measured independently: all 1200 have repeated eigenvalues; log10 of the sizes: median 10.3, at most 26.9."""
    pairs = load_exp()
    assert len(pairs.labels) == 1200 and (int(pairs.sizes.min()), int(pairs.sizes.max())) == (32, 64)
    ranks = spectral_ranks(pairs)
    logs, repeated = [], 0
    for adjacency, row, size in zip(pairs.adjacency.double(), ranks, pairs.sizes.tolist(), strict=True):
        logs.append(float(torch.lgamma(torch.bincount(row[:size]) + 1.0).sum() / np.log(10)))
        block = adjacency[:size, :size]
        repeated += bool((torch.linalg.eigvalsh(block.sum(-1).diag() - block).diff() < 1e-6).any())
    assert repeated == 1200 and min(logs) > 0
    assert float(np.median(logs)) == pytest.approx(10.3, abs=0.1) and max(logs) == pytest.approx(26.9, abs=0.1)


@needs("exp")
def test_relabelling_exp_relabels_its_ranks():
    pairs, frame = load_exp(), SpectralFrame(GROUP, features=1)
    g = Symmetric(pairs.adjacency.shape[1]).sample(len(pairs.labels), generator=torch.Generator().manual_seed(0))
    adjacency, bits = Nodes(GROUP, order=2, features=0)(g, pairs.adjacency), Nodes(GROUP)(g, pairs.bits)
    ranks = frame.ranks(pairs.adjacency, pairs.bits)[..., None]
    assert torch.equal(frame.ranks(adjacency, bits)[..., None], Nodes(GROUP)(g, ranks))


@needs("graph8c")
def test_graph8c_has_312_pairs_that_colour_refinement_takes_for_the_same():
    """Counted with the hashes of networkx as well (weisfeiler_lehman_graph_hash, 8 iterations)."""
    assert pairs_alike(refined(load_graph8c())) == 312
