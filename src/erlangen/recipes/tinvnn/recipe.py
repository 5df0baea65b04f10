"""The recipe: its experiments and their claims together."""

from __future__ import annotations

from erlangen.recipes.experiment import Experiment, run_experiments
from erlangen.recipes.tinvnn import cvrp, metric, pointcloud, tsp
from erlangen.recipes.tinvnn.settings import Config
from erlangen.report import Result

ALL: tuple[Experiment, ...] = (pointcloud.EXPERIMENT, tsp.EXPERIMENT, cvrp.EXPERIMENT, metric.EXPERIMENT)
EXPERIMENTS = {experiment.name: experiment.summary for experiment in ALL}
CLAIMS = tuple(claim for experiment in ALL for claim in experiment.claims)


def run(config: Config) -> Result:
    """Runs the experiments that the config chooses."""
    return run_experiments("tinvnn", ALL, config)
