"""The most symmetric grid of so many orientations."""

from __future__ import annotations

POLYHEDRA = {4: "tetrahedron", 6: "octahedron", 8: "cube", 12: "icosahedron", 20: "dodecahedron"}


def grid_of(number: int) -> str | None:
    """The kind of grid of so many orientations: a polyhedron's corners, else a spiral; None where there is no grid.

    >>> [grid_of(number) for number in (-1, 12, 16)]
    [None, 'icosahedron', 'fibonacci']
    """
    return POLYHEDRA.get(number, "fibonacci") if number > 0 else None
