"""What networks on flat clouds promise, written once: how the shared inputs and outputs move under a group."""

from __future__ import annotations

from erlangen.groups import (
    Action,
    BatchVector,
    EdgeIndex,
    Fixed,
    Group,
    Nodes,
    Points,
    Scalar,
    Symmetric,
    Symmetry,
    Vector,
)

NODES = Symmetric("nodes")


def cloud_symmetry(
    group: Group | None,
    *,
    in_scalar: int,
    in_vector: int = 0,
    out_vector: int = 0,
    task: str = "graph",
    edges: bool = True,
    in_edge: int = 0,
    holds_where: str = "",
) -> Symmetry:
    """Points renumbered within their clouds and moved by a group: the promise of ``forward(x, pos, edge_index, ...)``.

    It names the inputs ``x, pos, edge_index, batch``, then ``vec`` and ``edge_attr`` as far as the network takes them
    (``vec`` as None before attributes of edges alone), and is audited on so many. Every cloud is moved by its own
    element.

    Args:
        group: that moves the points, as E(3); None where the network keeps permutations alone.
        in_scalar: number of features; with none, ``x`` is None.
        in_vector: number of vectors.
        out_vector: number of vectors that come out.
        task: "graph" or "node".
        edges: whether the network reads edges; if not, it may be audited with None.
        in_edge: number of invariant attributes of an edge.
        holds_where: conditions in words.

    Example:
        >>> from erlangen.groups import E
        >>> cloud_symmetry(E(3), in_scalar=0).inputs[1]
        Nodes(S(nodes)) & Points(E(3))
    """
    whole = NODES if group is None else NODES * group
    point = Nodes(NODES) if group is None else Nodes(NODES) & Points(group)
    vectors: Action = Nodes(NODES, features=2)
    if group is not None:
        vectors = vectors & Vector(group)
    inputs = [Nodes(NODES) if in_scalar else Fixed(), point, EdgeIndex(NODES) if edges else Fixed(), BatchVector(NODES)]
    inputs += [vectors] if in_vector else [Fixed()] if in_edge else []
    inputs += [Fixed()] if in_edge else []
    scalar: Action = Nodes(NODES) if task == "node" else Scalar(whole)
    moved = vectors if task == "node" else Scalar(whole) if group is None else Vector(group)
    return Symmetry(whole, tuple(inputs), (scalar, moved) if out_vector else (scalar,), holds_where=holds_where)
