"""The recipe: its experiments and their claims together."""

from __future__ import annotations

from erlangen.recipes.experiment import Experiment, run_experiments
from erlangen.recipes.frame_averaging import continuity, graph_separation, nbody, normals
from erlangen.recipes.frame_averaging.settings import Config
from erlangen.report import Result

ALL: tuple[Experiment, ...] = (
    graph_separation.EXPERIMENT,
    nbody.EXPERIMENT,
    normals.EXPERIMENT,
    continuity.EXPERIMENT,
)
EXPERIMENTS = {experiment.name: experiment.summary for experiment in ALL}
CLAIMS = tuple(claim for experiment in ALL for claim in experiment.claims)


def run(config: Config) -> Result:
    """Runs the experiments that the config chooses."""
    return run_experiments("frame-averaging", ALL, config)
