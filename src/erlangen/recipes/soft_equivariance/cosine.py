r"""Cosines of three vectors, with a term that breaks scale, or one that breaks rotations: which of the two is missing?

What is learned is one number, :math:`y - a r` or :math:`y - a s` of `erlangen.data.cosine_similarity`. Candidates are
rotations and changes of scale. They are not on a par: many maps between tensors commute with rotations, but those that
commute with a change of scale keep the rank of tensors, and none leads from vectors to numbers. A network of such
layers alone is a constant, so scale costs a network more than the data ask for, even where they keep it. And the maps
from vectors to numbers, by which a free network reads its input, keep neither.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from erlangen.data.cosine_similarity import VECTORS, cosine_similarity, triples
from erlangen.groups import GL, Scalar, Vector
from erlangen.recipes.experiment import Experiment, Findings, by_metric
from erlangen.recipes.seeds import Tick, over_seeds
from erlangen.recipes.soft_equivariance.arms import SCALE_ARMS, Task, Training
from erlangen.recipes.soft_equivariance.drawing import draw_broken, draw_course, draw_errors, mean, spread
from erlangen.recipes.soft_equivariance.learning import Learned, broken, learn, mean_squared_error
from erlangen.recipes.soft_equivariance.ordering import MOST, ahead, beside
from erlangen.recipes.soft_equivariance.settings import Config
from erlangen.recipes.soft_equivariance.symmetries import TURNS_AND_SCALE
from erlangen.report import Check, Claim, Table, new_figure, save_figure
from erlangen.symmetrize import EMLP

NAME = "cosine"
KEPT = ("rotations", "scale")
WHAT = ("data", "soft", "soft_strength", "soft_tuned_at", "soft_violation", "soft_relative")


def _claim(name: str, statement: str, ours: str, baseline: str | float, margin: float = 1.0, **form: Any) -> Claim:
    form = {"relation": "<", "form": "ratio"} | form
    return Claim(f"cosine-{name}", statement, margin=margin, experiment=NAME, ours=ours, baseline=baseline, **form)


# Written before the first run. After pilots with seed 0 the learning rate is larger (1e-2; 1e-3 for the plain network),
# and the residual pathway prior is one for rotations: one for both stayed a constant. So did the soft network with
# strengths of 0.1 and 1; with 0.01 and 0.03 it learns, and violates both alike, by the same maps. After the run one
# pilot with seed 0 kept contractions of vectors in the network, which change with scale: then rotations are violated
# five times as much as scale, whichever is kept, since the penalties do not see the contractions.
CLAIMS = (
    _claim(
        "rotations-order",
        "Where rotations alone are kept, they have the larger strength after tuning, in at least four of five seeds.",
        "rotations_ordered", 0.0, MOST, relation=">", form="difference", required_seeds=1,
    ),
    _claim(
        "rotations-found", "There the soft network breaks rotations at most a quarter as much as scale.",
        "rotations_soft_rotations", "rotations_soft_scale", 0.25,
    ),
    _claim("rotations-mlp", "There it has a smaller error than a plain one.", "rotations_soft", "rotations_mlp"),
    _claim(
        "rotations-rpp", "There it has a smaller error than a residual pathway prior for SO(3).",
        "rotations_soft", "rotations_rpp",
    ),
    _claim(
        "scale-order",
        "Where scale alone is kept, it has the larger strength after tuning, in at least four of five seeds.",
        "scale_ordered", 0.0, MOST, relation=">", form="difference", required_seeds=1,
    ),
    _claim(
        "scale-found", "There the soft network breaks scale less than rotations.", "scale_soft_scale",
        "scale_soft_rotations",
    ),
    _claim("scale-mlp", "There it has a smaller error than a plain one.", "scale_soft", "scale_mlp"),
    _claim(
        "scale-hard", "There it has a smaller error than a network that keeps rotations.", "scale_soft",
        "scale_turning",
    ),
)  # fmt: skip


@dataclass
class Outcome:
    """What one seed measured; ``learned`` holds the networks by what is kept and by arm."""

    metrics: dict[str, float]
    learned: dict[str, dict[str, Learned]]


def training(config: Config) -> Training:
    """The budget of every network."""
    return Training(
        steps=config.cosine_steps,
        batch=config.cosine_batch,
        lr=config.cosine_lr,
        lr_of={"mlp": config.cosine_plain_lr},
        decay=2e-5,
        channels=config.cosine_channels,
        width=config.cosine_width,
        strength=config.cosine_strength,
    )


def run(config: Config) -> Findings:
    """Trains all networks of every seed."""
    outcomes = over_seeds(one_seed, config, NAME, steps=len(KEPT) * len(SCALE_ARMS) * config.cosine_steps)
    metrics = by_metric([outcome.metrics for outcome in outcomes])
    tables = [*(_table(metrics, outcomes[0], config, kept) for kept in KEPT), _found_table(metrics)]
    findings = Findings(metrics, tables, {}, [_constant(config)])
    for kept in KEPT:
        strengths = metrics[f"{kept}_soft_strength_{kept}"], metrics[f"{kept}_soft_largest_other"]
        metrics[f"{kept}_ordered"] = ahead(*strengths)
    if config.out is not None:
        findings.figures = {
            "cosine.png": "Top where rotations are kept, below where scale is: violations and strengths over the "
            "training of the soft network (a line for each seed), errors, and how far networks are from each symmetry"
        }
        _draw(outcomes, metrics, config.out / "cosine.png")
    return findings


def one_seed(config: Config, seed: int, tick: Tick) -> Outcome:
    """Trains and measures the networks of one seed."""
    outcome = Outcome({}, {})
    for kept in KEPT:
        task = make_task(config, seed, kept)
        outcome.learned[kept] = {}
        for name, arm in SCALE_ARMS.items():
            learned = learn(arm, task, training(config), config, seed, tick, (NAME, kept, name), mean_squared_error)
            outcome.learned[kept][name] = learned
            outcome.metrics |= {f"{kept}_{name}{key}": value for key, value in learned.metrics.items()}
        data = broken(lambda x, kept=kept: answer(x, kept, config.cosine_break), task, seed)
        outcome.metrics |= {f"{kept}_data_{name}": value for name, value in data.items()}
        outcome.metrics |= beside(outcome.metrics, f"{kept}_soft", kept, TURNS_AND_SCALE)
    return outcome


def make_task(config: Config, seed: int, kept: str) -> Task:
    """Triples of a seed, as flat inputs and outputs; the same vectors whatever is kept."""
    generator = torch.Generator().manual_seed(seed)
    sizes = (config.cosine_train, config.cosine_tests, config.cosine_tests)
    drawn = [triples(size, generator, kept, config.cosine_break) for size in sizes]
    parts = [(made.vectors.flatten(1), made.target[:, None]) for made in drawn]
    group = GL(3)
    return Task(VECTORS * Vector(group), Scalar(group), TURNS_AND_SCALE, *parts)


def answer(x: Tensor, kept: str, strength: float) -> Tensor:
    """The target as a function of flat inputs."""
    return cosine_similarity(x.unflatten(-1, (VECTORS, 3)), kept, strength)[..., None]


def _constant(config: Config) -> Check:
    group = GL(3)
    network = EMLP(
        VECTORS * Vector(group), Scalar(group), "Scaling", config.cosine_channels,
        generator=torch.Generator().manual_seed(0),
    )  # fmt: skip
    with torch.no_grad():
        values = network(torch.randn(50, 3 * VECTORS, generator=torch.Generator().manual_seed(0)))
    varies = float(values.max() - values.min())
    return Check("cosine-constant", "A hard network that keeps scale is a constant.", varies <= 1e-5, f"{varies:.1e}")


def _table(metrics: dict[str, list[float]], outcome: Outcome, config: Config, kept: str) -> Table:
    rows: list[list[Any]] = []
    for name, arm in SCALE_ARMS.items():
        own = f"{kept}_{name}"
        cells = [spread(metrics, own), *(f"{mean(metrics, f'{own}_{g}'):.2g}" for g in TURNS_AND_SCALE)]
        rows.append([arm.title, *cells, outcome.learned[kept][name].weights, round(mean(metrics, f"{own}_seconds"))])
    note = (
        f"Mean squared error on {config.cosine_tests} triples (mean ± deviation over seeds), {config.cosine_train} to "
        f"learn from, {config.cosine_steps} steps. How far from a symmetry: the mean of |f(gx) - f(x)| / (|f(gx)| + "
        "|f(x)|), from 0 to 1, factors of scale with deviation 0.3. Seconds of training are the processor's."
    )
    columns = ["network", "error", *(f"far from {g}" for g in TURNS_AND_SCALE), "weights", "seconds"]
    return Table(f"Cosines that keep {kept} alone", columns, rows, note)


def _found_table(metrics: dict[str, list[float]]) -> Table:
    rows: list[list[Any]] = [
        [kept, symmetry, *(f"{mean(metrics, f'{kept}_{what}_{symmetry}'):.3g}" for what in WHAT)]
        for kept in KEPT
        for symmetry in TURNS_AND_SCALE
    ]
    note = (
        "Means over seeds. Data: how far the target function itself is from the symmetry; network: the same of the "
        "trained soft network. Violation: the least recent one when strengths were tuned, and at the end; relative: at "
        "the end, over the squared norm of all linear maps."
    )
    columns = ["kept", "symmetry", "data", "network", "strength", "violation, tuning", "violation, end", "relative"]
    return Table("What the soft network finds", columns, rows, note)


def _draw(outcomes: list[Outcome], metrics: dict[str, list[float]], file: Path) -> None:
    figure, panels = new_figure(2, 4, width=13.0, height=6.0)
    for row, kept in enumerate(KEPT):
        first, second, third, fourth = panels[4 * row : 4 * row + 4]
        draw_course([first, second], [outcome.learned[kept]["soft"] for outcome in outcomes], TURNS_AND_SCALE)
        titles = {f"{kept}_{name}": arm.title for name, arm in SCALE_ARMS.items()}
        draw_errors(third, metrics, titles, "mean squared error")
        draw_broken(fourth, metrics, titles, TURNS_AND_SCALE)
        first.set_title(f"kept: {kept}")
    save_figure(figure, file)


EXPERIMENT = Experiment(NAME, "cosines with a term that breaks scale, or rotations: which is missing", CLAIMS, run)
