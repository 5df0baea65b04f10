r"""How often partitions are bad: Voronoi cells and uniform random parts of two touching shapes.

Points lie on a disc and on a square that touch. The probability :math:`\lambda` that a partition of k parts reaches
over the border falls to zero for Voronoi cells as k grows to the number of points; for parts that are drawn at random
it stays near one, as in closed form.
"""

from __future__ import annotations

import math
from pathlib import Path

import torch

from erlangen.points import (
    Partition,
    bad_partition_probability,
    uniform_bad_probability,
    uniform_partition,
    voronoi_partition,
)
from erlangen.recipes.apen.settings import Config
from erlangen.recipes.experiment import Experiment, Findings, by_metric
from erlangen.recipes.seeds import Tick, over_seeds
from erlangen.report import Check, Claim, Table, new_figure, save_figure

NAME = "lambda"

# Written before the first run. The second is known in closed form; what is measured can only agree, or be in error.
CLAIMS = (
    Claim(
        "lambda-voronoi",
        "With three parts for four points, Voronoi cells are bad less often than uniform parts by over a quarter.",
        "<",
        -0.25,
        required_seeds=3,
        experiment=NAME,
        ours="voronoi_three_quarters",
        baseline="uniform_three_quarters",
    ),
    Claim(
        "lambda-uniform",
        "With as many labels as points, uniform parts are still bad in over 99 % of all draws.",
        ">",
        required_seeds=3,
        experiment=NAME,
        ours="uniform_all",
        baseline=0.99,
    ),
)


def run(config: Config) -> Findings:
    """Estimates the probabilities, and writes them as a table of numbers besides."""
    counts = numbers_of_parts(config)
    measured = over_seeds(one_seed, config, NAME, steps=len(counts))
    metrics = by_metric(measured)
    n = config.lambda_points
    exact = {k: uniform_bad_probability([n // 2, n // 2], k) for k in counts}
    worst = 0.0
    for k in counts:
        draws, p = config.lambda_draws * config.seeds, exact[k]
        found = sum(metrics[f"uniform_{k:04d}"]) / config.seeds
        worst = max(worst, abs(found - p) / max(math.sqrt(p * (1 - p) / draws), 1 / draws))
    checks = [
        Check(
            "lambda-all-apart",
            "Voronoi cells of single points are never bad.",
            max(metrics["voronoi_all"]) == 0,
            f"{max(metrics['voronoi_all'])}",
        ),
        Check(
            "lambda-closed-form",
            "Uniform parts are bad as often as in closed form, to four deviations.",
            worst <= 4,
            f"{worst:.1f} deviations at most",
        ),
    ]
    findings = Findings(metrics, [_table(metrics, counts, exact)], {}, checks)
    if config.out is not None:
        findings.figures = {"lambda.png": "Share of bad partitions over the number of parts (mean, range over seeds)"}
        _draw(metrics, counts, exact, config.out / "lambda.png")
    return findings


def numbers_of_parts(config: Config) -> list[int]:
    """From two to as many as there are points, in thirty-two steps."""
    n = config.lambda_points
    return sorted({max(2, n * step // 32) for step in range(1, 33)})


def one_seed(config: Config, seed: int, tick: Tick) -> dict[str, float]:
    """Both probabilities for every number of parts."""
    rng = torch.Generator().manual_seed(seed)
    n, clouds = config.lambda_points, config.lambda_draws
    pos, truth = touching_shapes(clouds, n, rng)
    found = {}
    for k in numbers_of_parts(config):
        cells = voronoi_partition(pos, k, truth.batch)
        found[f"voronoi_{k:04d}"] = float(bad_partition_probability(cells, truth).mean())
        drawn = uniform_partition(truth.batch, k, rng)
        found[f"uniform_{k:04d}"] = float(bad_partition_probability(drawn, truth).mean())
        tick()
    for kind in ("voronoi", "uniform"):
        found[f"{kind}_three_quarters"] = found[f"{kind}_{3 * n // 4:04d}"]
        found[f"{kind}_all"] = found[f"{kind}_{n:04d}"]
    return found


def touching_shapes(clouds: int, points: int, generator: torch.Generator) -> tuple[torch.Tensor, Partition]:
    """Points on a disc of radius one and on a square of edge two that touches it, half of them on each.

    Returns:
        Coordinates ``(clouds * points, 2)`` and the two true parts of each cloud.
    """
    shape = (clouds, points // 2)
    radius = torch.rand(shape, generator=generator, dtype=torch.float64).sqrt()
    angle = 2 * math.pi * torch.rand(shape, generator=generator, dtype=torch.float64)
    disc = torch.stack([radius * angle.cos() - 1, radius * angle.sin()], -1)
    square = 2 * torch.rand(*shape, 2, generator=generator, dtype=torch.float64) - torch.tensor([0.0, 1.0])
    pos = torch.cat([disc, square], 1).flatten(0, 1)
    label = torch.arange(2).repeat_interleave(points // 2).repeat(clouds)
    return pos, Partition.of(label, torch.arange(clouds).repeat_interleave(2 * (points // 2)))


def _table(metrics: dict[str, list[float]], counts: list[int], exact: dict[int, float]) -> Table:
    def mean(name: str) -> float:
        return round(sum(metrics[name]) / len(metrics[name]), 3)

    chosen = [k for k in counts if k & (k - 1) == 0 or 4 * k == 3 * counts[-1]]
    rows = [[k, mean(f"voronoi_{k:04d}"), mean(f"uniform_{k:04d}"), round(exact[k], 6)] for k in chosen]
    note = f"Share of {counts[-1]}-point clouds on a disc and a square that touch; the last column is in closed form."
    return Table(
        "Partitions that do not refine the truth", ["parts", "Voronoi", "uniform", "uniform, exact"], rows, note
    )


def _draw(metrics: dict[str, list[float]], counts: list[int], exact: dict[int, float], file: Path) -> None:
    figure, (panel,) = new_figure(1, 1, width=6.0, height=3.0)
    for place, (kind, title) in enumerate((("voronoi", "Voronoi cells"), ("uniform", "uniform parts"))):
        values = torch.tensor([metrics[f"{kind}_{k:04d}"] for k in counts], dtype=torch.float64)
        panel.plot(counts, values.mean(1), color=f"C{place}", label=title)
        panel.fill_between(counts, values.amin(1), values.amax(1), color=f"C{place}", alpha=0.2, linewidth=0)
    panel.plot(counts, [exact[k] for k in counts], ":", color="k", label="uniform, in closed form")
    panel.set(xlabel="parts", ylabel="share of bad partitions", ylim=(-0.02, 1.05), xlim=(0, counts[-1]))
    panel.legend(loc="lower left")
    save_figure(figure, file)


EXPERIMENT = Experiment(NAME, "how often Voronoi and uniform partitions are bad, over the number of parts", CLAIMS, run)
