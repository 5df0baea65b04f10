"""The recipe: its experiments and their claims together."""

from __future__ import annotations

from erlangen.recipes.experiment import Experiment, run_experiments
from erlangen.recipes.soft_equivariance import convex, cosine, inertia, roads
from erlangen.recipes.soft_equivariance.settings import Config
from erlangen.report import Result

ALL: tuple[Experiment, ...] = (
    convex.EXPERIMENT,
    inertia.EXPERIMENT,
    cosine.EXPERIMENT,
    roads.EXPERIMENT,
)
EXPERIMENTS = {experiment.name: experiment.summary for experiment in ALL}
CLAIMS = tuple(claim for experiment in ALL for claim in experiment.claims)


def run(config: Config) -> Result:
    """Runs the experiments that the config chooses."""
    return run_experiments("soft-equivariance", ALL, config)
