"""The recipe: its experiments and their claims together."""

from __future__ import annotations

from erlangen.recipes.apen import articulated, bound, lambdas, oneshot
from erlangen.recipes.apen.settings import Config
from erlangen.recipes.experiment import Experiment, run_experiments
from erlangen.report import Result

ALL: tuple[Experiment, ...] = (
    oneshot.EXPERIMENT,
    articulated.EXPERIMENT,
    bound.EXPERIMENT,
    lambdas.EXPERIMENT,
)
EXPERIMENTS = {experiment.name: experiment.summary for experiment in ALL}
CLAIMS = tuple(claim for experiment in ALL for claim in experiment.claims)


def run(config: Config) -> Result:
    """Runs the experiments that the config chooses."""
    return run_experiments("apen", ALL, config)
