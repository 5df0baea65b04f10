"""Any backbone on invariant coordinates of its clouds: invariant by construction, equivariant by going back."""

from __future__ import annotations

import inspect
from typing import Any

import torch
from torch import Tensor, nn

from erlangen.groups import (
    CO,
    CSO,
    SE,
    SO,
    Action,
    Affine,
    BatchVector,
    E,
    EdgeIndex,
    Fixed,
    Group,
    Nodes,
    O,
    Points,
    Scalar,
    Symmetric,
    Symmetry,
    Vector,
)
from erlangen.groups.fields import Fields
from erlangen.groups.group import Product
from erlangen.groups.samples import base_actions
from erlangen.symmetrize.canonical import Canonical, from_canonical
from erlangen.symmetrize.coordinates import MDSCanonicalizer

OUTPUTS = ("invariant", "vector", "direction", "position")


class TransformationInvariant(nn.Module):
    r"""A backbone :math:`f` that gets canonical coordinates: :math:`f \circ r`, for any :math:`f` at all.

    With :math:`r(s\, X Q^T + 1 b^T) = r(X)` the output is invariant to rotations, reflections, translations and scale,
    whatever the backbone does; and since :math:`r` keeps the ratios of all distances, the shape of the cloud is all
    there. Raw coordinates do not reach the backbone. Outputs that live in space are carried back, which makes them
    equivariant.

    The arguments of a call are those of the backbone, and are told apart by their names there: coordinates are the
    argument ``pos``, or else the first; ``batch`` is a batch vector, ``mask`` tells the valid points of padded clouds,
    and ``vec`` are vectors of the points. So it takes dense clouds, ``model(x)`` with ``x`` of shape ``(B, n, d)``, as
    well as flat ones, ``model(x, pos, edge_index, batch, vec)``, as the networks of ``erlangen.points`` do. All other
    arguments go through as they are: whatever they hold of the geometry has to be invariant itself.

    Args:
        backbone: any module.
        dim: of the space.
        scale: "rms", "max", or None to keep lengths.
        sign: "moment", "moment-so" (mirror images differ), "random" (in train mode; "moment" in eval mode), "average"
            (outputs are averaged over all 2^d signs) or "none" (no promise).
        out: how the output lives in space: "invariant"; "vector", which grows with the cloud; "direction", which does
            not; or "position". Its last axis are then coordinates, its first runs over clouds, or nodes of flat clouds.
            Of an output with fields ``scalar`` and ``vector`` the first is invariant, and the second a vector unless
            ``out`` says otherwise; other fields stay in canonical coordinates.
        points: name of the argument with coordinates.
        batch: name of the argument with the batch vector.
        mask: name of the argument with the mask.
        vectors: name of the argument with vectors that grow with the cloud.
        directions: name of the argument with vectors that only turn.
        tol: as in :func:`mds_coordinates`.
        degenerate: as there.
        grad: as there.
        generator: as there.

    Raises:
        ValueError: for unknown words, or a name that the backbone does not have as an argument.

    Source: Zhang, Wang, Zhang, Cui, Zhu, "Revisiting Transformation Invariant Geometric Deep Learning: Are Initial
    Representations All You Need?", 2021.

    Example:
        >>> net = nn.Sequential(nn.Flatten(), nn.Linear(30, 8), nn.Tanh(), nn.Linear(8, 2))
        >>> model = TransformationInvariant(net)
        >>> x = torch.randn(4, 10, 3)
        >>> torch.allclose(model(5 * x.roll(1, -1) + 2), model(x), atol=1e-4)
        True
        >>> model.symmetry
        Affine(3, CO(3)): (Points(Affine(3, CO(3)))) -> Scalar(Affine(3, CO(3))), exact
    """

    def __init__(
        self,
        backbone: nn.Module,
        dim: int = 3,
        scale: str | None = "rms",
        sign: str = "moment",
        out: str = "invariant",
        *,
        points: str | None = None,
        batch: str = "batch",
        mask: str = "mask",
        vectors: str = "vec",
        directions: str | None = None,
        tol: float = 1e-6,
        degenerate: str = "warn",
        grad: str = "detach",
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        if out not in OUTPUTS:
            raise ValueError(f"TransformationInvariant(out): one of {', '.join(OUTPUTS)}, got {out!r}")
        self.backbone = backbone
        self.canonicalizer = MDSCanonicalizer(
            dim, scale, sign, tol=tol, degenerate=degenerate, grad=grad, generator=generator
        )
        self.out = out
        takes = inspect.signature(backbone.forward).parameters
        self.points = points or ("pos" if "pos" in takes else next(iter(takes), ""))
        if self.points in takes and takes[self.points].kind is inspect.Parameter.VAR_POSITIONAL:
            raise ValueError(
                f"TransformationInvariant(backbone): its forward takes *{self.points}, which names no coordinates; "
                "wrap it in a module whose forward does"
            )
        named = {"points": self.points, "directions": directions}
        for argument, name in named.items():
            if name is not None and name not in takes:
                there = ", ".join(takes) or "none"
                raise ValueError(
                    f"TransformationInvariant({argument}): an argument of the backbone ({there}), got {name!r}"
                )
        self.batch, self.mask, self.vectors, self.directions = batch, mask, vectors, directions
        self.symmetry: Symmetry | None = None if sign == "none" else self._promise(takes)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """The backbone's output on canonical coordinates, carried back where it lives in space."""
        bound = inspect.signature(self.backbone.forward).bind(*args, **kwargs)
        given = bound.arguments

        def read(name: str | None) -> Any:
            return None if name is None else given.get(name)

        placed: Canonical = self.canonicalizer(
            given[self.points],
            read(self.batch),
            read(self.mask),
            vectors=read(self.vectors),
            directions=read(self.directions),
        )
        outputs = []
        for one in placed.patterns():
            given[self.points] = one.coords
            if one.vectors is not None:
                given[self.vectors] = one.vectors
            if self.directions is not None and one.directions is not None:
                given[self.directions] = one.directions
            outputs.append(self._back(self.backbone(*bound.args, **bound.kwargs), one))
        return outputs[0] if len(outputs) == 1 else _mean(outputs)

    def _back(self, output: Any, placed: Canonical) -> Any:
        if isinstance(output, Tensor):
            return output if self.out == "invariant" else from_canonical(output, placed, self.out)
        vector = getattr(output, "vector", None)
        if hasattr(output, "_fields") and {"scalar", "vector"} <= set(output._fields):
            kind = "vector" if self.out == "invariant" else self.out
            return output if vector is None else output._replace(vector=from_canonical(vector, placed, kind))
        if self.out == "invariant":
            return output
        raise TypeError(
            f"TransformationInvariant(out): {self.out!r} needs a tensor, or fields scalar and vector, from the "
            f"backbone, got {type(output).__name__}"
        )

    # ------------------------------------------------------------------ what is promised

    def _promise(self, takes: Any) -> Symmetry:
        """The similarities or isometries; and permutations, where the backbone's own promise names them."""
        settings = self.canonicalizer
        dim, proper = settings.dim, settings.sign == "moment-so"
        linear: Group = CSO(dim) if proper else CO(dim)
        space: Group = Affine(dim, linear)
        if settings.scale is None:
            space = SE(dim) if proper else E(dim)
        unit = SO(dim) if proper else O(dim)
        where = ["distinct principal moments"]
        if settings.sign in ("moment", "moment-so", "random"):
            where.append("odd moments that do not vanish")
        if not proper:
            where.append("clouds that span the space")
        if settings.sign == "random":
            where.append("eval mode")
        moved: dict[str, Action] = {self.points: Points(space), self.vectors: Vector(space)}
        if self.directions is not None:
            moved[self.directions] = Vector(unit)
        out = {"invariant": "vector"}.get(self.out, self.out)
        kinds: dict[str, Action] = {"vector": Vector(space), "direction": Vector(unit), "position": Points(space)}
        given = getattr(self.backbone, "symmetry", None)
        promises = given if isinstance(given, tuple) else (given,)
        exact = (one for one in promises if isinstance(one, Symmetry) and one.kind == "exact")
        own = next((one for one in exact if _permutes(one.group) is not None), None)
        if own is None:
            names = self._audited(takes)
            plain: dict[str, Action] = {self.batch: BatchVector(), "edge_index": EdgeIndex()}
            inputs = tuple(moved.get(name, plain.get(name, Fixed())) for name in names)
            output: Any = Scalar(space) if self.out == "invariant" else kinds[out]
            return Symmetry(space, inputs, output, holds_where=", ".join(where))
        order = _permutes(own.group)
        assert order is not None
        group = order * space
        inputs = tuple(
            _renumbered(action, moved.get(name), Fixed()) for name, action in zip(takes, own.inputs, strict=False)
        )
        return Symmetry(group, inputs, self._renumbered_output(own.output, space, kinds), holds_where=", ".join(where))

    def _renumbered_output(self, output: Action, space: Group, kinds: dict[str, Action]) -> Any:
        if isinstance(output, Fields):
            moves = {1: kinds["vector" if self.out == "invariant" else self.out]}  # scalar, vector, and what else
            return _renumbered_fields(output, moves, Scalar(space))
        return _renumbered(output, None if self.out == "invariant" else kinds[self.out], Scalar(space))

    def _audited(self, takes: Any) -> list[str]:
        """The arguments that a call cannot leave out, and those before the batch vector or the mask."""
        names = list(takes)
        needed = [i for i, p in enumerate(takes.values()) if p.default is p.empty and p.kind is p.POSITIONAL_OR_KEYWORD]
        last = max([0, *needed, *(names.index(n) for n in (self.batch,) if n in names)])
        return names[: last + 1]


def _permutes(group: Group) -> Symmetric | None:
    factors = group.factors if isinstance(group, Product) else (group,)
    return next((f for f in factors if isinstance(f, Symmetric)), None)


def _renumbered(action: Action, moved: Action | None, otherwise: Action) -> Action:
    """How an action permutes nodes, and in place of what else it does, how the space moves it."""
    parts: list[Action] = [a for a in base_actions(action) if isinstance(a, Nodes | EdgeIndex | BatchVector)]
    parts += [] if moved is None else [moved]
    if not parts:
        return otherwise
    first, *rest = parts
    for part in rest:
        first = first & part
    return first


def _renumbered_fields(fields: Fields, moves: dict[Any, Action], otherwise: Action) -> Any:
    """The same for every field, also of fields in fields; in the place of what has no action there is None."""

    def one(key: Any, action: Action) -> Any:
        if isinstance(action, Fields):
            return _renumbered_fields(action, {}, otherwise)
        still = all(isinstance(base, Fixed) for base in base_actions(action))
        return _renumbered(action, moves.get(key), Fixed() if still else otherwise)

    found = {key: one(key, action) for key, action in fields.items}
    if not all(isinstance(key, int) for key in found):
        return found
    return tuple(found.get(i) for i in range(max(found) + 1))


def _mean(outputs: list[Any]) -> Any:
    first = outputs[0]
    if isinstance(first, Tensor):
        if not (first.is_floating_point() or first.is_complex()):
            raise TypeError(f"TransformationInvariant(sign): outputs with a mean for 'average', got {first.dtype}")
        return torch.stack(outputs).mean(0)
    if hasattr(first, "_fields"):
        return type(first)(*(_mean(list(column)) for column in zip(*outputs, strict=True)))
    if isinstance(first, tuple | list):
        return type(first)(_mean(list(column)) for column in zip(*outputs, strict=True))
    if isinstance(first, dict):
        return {key: _mean([output[key] for output in outputs]) for key in first}
    return first
