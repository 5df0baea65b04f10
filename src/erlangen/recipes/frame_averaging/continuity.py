r"""Continuity: averages over principal axes jump where two variances cross, weighted averages do not.

A cloud moves along a path on which its widest direction changes: in the plane
:math:`X_t = \{(1+t, 0), (-1-t, 0), (0, 1), (0, -1)\}` for t from -1/2 to 1/2, in space with two more points
:math:`(0, 0, \pm 2)`. Random smooth networks are averaged over the rotations of frames along this path. A continuous
average takes steps that shrink with the steps of the path; a jump stays as it is.

Dym, Lawrence, Siegel, "Equivariant Frames and the Impossibility of Continuous Canonicalization", 2024.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from erlangen.audit import audit
from erlangen.groups import SO, Points, Scalar, Symmetry
from erlangen.recipes.experiment import Experiment, Findings, by_metric
from erlangen.recipes.frame_averaging.settings import Config
from erlangen.recipes.seeds import Tick, over_seeds
from erlangen.report import Check, Claim, Table, new_figure, save_figure
from erlangen.symmetrize import FixedSigns, PCAFrame, WeightedFrame, symmetrize

NAME = "continuity"
DIMENSIONS = (2, 3)
FINER = 10  # how much finer the second path is
ROTATIONS = 20

METHODS = {
    "plain": "nothing",
    "pca": "principal axes",
    "fixed": "axes, signs by a rule",
    "sample": "axes, signs at random",
    "weighted": "weighted frame",
}


def _claims(d: int) -> tuple[Claim, ...]:
    where = f"SO({d})"

    def claim(name: str, statement: str, relation: Any, **comparison: Any) -> Claim:
        return Claim(f"{name}-{d}d", f"{where}: {statement}", relation, experiment=NAME, **comparison)

    return (
        claim(
            "pca-jumps",
            "averaged over principal axes, a network jumps by over a tenth of the spread of its values over rotations.",
            ">",
            ours=f"pca_{d}d",
            baseline=0.1,
        ),
        claim(
            "pca-stays",
            "on a path of ten times finer steps the jump is still there (at least 0.9 of it).",
            ">",
            margin=0.9,
            form="ratio",
            ours=f"pca_{d}d_finer",
            baseline=f"pca_{d}d",
        ),
        claim(
            "weighted-small",
            "averaged over the weighted frame, the largest of 400 steps changes a network's value by less than 0.001.",
            "<",
            ours=f"weighted_{d}d_raw",
            baseline=1e-3,
        ),
        claim(
            "weighted-below-jump",
            "that step is less than a hundredth of the jump of the average over principal axes.",
            "<",
            margin=0.01,
            form="ratio",
            ours=f"weighted_{d}d",
            baseline=f"pca_{d}d",
        ),
        claim(
            "weighted-shrinks",
            "on a path of ten times finer steps those of the weighted average are at least five times smaller.",
            "<",
            margin=0.2,
            form="ratio",
            ours=f"weighted_{d}d_finer",
            baseline=f"weighted_{d}d",
        ),
        claim(
            "sample-jumps",
            "one principal frame at random, drawn anew at each point of the path, jumps further than the average.",
            ">",
            margin=1,
            form="ratio",
            ours=f"sample_{d}d",
            baseline=f"pca_{d}d",
        ),
    )


# Written before the first run.
CLAIMS = tuple(claim for d in DIMENSIONS for claim in _claims(d))


@dataclass
class Outcome:
    """What one seed measured: metrics, curves of its first network, reports of the audits, and the identities."""

    metrics: dict[str, float]
    curves: dict[str, list[float]]
    audits: list[dict[str, Any]]
    moved: dict[str, float]
    invariant: float


def run(config: Config) -> Findings:
    """Measures every seed; draws the first."""
    outcomes = over_seeds(one_seed, config, NAME, steps=len(DIMENSIONS) * config.path_networks)
    metrics = by_metric([outcome.metrics for outcome in outcomes])
    findings = Findings(
        metrics=metrics, tables=[_table(metrics, config)], checks=_checks(outcomes), audits=outcomes[0].audits
    )
    if config.out is not None:
        findings.figures["continuity.png"] = (
            "A random network along the path, averaged over frames: principal axes jump where two variances cross"
        )
        _draw(outcomes[0].curves, config.path_steps, config.out / "continuity.png")
    return findings


def one_seed(config: Config, seed: int, tick: Tick) -> Outcome:
    """Measures the networks of one seed, in the plane and in space."""
    outcome = Outcome({}, {}, [], {}, 0.0)
    for d in DIMENSIONS:
        measured: list[dict[str, float]] = []
        clouds, finer = path(d, config.path_steps), path(d, FINER * config.path_steps)
        for index in range(config.path_networks):
            network = random_network(clouds.shape[1] * d, 1000 * seed + index)
            averages = averaged(network, d, 1000 * seed + index)
            spread = float(network(_rotated(clouds[:: len(clouds) // 20], d, seed)).std())
            numbers = {}
            for name, average in averages.items():
                values = average(clouds).squeeze(-1)
                step = largest_step(values)
                numbers |= {f"{name}_{d}d": step / spread, f"{name}_{d}d_raw": step}
                numbers[f"{name}_{d}d_finer"] = largest_step(average(finer).squeeze(-1)) / spread
                if index == 0:
                    outcome.curves[f"{name}_{d}d"] = values.tolist()
            measured.append(numbers)
            if index == 0:
                _identities(outcome, averages, clouds[:: len(clouds) // 8], d, seed)
            tick()
        outcome.metrics |= {name: sum(values) / len(values) for name, values in by_metric(measured).items()}
    return outcome


def path(d: int, steps: int) -> Tensor:
    """The clouds of the path, ``(steps + 1, n, d)``, float64; an even number of equal steps, one of them across t = 0.

    >>> path(2, 2)[:, 0]
    tensor([[0.7500, 0.0000],
            [1.2500, 0.0000],
            [1.7500, 0.0000]], dtype=torch.float64)
    """
    t = (torch.arange(steps + 1, dtype=torch.float64) - (steps - 1) / 2) / steps
    widths = torch.tensor([1.0, 1.0, 2.0], dtype=torch.float64)[:d].diag().expand(steps + 1, d, d).clone()
    widths[:, 0, 0] += t
    return torch.stack([widths, -widths], 2).reshape(steps + 1, 2 * d, d)


def random_network(inputs: int, seed: int) -> nn.Sequential:
    r"""A smooth network of a whole cloud, :math:`x \mapsto a \cdot \tanh(W x + b) / 8` with 64 units, float64.

    W, a and b are standard normal: values spread by about one. (As torch initialises it, it would be nearly linear, and
    averaging a linear map over opposite signs leaves nothing that could jump.)
    """
    generator = torch.Generator().manual_seed(seed)
    network = nn.Sequential(nn.Flatten(), nn.Linear(inputs, 64), nn.Tanh(), nn.Linear(64, 1, bias=False)).double()
    for parameter in network.requires_grad_(False).parameters():
        parameter.copy_(torch.randn(parameter.shape, generator=generator, dtype=parameter.dtype))
    last = network[3]
    assert isinstance(last, nn.Linear)
    last.weight /= 8
    return network


def averaged(network: nn.Module, d: int, seed: int) -> dict[str, nn.Module]:
    """The network, and its averages over rotations."""
    group = SO(d)
    promise = Symmetry(group, (Points(group),), Scalar(group))
    axes = PCAFrame(group)
    generator = torch.Generator().manual_seed(seed)
    return {
        "plain": network,
        "pca": symmetrize(network, promise, axes),
        "fixed": symmetrize(network, promise, FixedSigns(axes)),
        "sample": symmetrize(network, promise, axes, average="sample", generator=generator),
        "weighted": symmetrize(network, promise, WeightedFrame(group), average="weighted"),
    }


def largest_step(values: Tensor) -> float:
    """The largest change between neighbours.

    >>> largest_step(torch.tensor([0.0, 1.0, -1.0]))
    2.0
    """
    return float(values.diff().abs().max())


def _rotated(clouds: Tensor, d: int, seed: int) -> Tensor:
    """Every cloud under a few random rotations, as one batch."""
    g = SO(d).sample(ROTATIONS, 1, generator=torch.Generator().manual_seed(seed))
    return Points(SO(d))(g.expand(-1, len(clouds), -1, -1), clouds.expand(ROTATIONS, *clouds.shape)).flatten(0, 1)


def _identities(outcome: Outcome, averages: dict[str, nn.Module], clouds: Tensor, d: int, seed: int) -> None:
    """How far rotations move the exact averages; whether averaging changes what is invariant; audits."""
    rotated = _rotated(clouds, d, seed)
    for name in ("pca", "weighted"):
        still = averages[name](clouds).repeat(ROTATIONS, 1)
        change = float((averages[name](rotated) - still).abs().max() / still.abs().max())
        outcome.moved[name] = max(outcome.moved.get(name, 0.0), change)
        distances = averaged(_Distances(), d, seed)[name]
        error = float((distances(rotated) / _Distances()(rotated) - 1).abs().max())
        outcome.invariant = max(outcome.invariant, error)
    promise = Symmetry(SO(d), (Points(SO(d)),), Scalar(SO(d)))
    for name in ("plain", "pca", "weighted"):
        report = audit(averages[name], clouds, symmetry=promise, num_elements=ROTATIONS)
        outcome.audits.append({"name": f"continuity, SO({d}): {METHODS[name]}"} | report.to_dict())


class _Distances(nn.Module):
    """The sum of pairwise distances, which no rotation changes."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.cdist(x, x).sum((1, 2))[:, None]


def _checks(outcomes: list[Outcome]) -> list[Check]:
    checks = []
    for name in ("pca", "weighted"):
        worst = max(outcome.moved[name] for outcome in outcomes)
        sentence = f"Rotations leave the average over the frame alone: {METHODS[name]}."
        checks.append(Check(f"continuity-{name}-invariant", sentence, worst < 1e-10, f"largest change {worst:.1e}"))
    worst = max(outcome.invariant for outcome in outcomes)
    sentence = "Averaging over a frame leaves the sum of pairwise distances, an invariant, as it is."
    checks.append(Check("continuity-projection", sentence, worst < 1e-12, f"largest relative change {worst:.1e}"))
    wanted = [{"plain": "breaks"}.get(name, "exact") for name in ("plain", "pca", "weighted")] * len(DIMENSIONS)
    passed = sum([report["verdict"] for report in outcome.audits] == wanted for outcome in outcomes)
    sentence = "Audits find both averages exact and the network itself not."
    return [
        *checks,
        Check("continuity-audit", sentence, passed == len(outcomes), f"{passed} of {len(outcomes)} seeds"),
    ]


def _table(metrics: dict[str, list[float]], config: Config) -> Table:
    def mean(name: str) -> float:
        return sum(metrics[name]) / len(metrics[name])

    rows: list[list[Any]] = []
    for name, title in METHODS.items():
        cells = [cell for d in DIMENSIONS for cell in (mean(f"{name}_{d}d"), mean(f"{name}_{d}d_finer"))]
        rows.append([title, *cells, *(mean(f"{name}_{d}d_raw") for d in DIMENSIONS)])
    steps = config.path_steps
    columns = ["averaged over", "SO(2)", f"{FINER}x finer", "SO(3)", f"{FINER}x finer", "SO(2) raw", "SO(3) raw"]
    note = (
        f"Mean over {len(metrics['pca_2d']) * config.path_networks} random networks, in units of the spread (standard "
        f"deviation) of a network's values over rotated clouds.\nRaw: in the units of the networks."
    )
    return Table(f"Largest of {steps} steps along the path", columns, rows, note)


def _draw(curves: dict[str, list[float]], steps: int, file: Path) -> None:
    figure, panels = new_figure(1, 2)
    t = (torch.arange(steps + 1) - (steps - 1) / 2) / steps
    for axes, d in zip(panels, DIMENSIONS, strict=True):
        for colour, name in enumerate(("plain", "sample", "pca", "weighted")):
            values = torch.tensor(curves[f"{name}_{d}d"])
            if name == "pca":  # two pieces: a line across would hide the jump
                pieces = [(t[t < 0], values[t < 0]), (t[t > 0], values[t > 0])]
            else:
                pieces = [(t, values)]
            for number, (x, y) in enumerate(pieces):
                style = (
                    {"linestyle": "none", "marker": ".", "markersize": 2} if name == "sample" else {"linewidth": 1.8}
                )
                label = METHODS[name] if number == 0 else None
                axes.plot(x, y, color=("0.6", "C0", "C3", "C2")[colour], label=label, **style)
        axes.axvline(0, color="0.8", linewidth=0.8, zorder=0)
        axes.set(title=f"SO({d})", xlabel="t: at 0 two variances cross", ylabel="value of the network")
    handles = panels[0].get_legend_handles_labels()
    figure.legend(*handles, loc="outside lower center", ncols=4, frameon=False)
    save_figure(figure, file)


EXPERIMENT = Experiment(
    NAME,
    "steps along a path on which principal axes change places: PCA frames jump, weighted frames do not",
    CLAIMS,
    run,
)
