"""The networks that are compared: how each is built, what it cannot do, and how wide it is to be."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from erlangen.groups import SE, SO, E, Group, O
from erlangen.points import APEN, EGNN, PONITA, PointGNN, PointNet, PointOutput
from erlangen.points.promise import cloud_symmetry
from erlangen.recipes.compare.clouds import CloudSet
from erlangen.symmetrize import MDSFrame, PCAFrame, symmetrize

#: Pairs of edges in a cloud, on average, up to which PONITA on edges is trained without being asked for by name.
MOST_LIFTED = 10_000
GRID = {2: (16, None), 3: (12, "icosahedron")}


@dataclass(frozen=True)
class Spec:
    """What every network is told.

    Args:
        clouds: the data: how many features and vectors, what comes out.
        num_layers: layers.
        proper: whether the group is SO(d), not O(d).
    """

    clouds: CloudSet
    num_layers: int
    proper: bool

    @property
    def group(self) -> Group:
        """Who acts about the centroids."""
        return SO(self.clouds.dim) if self.proper else O(self.clouds.dim)

    def arguments(self, hidden: int) -> dict[str, int | str]:
        """The keywords that all networks on points share."""
        c = self.clouds
        vectors = c.kind == "vectors"
        return {
            "in_scalar": c.in_scalar,
            "hidden": hidden,
            "out_scalar": 0 if vectors else c.outputs,
            "num_layers": self.num_layers,
            "in_vector": c.in_vector,
            "out_vector": c.outputs if vectors else 0,
            "dim": c.dim,
            "task": c.task,
        }


@dataclass(frozen=True)
class Method:
    """A network.

    Args:
        title: as figures show it.
        about: what it is, in a line.
        build: makes it, so wide.
        cost: about how much longer a step takes than the GNN's, for the progress bar.
        turned: whether it is trained on clouds turned at random, anew at each step.
        sums: whether its answer for a cloud is a sum over points.
        unfit: why it cannot take such data; empty if it can.
        slow: why it is trained on such data only when asked for by name; empty if it is anyway.
    """

    title: str
    about: str
    build: Callable[[Spec, int], nn.Module]
    cost: int = 1
    turned: bool = False
    sums: bool = True
    unfit: Callable[[Spec], str] = lambda spec: ""
    slow: Callable[[Spec], str] = lambda spec: ""


def _ponita(num_ori: int) -> Callable[[Spec, int], nn.Module]:
    def build(spec: Spec, hidden: int) -> nn.Module:
        ori, grid = GRID[spec.clouds.dim] if num_ori > 0 else (num_ori, None)
        return PONITA(**spec.arguments(hidden), num_ori=ori, grid=grid)  # type: ignore[arg-type]

    return build


def _plain(kind: type[nn.Module]) -> Callable[[Spec, int], nn.Module]:
    return lambda spec, hidden: kind(**spec.arguments(hidden))


def _framed(kind: type[nn.Module], frame: type) -> Callable[[Spec, int], nn.Module]:
    def build(spec: Spec, hidden: int) -> nn.Module:
        c, given = spec.clouds, spec.arguments(hidden)
        group = SE(c.dim) if spec.proper else E(c.dim)
        promise = cloud_symmetry(
            group,
            in_scalar=c.in_scalar,
            in_vector=c.in_vector,
            out_vector=int(given["out_vector"]),
            task=c.task,
            edges=kind is not PointNet,
        )
        return symmetrize(kind(**given), promise, frame(group, points=1, batch=3, degenerate="perturb"))

    return build


def _apen(spec: Spec, hidden: int) -> nn.Module:
    return APEN(**spec.arguments(hidden), parts=_parts(spec), channels=hidden)  # type: ignore[arg-type]


def _parts(spec: Spec) -> int:
    """Cells of about eight points in the smallest cloud."""
    return max(1, min(32, min(len(cloud.pos) for cloud in spec.clouds.clouds) // 8))


def _plane_or_space(spec: Spec) -> str:
    return "" if spec.clouds.dim in (2, 3) else f"it takes 2 or 3 dimensions, not {spec.clouds.dim}"


def _no_vectors(spec: Spec) -> str:
    vectors = spec.clouds.in_vector or spec.clouds.kind == "vectors"
    return _plane_or_space(spec) or ("points without orientations have no vectors" if vectors else "")


def _directed(spec: Spec) -> str:
    for cloud in spec.clouds.clouds:
        source, target = cloud.edge_index
        if bool((cloud.pos[source] == cloud.pos[target]).all(-1).any()):
            return "connected points at the same place have no direction"
    return _plane_or_space(spec)


def _many_pairs(spec: Spec) -> str:
    """Each edge hears all edges that end where it begins."""
    pairs = 0.0
    for cloud in spec.clouds.clouds:
        source, target = cloud.edge_index
        degree = torch.bincount(target, minlength=len(cloud.pos)).double() + 1
        pairs += float((degree[source] * degree[target]).sum())
    mean = pairs / len(spec.clouds.clouds)
    few = f"{mean:.0f} pairs of edges in a cloud, where {MOST_LIFTED} are trained unasked"
    return "" if mean <= MOST_LIFTED else f"{few}; name it in --methods, or hear fewer --neighbours"


def _copies(spec: Spec) -> str:
    return "" if spec.clouds.dim <= 4 else f"frames of {spec.clouds.dim} dimensions have {2**spec.clouds.dim} elements"


METHODS: dict[str, Method] = {
    "ponita": Method(
        "PONITA",
        "positions and a grid of orientations; nearly equivariant, trained on clouds turned at random",
        _ponita(1),
        cost=8,
        turned=True,
        unfit=_plane_or_space,
    ),
    "pnita": Method("PNITA", "the same without orientations: distances alone", _ponita(0), cost=2, unfit=_no_vectors),
    "ponita-edges": Method(
        "PONITA on edges",
        "the same with the directions of the edges: exactly equivariant, and dear",
        _ponita(-1),
        cost=8,
        unfit=_directed,
        slow=_many_pairs,
    ),
    "egnn": Method("EGNN", "distances, and moves along differences: exactly equivariant", _plain(EGNN)),
    "gnn": Method("GNN", "messages about coordinates as they are", _plain(PointGNN)),
    "gnn-turned": Method("GNN, turned", "the same, trained on clouds turned at random", _plain(PointGNN), turned=True),
    "tinvnn-gnn": Method(
        "TinvNN, GNN", "the GNN in canonical coordinates: exactly equivariant", _framed(PointGNN, MDSFrame), cost=2
    ),
    "tinvnn-pointnet": Method(
        "TinvNN, PointNet", "PointNet in canonical coordinates", _framed(PointNet, MDSFrame), sums=False
    ),
    "fa-gnn": Method(
        "FA, GNN",
        "the GNN averaged over all principal frames: exactly equivariant",
        _framed(PointGNN, PCAFrame),
        cost=8,
        unfit=_copies,
    ),
    "pointnet": Method("PointNet", "every point by itself, then the maximum", _plain(PointNet), sums=False),
    "apen": Method(
        "APEN",
        "parts that may move independently; exactly equivariant",
        _apen,
        cost=8,
        sums=False,
        unfit=_plane_or_space,
    ),
}


class Answering(nn.Module):
    """A network of the one interface, with sums over points divided by a constant and everything but its answer left.

    Args:
        network: of the interface of :mod:`erlangen.points`.
        size: what sums are divided by: the mean number of points of a cloud.
    """

    def __init__(self, network: nn.Module, size: float = 1.0) -> None:
        super().__init__()
        self.network, self.size = network, size

    def forward(
        self, x: Tensor | None, pos: Tensor, edge_index: Tensor, batch: Tensor, vec: Tensor | None = None
    ) -> PointOutput:
        """Numbers and vectors."""
        found = self.network(x, pos, edge_index, batch, *([] if vec is None else [vec]))
        return PointOutput(found[0] / self.size, None if found[1] is None else found[1] / self.size)


def weights(network: nn.Module) -> int:
    """How many numbers a network learns."""
    return sum(parameter.numel() for parameter in network.parameters() if parameter.requires_grad)


def fitting_width(build: Callable[[int], nn.Module], wanted: int) -> int:
    """The width whose number of weights is nearest to the one wanted, relative to it.

    >>> fitting_width(lambda hidden: nn.Linear(hidden, hidden, bias=False), 150)
    12
    """
    with torch.random.fork_rng(devices=[]):
        low, high = 1, 2
        while weights(build(high)) < wanted and high < 2**14:
            low, high = high, 2 * high
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if weights(build(middle)) < wanted else (low, middle)
        return min(low, high, key=lambda width: abs(weights(build(width)) - wanted))
