"""The recipe: its experiments and their claims together."""

from __future__ import annotations

from erlangen.recipes.equivariant_polynomials import gin_plus, k4_regression, power_table, strongly_regular
from erlangen.recipes.equivariant_polynomials.settings import Config
from erlangen.recipes.experiment import Experiment, run_experiments
from erlangen.report import Result

ALL: tuple[Experiment, ...] = (
    power_table.EXPERIMENT,
    strongly_regular.EXPERIMENT,
    k4_regression.EXPERIMENT,
    gin_plus.EXPERIMENT,
)
EXPERIMENTS = {experiment.name: experiment.summary for experiment in ALL}
CLAIMS = tuple(claim for experiment in ALL for claim in experiment.claims)


def run(config: Config) -> Result:
    """Runs the experiments that the config chooses."""
    return run_experiments("equivariant-polynomials", ALL, config)
