"""Pictures of multigraphs: what is on the axes."""

import itertools

import pytest

from erlangen.graphs import MarkedMultigraph, draw_multigraph, missing_polynomials
from erlangen.report import new_figure


def on_axes(graph, **options):
    figure, (axes,) = new_figure()
    draw_multigraph(graph, axes, **options)
    figure.canvas.draw()
    return axes


@pytest.mark.parametrize("graph", missing_polynomials("edge", 6), ids=str)
def test_nodes_edges_and_marks_are_there_and_apart(graph):
    axes = on_axes(graph)
    places = [line.get_xydata()[0] for line in axes.lines]
    assert len(places) == graph.num_nodes
    assert all(abs(a - b).max() > 0.2 for a, b in itertools.combinations(places, 2))
    texts = sorted(text.get_text() for text in axes.texts)
    assert texts == [""] * graph.degree + [str(place + 1) for place in range(graph.order)]


def test_loops_are_circles_and_marks_of_one_node_stand_together():
    graph = MarkedMultigraph(3, ((0, 0), (0, 1), (1, 0), (0, 1), (2, 2)), (1, 1))
    axes = on_axes(graph, directed=True)
    assert sum(len(line.get_xydata()) > 1 for line in axes.lines) == 2
    assert "1,2" in [text.get_text() for text in axes.texts]
    bends = {str(text.arrow_patch.get_connectionstyle().rad) for text in axes.texts if text.get_text() == ""}
    assert len(bends) == 3 or len(bends) == 2  # straight, and to either side
    assert len(on_axes(MarkedMultigraph(1, (), (0,))).lines) == 1
