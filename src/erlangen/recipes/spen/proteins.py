"""Which proteins are enzymes: ego-networks against messages.

There is no network on all pairs here: of graphs of up to 620 nodes it keeps thirteen times as much where each is read
alone, see the experiment `memory`.
"""

from __future__ import annotations

from erlangen.recipes.experiment import Experiment, Findings
from erlangen.recipes.seeds import Tick
from erlangen.recipes.spen import classification
from erlangen.recipes.spen.classification import Method, Outcome, Task
from erlangen.recipes.spen.mutag import gin, spen
from erlangen.recipes.spen.settings import Config
from erlangen.report import Claim

NAME = "proteins"
TASK = Task(NAME, "PROTEINS", {"spen": Method("SPEN, 1 hop", spen), "gin": Method("GIN", gin)})

# Written before the first run.
CLAIMS = (
    Claim(
        "proteins-accuracy",
        "SPEN reads over 72 % of held-out proteins.",
        ">",
        required_seeds=3,
        experiment=NAME,
        ours=f"{NAME}_spen",
        baseline=0.72,
    ),
    Claim(
        "proteins-gin",
        "A GIN of similar size is within four points of it.",
        "==",
        margin=0.04,
        required_seeds=3,
        experiment=NAME,
        ours=f"{NAME}_spen",
        baseline=f"{NAME}_gin",
    ),
)


def run(config: Config) -> Findings:
    """Cross validation on PROTEINS."""
    return classification.run(TASK, config, one_seed)


def one_seed(config: Config, seed: int, tick: Tick) -> Outcome:
    """All folds of one seed."""
    return classification.cross_validate(TASK, config, seed, tick)


EXPERIMENT = Experiment(NAME, "proteins that are enzymes: ego-networks and messages", CLAIMS, run)
