"""The gated nonlinearity, with features along the first axis."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from erlangen.groups import Representation
from erlangen.symmetrize.channels import gated, is_scalar


class Gated(nn.Module):
    r"""Each tensor times the sigmoid of a scalar of its own; scalars are gated by themselves.

    .. math:: y = \sigma(g)\, v + w \odot \mathrm{swish}(v), \qquad y_{scalar} = \mathrm{swish}(v_{scalar})

    The second term, the leak, acts coordinate by coordinate and breaks every symmetry a little: with it the layer can
    stand for a plain one. Features run along the first axis, so that sums and products over the few components of a
    tensor are done for a whole batch at a time.

    Args:
        rep: representation of what is returned; :func:`~erlangen.symmetrize.channels.gated` of it is read.
        leak: where the factors :math:`w` start; ``None`` for a strict layer without them.

    Source: Weiler, Geiger, Welling, Boomsma, Cohen, "3D Steerable CNNs", 2018, for gates; Kim, Lee, Yang, Lee,
    "Regularizing Towards Soft Equivariance Under Mixed Symmetries", 2023, for the leak.

    Example:
        >>> from erlangen.groups import O, Scalar, Vector
        >>> layer = Gated(2 * Scalar(O(3)) + 3 * Vector(O(3)))
        >>> layer(torch.randn(2 + 9 + 3, 100)).shape
        torch.Size([11, 100])
    """

    def __init__(self, rep: Representation, leak: float | None = 1e-3) -> None:
        super().__init__()
        self.rep = rep
        self._parts = [(copies, part.dim, is_scalar(part)) for copies, part in rep.parts]
        self._sizes = [copies * dim for copies, dim, _ in self._parts]
        self._gates = [copies for copies, _, scalar in self._parts if not scalar]
        tensors = sum(size for size, (_, _, scalar) in zip(self._sizes, self._parts, strict=True) if not scalar)
        # Scalars need no leak: theirs would be a factor before a swish that is there already.
        self.leak = nn.Parameter(torch.full((tensors,), float(leak))) if leak is not None and tensors else None
        self._dim_in = gated(rep).dim

    def forward(self, x: Float[Tensor, "gated batch"]) -> Float[Tensor, "dim batch"]:
        """``(gated(rep).dim, batch)`` to ``(rep.dim, batch)``."""
        *features, gates = x.split([*self._sizes, sum(self._gates)])
        opened = torch.sigmoid(gates).split(self._gates)
        out, at, gate = [], 0, iter(opened)
        for (copies, dim, scalar), v in zip(self._parts, features, strict=True):
            if scalar:
                out.append(nn.functional.silu(v))
                continue
            y = (v.view(copies, dim, -1) * next(gate)[:, None]).view(copies * dim, -1)
            if self.leak is not None:
                y = torch.addcmul(y, self.leak[at : at + copies * dim, None], nn.functional.silu(v))
            at += copies * dim
            out.append(y)
        return torch.cat(out)
