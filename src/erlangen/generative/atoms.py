"""Kinds of atoms as numbers that diffuse, and back."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn


class AtomEncoding(nn.Module):
    r"""Atomic numbers as continuous features: one-hot over the elements, and the nuclear charge itself.

    Both are made small beside coordinates, :math:`[\text{onehot} / 4,\; Z / 10]`: noise then hides the kinds of atoms
    before it hides where they are, and a sampler decides on places first. The way back takes the largest of the
    one-hot part; the charge only helps to learn.

    Args:
        elements: atomic numbers it knows.
        type_scale: what the one-hot part is divided by.
        charge_scale: what the charge is divided by; None leaves it out.

    Raises:
        ValueError: if there is no element, a number is below one or named twice, or a scale is not positive; when
            called, for an element that is not known.

    Source: Hoogeboom, Satorras, Vignac, Welling, "Equivariant Diffusion for Molecule Generation in 3D", 2022.

    Example:
        >>> encoding = AtomEncoding((1, 6, 8))
        >>> encoding(torch.tensor([8, 1]))
        tensor([[0.0000, 0.0000, 0.2500, 0.8000],
                [0.2500, 0.0000, 0.0000, 0.1000]])
        >>> encoding.decode(encoding(torch.tensor([8, 1])))
        tensor([8, 1])
    """

    def __init__(
        self,
        elements: Sequence[int] = (1, 6, 7, 8, 9),
        type_scale: float = 4.0,
        charge_scale: float | None = 10.0,
    ) -> None:
        super().__init__()
        if not elements or min(elements) < 1 or len(set(elements)) != len(elements):
            raise ValueError(f"AtomEncoding(elements): different atomic numbers from 1, got {list(elements)}")
        for name, scale in (("type_scale", type_scale), ("charge_scale", charge_scale)):
            if scale is not None and not scale > 0:
                raise ValueError(f"AtomEncoding({name}): a positive number, got {scale}")
        self.elements, self.type_scale, self.charge_scale = tuple(elements), type_scale, charge_scale
        self.register_buffer("table", torch.tensor(elements), persistent=False)

    @property
    def num_features(self) -> int:
        """Numbers per atom."""
        return len(self.elements) + (self.charge_scale is not None)

    def forward(self, numbers: Int[Tensor, " atoms"]) -> Float[Tensor, "atoms features"]:
        """Features of atoms by their atomic numbers, in torch's default dtype."""
        onehot = numbers[:, None] == self.get_buffer("table")
        if not bool(onehot.any(1).all()):
            stranger = int(numbers[~onehot.any(1)][0])
            raise ValueError(f"numbers: one of the elements {list(self.elements)}, got {stranger}")
        features = onehot.to(torch.get_default_dtype()) / self.type_scale
        if self.charge_scale is None:
            return features
        return torch.cat([features, numbers[:, None].to(features) / self.charge_scale], 1)

    def decode(self, x: Float[Tensor, "atoms features"]) -> Int[Tensor, " atoms"]:
        """The atomic numbers that features are nearest to.

        Raises:
            ValueError: if there are not ``num_features`` of them.
        """
        if x.shape[1] != self.num_features:
            raise ValueError(f"x: shape (atoms, {self.num_features}), got {tuple(x.shape)}")
        return self.get_buffer("table")[x[:, : len(self.elements)].argmax(1)]
