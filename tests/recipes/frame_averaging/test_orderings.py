"""The different matrices of a frame, against listing the frame."""

import networkx
import pytest
import torch

from erlangen.groups import Symmetric
from erlangen.recipes.frame_averaging.orderings import arrangements, orderings
from erlangen.symmetrize import SpectralFrame, WholeGroup

FRAME = SpectralFrame(Symmetric("n"), max_frame=720)


def test_a_path_of_three_shows_one_matrix_and_a_triangle_too():
    path = torch.tensor([[0.0, 1, 0], [1, 0, 1], [0, 1, 0]])
    found = orderings(torch.stack([path, 1 - torch.eye(3)]), torch.tensor([[0, 1, 0], [0, 0, 0]]))
    assert found.sizes.tolist() == [2, 6] and found.graph.tolist() == [0, 1]
    assert torch.equal(found.adjacency[0], torch.tensor([[0.0, 0, 1], [0, 0, 1], [1, 1, 0]]))
    assert found.mean(torch.tensor([[1.0], [5.0]])).tolist() == [[1.0], [5.0]]


def test_equal_ranks_without_an_automorphism_show_several():
    path = torch.tensor([[[0.0, 1, 0], [1, 0, 1], [0, 1, 0]]])
    found = orderings(path, torch.zeros(1, 3, dtype=torch.long))  # all of S_3: three places for the middle
    assert found.sizes.tolist() == [6] and len(found.graph) == 3
    middles = {int(matrix.sum(0).argmax()) for matrix in found.adjacency}
    assert middles == {0, 1, 2}


def test_all_graphs_of_six_nodes_have_the_mean_of_their_frames():
    atlas = [graph for graph in networkx.graph_atlas_g() if graph.number_of_nodes() == 6]
    graphs = torch.stack([torch.from_numpy(networkx.to_numpy_array(graph)) for graph in atlas])
    weight = torch.randn(36, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)

    def value(matrices):
        return (matrices.flatten(1) @ weight).sin()

    found = orderings(graphs, FRAME.ranks(graphs))
    got = found.mean(value(found.adjacency))
    for index in range(0, len(graphs), 7):
        elements, weights = FRAME(graphs[index : index + 1])
        kept = elements[0] if weights is None else elements[0, weights[0] > 0]
        shown = torch.stack([graphs[index][order][:, order] for order in kept])
        torch.testing.assert_close(got[index], value(shown).mean(0), rtol=0, atol=1e-13)
    everything = orderings(graphs, torch.zeros(len(graphs), 6, dtype=torch.long))
    order = WholeGroup(Symmetric(6))()[0][0]
    for index in (3, 50, 100):
        shown = torch.stack([graphs[index][g][:, g] for g in order])
        whole = everything.mean(value(everything.adjacency))[index]
        torch.testing.assert_close(whole, value(shown).mean(0), rtol=0, atol=1e-13)


def test_some_graphs_can_be_picked_in_any_order():
    graphs = torch.stack([1 - torch.eye(3), torch.zeros(3, 3), torch.tensor([[0.0, 1, 0], [1, 0, 1], [0, 1, 0]])])
    found = orderings(graphs, torch.zeros(3, 3, dtype=torch.long))
    some = found.of(torch.tensor([2, 0]))
    assert some.graph.tolist() == [0, 0, 0, 1] and some.adjacency[3].sum() == 6 and some.sizes.tolist() == [6, 6]


def test_what_is_too_large_is_refused():
    with pytest.raises(ValueError, match="24 elements, more than 23"):
        arrangements([4, 1], 23)
    with pytest.raises(ValueError, match="11 nodes"):
        orderings(torch.zeros(1, 11, 11), torch.arange(11)[None])
