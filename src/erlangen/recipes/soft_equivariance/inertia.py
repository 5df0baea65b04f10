r"""Inertia tensors with one column that was taken away: a symmetry of space that is broken to that of a plane.

Masses and positions of five bodies in, the tensor :math:`J - (J e_z) e_z^\top` out. Of O(3) the turns and reflections
of the xy plane are left, exactly. A network that keeps all of O(3) cannot be right; one that was told the plane has the
least to learn; the soft one is told three planes and finds out which. The same again with the x axis, where another
plane must be found, and with a term that breaks all three planes, where there is nothing to find but degrees.

The penalties themselves do not hold the soft network back: a residual network that learned the task to an error of
0.13 violated the three planes by 0.0007, 0.008 and 0.008 in all, with a squared norm of its weights of 1230, for which
they would ask next to nothing. A likely reason, not proved here, is the optimizer: large equivariant weights take
coherent steps in many entries at once, which the residual network's equivariant path makes by itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from erlangen.data.modified_inertia import Bodies, bodies, modified_inertia
from erlangen.groups import O, Scalar, Vector
from erlangen.recipes.experiment import Experiment, Findings, by_metric
from erlangen.recipes.seeds import Tick, over_seeds
from erlangen.recipes.soft_equivariance.arms import PLANE_ARMS, Task, Training
from erlangen.recipes.soft_equivariance.drawing import draw_broken, draw_course, draw_errors, mean, spread
from erlangen.recipes.soft_equivariance.learning import Learned, broken, learn, mean_squared_error
from erlangen.recipes.soft_equivariance.ordering import MOST, ahead, beside
from erlangen.recipes.soft_equivariance.settings import Config
from erlangen.recipes.soft_equivariance.symmetries import PLANES
from erlangen.report import Claim, Table, new_figure, save_figure

NAME = "inertia"
PARTICLES = 5
AXES = {"z": "xy", "x": "yz", "mixed": None}
"""Axes along which symmetry is broken, and the plane that is kept."""
WHAT = ("data", "soft", "soft_strength", "soft_tuned_at", "soft_violation", "soft_relative")


def _claim(name: str, statement: str, ours: str, baseline: str | float, margin: float = 1.0, **form: Any) -> Claim:
    form = {"relation": "<", "form": "ratio"} | form
    return Claim(f"inertia-{name}", statement, margin=margin, experiment=NAME, ours=ours, baseline=baseline, **form)


# Written before the first run. The settings of size small are not: they come from pilots with seeds 0 and 1, so the
# kept result has others. With a learning rate of 1e-3, weight decay and orthogonal first weights the soft network did
# find the plane, but stayed at a training error of 3 even after its strengths were tuned. Tried were rates of 1e-3,
# 3e-3 and 1e-2 (soft, residual and plain networks have the one that suited them best; the hard ones and the mixed prior
# share that of the residual one), weight decay or none (none for all), all three kinds of first weights, and strengths
# of 0.1 (no order of strengths), 1 and 10 (found, with a larger error). The soft network had the most pilots.
CLAIMS = (
    _claim(
        "wrong", "A network that keeps all of O(3) has at least twice the error of one that keeps O(2) in xy.",
        "wrong", "oracle", 2.0, relation=">",
    ),
    _claim(
        "found",
        "The soft network breaks O(2) in xy at most a quarter as much as that of O(2) in yz and in xz it breaks less.",
        "soft_xy", "soft_least_other", 0.25,
    ),
    _claim(
        "order", "After tuning O(2) in xy has the largest strength, in at least four of five seeds.", "ordered", 0.0,
        MOST, relation=">", form="difference", required_seeds=1,
    ),
    _claim(
        "four", "That strength is at least four times the larger one of the other two.", "soft_strength_xy",
        "soft_largest_other", 4.0, relation=">",
    ),
    _claim("mlp", "The soft network has a smaller error than a plain one.", "soft", "mlp"),
    _claim("rpp", "It has a smaller error than a residual pathway prior for O(3).", "soft", "rpp"),
    _claim("hard", "It has a smaller error than the network that keeps all of O(3).", "soft", "wrong"),
    _claim(
        "x-order", "Where the x axis is singled out, O(2) in yz gets the largest strength, in four of five seeds.",
        "x_ordered", 0.0, MOST, relation=">", form="difference", required_seeds=1,
    ),
    _claim(
        "x-found", "There the soft network breaks O(2) in yz at most a quarter as much as the less broken other one.",
        "x_soft_yz", "x_soft_least_other", 0.25,
    ),
)  # fmt: skip


@dataclass
class Outcome:
    """What one seed measured; ``learned`` holds the networks by axis and arm."""

    metrics: dict[str, float]
    learned: dict[str, dict[str, Learned]]


def training(config: Config) -> Training:
    """The budget of every network."""
    return Training(
        steps=config.inertia_steps,
        batch=config.inertia_batch,
        lr=config.inertia_lr,
        lr_of={"mlp": config.inertia_plain_lr, "soft": config.inertia_soft_lr},
        decay=config.inertia_decay,
        channels=config.inertia_channels,
        width=config.inertia_width,
        strength=config.inertia_strength,
        init=config.inertia_init,
    )


def run(config: Config) -> Findings:
    """Trains all networks of every seed."""
    outcomes = over_seeds(one_seed, config, NAME, steps=(len(PLANE_ARMS) + 2) * config.inertia_steps)
    metrics = by_metric([outcome.metrics for outcome in outcomes])
    tables = [_table(metrics, outcomes[0], config), _axes_table(metrics)]
    for prefix, plane in (("", "xy"), ("x_", "yz")):
        strengths = metrics[f"{prefix}soft_strength_{plane}"], metrics[f"{prefix}soft_largest_other"]
        metrics[f"{prefix}ordered"] = ahead(*strengths)
    findings = Findings(metrics, tables)
    if config.out is not None:
        findings.figures = {
            "inertia.png": "Violations of each candidate and its strength over the training of the soft network (a "
            "line for each seed), errors, and how far every network is from each symmetry (mean and range over seeds)"
        }
        _draw(outcomes, metrics, config.out / "inertia.png")
    return findings


def one_seed(config: Config, seed: int, tick: Tick) -> Outcome:
    """Trains and measures the networks of one seed."""
    outcome = Outcome({}, {})
    for axis in AXES:
        task = make_task(config, seed, axis)
        prefix = "" if axis == "z" else f"{axis}_"
        outcome.learned[axis] = {}
        for name, arm in PLANE_ARMS.items():
            if axis != "z" and name != "soft":
                continue
            where = (NAME, axis, name)
            learned = learn(arm, task, training(config), config, seed, tick, where, mean_squared_error)
            outcome.learned[axis][name] = learned
            outcome.metrics |= {f"{prefix}{name}{key}": value for key, value in learned.metrics.items()}
        data = broken(lambda x, axis=axis: answer(x, config.inertia_break, axis), task, seed)
        outcome.metrics |= {f"{prefix}data_{g}": value for g, value in data.items()}
        if plane := AXES[axis]:
            outcome.metrics |= beside(outcome.metrics, f"{prefix}soft", plane, PLANES)
    return outcome


def make_task(config: Config, seed: int, axis: str) -> Task:
    """Bodies of a seed, as flat inputs and outputs; with every axis the same bodies."""
    generator = torch.Generator().manual_seed(seed)
    space = O(3)
    vector = Vector(space)
    sizes = (config.inertia_train, config.inertia_tests, config.inertia_tests)
    parts = [flat(bodies(size, generator, PARTICLES, config.inertia_break, axis)) for size in sizes]
    return Task(PARTICLES * Scalar(space) + PARTICLES * vector, vector**2, PLANES, *parts)


def flat(made: Bodies) -> tuple[Tensor, Tensor]:
    """Masses, then positions; tensors row by row."""
    return torch.cat([made.mass, made.position.flatten(1)], 1), made.target.flatten(1)


def answer(x: Tensor, strength: float, axis: str) -> Tensor:
    """The target as a function of flat inputs."""
    mass, position = x.split([PARTICLES, 3 * PARTICLES], -1)
    return modified_inertia(mass, position.unflatten(-1, (PARTICLES, 3)), strength, axis).flatten(-2)


def _table(metrics: dict[str, list[float]], outcome: Outcome, config: Config) -> Table:
    rows: list[list[Any]] = []
    for name, arm in PLANE_ARMS.items():
        cells: list[Any] = [spread(metrics, name)]
        cells += [f"{mean(metrics, f'{name}_{plane}'):.2g}" for plane in PLANES]
        rows.append([arm.title, *cells, outcome.learned["z"][name].weights, round(mean(metrics, f"{name}_seconds"))])
    note = (
        f"Mean squared error of an entry on {config.inertia_tests} bodies (mean ± deviation over seeds), "
        f"{config.inertia_train} to learn from, {config.inertia_steps} steps. How far from a symmetry: the mean of "
        "|f(gx) - g f(x)| / (|f(gx)| + |g f(x)|), from 0 to 1. Seconds of training are the processor's."
    )
    columns = ["network", "error", *(f"far from O(2) in {plane}" for plane in PLANES), "weights", "seconds"]
    return Table("Inertia without its last column", columns, rows, note)


def _axes_table(metrics: dict[str, list[float]]) -> Table:
    rows: list[list[Any]] = []
    for axis in AXES:
        prefix = "" if axis == "z" else f"{axis}_"
        for plane in PLANES:
            cells = [f"{mean(metrics, f'{prefix}{what}_{plane}'):.3g}" for what in WHAT]
            rows.append([axis, f"O(2) in {plane}", *cells])
    note = (
        "Means over seeds. Data: how far the target function itself is from the symmetry; network: the same of the "
        "trained soft network. Violation: the least recent one when strengths were tuned, and at the end; relative: at "
        "the end, over the squared norm of all linear maps."
    )
    columns = ["axis", "symmetry", "data", "network", "strength", "violation, tuning", "violation, end", "relative"]
    return Table("What the soft network finds", columns, rows, note)


def _draw(outcomes: list[Outcome], metrics: dict[str, list[float]], file: Path) -> None:
    figure, panels = new_figure(2, 2, width=9.0, height=6.0)
    draw_course(panels[:2], [outcome.learned["z"]["soft"] for outcome in outcomes], PLANES)
    titles = {name: arm.title for name, arm in PLANE_ARMS.items()}
    draw_errors(panels[2], metrics, titles, "mean squared error")
    draw_broken(panels[3], metrics, titles, PLANES)
    save_figure(figure, file)


EXPERIMENT = Experiment(
    NAME, "inertia tensors that lost a column: plain, hard, residual and soft networks", CLAIMS, run
)
