"""Actions on containers: dicts, tuples and graph data objects with named fields."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from erlangen.groups.action import Action, joint_group, pull_back
from erlangen.groups.element import Element
from erlangen.groups.group import Group
from erlangen.groups.hom import Hom


def is_graph_data(x: Any) -> bool:
    """Recognises PyG's ``Data`` and ``Batch`` by their shape, without importing PyG."""
    return all(
        hasattr(x, name) for name in ("keys", "to_dict", "clone", "num_nodes", "__getitem__")
    ) and not isinstance(x, Mapping)


def field_names(x: Any) -> list[Any]:
    """The keys of a container: names of a dict or data object, positions of a tuple or list.

    Raises:
        TypeError: when it is none of these.
    """
    if is_graph_data(x):
        return sorted(key for key in x.keys() if x[key] is not None)  # PyG lists them in any order
    if isinstance(x, Mapping):
        return [key for key in x if x[key] is not None]
    if isinstance(x, tuple | list):
        return list(range(len(x)))
    raise TypeError(f"Fields moves a dict, a tuple or a graph data object, got {type(x).__name__}")


def is_annotation(value: Any) -> bool:
    """Whether a field says something about the data and is none itself: words, counts, flags, and lists of them."""
    if isinstance(value, Mapping):
        return all(map(is_annotation, value.values()))
    if isinstance(value, tuple | list):
        return all(map(is_annotation, value))
    return value is None or isinstance(value, str | bytes | int)


def as_action(value: Any, where: str) -> Action:
    """Reads an action, or a tuple or dict of actions.

    Raises:
        TypeError: when it is something else, naming ``where``.
    """
    if isinstance(value, Action):
        return value
    if isinstance(value, Mapping):
        return Fields.of(value)
    if isinstance(value, tuple | list):
        return Fields(*value)
    raise TypeError(f"{where}: an action, or a tuple or dict of actions, got {type(value).__name__}")


def replace_fields(x: Any, new: Mapping[Any, Any]) -> Any:
    """A copy of the container with some fields replaced; the original and its tensors stay untouched."""
    if is_graph_data(x):
        out = copy.copy(x)
        for key, value in new.items():
            out[key] = value
        return out
    if isinstance(x, Mapping):
        return {**x, **new}
    items = [new.get(i, item) for i, item in enumerate(x)]
    return type(x)(*items) if hasattr(x, "_fields") else type(x)(items)


@dataclass(frozen=True, init=False)
class Fields(Action):
    """One action per named field of a dict or PyG ``Data``, or per position of a tuple.

    Every field of the data must be named: what the group does not move is ``Fixed()``, said aloud. Only words, whole
    numbers, flags and ``None`` need no action; in a tuple, ``None`` stands in the place of theirs. Instead of an action
    there may be a tuple or dict of actions.

    Example:
        >>> import torch
        >>> from erlangen.groups import O, Fixed, Points
        >>> action = Fields(pos=Points(O(1)), charge=Fixed())
        >>> action(-torch.eye(1), {"pos": torch.ones(2, 1), "charge": torch.ones(2)})
        {'pos': tensor([[-1.],
                [-1.]]), 'charge': tensor([1., 1.])}
    """

    items: tuple[tuple[Any, Action], ...]
    event_dim = 0

    def __init__(self, /, *positional: Any, **named: Any) -> None:
        if bool(positional) == bool(named):
            raise ValueError(
                "Fields(...): either positional actions (for a tuple) or named ones (for a dict or data object)"
            )
        self._read(dict(enumerate(positional)) if positional else named)

    @classmethod
    def of(cls, given: Mapping[Any, Any]) -> Fields:
        """Actions by keys of any kind, for instance whole numbers.

        >>> from erlangen.groups import Nodes, Symmetric
        >>> Fields.of({1: Nodes(Symmetric(3)), 2: Nodes(Symmetric(3), order=2)})
        Fields(1=Nodes(S(3)), 2=Nodes(S(3), order=2, features=1))
        """
        if not given:
            raise ValueError("Fields.of(given): at least one action, got none")
        out = object.__new__(cls)
        out._read(given)
        return out

    def _read(self, given: Mapping[Any, Any]) -> None:
        pairs = {key: as_action(value, f"Fields({key})") for key, value in given.items() if value is not None}
        group = joint_group(tuple(pairs.values()))
        self._set(tuple((key, pull_back(action, group)) for key, action in pairs.items()))

    def _set(self, items: tuple[tuple[Any, Action], ...]) -> None:
        object.__setattr__(self, "items", items)

    def _with(self, change: Callable[[Action], Action]) -> Fields:
        out = object.__new__(Fields)
        out._set(tuple((key, change(action)) for key, action in self.items))
        return out

    @property
    def group(self) -> Group:  # type: ignore[override]
        return self.items[0][1].group

    @property
    def exact(self) -> bool:  # type: ignore[override]
        return all(action.exact for _, action in self.items)

    def pairs(self, x: Any, name: str = "x") -> list[tuple[Any, Action, Any]]:
        """The fields with their actions and values.

        Raises:
            ValueError: when a named field is missing, or a field that holds data is not named.
        """
        present = field_names(x)
        known = dict(self.items)
        missing = [key for key in known if key not in present]
        if missing:
            raise ValueError(f"{name}: has no field {missing[0]!r}; its fields are {', '.join(map(str, present))}")
        unnamed = [key for key in present if key not in known and not is_annotation(x[key])]
        if unnamed:
            raise ValueError(
                f"{name}: the field {unnamed[0]!r} has no action; name it in Fields, "
                f"as Fixed() if the group does not move it"
            )
        return [(key, action, x[key]) for key, action in self.items]

    def __call__(self, g: Element, x: Any) -> Any:
        return replace_fields(x, {key: action(g, value) for key, action, value in self.pairs(x)})

    def tangent(self, A: Element, x: Any) -> Any:
        return replace_fields(x, {key: action.tangent(A, value) for key, action, value in self.pairs(x)})

    def sizes(self, x: Any) -> dict[str, int]:
        return {name: n for _, action, value in self.pairs(x) for name, n in action.sizes(value).items()}

    def check(self, x: Any, name: str = "x") -> None:
        for key, action, value in self.pairs(x, name):
            action.check(value, f"{name}[{key!r}]")

    def bind(self, sizes: Mapping[str, int]) -> Fields:
        return self._with(lambda action: action.bind(sizes))

    def along(self, hom: Hom) -> Fields:
        return self._with(lambda action: action.along(hom))

    def repeat(self, x: Any, copies: int, offset: int | None = None) -> Any:
        return replace_fields(x, {key: action.repeat(value, copies, offset) for key, action, value in self.pairs(x)})

    def __repr__(self) -> str:
        return "Fields(" + ", ".join(f"{key}={action!r}" for key, action in self.items) + ")"


def list_leaves(action: Action, x: Any, name: str) -> list[tuple[str, Action, Any]]:
    """Every leaf of a container with its name and action."""
    if not isinstance(action, Fields):
        return [(name, action, x)]
    fields = action.pairs(x, name)
    return [leaf for key, part, value in fields for leaf in list_leaves(part, value, f"{name}[{key!r}]")]


def map_leaves(function: Callable[[str, Action, Any], Any], action: Action, x: Any, name: str) -> Any:
    """Applies ``function(name, action, tensor)`` to every leaf of a container and puts the results in its place."""
    if isinstance(action, Fields):
        return replace_fields(
            x,
            {key: map_leaves(function, part, value, f"{name}[{key!r}]") for key, part, value in action.pairs(x, name)},
        )
    return function(name, action, x)
