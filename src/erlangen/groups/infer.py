"""A symmetry proposed from names and shapes. Never a guess in silence: every assumption is written down."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor

from erlangen.groups.action import Action, Fixed
from erlangen.groups.affine import SE, E
from erlangen.groups.discrete import Cyclic, Symmetric
from erlangen.groups.fields import Fields, field_names, is_annotation, is_graph_data
from erlangen.groups.grammar import parse_group
from erlangen.groups.group import Group, Product, Trivial
from erlangen.groups.hom import Hom, Identity
from erlangen.groups.irreps import Irreps
from erlangen.groups.matrix import SO, O
from erlangen.groups.nodes import BatchVector, EdgeIndex, Nodes
from erlangen.groups.pixels import Pixels, QuarterTurns
from erlangen.groups.points import Points
from erlangen.groups.representation import Scalar, Vector
from erlangen.groups.symmetry import Symmetry

_POSITIONS = {"pos", "positions", "position", "coords", "coord", "coordinates", "xyz", "points", "cloud"}
_VECTORS = {"vel", "velocity", "velocities", "v", "vec", "force", "forces", "normal", "normals", "dipole", "momentum"}
_PER_GRAPH = {"y", "u", "energy", "t", "ptr", "num_nodes", "num_graphs", "cell"}


class _Proposal:
    """Chooses an action for each tensor and keeps the sentences that say why."""

    def __init__(self, hom: Hom) -> None:
        factors = hom.target.factors if isinstance(hom.target, Product) else (hom.target,)
        self.hom = hom
        self.nodes_group: Group = next((f for f in factors if isinstance(f, Symmetric)), Trivial())
        self.space = next((f for f in factors if not isinstance(f, Symmetric | Trivial)), None)
        self.positions = False
        self.num_nodes: int | None = None
        self.said: list[str] = []
        self.moved: dict[str, tuple[tuple[int, ...], Action]] = {}

    def say(self, name: str, action: Action, why: str) -> Action:
        self.said.append(f"{name}: {action!r} ({why})")
        return action

    def _dim(self) -> int | None:
        if self.space is None:
            return None
        try:
            return self.space.matrix_dim
        except ValueError:
            return None

    def look_at(self, names: list[str], values: list[Any]) -> bool:
        """Notes what is known before any single tensor is read; returns whether it is a PyG batch or graph."""
        ragged = "edge_index" in names or "batch" in names
        self.positions = not _POSITIONS.isdisjoint(names)
        tensors = {name: x for name, x in zip(names, values, strict=True) if isinstance(x, Tensor) and x.ndim}
        known = [x for name, x in tensors.items() if name in _POSITIONS or name in ("batch", "x")]
        self.num_nodes = known[0].shape[0] if ragged and known else None
        return ragged

    def _with_nodes(self, action: Action, x: Tensor, ragged: bool, features: int = 1) -> Action:
        if x.ndim == 1 and x.shape[0] == self.num_nodes:
            features = 0  # one number per node of a graph
        enough = x.ndim >= (2 if ragged else 3) or features == 0
        if isinstance(self.nodes_group, Trivial) or not enough:
            return action
        nodes = Nodes(self.nodes_group, features=features)
        return nodes if isinstance(action, Fixed) else nodes & action

    def one(self, key: str, name: str, x: Any, ragged: bool) -> Action:
        """The action on one input tensor."""
        action, why = self._choose(key, x, ragged)
        if isinstance(x, Tensor) and not isinstance(action, Fixed):
            self.moved[name] = (tuple(x.shape), action)
        return self.say(name, action, why)

    def _choose(self, key: str, x: Any, ragged: bool) -> tuple[Action, str]:
        if not isinstance(x, Tensor):
            return Fixed(), "not a tensor"
        if key == "batch":
            return BatchVector(self.nodes_group), "PyG's name"
        if key == "edge_index":
            return EdgeIndex(self.nodes_group), "PyG's name"
        dim = self._dim()
        vectors = dim is not None and x.is_floating_point() and x.ndim >= 1 and x.shape[-1] == dim
        if vectors and key in _POSITIONS:
            return self._with_nodes(Points(self.space), x, ragged), f"named {key!r}"  # type: ignore[arg-type]
        if vectors and key in _VECTORS:
            return self._with_nodes(Vector(self.space), x, ragged), f"named {key!r}"  # type: ignore[arg-type]
        if key in _PER_GRAPH or key.startswith("edge"):
            return Fixed(), f"named {key!r}"
        if not x.is_floating_point():
            return self._with_nodes(Fixed(), x, ragged, features=0), f"dtype {x.dtype}"
        image = self._image(x)
        if image is not None:
            return image, f"shape {tuple(x.shape)} read as images"
        features = key in ("h", "z", "attr") or (key == "x" and self.positions)
        if vectors and not features and not ragged:
            action = Points(self.space) if x.ndim >= 3 else Vector(self.space)  # type: ignore[arg-type]
            return self._with_nodes(action, x, ragged), f"its last axis has size {dim}"
        return self._with_nodes(Fixed(), x, ragged), "features that only change places"

    def _image(self, x: Tensor) -> Action | None:
        if x.ndim != 4 or self._dim() != 2 or x.shape[-1] == 2 or self.space is None:
            return None
        if isinstance(self.space, Cyclic) and self.space.n in (1, 2, 4):
            return QuarterTurns(self.space)
        return Pixels(self.space)

    def container(self, x: Any, name: str) -> Action:
        """The actions on a dict, tuple or data object."""
        keys = field_names(x)
        ragged = self.look_at(list(map(str, keys)), [x[key] for key in keys])
        parts = {}
        for key in keys:
            inner, value = f"{name}[{key!r}]", x[key]
            if (isinstance(value, Mapping | tuple | list) or is_graph_data(value)) and not is_annotation(value):
                number, parts[key] = self.num_nodes, self.container(value, inner)
                self.num_nodes = number
            elif not (is_graph_data(x) and is_annotation(value)):
                parts[key] = self.one(str(key), inner, value, ragged)
        if not isinstance(x, tuple | list):
            return Fields(**parts)
        return Fields(*parts.values())

    def output(self, y: Any, name: str = "output", key: str = "") -> Action:
        """The action on the output: like an input of the same shape that is moved, else invariant."""
        if isinstance(y, tuple | list):
            return Fields(*(self.output(part, f"{name}[{i}]") for i, part in enumerate(y)))
        if isinstance(y, Mapping) or is_graph_data(y):
            return Fields(**{str(k): self.output(y[k], f"{name}[{k!r}]", str(k)) for k in field_names(y)})
        group = self.hom.target
        if not isinstance(y, Tensor) or not y.is_floating_point():
            return self.say(name, Fixed(), "not a real tensor")
        dim = self._dim()
        for source, (shape, action) in self.moved.items():
            if isinstance(action, QuarterTurns | Pixels) and y.ndim == 4 and y.shape[-2:] == shape[-2:]:
                return self.say(name, action, f"images of the size of {source}")
        turned = [(s, a) for s, (_, a) in self.moved.items() if "Points" in repr(a) or "Vector" in repr(a)]
        alike = [(s, a) for s, a in turned if self.moved[s][0] == tuple(y.shape) and y.shape[-1] == dim]
        points = next(((s, a) for s, a in alike if "Points" in repr(a)), None)
        if key in _POSITIONS and points is not None:
            return self.say(name, points[1], f"named {key!r}, shape of {points[0]}")
        if alike:
            source, action = alike[0]
            vector: Action = Vector(self.space)  # type: ignore[arg-type]
            if not isinstance(self.nodes_group, Trivial) and "Nodes" in repr(action):
                vector = Nodes(self.nodes_group) & vector
            return self.say(name, vector, f"shape of {source}: vectors that turn but do not move")
        for source, (shape, action) in self.moved.items():
            per_node = "Nodes" in repr(action) and y.ndim >= len(shape) and y.shape[: len(shape) - 1] == shape[:-1]
            if per_node and len(shape) > 1:
                return self.say(name, Nodes(self.nodes_group), f"one row per row of {source}")
        return self.say(name, Scalar(group), f"shape {tuple(y.shape)} of no moved input: invariant")


def _irreps_of(module: Any, group: Group) -> tuple[list[Any], Any] | None:
    """e3nn's modules say what they take: ``irreps_in`` (or ``irreps_in1``, ``irreps_in2``) and ``irreps_out``."""
    if not isinstance(group, O | SO | E | SE) or group.n != 3 or getattr(module, "irreps_out", None) is None:
        return None
    names = ("irreps_in",) if getattr(module, "irreps_in", None) is not None else ("irreps_in1", "irreps_in2")
    given = [getattr(module, name, None) for name in names]
    return None if any(g is None for g in given) else (given, module.irreps_out)


def _argument_names(module: Any, count: int) -> list[str]:
    call: Callable[..., Any] | None = getattr(module, "forward", module if callable(module) else None)
    try:
        parameters = list(inspect.signature(call).parameters.values()) if call is not None else []
    except (TypeError, ValueError):
        parameters = []
    positional = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    return [positional[i] if i < len(positional) else f"input {i}" for i in range(count)]


def infer_symmetry(group: Group | Hom | str, *inputs: Any, output: Any = None, module: Any = None) -> Symmetry:
    """Proposes actions from PyG's field names, from argument names, from e3nn's irreps and from shapes.

    Args:
        group: who acts, as a group or in words (``"SO(3)"``, ``"S*E(3)"``, ``"O(2)@xy"``).
        inputs: example inputs.
        output: the module's output for them; without it the output is taken to be invariant.
        module: the module; its argument names and e3nn's ``irreps_in``, ``irreps_out`` are used.

    Returns:
        A symmetry whose ``assumed`` holds one sentence per tensor. Read them: an output shaped like a moved input is
        taken for vectors, everything else for invariants.

    Example:
        >>> import torch
        >>> infer_symmetry("SO(3)", {"pos": torch.zeros(2, 5, 3), "charge": torch.zeros(2, 5, 1)}).assumed[:2]
        ("input 0['pos']: Points(SO(3)) (named 'pos')", "input 0['charge']: Fixed() (features that only change places)")
    """
    hom = parse_group(group) if isinstance(group, str) else group
    hom = Identity(hom) if isinstance(hom, Group) else hom
    irreps = _irreps_of(module, hom.target)
    if irreps is not None and len(irreps[0]) == len(inputs):
        given, out = irreps
        said = [f"input {i}: irreps {spec} (the module's own)" for i, spec in enumerate(given)]
        said.append(f"output: irreps {out} (the module's own)")
        return Symmetry(
            hom.source,
            tuple(Irreps(spec, hom.target).along(hom) for spec in given),
            Irreps(out, hom.target).along(hom),
            assumed=tuple(said),
        )
    proposal = _Proposal(hom)
    names = _argument_names(module, len(inputs)) if module is not None else [f"input {i}" for i in range(len(inputs))]
    ragged = proposal.look_at(names, list(inputs))
    actions = []
    for i, (key, x) in enumerate(zip(names, inputs, strict=True)):
        if isinstance(x, Mapping | tuple | list) or is_graph_data(x):
            actions.append(proposal.container(x, f"input {i}"))
        else:
            actions.append(proposal.one(key, key, x, ragged))
    out_action = (
        proposal.output(output) if output is not None else proposal.say("output", Scalar(hom.target), "not seen")
    )
    return _symmetry(hom, actions, out_action, tuple(proposal.said))


def _symmetry(hom: Hom, actions: list[Action], output: Action, said: tuple[str, ...]) -> Symmetry:
    def seen(action: Action) -> Action:
        return action.along(Hom.canonical(hom.target, action.group)).along(hom)

    inputs, out = tuple(seen(a) for a in actions), seen(output)
    exact = all(a.exact for a in (*inputs, out))
    return Symmetry(hom.source, inputs, out, kind="exact" if exact else "approximate", assumed=said)
