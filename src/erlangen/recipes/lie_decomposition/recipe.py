"""The recipe: its experiments and their claims together."""

from __future__ import annotations

from erlangen.recipes.experiment import Experiment, run_experiments
from erlangen.recipes.lie_decomposition import affine_digits, equivariance_error, homographies, random_kernels
from erlangen.recipes.lie_decomposition.settings import Config
from erlangen.report import Result

ALL: tuple[Experiment, ...] = (
    random_kernels.EXPERIMENT,
    equivariance_error.EXPERIMENT,
    affine_digits.EXPERIMENT,
    homographies.EXPERIMENT,
)
EXPERIMENTS = {experiment.name: experiment.summary for experiment in ALL}
CLAIMS = tuple(claim for experiment in ALL for claim in experiment.claims)


def run(config: Config) -> Result:
    """Runs the experiments that the config chooses."""
    return run_experiments("lie-decomposition", ALL, config)
