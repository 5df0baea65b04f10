"""Message passing whose kernels see pairs of positions and orientations through their invariants."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from erlangen.groups import SE, Cyclic, E, Group, SignedPermutation, Symmetry, Translation
from erlangen.neighbours import radius_graph
from erlangen.points.convnext import FiberBundleConvNext
from erlangen.points.convolution import PointConv, PositionOrientationConv
from erlangen.points.features import PolynomialCutoff
from erlangen.points.flat import read_edge_attr, read_inputs, require_task, segment_sum
from erlangen.points.kernel_basis import KernelBasis
from erlangen.points.orientations import orientation_grid
from erlangen.points.output import PointOutput
from erlangen.points.promise import cloud_symmetry
from erlangen.points.spaces import EdgeSpace, GridSpace, Lift, PointSpace


class PONITA(nn.Module):
    r"""Weight sharing in position-orientation space.

    Features live at positions with orientations: on a grid of ``num_ori`` directions at every point (``num_ori > 0``),
    at the points alone (``num_ori = 0``, known as PNITA), or at every edge, which looks along itself
    (``num_ori = -1``). Scalars are lifted as they are, vectors as components along the orientations; each layer is a
    :class:`FiberBundleConvNext` block around a convolution whose kernel is linear in a basis that all layers share,

    .. math::
        \Phi = w(\|r\|)\; \mathrm{GELU}(W_2\, \mathrm{GELU}(W_1\, \mathrm{poly}(a))), \qquad
        y = \frac{1}{L} \sum_{\text{layers}} W x

    with the invariants :math:`a` of a pair (:func:`po_invariants`), the window :math:`w` and monomials up to
    ``degree``. At the end scalars are means over orientations, and vectors means of :math:`y_o n_o`.

    What it keeps: rotations and translations (and in space reflections, unless ``invariants="universal-so3"``) exactly
    with ``num_ori`` 0 and -1. With a grid, translations and those rotations exactly that carry the grid to itself, and
    others the better, the finer the grid: random rotations of the data are then a part of the method.

    Every point hears itself: the self edge is added where the edges have none, with attributes of zero.

    Grids that hold the opposite of each orientation (octahedron, cube, icosahedron, dodecahedron, an even number of
    angles) take about half the time where each edge has its reverse and no attributes: the two share their kernels.

    Args:
        in_scalar: number of features of a point. With neither features nor vectors, every point gets the feature 1.
        hidden: channels.
        out_scalar: number of scalars that come out.
        num_layers: blocks.
        in_vector: number of vectors of a point.
        out_vector: number of vectors that come out.
        dim: 2 or 3.
        num_ori: as above.
        grid: kind of grid, see :func:`orientation_grid`.
        basis_dim: functions in the basis; as many as channels by default.
        degree: of the polynomials.
        radius: where kernels end, in the unit of the positions. Without edges, it says which points are neighbours.
        task: "graph" (sums over the points of a cloud) or "node".
        multiple_readouts: read out after every layer and take the mean, or after the last one only.
        calibrate: scale the kernels at the first call in training mode, so that features keep their spread.
        layer_scale: where the factors of each block start; None for none.
        widening_factor: of each block.
        invariants: "ponita"; in the plane also "complete"; in space also "universal" and "universal-so3", which take
            ``num_ori=-1`` or ``separable=False``.
        separable: convolve over positions, then over orientations, or over both at once, at ``num_ori`` times the cost.
        in_edge: number of invariant attributes of an edge, appended to the invariants.
        generator: draws a grid of repelling points.

    Raises:
        ValueError: for an argument without meaning; vectors with ``num_ori = 0``, or with orientations that do not span
            the space; when called, for inputs that do not fit, are not finite, or not sorted by cloud, and with
            ``num_ori=-1`` for connected points at the same place, or too many pairs of edges.
        TypeError: when called, for a wrong dtype, or an input that is missing or not expected.

    Source: Bekkers, Vadgama, Hesselink, van der Linden, Romero, "Fast, Expressive SE(n) Equivariant Networks through
    Weight-Sharing in Position-Orientation Space", 2024.

    Example:
        >>> net = PONITA(in_scalar=2, hidden=16, out_scalar=1, num_layers=2, in_vector=1, out_vector=1, num_ori=12,
        ...              grid="icosahedron")
        >>> x, pos, velocity = torch.randn(5, 2), torch.randn(5, 3), torch.randn(5, 1, 3)
        >>> scalar, vector = net(x, pos, batch=torch.tensor([0, 0, 0, 1, 1]), vec=velocity)
        >>> scalar.shape, vector.shape
        (torch.Size([2, 1]), torch.Size([2, 1, 3]))
    """

    def __init__(
        self,
        in_scalar: int,
        hidden: int,
        out_scalar: int,
        num_layers: int,
        in_vector: int = 0,
        out_vector: int = 0,
        dim: int = 3,
        num_ori: int = 20,
        grid: str | None = None,
        basis_dim: int | None = None,
        degree: int = 3,
        radius: float | None = None,
        task: str = "graph",
        multiple_readouts: bool = True,
        calibrate: bool = True,
        layer_scale: float | None = None,
        widening_factor: int = 4,
        invariants: str = "ponita",
        separable: bool = True,
        in_edge: int = 0,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        basis_dim = hidden if basis_dim is None else basis_dim
        require_task(
            "PONITA", task, in_scalar=in_scalar, hidden=hidden, out_scalar=out_scalar, num_layers=num_layers,
            in_vector=in_vector, out_vector=out_vector, basis_dim=basis_dim, in_edge=in_edge,
        )  # fmt: skip
        if dim not in (2, 3):
            raise ValueError(f"PONITA(dim): 2 or 3, got {dim!r}")
        if isinstance(num_ori, bool) or not isinstance(num_ori, int) or num_ori < -1:
            raise ValueError(
                f"PONITA(num_ori): a number of orientations, 0 for positions alone, -1 for edges, got {num_ori!r}"
            )
        if num_ori == 0 and (in_vector or out_vector):
            raise ValueError(
                "PONITA(in_vector, out_vector): positions alone (num_ori=0) neither take nor give vectors, got "
                f"{in_vector} and {out_vector}"
            )
        if num_ori < 1 and grid is not None:
            raise ValueError(f"PONITA(grid): takes num_ori > 0, got {grid!r} with num_ori={num_ori}")
        if not separable and num_ori < 1:
            raise ValueError(f"PONITA(separable): False takes num_ori > 0, got num_ori={num_ori}")
        self.in_scalar, self.in_vector, self.in_edge, self.dim = in_scalar, in_vector, in_edge, dim
        self.out_scalar, self.out_vector, self.task, self.num_ori = out_scalar, out_vector, task, num_ori
        self.radius, self.calibrate, self.grid, self.invariants = radius, calibrate, grid, invariants
        self.space = self._space(separable, generator)
        self.embedding = nn.Linear(max(1, in_scalar + in_vector), hidden, bias=False)
        self.window = PolynomialCutoff(radius)
        self.basis = KernelBasis(degree, self.space.spatial + in_edge, hidden, basis_dim)
        self.fiber_basis = KernelBasis(degree, self.space.fiber, hidden, basis_dim) if self.space.fiber else None
        self.blocks = nn.ModuleList()
        for _ in range(num_layers):
            conv = (
                PositionOrientationConv(hidden, hidden, basis_dim, separable=separable)
                if num_ori > 0
                else PointConv(hidden, hidden, basis_dim)
            )
            self.blocks.append(FiberBundleConvNext(hidden, conv, widening_factor, layer_scale))
        width, last = out_scalar + out_vector, 0 if multiple_readouts else num_layers - 1
        self.readouts = nn.ModuleList(nn.Linear(hidden, width) for _ in range(last, num_layers))
        self.register_buffer("calibrated", torch.tensor(False))
        self.symmetry = self._promise()

    def _space(self, separable: bool, generator: torch.Generator | None) -> PointSpace | GridSpace | EdgeSpace:
        if self.num_ori == 0:
            if self.invariants != "ponita":
                raise ValueError(f"PONITA(invariants): 'ponita' with num_ori=0, got {self.invariants!r}")
            return PointSpace(self.dim)
        if self.num_ori < 0:
            return EdgeSpace(self.dim, self.invariants)
        grid = orientation_grid(self.num_ori, self.dim, self.grid, generator)
        rank = int(torch.linalg.matrix_rank(grid))
        if (self.in_vector or self.out_vector) and rank < self.dim:
            raise ValueError(
                f"PONITA(num_ori): for vectors, orientations that span {self.dim} dimensions, got {self.num_ori} that "
                f"span {rank}"
            )
        return GridSpace(grid, self.invariants, separable)

    def _promise(self) -> Symmetry | tuple[Symmetry, ...]:
        chiral = self.dim == 2 or self.invariants == "universal-so3"
        whole: Group = SE(self.dim) if chiral and self.num_ori else E(self.dim)
        if self.num_ori <= 0:
            return self._promise_of(whole)
        found = [self._promise_of(Translation(self.dim))]
        if self.dim == 2:
            found.append(self._promise_of(Cyclic(self.num_ori)))
        elif self.grid in ("octahedron", "cube") and not chiral:
            found.append(self._promise_of(SignedPermutation(3)))
        return (*found, self._promise_of(whole).replace(kind="approximate"))

    def _promise_of(self, group: Group) -> Symmetry:
        return cloud_symmetry(
            group,
            in_scalar=self.in_scalar,
            in_vector=self.in_vector,
            out_vector=self.out_vector,
            task=self.task,
            in_edge=self.in_edge,
        )

    def forward(
        self,
        x: Float[Tensor, "nodes in_scalar"] | None,
        pos: Float[Tensor, "nodes dim"],
        edge_index: Int[Tensor, "2 edges"] | None = None,
        batch: Int[Tensor, " nodes"] | None = None,
        vec: Float[Tensor, "nodes in_vector dim"] | None = None,
        edge_attr: Float[Tensor, "edges in_edge"] | None = None,
    ) -> PointOutput:
        """Scalars and vectors of every cloud or point.

        Args:
            x: features; None without any.
            pos: coordinates.
            edge_index: edges, sources then targets; by default all within the radius, or all pairs of a cloud.
            batch: the cloud of each point, ascending; one cloud by default.
            vec: vectors; None without any.
            edge_attr: invariant attributes of the given edges.
        """
        clouds = read_inputs(
            self, x, pos, edge_index, batch, vec, in_scalar=self.in_scalar, in_vector=self.in_vector, dim=self.dim,
            edges=self.radius is None,
        )  # fmt: skip
        edge_attr = read_edge_attr(self, pos, edge_index, edge_attr, self.in_edge)
        edge_index = clouds.edge_index
        if edge_index is None:
            assert self.radius is not None
            edge_index = radius_graph(pos, self.radius, clouds.batch)
        features = clouds.x if self.in_scalar + self.in_vector else pos.new_ones(len(pos), 1)
        lift = self.space.lift(features, pos, clouds.vec, edge_index, edge_attr)
        basis = self.basis(lift.invariants)
        if self.radius is not None:
            basis = basis * self.window(lift.distance).reshape(-1, *(1,) * (basis.ndim - 1))
        fiber_basis = None if self.fiber_basis is None else self.fiber_basis(lift.fiber)
        if self.training and self.calibrate and not bool(self.get_buffer("calibrated")):
            self._calibrate(lift, basis, fiber_basis)
        values = self._values(lift, basis, fiber_basis)
        scalar, vector = self.space.read(values, lift, self.out_scalar, len(pos))
        if self.task == "graph":
            scalar = segment_sum(scalar, clouds.batch, clouds.num_graphs)
            vector = None if vector is None else segment_sum(vector, clouds.batch, clouds.num_graphs)
        return PointOutput(scalar, vector if self.out_vector else None)

    def _kernels(self, basis: Tensor, fiber_basis: Tensor | None) -> Iterator[list[Tensor]]:
        """For each layer the kernels of the steps of its convolution.

        Where gradients are recorded all of them are kept anyway, so one product of matrices makes all; else one layer
        at a time saves memory.
        """
        given = [b for b in (basis, fiber_basis) if b is not None]
        maps = [conv.weights() for _, conv in self._layers()]
        if not torch.is_grad_enabled():
            for linear in maps:
                yield [step(b) for step, b in zip(linear, given, strict=True)]
            return
        by_step = [
            nn.functional.linear(b, torch.cat([linear[step].weight for linear in maps])).chunk(len(maps), -1)
            for step, b in enumerate(given)
        ]
        yield from map(list, zip(*by_step, strict=True))

    def _layers(self) -> list[tuple[FiberBundleConvNext, PointConv | PositionOrientationConv]]:
        found = []
        for block in self.blocks:
            assert isinstance(block, FiberBundleConvNext)
            assert isinstance(block.conv, PointConv | PositionOrientationConv)
            found.append((block, block.conv))
        return found

    def _values(self, lift: Lift, basis: Tensor, fiber_basis: Tensor | None) -> Tensor:
        """What the layers read out at every place, their mean."""
        x = self.embedding(lift.features)
        kernels, found = self._kernels(basis, fiber_basis), []
        first = len(self.blocks) - len(self.readouts)
        for k, ((block, conv), kernel) in enumerate(zip(self._layers(), kernels, strict=True)):
            x = block.update(x, conv.steps(x, lift.links, *kernel)[-1] + conv.bias)
            if k >= first:
                found.append(self.readouts[k - first](x))
        return torch.stack(found).mean(0)

    @torch.no_grad()
    def _calibrate(self, lift: Lift, basis: Tensor, fiber_basis: Tensor | None) -> None:
        """Scales kernels, layer by layer, so that each step keeps the standard deviation of the features.

        All factors are found before a weight is touched, and where one has no meaning (one place, constant features)
        nothing is scaled, and the next call tries again.
        """
        x, factors = self.embedding(lift.features), []
        for (block, conv), kernel in zip(self._layers(), self._kernels(basis, fiber_basis), strict=True):
            steps = conv.steps(x, lift.links, *kernel)
            spreads = [_spread(x), *map(_spread, steps)]
            if not all(math.isfinite(s) and s > 0 for s in spreads):
                return
            factors.append([a / b for a, b in pairwise(spreads)])
            x = block.update(x, steps[-1] * (spreads[0] / spreads[-1]) + conv.bias)
        for (_, conv), scales in zip(self._layers(), factors, strict=True):
            for linear, scale in zip(conv.weights(), scales, strict=True):
                linear.weight.mul_(scale)
        self.get_buffer("calibrated").fill_(True)


def _spread(x: Tensor) -> float:
    """The standard deviation, NaN for less than two places; over several processes, the root of their mean variance.

    So all processes scale alike, and all go on or none.
    """
    variance = (x.var() if x.shape[:-1].numel() > 1 else x.new_tensor(math.nan)).double()
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.all_reduce(variance)
        variance /= torch.distributed.get_world_size()
    return math.sqrt(float(variance))
