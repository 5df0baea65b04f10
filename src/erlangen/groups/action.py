"""Actions: how a group moves a tensor. Their interface, pulling back, acting with two factors at once, and Fixed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from erlangen.groups.element import Element
from erlangen.groups.group import Group, Product, Trivial
from erlangen.groups.hom import Embed, Hom, Identity, Sign


class Action:
    r"""How ``group`` acts on a tensor, :math:`(gh) \cdot x = g \cdot (h \cdot x)`.

    An element's batch axes ``K`` are aligned with the LEFT of ``x``; the last ``event_dim`` axes are what the action
    needs to see; everything between is sites, each moved in the same way. So ``K = ()`` moves the whole tensor,
    ``K = (B,)`` gives every sample its own element, and ``x[:, None]`` with ``K = (B, F)`` makes F copies of each.

    Attributes:
        group: who acts.
        event_dim: number of trailing axes the action looks at.
        exact: ``False`` when ``g.x`` is itself an approximation (resampled pixels).
        site_dim: site axes that one sample is expected to have; tells a batch of samples from one sample.
    """

    group: Group
    event_dim: int
    exact: bool = True
    site_dim: int = 0

    def __call__(self, g: Element, x: Any) -> Any:
        """Moves ``x`` by ``g``, computed in the wider dtype of the two and returned in the dtype of ``x``."""
        raise NotImplementedError(f"{type(self).__name__} does not say how it acts")

    def tangent(self, A: Element, x: Any) -> Any:
        r"""The velocity :math:`\frac{d}{dt} \exp(tA) \cdot x` at ``t = 0``."""
        raise ValueError(f"{self} has no tangent: {self.group} is discrete here, or the action is not differentiable")

    def sizes(self, x: Any) -> dict[str, int]:
        """What ``x`` tells about the group's named sizes."""
        return {}

    def check(self, x: Any, name: str = "x") -> None:
        """Refuses what the action cannot move.

        Raises:
            TypeError: when ``x`` is not a tensor of a fitting dtype.
            ValueError: when its shape does not fit, or it holds NaN or infinity; names the argument and the axis.
        """

    def bind(self, sizes: Mapping[str, int]) -> Action:
        """The same action with the group's named sizes known."""
        return self

    def along(self, hom: Hom) -> Action:
        """The action of ``hom.source`` through ``hom``: restriction, a factor of a product, the linear part, ..."""
        if hom.target != self.group:
            raise ValueError(f"along(hom): a map into {self.group}, which acts here, got one into {hom.target}")
        return self if isinstance(hom, Identity) else Pulled(self, hom)

    def repeat(self, x: Any, copies: int, offset: int | None = None) -> Any:
        """``copies`` of ``x`` one after another along the batch axis, copy-major, as one larger batch.

        Args:
            x: the tensor; what has no batch axis to repeat is the caller's business.
            copies: how many.
            offset: for index tensors, the size of the index range of one copy (default: largest index + 1).
        """
        return x.repeat(copies, *(1,) * (x.ndim - 1))

    def __and__(self, other: Action) -> Action:
        """Both actions on one tensor, each with its own factor: ``Nodes(S) & Points(E(3))``."""
        return Both.join(self, other)


def joint_group(actions: tuple[Action, ...]) -> Group:
    """The group that all the actions can be pulled back to: the product of the different factors among theirs.

    A factor that stands several times in one of their groups stands as often in the product.
    """
    factors: list[Group] = []
    for action in actions:
        group = action.group
        own = group.factors if isinstance(group, Product) else (group,)
        for factor in own:
            if not isinstance(factor, Trivial) and factors.count(factor) < own.count(factor):
                factors.append(factor)
    if not factors:
        return Trivial()
    return factors[0] if len(factors) == 1 else Product(*factors)


def pull_back(action: Action, group: Group) -> Action:
    """The action seen as one of ``group``, along the canonical homomorphism."""
    return action if action.group == group else action.along(Hom.canonical(group, action.group))


@dataclass(frozen=True)
class Pulled(Action):
    """An action of ``hom.target`` seen as one of ``hom.source``."""

    action: Action
    hom: Hom

    @property
    def group(self) -> Group:  # type: ignore[override]
        return self.hom.source

    @property
    def event_dim(self) -> int:  # type: ignore[override]
        return self.action.event_dim

    @property
    def exact(self) -> bool:  # type: ignore[override]
        return self.action.exact

    @property
    def site_dim(self) -> int:  # type: ignore[override]
        return self.action.site_dim

    def __call__(self, g: Element, x: Any) -> Any:
        return self.action(self.hom(g), x)

    def tangent(self, A: Element, x: Any) -> Any:
        return self.action.tangent(self.hom.on_algebra(A), x)

    def sizes(self, x: Any) -> dict[str, int]:
        return self.action.sizes(x)

    def check(self, x: Any, name: str = "x") -> None:
        self.action.check(x, name)

    def bind(self, sizes: Mapping[str, int]) -> Action:
        return Pulled(self.action.bind(sizes), self.hom.bind(sizes))

    def along(self, hom: Hom) -> Action:
        if hom.target != self.group:
            raise ValueError(f"along(hom): a map into {self.group}, which acts here, got one into {hom.target}")
        return self.action.along(hom.then(self.hom))

    def repeat(self, x: Any, copies: int, offset: int | None = None) -> Any:
        return self.action.repeat(x, copies, offset)

    def __repr__(self) -> str:
        return f"{self.action!r}{describe(self.hom)}"


def describe(hom: Hom) -> str:
    """How a pull-back is told in words: nothing for canonical maps."""
    # Factors and linear parts are how a promise is meant to be read; only an embedding is news.
    return f" along {hom.source}" if any(isinstance(h, Embed | Sign) for h in hom.steps()) else ""


@dataclass(frozen=True)
class Both(Action):
    """Commuting actions on one tensor, all pulled back to one group. Write ``a & b``."""

    parts: tuple[Action, ...]

    @classmethod
    def join(cls, *actions: Action) -> Both:
        """Pulls the actions back to their joint group."""
        flat = tuple(p for a in actions for p in (a.parts if isinstance(a, Both) else (a,)))
        group = joint_group(flat)
        return cls(tuple(pull_back(p, group) for p in flat))

    @property
    def group(self) -> Group:  # type: ignore[override]
        return self.parts[0].group

    @property
    def event_dim(self) -> int:  # type: ignore[override]
        return max(p.event_dim for p in self.parts)

    @property
    def exact(self) -> bool:  # type: ignore[override]
        return all(p.exact for p in self.parts)

    @property
    def site_dim(self) -> int:  # type: ignore[override]
        return max(p.event_dim + p.site_dim for p in self.parts) - self.event_dim

    def __call__(self, g: Element, x: Any) -> Any:
        for part in self.parts:
            x = part(g, x)
        return x

    def tangent(self, A: Element, x: Any) -> Any:
        # At the identity every part is the identity, so the velocities of commuting parts add.
        first, *rest = (part.tangent(A, x) for part in self.parts)
        for other in rest:
            first = first + other
        return first

    def sizes(self, x: Any) -> dict[str, int]:
        return {name: size for part in self.parts for name, size in part.sizes(x).items()}

    def check(self, x: Any, name: str = "x") -> None:
        for part in self.parts:
            part.check(x, name)

    def bind(self, sizes: Mapping[str, int]) -> Action:
        return Both(tuple(p.bind(sizes) for p in self.parts))

    def along(self, hom: Hom) -> Action:
        return Both(tuple(p.along(hom) for p in self.parts))

    def repeat(self, x: Any, copies: int, offset: int | None = None) -> Any:
        return self.parts[0].repeat(x, copies, offset)

    def __repr__(self) -> str:
        return " & ".join(map(repr, self.parts))


@dataclass(frozen=True)
class Fixed(Action):
    """What the group does not move: features without geometry, flags, sizes. Any value is allowed, not only tensors."""

    group: Group = Trivial()
    event_dim = 0

    def __call__(self, g: Element, x: Any) -> Any:
        return x

    def tangent(self, A: Element, x: Any) -> Any:
        return torch.zeros_like(x) if isinstance(x, Tensor) else x

    def along(self, hom: Hom) -> Action:
        if hom.target != self.group:
            raise ValueError(f"along(hom): a map into {self.group}, which acts here, got one into {hom.target}")
        return Fixed(hom.source)

    def bind(self, sizes: Mapping[str, int]) -> Action:
        return Fixed(self.group.bind(sizes))

    def repeat(self, x: Any, copies: int, offset: int | None = None) -> Any:
        return x.repeat(copies, *(1,) * (x.ndim - 1)) if isinstance(x, Tensor) and x.ndim > 0 else x

    def __repr__(self) -> str:
        return "Fixed()"


def require_field(x: Any, name: str, action: str, group: Group) -> Tensor:
    """Checks that ``x`` is a finite tensor over the numbers of the group's matrices: real, for unitary groups complex.

    Raises:
        TypeError: when it is no tensor, or of another dtype.
        ValueError: when it holds NaN or infinity.
    """
    if not group.complex:
        return require_real(x, name, action)
    if not isinstance(x, Tensor) or not x.is_complex():
        got = f"dtype {x.dtype}" if isinstance(x, Tensor) else type(x).__name__
        raise TypeError(f"{name}: {action} moves complex tensors, got {got}")
    return require_finite(x, name)


def require_real(x: Any, name: str, action: str) -> Tensor:
    """Checks that ``x`` is a finite real tensor.

    Raises:
        TypeError: when it is no tensor, or its dtype is integer or complex.
        ValueError: when it holds NaN or infinity.
    """
    if not isinstance(x, Tensor):
        raise TypeError(f"{name}: {action} moves a tensor, got {type(x).__name__}")
    if not x.is_floating_point():
        raise TypeError(f"{name}: {action} moves real floating-point tensors, got dtype {x.dtype}")
    return require_finite(x, name)


def require_finite(x: Tensor, name: str) -> Tensor:
    """Checks that a tensor holds neither NaN nor infinity.

    Raises:
        ValueError: naming the argument and the first such place.
    """
    if not bool(x.isfinite().all()):
        where = tuple(int(i) for i in (~x.isfinite()).nonzero()[0])
        raise ValueError(f"{name}: holds NaN or infinity, first at index {where}")
    return x
