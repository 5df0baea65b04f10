r"""Coordinates that rotations, reflections, translations and scalings of a cloud do not change, and the way back.

The classical multidimensional scaling of a cloud's own distances, with its free signs fixed. In coordinates it is
:math:`Z = (X - 1 t^T) Q / \rho` with the centroid :math:`t`, principal axes :math:`Q` in descending order and a scale
:math:`\rho`; it costs :math:`O(n d^2 + d^3)`.

Zhang, Wang, Zhang, Cui, Zhu: Revisiting Transformation Invariant Geometric Deep Learning: Are Initial Representations
All You Need? (2021). The publication's abstract says that multidimensional scaling is modified; how signs and scale are
fixed is our choice.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from erlangen.groups.action import require_finite
from erlangen.symmetrize.clouds import Clouds, read_clouds
from erlangen.symmetrize.frame import report_degenerate, require_policy
from erlangen.symmetrize.principal import GAP, about_the_centre, principal_axes, relative_gap, report_ambiguous
from erlangen.symmetrize.signs import all_signs, moment_signs

SIGNS = ("moment", "moment-so", "random", "average", "none")
SCALES = ("rms", "max")
KINDS = ("position", "vector", "direction")
#: Extent of a cloud, relative to its largest coordinate, below which all its points are at one place.
ONE_PLACE = 1e-12
#: Numbers of a batch that are worked on at once on the CPU, so that what is made of them stays in caches.
CACHED = 2**17


class Canonical(NamedTuple):
    """A cloud in its own coordinates, and how it lies in space.

    Attributes:
        coords: canonical coordinates, in the layout and dtype of the input; under sign "average" with a leading axis
            of all ``2^d`` patterns of signs.
        rotation: the axes as columns, float64, ``(B, d, d)``, or ``(2^d, B, d, d)`` under sign "average".
        center: centroids, float64, ``(B, d)``.
        scale: what lengths were divided by, float64, ``(B,)``.
        spectrum: second moments along the axes, descending: the eigenvalues of classical MDS, ``(B, d)``.
        gap: the least difference of neighbouring eigenvalues, relative to the largest, ``(B,)``. Coordinates of clouds
            where it is small hang on details; below the tolerance they are not invariant.
        moment: the normalised odd moments that decided the signs, in [0, 1], ``(B, d)``; where one is small, another
            sampling of the same shape may get the other sign, and where it is zero the order of the points decided.
        vectors: the attached vectors, turned and scaled along; None without any.
        directions: the attached unit vectors, turned along; None without any.
        batch: the batch vector that came in.
    """

    coords: Tensor
    rotation: Tensor
    center: Tensor
    scale: Tensor
    spectrum: Tensor
    gap: Tensor
    moment: Tensor
    vectors: Tensor | None = None
    directions: Tensor | None = None
    batch: Tensor | None = None

    def patterns(self) -> list[Canonical]:
        """One for every pattern of signs under sign "average", else itself alone."""
        if self.rotation.ndim == 3:
            return [self]

        def one(t: Tensor | None, f: int) -> Tensor | None:
            return None if t is None else t[f]

        return [
            self._replace(
                coords=self.coords[f],
                rotation=self.rotation[f],
                vectors=one(self.vectors, f),
                directions=one(self.directions, f),
            )
            for f in range(len(self.rotation))
        ]


def mds_coordinates(
    x: Float[Tensor, "*batch n dim"],
    batch: Int[Tensor, " n"] | None = None,
    mask: Bool[Tensor, "*batch n"] | None = None,
    weight: Float[Tensor, "*batch n"] | None = None,
    vectors: Float[Tensor, "... dim"] | None = None,
    directions: Float[Tensor, "... dim"] | None = None,
    *,
    scale: str | None = "rms",
    sign: str = "moment",
    translation: bool = True,
    rotation: bool = True,
    tol: float = GAP,
    degenerate: str = "warn",
    grad: str = "detach",
    generator: torch.Generator | None = None,
) -> Canonical:
    r"""Invariant coordinates of clouds, :math:`r(s\, x Q^T + 1 b^T) = r(x)`, that keep the ratios of all distances.

    Args:
        x: clouds ``(B, n, d)``, or flat ones ``(nodes, d)`` with a batch vector; without it ``(n, d)`` is one cloud.
        batch: the cloud of every node, ``(nodes,)``, in any order.
        mask: the valid points of padded clouds; coordinates of the others are zero.
        weight: how much every point counts for centroid, axes, scale and signs.
        vectors: vectors that grow with the cloud, as velocities do, ``(B, n, ..., d)`` or ``(nodes, ..., d)``.
        directions: vectors that only turn with it, as normals do.
        scale: "rms", the root mean square distance from the centroid; "max", the largest; None keeps lengths.
        sign: "moment" makes the sum of cubes of every column positive (where it vanishes, another odd moment decides,
            see :func:`~erlangen.symmetrize.signs.moment_signs`); "moment-so" does so as far as the axes stay
            right-handed, which tells mirror images apart; "random" draws signs for each cloud; "average" gives all
            ``2^d`` patterns; "none" takes what the eigenvectors happen to have, which is not invariant.
        translation: whether the centroid is moved to the origin.
        rotation: whether axes are turned; if not, only shifts and scale are taken out.
        tol: relative gap of moments below which axes, and normalised odd moment below which signs, are ambiguous.
        degenerate: what to do with clouds whose axes are ambiguous (one point, collinear points, spheres, cubes) or
            whose points are all at one place: "raise", "warn", "perturb" or "keep" (see :class:`PCAFrame`). Points
            at one place get coordinates of zero.
        grad: "detach" takes axes for constants, "full" differentiates them.
        generator: randomness of sign "random"; by default torch's own.

    Raises:
        TypeError: for tensors of a wrong dtype.
        ValueError: for wrong shapes and unknown words, numbers that are not finite, and clouds without points; for
            degenerate clouds under policy "raise".

    Source: Zhang, Wang, Zhang, Cui, Zhu, "Revisiting Transformation Invariant Geometric Deep Learning: Are Initial
    Representations All You Need?", 2021.

    Example:
        >>> x = torch.randn(5, 20, 3, dtype=torch.float64).square() * torch.tensor([3.0, 2.0, 1.0])
        >>> moved = 7 * x.roll(1, -1) + 100
        >>> torch.allclose(mds_coordinates(moved).coords, mds_coordinates(x).coords)
        True
    """
    _require_words("mds_coordinates", scale, sign, degenerate, grad, tol)
    clouds = read_clouds("mds_coordinates", x, None, batch, mask, weight)
    if sign == "random" and not rotation:
        raise ValueError("mds_coordinates(sign): 'random' needs rotation=True")
    where = _Where(scale, sign if rotation else "none", translation, rotation, tol, degenerate, grad, generator)
    parts = [_placed(part, where, x.dtype) for part in clouds.split(CACHED)]
    found = parts[0] if len(parts) == 1 else _joined(parts)
    if rotation and bool((ambiguous := found.gap <= tol).any()):
        report_ambiguous(found.spectrum.flip(-1), ambiguous, degenerate, "mds_coordinates")
    elif bool((one_place := found.one_place).any()):
        first = int(one_place.nonzero()[0])
        report_degenerate(degenerate, f"mds_coordinates: the points of sample {first} are all at one place")
    placed = Canonical(
        coords=_masked(found.coords, mask),
        rotation=found.rotation,
        center=found.center,
        scale=found.scale,
        spectrum=found.spectrum,
        gap=found.gap,
        moment=found.moment,
        batch=batch,
    )
    return placed._replace(
        vectors=_attached("vectors", vectors, placed, x, mask),
        directions=_attached("directions", directions, placed, x, mask),
    )


@dataclass(frozen=True)
class _Where:
    """How clouds are placed: the settings of :func:`mds_coordinates`."""

    scale: str | None
    sign: str
    translation: bool
    rotation: bool
    tol: float
    degenerate: str
    grad: str
    generator: torch.Generator | None


class _Placed(NamedTuple):
    """What `Canonical` says of some clouds, and which of them are points at one place."""

    coords: Tensor
    rotation: Tensor
    center: Tensor
    scale: Tensor
    spectrum: Tensor
    gap: Tensor
    moment: Tensor
    one_place: Tensor


def _placed(clouds: Clouds, where: _Where, dtype: torch.dtype) -> _Placed:
    if where.rotation:
        policy = "perturb" if where.degenerate == "perturb" else "keep"  # reported later, for all clouds together
        center, offset, moments, values, axes = principal_axes(
            clouds, centred=where.translation, degenerate=policy, grad=where.grad, tol=where.tol
        )
        spectrum, axes = values.flip(-1), axes.flip(-1)
        gap = relative_gap(values)
    else:
        center, offset, moments = about_the_centre(clouds, where.translation)
        spectrum = moments.detach().diagonal(dim1=1, dim2=2)
        axes = torch.eye(moments.shape[-1], dtype=moments.dtype, device=moments.device).expand_as(moments)
        gap = torch.ones_like(spectrum[:, 0])
    z = turned(offset.x, axes, clouds.graph)
    signs, moment = _signs(offset, z, spectrum, axes, where)
    size, one_place = _size(offset, moments, center, where.scale)
    factor = signs * torch.where(one_place, 0, 1 / size)[:, None]
    coords = z * (clouds.each(factor) if factor.ndim == 2 else torch.stack([clouds.each(part) for part in factor]))
    turns = axes * signs[..., None, :]
    return _Placed(coords.to(dtype).contiguous(), turns, center, size, spectrum, gap, moment, one_place)


def _joined(parts: list[_Placed]) -> _Placed:
    # Patterns of signs stand before the clouds.
    axis = parts[0].rotation.ndim - 3
    columns = [torch.cat(column, axis if i < 2 else 0) for i, column in enumerate(zip(*parts, strict=True))]
    return _Placed(*columns)


def to_canonical(
    y: Float[Tensor, "rows *channels dim"], canonical: Canonical, kind: str = "position"
) -> Float[Tensor, "rows *channels dim"]:
    r"""Sees something from where the clouds lie: what :func:`from_canonical` undoes.

    Args:
        y: a row for every cloud, ``(B, ..., d)``; where clouds are flat, for every cloud or for every node.
        canonical: of the clouds.
        kind: "position", :math:`(y - t) Q / \rho`; "vector", :math:`y\, Q / \rho`; "direction", :math:`y\, Q`.

    Raises:
        ValueError: for another kind, or when the rows do not fit.
    """
    graph, each = _rows("to_canonical", y, canonical, kind)
    z = y.double() - each(canonical.center) if kind == "position" else y.double()
    z = turned(z, canonical.rotation, graph)
    return (z if kind == "direction" else z / each(canonical.scale[:, None])).to(y.dtype)


def from_canonical(
    y: Float[Tensor, "rows *channels dim"], canonical: Canonical, kind: str = "position"
) -> Float[Tensor, "rows *channels dim"]:
    r"""Carries what was found in canonical coordinates back to where the clouds lie.

    Args:
        y: a row for every cloud, ``(B, ..., d)``; where clouds are flat, for every cloud or for every node.
        canonical: of the clouds.
        kind: "position", :math:`\rho\, y Q^T + t`; "vector", :math:`\rho\, y Q^T`; "direction", :math:`y Q^T`.

    Raises:
        ValueError: for another kind, or when the rows do not fit.

    Example:
        >>> x = torch.randn(2, 10, 3, dtype=torch.float64)
        >>> placed = mds_coordinates(x)
        >>> torch.allclose(from_canonical(placed.coords, placed), x)
        True
    """
    graph, each = _rows("from_canonical", y, canonical, kind)
    x = turned(y.double(), canonical.rotation.mT, graph)
    x = x if kind == "direction" else x * each(canonical.scale[:, None])
    return (x + each(canonical.center) if kind == "position" else x).to(y.dtype)


def _rows(caller: str, y: Tensor, canonical: Canonical, kind: str) -> tuple[Tensor | None, Callable[[Tensor], Tensor]]:
    """The cloud of every row of a tensor (None: rows are clouds), and what makes values of clouds broadcast with it."""
    if kind not in KINDS:
        raise ValueError(f"{caller}(kind): one of {', '.join(KINDS)}, got {kind!r}")
    if canonical.rotation.ndim != 3:
        raise ValueError(f"{caller}(canonical): with one pattern of signs, as canonical.patterns() gives them")
    count, d, _ = canonical.rotation.shape
    flat = canonical.coords.ndim == 2
    nodes = canonical.coords.shape[0] if flat else count
    if y.ndim < 2 or y.shape[-1] != d or y.shape[0] not in (count, nodes):
        takes = f"{count} rows or {nodes}" if flat else f"{count} rows"
        raise ValueError(f"{caller}(y): {takes}, and a last axis of {d}, got shape {tuple(y.shape)}")
    graph = None
    if flat and y.shape[0] == nodes:
        one = torch.zeros(nodes, dtype=torch.long, device=y.device)
        graph = one if canonical.batch is None else canonical.batch

    def each(values: Tensor) -> Tensor:
        values = values if graph is None else values[graph]
        return values.reshape(values.shape[0], *(1,) * (y.ndim - values.ndim), *values.shape[1:])

    return graph, each


def turned(y: Tensor, matrix: Tensor, graph: Tensor | None) -> Tensor:
    """Rows times the matrix of their cloud, ``(B, ..., d)`` or with a batch vector ``(nodes, ..., d)``."""
    if graph is None:
        rows = y if y.ndim == 3 else y.reshape(len(matrix), -1, y.shape[-1])
        return (matrix.mT @ rows.mT).mT.reshape(y.shape)
    return (y[..., None] * matrix[graph].reshape(-1, *(1,) * (y.ndim - 2), *matrix.shape[1:])).sum(-2)


def _masked(values: Tensor, mask: Tensor | None) -> Tensor:
    if mask is None:
        return values
    spare = values.ndim - mask.ndim
    shape = (*mask.shape, *(1,) * spare)
    return torch.where(mask.reshape(shape), values, 0)


def _signs(offset: Clouds, z: Tensor, spectrum: Tensor, axes: Tensor, where: _Where) -> tuple[Tensor, Tensor]:
    count, d = spectrum.shape
    if where.sign == "none":
        return torch.ones_like(spectrum), torch.zeros_like(spectrum)
    if where.sign == "random":
        device = where.generator.device if where.generator is not None else "cpu"
        drawn = torch.randint(2, (count, d), generator=where.generator, device=device).to(spectrum)
        return 2 * drawn - 1, torch.zeros_like(spectrum)
    proper, cloud = where.sign == "moment-so", offset.moved(offset.x.detach())
    signs, moment = moment_signs(cloud, z.detach(), spectrum, axes.detach(), proper=proper, tol=where.tol)
    if where.sign == "average":
        signs = signs * all_signs(d, signs.dtype, signs.device)[:, None]
    return signs, moment


def _size(offset: Clouds, moments: Tensor, center: Tensor, scale: str | None) -> tuple[Tensor, Tensor]:
    """What lengths are divided by, ``(B,)``, and whether all points are at one place; there it is one."""
    mean = moments.diagonal(dim1=1, dim2=2).sum(-1) / offset.mass()
    one_place = mean.detach().sqrt() <= ONE_PLACE * center.detach().norm(dim=-1)
    if scale is None:
        return torch.ones_like(mean), one_place
    square = offset.largest(offset.x.square().sum(-1, keepdim=True))[:, 0] if scale == "max" else mean
    return torch.where(one_place, 1, square).sqrt(), one_place


def _attached(kind: str, y: Tensor | None, placed: Canonical, x: Tensor, mask: Tensor | None) -> Tensor | None:
    """Vectors or directions that come with the points, in canonical axes."""
    if y is None:
        return None
    if not y.is_floating_point():
        raise TypeError(f"mds_coordinates({kind}): real floating-point numbers, got {y.dtype}")
    points, d = x.shape[:-1], x.shape[-1]
    if y.ndim <= len(points) or y.shape[: len(points)] != points or y.shape[-1] != d:
        wanted = ", ".join(map(str, points))
        raise ValueError(f"mds_coordinates({kind}): shape ({wanted}, ..., {d}), got {tuple(y.shape)}")
    y = _masked(y, mask)
    require_finite(y.detach(), f"mds_coordinates({kind})")
    seen = [to_canonical(y, one, kind.removesuffix("s")) for one in placed.patterns()]
    return seen[0] if placed.rotation.ndim == 3 else torch.stack(seen)


def _require_words(caller: str, scale: str | None, sign: str, degenerate: str, grad: str, tol: float) -> None:
    if scale is not None and scale not in SCALES:
        raise ValueError(f"{caller}(scale): {', '.join(SCALES)} or None, got {scale!r}")
    if sign not in SIGNS:
        raise ValueError(f"{caller}(sign): one of {', '.join(SIGNS)}, got {sign!r}")
    require_policy(degenerate, caller)
    if grad not in ("detach", "full"):
        raise ValueError(f"{caller}(grad): 'detach' or 'full', got {grad!r}")
    if not 0 <= tol < 1:
        raise ValueError(f"{caller}(tol): from 0 to 1, got {tol}")


class MDSCanonicalizer(nn.Module):
    """Clouds in invariant coordinates, as a module: see :func:`mds_coordinates`.

    Under sign "random" signs are drawn in train mode; in eval mode they are those of "moment".

    Args:
        dim: of the space.
        scale: "rms", "max" or None.
        sign: "moment", "moment-so", "random", "average" or "none".
        translation: whether the centroid is taken out.
        rotation: whether axes are.
        tol: below which gaps and odd moments are ambiguous.
        degenerate: "raise", "warn", "perturb" or "keep".
        grad: "detach" or "full".
        generator: randomness of sign "random".

    Raises:
        ValueError: for unknown words, or another ``dim`` than that of the data.

    Example:
        >>> canonicalizer = MDSCanonicalizer(dim=2)
        >>> placed = canonicalizer(torch.randn(4, 10, 2))
        >>> placed.coords.shape, placed.scale.shape
        (torch.Size([4, 10, 2]), torch.Size([4]))
        >>> canonicalizer.inverse(placed.coords, placed).shape
        torch.Size([4, 10, 2])
    """

    def __init__(
        self,
        dim: int = 3,
        scale: str | None = "rms",
        sign: str = "moment",
        translation: bool = True,
        rotation: bool = True,
        tol: float = GAP,
        degenerate: str = "warn",
        grad: str = "detach",
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        _require_words("MDSCanonicalizer", scale, sign, degenerate, grad, tol)
        if isinstance(dim, bool) or not isinstance(dim, int) or dim < 1:
            raise ValueError(f"MDSCanonicalizer(dim): a whole number from 1, got {dim!r}")
        self.dim, self.scale, self.sign, self.translation, self.rotation = dim, scale, sign, translation, rotation
        self.tol, self.degenerate, self.grad, self.generator = tol, degenerate, grad, generator

    def forward(
        self,
        x: Float[Tensor, "*batch n dim"],
        batch: Int[Tensor, " n"] | None = None,
        mask: Bool[Tensor, "*batch n"] | None = None,
        weight: Float[Tensor, "*batch n"] | None = None,
        vectors: Float[Tensor, "... dim"] | None = None,
        directions: Float[Tensor, "... dim"] | None = None,
    ) -> Canonical:
        """The clouds in their own coordinates; arguments as those of :func:`mds_coordinates`."""
        if x.shape[-1] != self.dim:
            raise ValueError(f"MDSCanonicalizer(dim): {self.dim}, but x has shape {tuple(x.shape)}")
        sign = "moment" if self.sign == "random" and not self.training else self.sign
        return mds_coordinates(
            x,
            batch,
            mask,
            weight,
            vectors,
            directions,
            scale=self.scale,
            sign=sign,
            translation=self.translation,
            rotation=self.rotation,
            tol=self.tol,
            degenerate=self.degenerate,
            grad=self.grad,
            generator=self.generator,
        )

    def inverse(self, y: Tensor, canonical: Canonical, kind: str = "position") -> Tensor:
        """Back from canonical coordinates: see :func:`from_canonical`."""
        return from_canonical(y, canonical, kind)

    def extra_repr(self) -> str:
        """Shown by ``print(module)``."""
        return f"dim={self.dim}, scale={self.scale!r}, sign={self.sign!r}"
