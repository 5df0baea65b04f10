r"""Invariants of pairs of points with orientations.

Two pairs are equivalent if a rigid motion carries one to the other. A network whose messages depend on a pair through
invariants alone shares its weights over equivalent pairs; it loses nothing if the invariants are complete, that is, if
they differ wherever pairs are not equivalent.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

#: The dimension of each space and its sets of invariants, with the number of invariants of each.
SPACES: dict[str, tuple[int, dict[str, int]]] = {
    "R2": (2, {"ponita": 1}),
    "R3": (3, {"ponita": 1}),
    "R2xS1": (2, {"ponita": 3, "complete": 4}),
    "R3xS2": (3, {"ponita": 3, "universal": 4, "universal-so3": 5}),
    "SE2": (2, {"ponita": 3}),
    "SE3": (3, {"ponita": 12}),
}
#: Orientations may be off by this much: rounding in float32, and no more; in half precision by its own rounding.
UNIT = 1e-4


def num_invariants(space: str, kind: str = "ponita") -> int:
    """How many numbers :func:`po_invariants` gives.

    Raises:
        ValueError: for an unknown space, or a set of invariants that the space does not have.
    """
    if space not in SPACES:
        raise ValueError(f"po_invariants(space): one of {', '.join(SPACES)}, got {space!r}")
    kinds = SPACES[space][1]
    if kind not in kinds:
        raise ValueError(f"po_invariants(kind): for {space} one of {', '.join(kinds)}, got {kind!r}")
    return kinds[kind]


def po_invariants(
    rel_pos: Float[Tensor, "*pairs dim"],
    ori_recv: Float[Tensor, "..."] | None = None,
    ori_send: Float[Tensor, "..."] | None = None,
    space: str = "R3xS2",
    kind: str = "ponita",
) -> Float[Tensor, "... invariants"]:
    r"""Numbers that tell how a sender lies as seen from a receiver, whatever moves both.

    With :math:`r = p' - p` (sender minus receiver), orientations :math:`n` of the receiver and :math:`n'` of the
    sender, and :math:`n^\perp = (-n_y, n_x)`:

    ======  ===============  ==========================================================  ===============================
    space   kind             invariants                                                  complete for
    ======  ===============  ==========================================================  ===============================
    R2, R3  "ponita"         :math:`\|r\|`                                               E(n)
    R2xS1   "ponita"         :math:`n \cdot r,\; n^\perp \cdot r,\; n \cdot n'`          nothing: it forgets a sign
    R2xS1   "complete"       and :math:`n^\perp \cdot n'`                                SE(2)
    R3xS2   "ponita"         :math:`n \cdot r,\; \|r - (n \cdot r) n\|,\; n \cdot n'`    nothing: pairs have four
    R3xS2   "universal"      and :math:`n' \cdot r`                                      E(3)
    R3xS2   "universal-so3"  and :math:`\det[n, n', r]`                                  SE(3)
    SE2     "ponita"         :math:`n \cdot r,\; n^\perp \cdot r`, signed angle to n'    SE(2)
    SE3     "ponita"         :math:`R^T r,\; R^T R'` (9 entries)                         SE(3)
    ======  ===============  ==========================================================  ===============================

    Sets of R3xS2 without the determinant do not change under reflections; those of R2xS1, SE2 and SE3 do. Norms are
    exact, and their gradient at zero is zero. The angle of SE2 lies in :math:`(-\pi, \pi]` and jumps there.

    Args:
        rel_pos: position of the sender minus that of the receiver.
        ori_recv: orientation of the receiver, unit vectors ``(..., dim)``, for SE3 rotation matrices ``(..., 3, 3)``;
            leading axes broadcast against those of ``rel_pos``. None for R2 and R3.
        ori_send: orientation of the sender, likewise.
        space: as in the table.
        kind: as in the table.

    Returns:
        Shape ``(..., invariants)``, see :func:`num_invariants`.

    Raises:
        ValueError: for a space or kind it does not have, orientations that are missing, not expected, or not unit
            vectors (rotations), or shapes that do not fit.

    Source: Bekkers, Vadgama, Hesselink, van der Linden, Romero, "Fast, Expressive SE(n) Equivariant Networks through
    Weight-Sharing in Position-Orientation Space", 2024; Bellaard, Smets, Duits, "Universal Collection of Euclidean
    Invariants between Pairs of Position-Orientations", 2025.

    Example:
        >>> up, right = torch.tensor([0.0, 0.0, 1.0]), torch.tensor([1.0, 0.0, 0.0])
        >>> po_invariants(torch.tensor([3.0, 4.0, 2.0]), up, right, kind="universal")
        tensor([2., 5., 0., 3.])
    """
    num_invariants(space, kind)
    dim = SPACES[space][0]
    if rel_pos.shape[-1] != dim:
        raise ValueError(f"po_invariants(rel_pos): shape (..., {dim}) for {space}, got {tuple(rel_pos.shape)}")
    if space in ("R2", "R3"):
        if ori_recv is not None or ori_send is not None:
            raise ValueError(f"po_invariants(ori_recv, ori_send): points of {space} have no orientation, got one")
        return safe_norm(rel_pos)
    n, other = (
        _orientation(f"po_invariants({name})", value, dim, space == "SE3")
        for name, value in (("ori_recv", ori_recv), ("ori_send", ori_send))
    )
    if space == "SE3":
        return _join((n.mT @ rel_pos[..., None]).squeeze(-1), (n.mT @ other).flatten(-2))
    if space == "R3xS2":
        found = [spatial_invariants(rel_pos, n), _dot(n, other)]
        found += [_dot(other, rel_pos)] if kind != "ponita" else []
        found += [_dot(torch.linalg.cross(*torch.broadcast_tensors(n, other)), rel_pos)] if "so3" in kind else []
        return _join(*found)
    angle = fiber_invariants(n, other, "complete" if (space, kind) != ("R2xS1", "ponita") else "ponita")
    if space == "SE2":
        angle = torch.atan2(angle[..., 1:], angle[..., :1])
    return _join(spatial_invariants(rel_pos, n), angle)


def spatial_invariants(rel_pos: Tensor, orientation: Tensor) -> Tensor:
    r"""The two invariants of a position as seen along one orientation, :math:`n \cdot r` and what is across.

    Args:
        rel_pos: shape ``(..., dim)``.
        orientation: unit vectors, ``(..., dim)``; leading axes broadcast.

    Returns:
        Shape ``(..., 2)``: in the plane the second is :math:`n^\perp \cdot r`, in space the distance from the axis.
    """
    along = _dot(orientation, rel_pos)
    if rel_pos.shape[-1] == 2:
        return _join(along, _dot(_quarter_turn(orientation), rel_pos))
    return _join(along, safe_norm(rel_pos - along * orientation, rel_pos))


def fiber_invariants(ori_recv: Tensor, ori_send: Tensor, kind: str = "ponita") -> Tensor:
    r"""The invariants of two orientations: :math:`n \cdot n'`, and for "complete" also :math:`n^\perp \cdot n'`.

    Args:
        ori_recv: unit vectors, ``(..., dim)``.
        ori_send: unit vectors, ``(..., dim)``; leading axes broadcast.
        kind: "complete" or any other.

    Returns:
        Shape ``(..., 1)`` or ``(..., 2)``.
    """
    cosine = _dot(ori_recv, ori_send)
    return _join(cosine, _dot(_quarter_turn(ori_recv), ori_send)) if kind == "complete" else cosine


def safe_norm(vector: Tensor, reference: Tensor | None = None) -> Tensor:
    """Lengths, exact, with gradient zero (not NaN) where they are zero.

    Args:
        vector: shape ``(..., dim)``.
        reference: vectors in whose rounding ``vector`` may have been lost; what is as small as that counts as zero, as
            else its derivatives would be those of noise.

    Returns:
        Shape ``(..., 1)``.
    """
    square = vector.square().sum(-1, keepdim=True)
    floor: Tensor | float = torch.finfo(vector.dtype).tiny
    if reference is not None:
        rounding = (8 * torch.finfo(vector.dtype).eps) ** 2 * reference.detach().square().sum(-1, keepdim=True)
        floor = rounding.clamp_min(floor)
    zero = square <= floor
    return torch.where(zero, 0.0, torch.where(zero, 1.0, square).sqrt())


def _dot(a: Tensor, b: Tensor) -> Tensor:
    return (a * b).sum(-1, keepdim=True)


def _quarter_turn(n: Tensor) -> Tensor:
    return torch.stack([-n[..., 1], n[..., 0]], -1)


def _join(*parts: Tensor) -> Tensor:
    shape = torch.broadcast_shapes(*(part.shape[:-1] for part in parts))
    return torch.cat([part.expand(*shape, part.shape[-1]) for part in parts], -1)


def _orientation(name: str, value: Tensor | None, dim: int, rotation: bool) -> Tensor:
    shape = (dim, dim) if rotation else (dim,)
    if value is None or tuple(value.shape[-len(shape) :]) != shape:
        got = None if value is None else tuple(value.shape)
        raise ValueError(f"{name}: shape (..., {', '.join(map(str, shape))}), got {got}")
    if torch.compiler.is_compiling():
        return value
    unit = max(UNIT, 8 * torch.finfo(value.dtype).eps)
    if rotation:
        gap = (value.mT @ value - torch.eye(dim, dtype=value.dtype, device=value.device)).abs().amax((-2, -1))
        # Half precision knows no determinants.
        off = (gap > unit) | (torch.linalg.det(value.to(torch.promote_types(value.dtype, torch.float32))) < 0)
    else:
        off = (value.square().sum(-1) - 1).abs() > unit
    if bool((off | ~value.isfinite().flatten(-len(shape)).all(-1)).any()):
        raise ValueError(f"{name}: {'rotation matrices' if rotation else 'unit vectors'}, got others")
    return value
