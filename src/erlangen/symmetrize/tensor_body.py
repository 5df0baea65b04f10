"""What equivariant multilayer perceptrons of every kind share: all but where their linear maps come from."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from erlangen.groups import Hom, Representation, Vector
from erlangen.symmetrize.block_form import LinearShape
from erlangen.symmetrize.channels import hidden_representation, moves_orthogonally, scalars_first
from erlangen.symmetrize.gated_bilinear import GatedBilinear


class TensorBody(nn.Module):
    """Products and gates (:class:`GatedBilinear`) between linear maps that are handed in.

    Args:
        name: of the network, for what is said of wrong arguments.
        rep_in: representation on the last axis of the input.
        rep_out: representation on the last axis of the output.
        channels: the hidden representation, or its size, see :func:`hidden_representation`.
        num_layers: number of linear maps.
        homs: the groups under which all but the linear maps and the leaks is to be equivariant.
        leak: where the leak of the gated layers starts, ``None`` for none.
        generator: randomness of the first weights.
    """

    def __init__(
        self,
        name: str,
        rep_in: Representation,
        rep_out: Representation,
        channels: int | Representation,
        num_layers: int,
        homs: Sequence[Hom],
        leak: float | None,
        generator: torch.Generator | None,
    ) -> None:
        super().__init__()
        if isinstance(num_layers, bool) or not isinstance(num_layers, int) or num_layers < 1:
            raise ValueError(f"{name}(num_layers): at least 1, got {num_layers!r}")
        if leak is not None and not math.isfinite(leak):
            raise ValueError(f"{name}(leak): a finite number or None, got {leak}")
        hidden = scalars_first(channels) if isinstance(channels, Representation) else _of_size(name, rep_in, channels)
        if hidden.group != rep_in.group:
            raise ValueError(f"{name}(channels): a representation of {rep_in.group}, got one of {hidden.group}")
        self.rep_in, self.rep_out, self.hidden = rep_in, rep_out, hidden
        norms = all(_keeps_norms(hidden, hom) for hom in homs)
        self.between = GatedBilinear(hidden)
        wide, inner = self.between.rep_in, num_layers - 1
        # One parameter each for all layers: optimizers and penalties then take one step instead of one for each.
        gates = self.between.mix_shape[1]
        mix = torch.randn(inner, *self.between.mix_shape, generator=generator) / max(1, gates) ** 0.5
        self.mix = nn.Parameter(mix) if norms and mix.numel() else None
        leaks = torch.full((inner, *self.between.leak_shape), 0.0 if leak is None else float(leak))
        self.leak = nn.Parameter(leaks) if leak is not None and leaks.numel() else None
        reps_in, reps_out = [rep_in, *[hidden] * inner], [*[wide] * inner, rep_out]
        #: What the linear maps map; all have biases.
        self.shapes = tuple(LinearShape(i, o, True) for i, o in zip(reps_in, reps_out, strict=True))

    def forward(self, x: Tensor, weights: Sequence[Tensor]) -> Tensor:
        """``(*, rep_in.dim)`` to ``(*, rep_out.dim)``, with a matrix and a vector for each linear map, in turn."""
        # Features first: products of the few components of tensors then run along the batch.
        h = x.reshape(x.shape[:-1].numel(), x.shape[-1]).T
        *others, last = zip(weights[::2], weights[1::2], strict=True)
        mixes = [None] * len(others) if self.mix is None else self.mix.unbind()
        leaks = [None] * len(others) if self.leak is None else self.leak.unbind()
        for (matrix, shift), mix, leak in zip(others, mixes, leaks, strict=True):
            h = self.between(torch.addmm(shift[:, None], matrix, h), mix, leak)
        matrix, shift = last
        return torch.addmm(shift[:, None], matrix, h).T.reshape(*x.shape[:-1], self.rep_out.dim)

    def leak_penalty(self) -> Tensor:
        """The sum of the squares of all leaks, a number."""
        return torch.zeros(()) if self.leak is None else self.leak.square().sum()


def _of_size(name: str, rep_in: Representation, channels: int) -> Representation:
    try:
        vector = Vector(rep_in.group)
    except ValueError as error:
        raise ValueError(
            f"{name}(channels): {rep_in.group} has no vectors to make {channels} channels of; pass a representation"
        ) from error
    return hidden_representation(vector, channels)


def _keeps_norms(hidden: Representation, hom: Hom) -> bool:
    return all(moves_orthogonally(part.along(hom)) for _, part in hidden.parts if part.dim > 1)
