"""Clouds whose centre is at the origin: the space in which positions diffuse."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor


def remove_mean(
    x: Float[Tensor, "nodes dim"], batch: Int[Tensor, " nodes"], num_graphs: int | None = None
) -> Float[Tensor, "nodes dim"]:
    r"""The orthogonal projection of clouds onto those with their centre at the origin, :math:`x_i - \bar x`.

    Args:
        x: points of all clouds.
        batch: the cloud of each.
        num_graphs: how many clouds there are; by default as many as ``batch`` names.

    Example:
        >>> remove_mean(torch.tensor([[0.0], [2.0], [5.0]]), torch.tensor([0, 0, 1]))
        tensor([[-1.],
                [ 1.],
                [ 0.]])
    """
    if num_graphs is None:
        num_graphs = int(batch.max()) + 1 if len(batch) else 0
    sizes = torch.bincount(batch, minlength=num_graphs).clamp_min(1).to(x.dtype)
    mean = x.new_zeros(num_graphs, x.shape[1]).index_add(0, batch, x) / sizes[:, None]
    return x - mean[batch]


def zero_mean_noise(
    batch: Int[Tensor, " nodes"],
    dim: int = 3,
    *,
    num_graphs: int | None = None,
    dtype: torch.dtype | None = None,
    generator: torch.Generator | None = None,
) -> Float[Tensor, "nodes dim"]:
    r"""Normal noise on clouds with their centre at the origin.

    A cloud of n points has :math:`(n - 1)\,d` degrees of freedom, each of variance one. The distribution is the same
    seen from every side, and the only normal one of this kind that no orthogonal map within the subspace changes.

    Args:
        batch: the cloud of each point.
        dim: of the space.
        num_graphs: how many clouds there are; by default as many as ``batch`` names.
        dtype: of the noise; torch's default if None.
        generator: torch's own if None.

    Example:
        >>> noise = zero_mean_noise(torch.tensor([0, 0, 0, 1]), generator=torch.Generator().manual_seed(0))
        >>> noise.shape, bool(noise[:3].sum(0).abs().max() < 1e-6), noise[3].tolist()
        (torch.Size([4, 3]), True, [0.0, 0.0, 0.0])
    """
    return remove_mean(normal((len(batch), dim), batch.device, dtype, generator), batch, num_graphs)


def normal(
    shape: tuple[int, ...], device: torch.device, dtype: torch.dtype | None, generator: torch.Generator | None
) -> Tensor:
    """Normal numbers on a device, drawn where the generator lives."""
    where = device if generator is None else generator.device
    return torch.randn(shape, generator=generator, dtype=dtype, device=where).to(device)
