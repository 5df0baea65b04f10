"""The distance of any module's linear layers from equivariance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from jaxtyping import Float
from torch import Tensor, nn

from erlangen.groups import Group, Hom, Representation
from erlangen.symmetrize.block_form import LinearShape, block_form, flatten
from erlangen.symmetrize.projector import require_representations
from erlangen.symmetrize.soft_linear import candidates, penalty_of

#: The representations of a linear layer: what it reads, and what it returns.
Ends = tuple[Representation, Representation]


def equivariance_penalty(
    module: nn.Module,
    symmetries: Sequence[Group | Hom | str],
    strengths: Sequence[float] | Tensor | None = None,
    representations: Mapping[str, Ends] | None = None,
) -> Float[Tensor, "..."]:
    r"""How far the linear layers of a module are from commuting with each of several groups.

    .. math:: R_g = \sum_{layers} \tfrac12 \|W - P_g W\|_F^2 + \tfrac12 \|b - P_g b\|^2

    For a network of your own: say what moves how before and after each linear layer, and add the penalty to the loss.
    Whether distances of zero make the network equivariant depends on what stands between those layers: pointwise
    functions of invariant numbers, and gates, keep it so.

    Args:
        module: any module. A layer counts when it has a ``weight`` of shape ``(out, in)``, like ``nn.Linear``, and its
            representations are known: from ``representations``, or as its own attributes ``rep_in`` and ``rep_out``.
        symmetries: groups, maps into the group of the representations, or names (``"O(2)@xy"``).
        strengths: one for each symmetry; without them the distances come one by one.
        representations: what layers read and return, by their name in ``named_modules()`` ("" for the module itself).

    Returns:
        The distances, shape ``(symmetries,)``; with ``strengths`` their weighted sum, a number, in one pass.

    Raises:
        TypeError: when a representation or a symmetry is none.
        ValueError: when no layer is known, a name is that of no layer, the representations do not fit a layer or belong
            to different groups, or strengths are negative or of another number.

    Source: Kim, Lee, Yang, Lee, "Regularizing Towards Soft Equivariance Under Mixed Symmetries", 2023.

    Example:
        >>> from erlangen.groups import O, Scalar, Vector
        >>> V = Vector(O(3))
        >>> net = nn.Sequential(nn.Linear(6, 16), nn.SiLU(), nn.Linear(16, 3))
        >>> ends = {"0": (2 * V, 16 * Scalar(O(3)))}
        >>> equivariance_penalty(net, ["O(3)", "O(2)@xy"], representations=ends).shape
        torch.Size([2])
        >>> equivariance_penalty(net, ["O(3)", "O(2)@xy"], [0.5, 1.0], ends).shape
        torch.Size([])
    """
    layers = known_layers(module, representations or {})
    homs = candidates("equivariance_penalty(symmetries)", symmetries, layers[0][1].rep_in.group)
    form = block_form(tuple(shape for _, shape in layers), homs)
    flat = flatten(p for layer, _ in layers for p in _tensors(layer))
    return form.distances(flat) if strengths is None else penalty_of(form, flat, strengths)


def known_layers(module: nn.Module, representations: Mapping[str, Ends]) -> list[tuple[nn.Module, LinearShape]]:
    """The linear layers whose representations are known, with these.

    Raises:
        TypeError: when a representation is none.
        ValueError: when there is no such layer, a name is that of no layer, or something does not fit.
    """
    found, layers = [], dict(module.named_modules())
    unknown = sorted(set(representations) - set(layers))
    if unknown:
        raise ValueError(f"equivariance_penalty(representations): {unknown[0]!r} is no layer of the module")
    for name, layer in layers.items():
        weight = getattr(layer, "weight", None)
        ends = representations.get(name) or (getattr(layer, "rep_in", None), getattr(layer, "rep_out", None))
        if name not in representations and (ends[0] is None or ends[1] is None or not _is_matrix(weight)):
            continue
        rep_in, rep_out = ends
        where = f"equivariance_penalty, layer {name!r}"
        require_representations(where, rep_in, rep_out)  # type: ignore[arg-type]
        assert rep_in is not None and rep_out is not None
        if not isinstance(weight, Tensor) or weight.shape != (rep_out.dim, rep_in.dim):
            got = tuple(weight.shape) if isinstance(weight, Tensor) else "none"
            raise ValueError(f"{where}: a weight of shape ({rep_out.dim}, {rep_in.dim}), got {got}")
        if found and found[0][1].rep_in.group != rep_in.group:
            raise ValueError(f"{where}: {rep_in.group}, but another layer is one of {found[0][1].rep_in.group}")
        found.append((layer, LinearShape(rep_in, rep_out, isinstance(getattr(layer, "bias", None), Tensor))))
    if not found:
        raise ValueError(
            "equivariance_penalty(module): no linear layer whose representations are known; pass representations, as "
            "{'layer.name': (rep_in, rep_out)}"
        )
    return found


def _is_matrix(weight: object) -> bool:
    return isinstance(weight, Tensor) and weight.ndim == 2


def _tensors(layer: nn.Module) -> list[Tensor]:
    return [t for t in (layer.weight, getattr(layer, "bias", None)) if isinstance(t, Tensor)]
