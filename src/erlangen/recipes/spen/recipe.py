"""The recipe: its experiments and their claims together."""

from __future__ import annotations

from erlangen.recipes.experiment import Experiment, run_experiments
from erlangen.recipes.spen import expressivity, memory, mutag, proteins
from erlangen.recipes.spen.settings import Config
from erlangen.report import Result

ALL: tuple[Experiment, ...] = (expressivity.EXPERIMENT, memory.EXPERIMENT, mutag.EXPERIMENT, proteins.EXPERIMENT)
EXPERIMENTS = {experiment.name: experiment.summary for experiment in ALL}
CLAIMS = tuple(claim for experiment in ALL for claim in experiment.claims)


def run(config: Config) -> Result:
    """Runs the experiments that the config chooses."""
    return run_experiments("spen", ALL, config)
