"""Pictures of marked multigraphs."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

from erlangen.extras import require
from erlangen.graphs.multigraph import MarkedMultigraph

_MARKED, _PLAIN, _LINE = "#c0392b", "#ffffff", "#333333"


def draw_multigraph(graph: MarkedMultigraph, axes: Any, directed: bool = False) -> None:
    """Draws a multigraph on axes of matplotlib: marked nodes are red and numbered by the axis they stand for.

    Repeated edges are bent apart, and loops are circles.

    Args:
        graph: the multigraph.
        axes: ``matplotlib.axes.Axes``, which are emptied of ticks and frame.
        directed: whether edges get arrow heads.
    """
    places = _places(graph)
    axes.set_axis_off()
    axes.set_aspect("equal")
    axes.set_xlim(-1.55, 1.55)
    axes.set_ylim(-1.55, 1.55)
    seen: Counter[frozenset[int]] = Counter()
    for a, b in graph.edges:
        times = seen[frozenset((a, b))]
        seen[frozenset((a, b))] += 1
        if a == b:
            _loop(axes, places[a], times)
            continue
        # The first edge is straight, later ones bend to alternating sides, whichever way they point.
        bend = 0.25 * ((times + 1) // 2) * (-1) ** times * (1 if a < b else -1)
        style = {"arrowstyle": "-|>" if directed else "-", "connectionstyle": f"arc3,rad={bend}", "color": _LINE}
        axes.annotate("", places[b], places[a], arrowprops={**style, "shrinkA": 4, "shrinkB": 4 if directed else 0})
    for node, (x, y) in enumerate(places):
        marked = node in graph.marks
        colour = _MARKED if marked else _PLAIN
        axes.plot(x, y, "o", markersize=9, markerfacecolor=colour, markeredgecolor=_LINE, zorder=3)
        if marked:
            label = ",".join(str(place + 1) for place, mark in enumerate(graph.marks) if mark == node)
            axes.text(x, y, label, color="white", fontsize=6, ha="center", va="center_baseline", zorder=4)


def _places(graph: MarkedMultigraph) -> list[tuple[float, float]]:
    """Where nodes go, in a disc: by distances along edges where there are some, else around a circle."""
    if graph.num_nodes == 1:
        return [(0.0, 0.0)]
    if not graph.is_connected:
        angles = [2 * math.pi * node / graph.num_nodes for node in range(graph.num_nodes)]
        return [(math.cos(angle), math.sin(angle)) for angle in angles]
    networkx = require("networkx", "graphs", "a picture of a multigraph")
    plain = networkx.Graph(graph.networkx())
    # Beginning without crossings, most pictures end without any.
    start = networkx.planar_layout(plain) if networkx.is_planar(plain) else None
    layout = networkx.kamada_kawai_layout(plain, pos=start)
    radius = max(math.hypot(*place) for place in layout.values())
    return [(float(layout[node][0]) / radius, float(layout[node][1]) / radius) for node in range(graph.num_nodes)]


def _loop(axes: Any, place: tuple[float, float], times: int) -> None:
    x, y = place
    length = math.hypot(x, y) or 1.0
    dx, dy = (x / length, y / length) if (x, y) != (0.0, 0.0) else (0.0, 1.0)
    radius = 0.2 + 0.07 * times
    angles = [2 * math.pi * step / 40 for step in range(41)]
    centre = (x + dx * radius, y + dy * radius)
    axes.plot(
        [centre[0] + radius * math.cos(angle) for angle in angles],
        [centre[1] + radius * math.sin(angle) for angle in angles],
        color=_LINE,
        linewidth=1,
    )
