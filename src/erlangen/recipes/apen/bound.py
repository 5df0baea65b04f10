r"""The bound on the error of a layer whose partition is drawn or predicted, next to the error.

A layer with partition Z is exact for motions of the true parts if Z refines them, and otherwise off by at most M. So,
with the probability :math:`\lambda` that the most probable partition is bad (here 0 or 1) and the probability
:math:`\delta` that a draw differs from it,

.. math:: E_{Z \sim Q} \|\psi(g X, Z) - g\, \psi(X, Z)\| \le P(Z\ \text{bad})\, M \le (\lambda + \delta)\, M

Cases are twelve points of three true parts with noisy votes for their centres, a mixture of four components fitted to
these, and random motions of the parts.
"""

from __future__ import annotations

from pathlib import Path

import torch

from erlangen.groups import E
from erlangen.points import (
    GaussianPartition,
    Partition,
    PartPointNet,
    PiecewiseEquivariant,
    move_parts,
    partition_uncertainty,
)
from erlangen.recipes.apen.settings import Config
from erlangen.recipes.experiment import Experiment, Findings, by_metric
from erlangen.recipes.seeds import Tick, over_seeds
from erlangen.report import Check, Claim, Table, new_figure, save_figure

NAME = "bound"
POINTS, TRUE_PARTS, PARTS = 12, 3, 4
ROUNDING = 1e-9

# Written before the first run.
CLAIMS = (
    Claim(
        "bound-not-empty",
        "The bound says something: on average, the error is over a tenth of it.",
        ">",
        0.1,
        form="ratio",
        required_seeds=3,
        experiment=NAME,
        ours="error",
        baseline="bound",
    ),
)


def run(config: Config) -> Findings:
    """Measures errors and bounds of all cases."""
    measured = over_seeds(one_seed, config, NAME, steps=config.bound_cases)
    metrics = by_metric([numbers for numbers, _ in measured])
    broken = sum(metrics["broken"])
    refined = max(metrics["refined_error"])
    cases = config.bound_cases * config.seeds
    checks = [
        Check("bound-kept", "No case is above its bound.", broken == 0, f"{int(broken)} of {cases} cases"),
        Check(
            "bound-refined",
            "Partitions that refine the truth make no error, to 1e-9.",
            refined <= ROUNDING,
            f"{refined:.1e}",
        ),
    ]
    findings = Findings(metrics, [_table(metrics, config)], {}, checks)
    if config.out is not None:
        findings.figures = {"bound.png": "Error of each case next to its bound, in units of the largest error"}
        _draw([pair for _, pairs in measured for pair in pairs], config.out / "bound.png")
    return findings


def one_seed(config: Config, seed: int, tick: Tick) -> tuple[dict[str, float], list[tuple[float, float]]]:
    """Means over the cases of one seed, and each case's error and bound over M."""
    rng = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        layer = PiecewiseEquivariant(PartPointNet(0, 3, 16, 4 + 3), out_scalar=4, out_vector=1).double()
    rows: list[dict[str, float]] = []
    for _ in range(config.bound_cases):
        rows.append(case(layer, config.bound_draws, rng))
        tick()
    mean = {name: sum(row[name] for row in rows) / len(rows) for name in rows[0]}
    mean["broken"] = float(sum(row["broken"] for row in rows))
    mean["refined_error"] = max(row["refined_error"] for row in rows)
    return mean, [(row["error"], row["bound"]) for row in rows]


def case(layer: PiecewiseEquivariant, draws: int, rng: torch.Generator) -> dict[str, float]:
    """One random case: error, its bound and what the bound consists of, errors in units of the largest, M."""
    truth = Partition.of(torch.arange(POINTS) * TRUE_PARTS // POINTS)
    pos = 2 * torch.randn(TRUE_PARTS, 3, generator=rng, dtype=torch.float64)[truth.index]
    pos = pos + torch.randn(POINTS, 3, generator=rng, dtype=torch.float64)
    center = torch.stack([pos[truth.index == j].mean(0) for j in range(TRUE_PARTS)])[truth.index]
    # From nearly exact votes to useless ones.
    noise = 10 ** (-1.5 + 2 * torch.rand((), generator=rng, dtype=torch.float64))
    votes = center + noise * torch.randn(pos.shape, generator=rng, dtype=torch.float64)
    start = Partition.of(torch.arange(POINTS) % PARTS)
    soft = GaussianPartition(0.5, merge_radius=0.0)(votes, start).soft
    g = E(3).sample(TRUE_PARTS, generator=rng)
    likely = soft.argmax(1)
    # All draws at once, as clouds of one batch; the most probable partition and the whole cloud come last.
    copies = torch.arange(draws + 2).repeat_interleave(POINTS)
    drawn = torch.multinomial(soft, draws, replacement=True, generator=rng).T
    labels = torch.cat([drawn, likely[None], torch.zeros_like(likely)[None]])
    part = Partition.from_labels(labels.flatten(), copies)
    every = Partition.of(truth.index.repeat(draws + 2), copies)
    errors = motion_errors(layer, pos, move_parts(pos, truth, g), E(3).matrix(g)[truth.cell], part)
    good = part.refines(every)
    largest = float(errors.max())
    wrong = float(~good[draws])
    errors, good = errors[:draws], good[:draws]
    delta = partition_uncertainty(soft)
    found, limit = float(errors.mean()) / largest, min(1.0, wrong + float(delta.any))
    chance = (limit * (1 - limit) / draws) ** 0.5
    return {
        "error": found,
        "bad": float((~good).double().mean()),
        "lambda": wrong,
        "delta": float(delta.any),
        "delta_mean": float(delta.mean),
        "bound": limit,
        "broken": float(found > limit + 4 * chance + ROUNDING),
        "refined_error": float(errors[good].max()) if bool(good.any()) else 0.0,
    }


def motion_errors(
    layer: PiecewiseEquivariant, pos: torch.Tensor, moved: torch.Tensor, turn: torch.Tensor, part: Partition
) -> torch.Tensor:
    """The distance of what comes out for moved points from what came out, moved, for copies of one cloud.

    Args:
        layer: the layer.
        pos: points of the cloud, ``(points, 3)``.
        moved: the same, moved.
        turn: how each of them was turned, ``(points, 3, 3)``.
        part: a partition of each copy.

    Returns:
        One number for each copy.
    """
    copies = len(part.num_parts)
    with torch.no_grad():
        before, after = (layer(None, x.repeat(copies, 1), part) for x in (pos, moved))
    assert before.vector is not None and after.vector is not None
    numbers = (after.scalar - before.scalar).square().sum(1)
    vectors = (after.vector - before.vector @ turn.mT.repeat(copies, 1, 1)).square().sum((1, 2))
    return (numbers + vectors).view(copies, -1).sum(1).sqrt()


def _table(metrics: dict[str, list[float]], config: Config) -> Table:
    def mean(name: str) -> float:
        return round(sum(metrics[name]) / len(metrics[name]), 4)

    rows = [
        ["error of drawn partitions, over M", mean("error")],
        ["share of drawn partitions that are bad", mean("bad")],
        ["bound, at most 1", mean("bound")],
        ["lambda of the most probable partition", mean("lambda")],
        ["delta: that a draw differs from it", mean("delta")],
        ["delta per point", mean("delta_mean")],
    ]
    note = (
        f"Means over {config.bound_cases} cases of {POINTS} points for each seed, {config.bound_draws} draws in "
        "each. M is the largest error of a case, among them that of the cloud as one part. A case counts as broken "
        "above its bound by four deviations of the draws."
    )
    return Table("The error of a piecewise equivariant layer and its bound", ["quantity", "mean"], rows, note)


def _draw(pairs: list[tuple[float, float]], file: Path) -> None:
    figure, (panel,) = new_figure(1, 1, width=4.6, height=4.0)
    panel.plot([0, 1], [0, 1], color="0.6", linewidth=0.8)
    panel.plot([limit for _, limit in pairs], [found for found, _ in pairs], ".", markersize=4, alpha=0.5)
    panel.set(xlabel="bound, min(1, lambda + delta)", ylabel="error over M", xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    save_figure(figure, file)


EXPERIMENT = Experiment(NAME, "the error of drawn partitions next to its bound", CLAIMS, run)
