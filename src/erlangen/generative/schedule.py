"""How much is left of a sample, and how much noise is in it, after each step of a diffusion."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

#: The smallest part of the signal's variance that one step of a polynomial schedule leaves.
KEPT = 1e-3

Steps = Int[Tensor, "*steps"]
Values = Float[Tensor, "*steps"]


class Return(NamedTuple):
    r"""The way back from a step t to an earlier one, s.

    Given :math:`z_t` and the noise in it,
    :math:`z_s \sim \mathcal{N}(a\, z_t - b\, \epsilon, c^2)`.

    Args:
        scale: :math:`a = \alpha_s / \alpha_t`.
        noise: :math:`b = \sigma_{t|s}^2\, a / \sigma_t`, with
            :math:`\sigma_{t|s}^2 = 1 - \alpha_t^2 / \alpha_s^2`.
        deviation: :math:`c = \sigma_{t|s}\, \sigma_s / \sigma_t`.
    """

    scale: Tensor
    noise: Tensor
    deviation: Tensor


class NoiseSchedule(nn.Module):
    r"""A variance-preserving schedule, :math:`z_t = \alpha_t x + \sigma_t \epsilon` with
    :math:`\alpha_t^2 + \sigma_t^2 = 1`, as a table over :math:`t = 0 \ldots T`.

    Its numbers are kept in float64 as a buffer; whoever uses them casts them. Half precision, in which neighbouring
    steps could not be told apart, is not for them: ``half()`` and ``bfloat16()`` leave them as they are.

    Args:
        alpha_squared: :math:`\alpha_t^2` from t = 0 to T, strictly between one and zero, and falling.

    Raises:
        ValueError: if there are fewer than two, or they do not fall strictly within (0, 1).

    Example:
        >>> schedule = NoiseSchedule(torch.tensor([0.99, 0.5, 0.01]))
        >>> schedule.num_steps, schedule.log_snr(torch.tensor(1)).item()
        (2, 0.0)
    """  # noqa: D205 - the summary holds an equation

    def __init__(self, alpha_squared: Float[Tensor, " steps"]) -> None:
        super().__init__()
        values = alpha_squared.detach().double()
        inside = bool(((values > 0) & (values < 1)).all())
        if len(values) < 2 or not inside or not bool((values.diff() < 0).all()):
            raise ValueError(
                "NoiseSchedule(alpha_squared): two numbers or more that fall strictly, between one and zero, got "
                f"{len(values)} from {values[:1].tolist()} to {values[-1:].tolist()}"
            )
        self.register_buffer("log_alpha_squared", values.log())

    def _apply(self, fn: Callable[..., Any], recurse: bool = True) -> NoiseSchedule:
        before = self.get_buffer("log_alpha_squared")
        super()._apply(fn, recurse)
        after = self.get_buffer("log_alpha_squared")
        if after.dtype not in (torch.float32, torch.float64):
            self.log_alpha_squared = before.to(after.device)
        return self

    @property
    def num_steps(self) -> int:
        """T, the steps from data to noise."""
        return len(self.get_buffer("log_alpha_squared")) - 1

    def alpha(self, step: Steps) -> Values:
        r"""The signal's factor, :math:`\alpha_t`."""
        return self._at(step).mul(0.5).exp()

    def sigma(self, step: Steps) -> Values:
        r"""The noise's factor, :math:`\sigma_t`."""
        return self._at(step).expm1().neg().sqrt()

    def log_snr(self, step: Steps) -> Values:
        r"""The logarithm of the signal-to-noise ratio, :math:`\log (\alpha_t^2 / \sigma_t^2)`."""
        log = self._at(step)
        return log - log.expm1().neg().log()

    def back(self, step: Steps, earlier: Steps) -> Return:
        """The distribution of an earlier state, given the state at a step and the noise in it.

        Args:
            step: t.
            earlier: s, at most t.

        Raises:
            ValueError: if a step lies outside 0 ... T, or s after t.
        """
        later, before = self._at(step), self._at(earlier)
        if bool((earlier > step).any()):
            raise ValueError(f"NoiseSchedule(earlier): steps up to {step.tolist()}, got {earlier.tolist()}")
        fresh = (later - before).expm1().neg()
        scale, sigma = ((before - later) / 2).exp(), later.expm1().neg().sqrt()
        return Return(scale, fresh * scale / sigma, (fresh * before.expm1().neg()).sqrt() / sigma)

    def _at(self, step: Tensor) -> Tensor:
        if step.numel() and not 0 <= int(step.min()) <= int(step.max()) <= self.num_steps:
            raise ValueError(f"NoiseSchedule(step): from 0 to {self.num_steps}, got {int(step.min())} to {step.max()}")
        return self.get_buffer("log_alpha_squared")[step]

    def extra_repr(self) -> str:
        """Shown by ``print(module)``."""
        first, last = (float(self.log_snr(torch.tensor(t))) for t in (0, self.num_steps))
        return f"num_steps={self.num_steps}, log_snr={first:.1f} to {last:.1f}"


def polynomial_schedule(num_steps: int = 1000, power: float = 2.0, precision: float = 1e-5) -> NoiseSchedule:
    r"""The schedule of equivariant diffusion of molecules.

    .. math:: \alpha_t^2 = (1 - 2 s)\, \big(1 - (t / T)^p\big)^2 + s

    where no step leaves less than a thousandth of the variance of the signal (which only touches the last one), and s
    keeps the signal-to-noise ratio finite at both ends.

    Args:
        num_steps: T.
        power: p.
        precision: s.

    Raises:
        ValueError: if an argument is out of range.

    Source: Hoogeboom, Satorras, Vignac, Welling, "Equivariant Diffusion for Molecule Generation in 3D", 2022.

    Example:
        >>> schedule = polynomial_schedule()
        >>> [round(float(schedule.alpha(torch.tensor(t))), 4) for t in (0, 500, 1000)]
        [1.0, 0.75, 0.0032]
    """
    for name, value, good in (
        ("num_steps", num_steps, num_steps >= 1),
        ("power", power, power > 0),
        ("precision", precision, 0 < precision < 0.5),
    ):
        if not good:
            takes = {"num_steps": "a whole number from 1", "power": "a positive number"}.get(name, "between 0 and 0.5")
            raise ValueError(f"polynomial_schedule({name}): {takes}, got {value}")
    t = torch.linspace(0, 1, num_steps + 1, dtype=torch.float64)
    plain = (1 - t**power).square()
    kept = torch.cat([torch.ones(1, dtype=torch.float64), plain[1:] / plain[:-1]])
    return NoiseSchedule((1 - 2 * precision) * kept.clamp_min(KEPT).cumprod(0) + precision)
