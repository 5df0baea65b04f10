"""Samples of a group that carry their inverses, and their weights for the invariant measure."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import lru_cache

import torch
from jaxtyping import Float
from torch import Tensor

from erlangen.groups.exponential import matrix_exp
from erlangen.groups.haar import log_polar_constant, log_positive_density
from erlangen.groups.matrix import SL, SO, GLPlus
from erlangen.groups.planar import exp_of_plane, rotation_of_angle
from erlangen.groups.polar import require_square
from erlangen.groups.proposal import LogNormal

WEIGHTS = ("proposal", "haar")


@dataclass(frozen=True, eq=False)
class GroupSamples:
    r"""Finitely many elements of a group, as a feature map on the group carries them along.

    Integrals over the group are means over the samples, :math:`\int f\, d\mu \approx \frac1N \sum_i w_i f(t_i)`.

    Args:
        matrix: the elements :math:`t_i`.
        inverse: their inverses.
        log_weight: the logarithms of :math:`w_i`, the invariant measure over the density that was drawn from. Zero
            integrates against that density itself.

    Raises:
        ValueError: for no samples, or shapes, dtypes or devices that do not fit.
        TypeError: for a dtype other than float32 and float64.
    """

    matrix: Float[Tensor, "num n n"]
    inverse: Float[Tensor, "num n n"]
    log_weight: Float[Tensor, " num"]

    def __post_init__(self) -> None:
        require_square(self.matrix, "GroupSamples(matrix)")
        if self.matrix.ndim != 3 or not len(self.matrix):
            raise ValueError(f"GroupSamples(matrix): shape (N, n, n), N from 1, got {tuple(self.matrix.shape)}")
        for name, got, shape in (
            ("inverse", self.inverse, self.matrix.shape),
            ("log_weight", self.log_weight, self.matrix.shape[:1]),
        ):
            if got.shape != shape or got.dtype != self.matrix.dtype or got.device != self.matrix.device:
                raise ValueError(
                    f"GroupSamples({name}): {self.matrix.dtype} of shape {tuple(shape)} on {self.matrix.device}, as "
                    f"the matrices, got {got.dtype} of shape {tuple(got.shape)} on {got.device}"
                )

    def __len__(self) -> int:
        return len(self.matrix)

    def normalised_weights(self) -> Float[Tensor, " num"]:
        """The weights over their sum."""
        return self.log_weight.softmax(0)

    def move(self, A: Float[Tensor, "n n"]) -> GroupSamples:
        """The samples ``A t_i``: those of a signal that was moved by ``A``. The weights stay, as the measure does.

        Raises:
            ValueError: if ``A`` is not one invertible matrix of the same size.
        """
        if A.shape != self.matrix.shape[1:]:
            raise ValueError(f"move(A): one matrix of shape {tuple(self.matrix.shape[1:])}, got {tuple(A.shape)}")
        A = A.to(self.matrix)
        back, failed = torch.linalg.inv_ex(A)
        if bool(failed) or not bool(back.isfinite().all()):
            raise ValueError(f"move(A): an invertible matrix, got {A.tolist()}")
        return replace(self, matrix=A @ self.matrix, inverse=self.inverse @ back)

    def to(self, dtype: torch.dtype | None = None, device: torch.device | str | None = None) -> GroupSamples:
        """The same samples in another dtype or on another device."""
        move = lambda t: t.to(dtype=dtype, device=device)
        return GroupSamples(move(self.matrix), move(self.inverse), move(self.log_weight))


def sample_group(
    group: SO | SL | GLPlus,
    num: int,
    proposal: LogNormal = LogNormal(),
    weights: str = "proposal",
    generator: torch.Generator | None = None,
    dtype: torch.dtype = torch.float64,
    device: torch.device | str | None = None,
) -> GroupSamples:
    r"""Samples :math:`t_i = S_i^{1/2} R_i` of SO(n), SL(n) or GL+(n), with inverses :math:`R_i^T S_i^{-1/2}`.

    The :math:`\log S_i` are drawn from the proposal, traceless for SL(n), zero for SO(n). The rotations are by the
    angles :math:`2 \pi i / N` for n = 2, all distinct, the identity first and those that are multiples of a quarter
    turn without rounding; for larger n they are drawn uniformly. Inverses are made from the same factors, not by
    inverting matrices.

    With the weights "proposal", all one, means over the samples are integrals against the proposal. With "haar",
    :math:`w = \frac{d\mu}{dX} / q(X)`, they are integrals for the invariant measure, whose multiple is that of
    :mod:`erlangen.groups.haar`. The whole measure of SL(n) and GL+(n) is infinite, and the weights grow without bound
    with :math:`|X|`; where a mean is taken of something that does not decay, give the proposal a bound.

    Args:
        group: SO(n), SL(n) or GLPlus(n).
        num: how many.
        proposal: of the positive matrices.
        weights: "proposal" or "haar".
        generator: source of randomness.
        dtype: of the result; everything is computed in float64.
        device: of the result.

    Raises:
        ValueError: for another group, fewer than one sample, or other weights.

    Source: Mironenco, Forre, "Lie Group Decompositions for Equivariant Neural Networks", 2024.

    Example:
        >>> from erlangen.groups import SL
        >>> samples = sample_group(SL(2), 4, generator=torch.Generator().manual_seed(0))
        >>> torch.allclose(samples.matrix @ samples.inverse, torch.eye(2).double())
        True
    """
    if not isinstance(group, SO | SL | GLPlus):
        raise ValueError(f"sample_group(group): SO(n), SL(n) or GLPlus(n), got {group!r}")
    if isinstance(num, bool) or not isinstance(num, int) or num < 1:
        raise ValueError(f"sample_group(num): a whole number from 1, got {num!r}")
    if weights not in WEIGHTS:
        raise ValueError(f"sample_group(weights): {' or '.join(map(repr, WEIGHTS))}, got {weights!r}")
    n = group.n
    if n == 2:
        rotation = spread_rotations(num).clone()
    else:
        rotation = SO(n).sample(num, generator=generator)
    if isinstance(group, SO):
        samples = GroupSamples(rotation, rotation.mT.contiguous(), rotation.new_zeros(num))
        return samples.to(dtype, device)
    special = isinstance(group, SL)
    X = proposal.sample(n, num, traceless=special, generator=generator)
    rotation = rotation.to(X.device)
    log_weight = X.new_zeros(num)
    if weights == "haar":
        constant = log_polar_constant(n) + (math.log(2) if special else 0.0)
        log_weight = constant + log_positive_density(X, special) - proposal.log_density(X, special)
    samples = GroupSamples(_exp(X / 2) @ rotation, rotation.mT @ _exp(-X / 2), log_weight)
    return samples.to(dtype, device)


@lru_cache(maxsize=64)
def spread_rotations(num: int) -> Tensor:
    """Rotations of the plane by the multiples of ``2 pi / num``, shape ``(num, 2, 2)``, the identity first."""
    with torch.inference_mode(False):  # what is kept must be of use wherever it is asked for next
        return _spread_rotations(num)


def _spread_rotations(num: int) -> Tensor:
    turns = torch.arange(num, dtype=torch.float64) * 4 / num
    quarters = turns.round()
    # The rest is at most an eighth of a turn, and zero for quarter turns, whose sines and cosines are then exact.
    rest = rotation_of_angle((turns - quarters) * (math.pi / 2))
    quarter = torch.tensor([[0.0, -1.0], [1.0, 0.0]], dtype=torch.float64)
    powers = torch.stack([torch.linalg.matrix_power(quarter, k) for k in range(4)])
    return powers[quarters.long() % 4] @ rest


def _exp(Y: Tensor) -> Tensor:
    if Y.shape[-1] > 2:
        return matrix_exp(Y)
    if Y.shape[-1] == 1:
        return Y.exp()
    return exp_of_plane((Y[:, 0, 0] + Y[:, 1, 1]) / 2, (Y[:, 0, 0] - Y[:, 1, 1]) / 2, Y[:, 0, 1])
