r"""How far a few samples of a group are from the group, and what weights and the determinant do about it; untrained.

A digit f is lifted to N samples, cut off smoothly, convolved on the group, and averaged over pixels and group: an
output :math:`\Phi` that affine maps would not change if pixels and samples were infinitely many. Three things are
measured, with random kernels linear in their weights.

* The Monte-Carlo error: how :math:`\Phi` varies with the draw of samples, over N.
* The equivariance error of the samples, :math:`\Phi(f; t_i)` against :math:`\Phi(f; A^{-1} t_i)`, which is
  :math:`\Phi(A f; t_i)` without the error of resampling pixels: over N, with samples that integrate against the
  proposal they are drawn from; with samples spread over a bound and weights for the invariant measure; and with these
  same samples without their weights, which tells what weights do from what the spread does.
* For GL+(2): how well the lifted digit moves along, :math:`F(A f; A t_i)` against :math:`F(f; t_i)`, with the factor
  :math:`|\det h|^{-1}` of the lifting, and without.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from erlangen.data.warps import warp
from erlangen.groups import SL, GLPlus, Group, GroupSamples, LogNormal
from erlangen.images import AffineConv2d, AffineLifting2d, BasisKernel, KernelGrid, draw_samples
from erlangen.recipes.experiment import Experiment, Findings, by_metric
from erlangen.recipes.lie_decomposition.digits import load, prepared
from erlangen.recipes.lie_decomposition.settings import Config
from erlangen.recipes.seeds import Tick, over_seeds
from erlangen.report import Check, Claim, Table, new_figure, save_figure

NAME = "equivariance-error"
SIZE = 16
MOST_DRAWS = 8  # times as many, of few samples
# Bumps wider than the distance of two taps: narrower ones fall between them where a sample shrinks the kernel.
SMOOTH = partial(BasisKernel, resolution=3)
WIDTH = 0.3
GROUPS = {"sl": SL(2), "gl": GLPlus(2)}
WORDS = {"sl": "SL(2)", "gl": "GL+(2)"}
STEEPEST, FLATTEST = -0.75, -0.3


def _claim(
    name: str, statement: str, relation: Any, margin: float, ours: str, baseline: str | float, **form: Any
) -> Claim:
    return Claim(
        f"{NAME}-{name}",
        statement,
        relation,
        margin=margin,
        required_seeds=3,
        experiment=NAME,
        ours=ours,
        baseline=baseline,
        **form,
    )


# Written before the first run. After a pilot of one seed kernels were made smoother, and the mean over the plane was
# given its measure, which it lacked; weights for the invariant measure were spread over more samples; and the kernel
# whose determinant is left out was made to end before its taps do. The claims of weights alone came later, when it was
# seen that the samples of the claim before them differ in their spread as well.
CLAIMS = (
    *(
        _claim(
            f"{name}-slope",
            f"{WORDS[name]}: the Monte-Carlo error falls as a power of N between -0.75 and -0.3.",
            "==", (FLATTEST - STEEPEST) / 2, f"{name}_slope", (FLATTEST + STEEPEST) / 2,
        )
        for name in GROUPS
    ),
    *(
        _claim(
            f"{name}-haar",
            f"{WORDS[name]}: the most samples, spread over a bound and weighted for the invariant measure, have a "
            "smaller equivariance error than as many of the proposal.",
            "<", 1.0, f"{name}_moved_haar", f"{name}_moved_proposal", form="ratio",
        )
        for name in GROUPS
    ),
    *(
        _claim(
            f"{name}-weights",
            f"{WORDS[name]}: of the same samples, spread over a bound, weights make the equivariance error smaller.",
            "<", 1.0, f"{name}_moved_haar", f"{name}_moved_unweighted", form="ratio",
        )
        for name in GROUPS
    ),
    _claim(
        "determinant",
        "GL+(2): without the determinant, lifted digits are at least three times as far from moving along.",
        ">", 3.0, "without_determinant", "with_determinant", form="ratio",
    ),
)  # fmt: skip


class Invariant(nn.Module):
    r"""Lifting, a convolution on the group, and the mean over the plane and the group, with random kernels.

    The invariant measure of both together is :math:`dx\, d\mu(h) / |\det h|`.
    """

    def __init__(self, group: SL | GLPlus, channels: int) -> None:
        super().__init__()
        self.lift = AffineLifting2d(group, 1, channels, 7, SMOOTH, padding=3)
        self.conv = AffineConv2d(group, channels, channels, 7, SMOOTH, padding=3)

    def forward(self, x: Tensor, samples: GroupSamples) -> Tensor:
        """One number per image and channel, ``(images, channels)``."""
        feature = self.conv(self.lift(x, samples).map(nn.functional.gelu)).map(nn.functional.gelu)
        weights = samples.normalised_weights() / torch.linalg.det(samples.matrix).abs()
        return feature.values.mean((3, 4)) @ weights.to(x)


class GaussianKernel(nn.Module):
    r"""Random kernels on the plane that end well before the taps do: polynomials of degree one times a Gaussian.

    Args:
        group: Of the samples; any.
        in_channels: Of the convolution.
        out_channels: Of the convolution.
        kernel_size: Does not matter, since kernels are functions of :math:`[-1, 1]^2`.
        on_group: Whether kernels depend on the group; these do not.
    """

    def __init__(
        self, group: Group, in_channels: int, out_channels: int, kernel_size: int, on_group: bool = False
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(out_channels, in_channels, 3))

    def forward(self, grid: KernelGrid) -> Tensor:
        """Values ``(out_samples, out_channels, in_channels, in_samples, taps)``."""
        bell = torch.exp(-grid.points.square().sum(-1) / (2 * WIDTH**2)) * grid.measure[..., None]
        terms = torch.cat([torch.ones_like(grid.points[..., :1]), grid.points / WIDTH], -1)
        return torch.einsum("nitp,nit,cdp->ncdit", terms, bell, self.weight)


@dataclass
class Outcome:
    """What one seed measured; curves over the number of samples, by group and what was measured."""

    metrics: dict[str, float]
    curves: dict[str, list[float]]


# Within its bound the second is nearly uniform, so that no few samples have all the weight.
PROPOSALS: dict[str, Callable[[Config], LogNormal]] = {
    "proposal": lambda config: LogNormal(config.error_variance),
    "haar": lambda config: LogNormal((2 * config.error_bound) ** 2, config.error_bound),
}


def numbers(config: Config) -> list[int]:
    """How many samples are drawn: powers of two from 4."""
    return [2**power for power in range(2, config.error_power + 1)]


def run(config: Config) -> Findings:
    """Measures all seeds."""
    outcomes = over_seeds(one_seed, config, NAME, steps=len(GROUPS) * len(numbers(config)) + 1)
    metrics = by_metric([outcome.metrics for outcome in outcomes])
    curves = {key: [outcome.curves[key] for outcome in outcomes] for key in outcomes[0].curves}
    findings = Findings(metrics, [_table(curves, config), _determinants(metrics)], {}, _checks(metrics))
    if config.out is not None:
        caption = "Error over the number of samples: mean and range over seeds. Left: how the output varies with the "
        caption += "draw; right: how it changes when the digit is moved"
        findings.figures = {"equivariance-error.png": caption}
        _draw(curves, config, config.out / "equivariance-error.png")
    return findings


@torch.no_grad()
def one_seed(config: Config, seed: int, tick: Tick) -> Outcome:
    """Measures the kernels, digits and maps of one seed."""
    digits = load(config, 1, config.error_images, seed)
    chosen = torch.randperm(len(digits.test), generator=torch.Generator().manual_seed(seed))[: config.error_images]
    images = (prepared(digits.test[chosen], SIZE) + 1) / 2  # the background is zero, as padding is
    outcome = Outcome({}, {})
    for name, group in GROUPS.items():
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            network = Invariant(group, config.error_channels).eval()
        for number in numbers(config):
            for key, value in _errors(network, group, images, number, config, seed).items():
                outcome.curves.setdefault(f"{name}_{key}", []).append(value)
            tick()
        outcome.metrics[f"{name}_slope"] = slope(numbers(config), outcome.curves[f"{name}_drawn"])
        for kind in ("proposal", "haar", "unweighted"):
            outcome.metrics[f"{name}_moved_{kind}"] = outcome.curves[f"{name}_moved_{kind}"][-1]
    outcome.metrics |= determinant_errors(digits.test[chosen], config, seed)
    tick()
    return outcome


def _errors(
    network: Invariant, group: SL | GLPlus, images: Tensor, number: int, config: Config, seed: int
) -> dict[str, float]:
    """Errors of one number of samples, over several draws, against the size of the output."""
    generator = torch.Generator().manual_seed(10_000 * seed + number)
    draws = config.error_draws * min(MOST_DRAWS, numbers(config)[-1] // number)
    found: dict[str, float] = {}
    for weights in ("proposal", "haar"):
        proposal = PROPOSALS[weights](config)
        measured: dict[str, list[Tensor]] = {}
        for _ in range(draws):
            samples = draw_samples(group, number, proposal, weights, generator)
            back = torch.linalg.inv(random_map(group, generator))
            kinds = {weights: samples}
            if weights == "haar":
                kinds["unweighted"] = replace(samples, log_weight=torch.zeros_like(samples.log_weight))
            for kind, at in kinds.items():
                output = network(images, at.to(torch.float32))
                change = network(images, at.move(back).to(torch.float32)) - output
                measured.setdefault(kind, []).append(torch.stack([output, change]))
        for kind, pairs in measured.items():
            outputs, changes = torch.stack(pairs, 1).double()
            size = outputs.square().mean().sqrt()
            if kind == "proposal":
                found["drawn"] = float(outputs.var(0).mean().sqrt() / size)
            found[f"moved_{kind}"] = float(changes.square().mean().sqrt() / size)
    return found


def random_map(group: SL | GLPlus, generator: torch.Generator, length: float = 0.3) -> Tensor:
    """An element of the group: a random rotation, times a stretch of a given length in a random direction."""
    traceless = isinstance(group, SL)
    Y = LogNormal(1.0).sample(2, traceless=traceless, generator=generator)
    angle = 2 * math.pi * float(torch.rand((), generator=generator, dtype=torch.float64))
    c, s = math.cos(angle), math.sin(angle)
    return torch.linalg.matrix_exp(length * Y / Y.norm()) @ torch.tensor([[c, -s], [s, c]], dtype=torch.float64)


def slope(sizes: list[int], errors: list[float]) -> float:
    """The exponent of the power of the number that fits errors best.

    >>> round(slope([4, 8, 16], [1.0, 0.5, 0.25]), 6)
    -1.0
    """
    x = torch.tensor(sizes, dtype=torch.float64).log()
    y = torch.tensor(errors, dtype=torch.float64).log()
    return float(((x - x.mean()) * (y - y.mean())).sum() / (x - x.mean()).square().sum())


def determinant_errors(images: Tensor, config: Config, seed: int) -> dict[str, float]:
    """How far the largest value of each lifted channel is from moving along with a digit in a fine frame."""
    group, generator = GLPlus(2), torch.Generator().manual_seed(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        lift = AffineLifting2d(group, 1, 8, 11, GaussianKernel, padding=5).eval()
    found = {"with_determinant": 0.0, "without_determinant": 0.0}
    for _ in range(config.error_draws):
        samples = draw_samples(group, 4, LogNormal(0.02), generator=generator)
        A = random_map(group, generator)
        move = torch.eye(3, dtype=torch.float64)
        move[:2, :2] = A
        moved = warp(images, move.expand(len(images), 3, 3))
        along = samples.move(A)
        before, after = _largest(lift, images, samples), _largest(lift, moved, along)
        size = before.square().mean().sqrt()
        found["with_determinant"] += float((after - before).square().mean().sqrt() / size)
        dets = (torch.linalg.det(s.matrix).abs().to(before) for s in (samples, along))
        before, after = (value * det for value, det in zip((before, after), dets, strict=True))
        size = before.square().mean().sqrt()
        found["without_determinant"] += float((after - before).square().mean().sqrt() / size)
    return {key: value / config.error_draws for key, value in found.items()}


def _largest(lift: AffineLifting2d, images: Tensor, samples: GroupSamples) -> Tensor:
    return lift(images, samples.to(images.dtype)).values.amax((3, 4))


def _checks(metrics: dict[str, list[float]]) -> list[Check]:
    smallest = min(min(metrics[f"{name}_moved_proposal"]) for name in GROUPS)
    statement = "Samples are moved: no output stays as it is to rounding."
    return [Check("equivariance-error-moved", statement, smallest > 1e-5, f"{smallest:.1e}")]


def _table(curves: dict[str, list[list[float]]], config: Config) -> Table:
    words = {
        "drawn": "varies with the draw",
        "moved_proposal": "moved, proposal",
        "moved_haar": "moved, invariant measure",
        "moved_unweighted": "moved, the same samples without weights",
    }
    rows: list[list[Any]] = []
    for name, title in WORDS.items():
        for key, said in words.items():
            mean = torch.tensor(curves[f"{name}_{key}"], dtype=torch.float64).log().mean(0).exp()
            rows.append([title, said, *(f"{100 * value:.2f}" for value in mean.tolist())])
    note = (
        f"Percent of the output's size, geometric mean over seeds; {config.error_images} digits, {config.error_draws} "
        f"draws, and up to {MOST_DRAWS} times as many of few samples. Maps turn by any angle and stretch by 0.3. "
        f"Logarithms of stretches have variance {config.error_variance:g}; for the invariant measure samples are "
        f"weighted within |Y| <= {config.error_bound:g}. What lies beyond the range of samples stays as an error, "
        "however many there are."
    )
    return Table("Errors of N samples", ["group", "error", *map(str, numbers(config))], rows, note)


def _determinants(metrics: dict[str, list[float]]) -> Table:
    rows: list[list[Any]] = []
    for key in ("with_determinant", "without_determinant"):
        values = 100 * torch.tensor(metrics[key], dtype=torch.float64)
        rows.append([key.replace("_", " the "), f"{values.mean():.1f}"])
    note = "Percent of the size of the lifted digit, mean over seeds: largest value over pixels, samples moved along."
    return Table("How far lifted digits are from moving along with GL+(2)", ["lifting", "error"], rows, note)


def _draw(curves: dict[str, list[list[float]]], config: Config, file: Path) -> None:
    figure, (left, right) = new_figure(1, 2, width=9.0, height=3.4)
    x = numbers(config)

    def line(axes: Any, key: str, label: str, colour: str, style: str) -> None:
        values = 100 * torch.tensor(curves[key], dtype=torch.float64)
        axes.plot(x, values.log().mean(0).exp(), style, color=colour, label=label, markersize=4)
        axes.fill_between(x, values.amin(0), values.amax(0), color=colour, alpha=0.15, linewidth=0)

    for colour, (name, title) in zip(("C0", "C1"), WORDS.items(), strict=True):
        line(left, f"{name}_drawn", title, colour, "o-")
        line(right, f"{name}_moved_proposal", f"{title}, proposal", colour, "o-")
        line(right, f"{name}_moved_haar", f"{title}, invariant measure", colour, "s--")
        line(right, f"{name}_moved_unweighted", f"{title}, without its weights", colour, "^:")
    first = 100 * torch.tensor(curves["sl_drawn"], dtype=torch.float64)[:, 0].log().mean().exp()
    left.plot(x, [float(first) * (n / x[0]) ** -0.5 for n in x], ":", color="0.5", label="$N^{-1/2}$")
    left.set(title="varies with the draw", ylabel="error in % of the output")
    right.set(title="changes when the digit is moved")
    for axes in (left, right):
        axes.set(xscale="log", yscale="log", xlabel="samples N")
        axes.legend(fontsize=7, ncols=2, loc="upper center", bbox_to_anchor=(0.5, -0.2))  # curves fill the panels
    save_figure(figure, file)


EXPERIMENT = Experiment(
    NAME, "the error of finitely many samples, over their number, with and without weights and determinant",
    CLAIMS, run,
)  # fmt: skip
