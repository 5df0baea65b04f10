"""One element of a frame of principal axes, chosen by odd moments, for similarities, too."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor

from erlangen.groups import CO, CSO, SE, Affine, E, Element, Group
from erlangen.symmetrize.canonical import mds_coordinates
from erlangen.symmetrize.frame import pick, require_policy


@dataclass(frozen=True)
class MDSFrame:
    r"""The map from canonical coordinates to where the cloud lies, :math:`z \mapsto \rho\, Q z + t`: one element.

    A frame of one element costs one evaluation of the backbone, where :class:`PCAFrame` takes 2^d; and it knows scale.
    Where an odd moment of the cloud changes sign, so does its axis, all of a sudden; the set of all signs has no such
    jumps.

    Args:
        group: E(d), SE(d), or the similarities ``Affine(d, CO(d))`` and ``Affine(d, CSO(d))``. Axes are right-handed
            for SE and CSO.
        points: which input holds the coordinates, ``(B, n, d)``, or ``(nodes, d)``: its position, or a field.
        batch: which input is the batch vector of a PyG batch.
        mask: which input tells the valid points of padded clouds, boolean, ``(B, n)``.
        sign: "moment", or "average" for all 2^d signs (half of them for SE and CSO have another determinant and are
            left out, so use :class:`PCAFrame` there); only for E and CO.
        degenerate: "raise", "warn", "perturb" or "keep": see :func:`mds_coordinates`.

    Raises:
        ValueError: for other groups and words; when called, for degenerate clouds under policy "raise".

    Example:
        >>> import torch
        >>> from erlangen.groups import Points, Scalar, Symmetry
        >>> from erlangen.symmetrize import symmetrize
        >>> G = Affine(2, CO(2))
        >>> net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(10, 1))
        >>> model = symmetrize(net, Symmetry(G, (Points(G),), Scalar(G)), MDSFrame(G))
        >>> x = torch.randn(3, 5, 2)
        >>> torch.allclose(model(x), model(3 * x.flip(-1) + 1), atol=1e-5)
        True
    """

    group: Group
    points: int | str = 0
    batch: int | str | None = None
    mask: int | str | None = None
    sign: str = "moment"
    degenerate: str = "raise"
    holds_where: str = "distinct principal moments, odd moments that do not vanish, clouds that span the space"

    def __post_init__(self) -> None:
        linear = self.group.linear if isinstance(self.group, Affine) else None
        if not isinstance(self.group, E | SE) and not isinstance(linear, CO | CSO):
            raise ValueError(f"MDSFrame(group): E(d), SE(d), Affine(d, CO(d)) or Affine(d, CSO(d)), got {self.group}")
        if self.sign not in ("moment", "average") or (self.sign == "average" and self._proper):
            takes = "'moment'" if self._proper else "'moment' or 'average'"
            raise ValueError(f"MDSFrame(sign): {takes} for {self.group}, got {self.sign!r}")
        require_policy(self.degenerate, "MDSFrame")

    @property
    def _proper(self) -> bool:
        return isinstance(self.group, SE) or (isinstance(self.group, Affine) and isinstance(self.group.linear, CSO))

    def __call__(self, *inputs: Any) -> tuple[Element, Tensor | None]:
        """Elements of shape ``(B, F, d + 1, d + 1)``, F one or 2^d; no weights."""
        assert isinstance(self.group, E | SE | Affine)
        placed = mds_coordinates(
            pick(inputs, self.points, "MDSFrame(points)"),
            None if self.batch is None else pick(inputs, self.batch, "MDSFrame(batch)"),
            None if self.mask is None else pick(inputs, self.mask, "MDSFrame(mask)"),
            scale="rms" if isinstance(self.group, Affine) else None,
            sign="moment-so" if self._proper else self.sign,
            degenerate=self.degenerate,
        )
        turns = placed.rotation[None] if placed.rotation.ndim == 3 else placed.rotation
        linear = (turns * placed.scale[:, None, None]).transpose(0, 1)
        return self.group.pack(linear, placed.center[:, None].expand(linear.shape[:-1])), None
