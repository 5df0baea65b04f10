"""The distance of any module's linear layers from equivariance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, cast

from jaxtyping import Float
from torch import Tensor, nn

from erlangen.groups import Group, Hom, Representation
from erlangen.symmetrize.block_form import LinearShape, block_form, flatten
from erlangen.symmetrize.linear_stack import LinearStack
from erlangen.symmetrize.projector import require_representations
from erlangen.symmetrize.residual_pathway import ResidualPathway
from erlangen.symmetrize.soft_emlp import EMLP
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
    homs = candidates("equivariance_penalty(symmetries)", symmetries, layers[0].shapes[0].rep_in.group)
    form = block_form(tuple(shape for layer in layers for shape in layer.shapes), homs)
    flat = flatten(tensor for layer in layers for tensor in layer.tensors)
    return form.distances(flat) if strengths is None else penalty_of(form, flat, strengths)


class Known(NamedTuple):
    """What one or several linear maps map, and their weights, in turn."""

    shapes: tuple[LinearShape, ...]
    tensors: tuple[Tensor, ...]


def known_layers(module: nn.Module, representations: Mapping[str, Ends]) -> list[Known]:
    """The linear layers whose representations are known.

    Raises:
        TypeError: when a representation is none.
        ValueError: when there is no such layer, a name is that of no layer, or something does not fit.
    """
    found: list[Known] = []
    layers = dict(module.named_modules())
    unknown = sorted(set(representations) - set(layers))
    if unknown:
        raise ValueError(f"equivariance_penalty(representations): {unknown[0]!r} is no layer of the module")
    told: list[str] = []
    for name, layer in layers.items():
        if any(name.startswith(owner) for owner in told):
            continue
        if isinstance(layer, LinearStack | EMLP | ResidualPathway):
            # Networks that make their weights of others tell what they use.
            told.append(f"{name}." if name else "")
            found.append(Known(layer.shapes, (layer.flat_weights(),)))
        elif name in representations or (declares(layer) and _is_matrix(getattr(layer, "weight", None))):
            found.append(_one_layer(name, layer, representations.get(name)))
    if not found:
        raise ValueError(
            "equivariance_penalty(module): no linear layer whose representations are known; pass representations, as "
            "{'layer.name': (rep_in, rep_out)}"
        )
    groups = [known.shapes[0].rep_in.group for known in found]
    if any(group != groups[0] for group in groups):
        raise ValueError(f"equivariance_penalty: all layers of one group, got {groups[0]} and others")
    return found


def _one_layer(name: str, layer: nn.Module, ends: Ends | None) -> Known:
    rep_in, rep_out = ends if ends is not None else cast(Ends, (layer.rep_in, layer.rep_out))
    where = f"equivariance_penalty, layer {name!r}"
    require_representations(where, rep_in, rep_out)
    weight, bias = getattr(layer, "weight", None), getattr(layer, "bias", None)
    if not isinstance(weight, Tensor) or weight.shape != (rep_out.dim, rep_in.dim):
        got = tuple(weight.shape) if isinstance(weight, Tensor) else "none"
        raise ValueError(f"{where}: a weight of shape ({rep_out.dim}, {rep_in.dim}), got {got}")
    if not isinstance(bias, Tensor):
        return Known((LinearShape(rep_in, rep_out, False),), (weight,))
    return Known((LinearShape(rep_in, rep_out, True),), (weight, bias))


def declares(layer: nn.Module) -> bool:
    """Whether a layer says what it reads and returns."""
    return all(isinstance(getattr(layer, name, None), Representation) for name in ("rep_in", "rep_out"))


def _is_matrix(weight: object) -> bool:
    return isinstance(weight, Tensor) and weight.ndim == 2
