"""The recipe: its experiments and their claims together."""

from __future__ import annotations

from erlangen.recipes.experiment import Experiment, run_experiments
from erlangen.recipes.lcm import depth, pna_multitask, real_graphs, second_minimum
from erlangen.recipes.lcm.settings import Config
from erlangen.report import Result

ALL: tuple[Experiment, ...] = (
    second_minimum.EXPERIMENT,
    depth.EXPERIMENT,
    pna_multitask.EXPERIMENT,
    real_graphs.EXPERIMENT,
)
EXPERIMENTS = {experiment.name: experiment.summary for experiment in ALL}
CLAIMS = tuple(claim for experiment in ALL for claim in experiment.claims)


def run(config: Config) -> Result:
    """Runs the experiments that the config chooses."""
    return run_experiments("lcm", ALL, config)
