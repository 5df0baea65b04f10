"""The recipe: its experiments, their claims together, and the run of those that a config chooses."""

from __future__ import annotations

from erlangen.recipes.frame_averaging import continuity, graph_separation, nbody, normals
from erlangen.recipes.frame_averaging.experiment import Experiment
from erlangen.recipes.frame_averaging.settings import Config
from erlangen.report import Result, capture_environment, judge_claims

ALL: tuple[Experiment, ...] = (
    graph_separation.EXPERIMENT,
    nbody.EXPERIMENT,
    normals.EXPERIMENT,
    continuity.EXPERIMENT,
)
EXPERIMENTS = {experiment.name: experiment.summary for experiment in ALL}
CLAIMS = tuple(claim for experiment in ALL for claim in experiment.claims)


def run(config: Config) -> Result:
    """Runs the chosen experiments one after another and judges the claims.

    Args:
        config: The settings. Figures are written if ``config.out`` is set; its folder must exist.
    """
    found = {experiment.name: experiment.run(config) for experiment in ALL if experiment.name in config.chosen}
    metrics = {name: findings.metrics for name, findings in found.items()}
    result = Result(
        recipe="frame-averaging",
        size=config.size,
        config=config.to_dict(),
        seeds=config.seed_list,
        environment=capture_environment(),
        metrics=metrics,
        claims=judge_claims(CLAIMS, metrics),
        status="complete" if config.chosen == config.experiments else "partial",
    )
    for findings in found.values():
        result.tables += findings.tables
        result.figures |= findings.figures
        result.checks += findings.checks
        result.audits += findings.audits
    return result
