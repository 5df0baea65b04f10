"""Which molecules cause mutations: ego-networks against all pairs of atoms, and against messages.

The network on all pairs comes in the same width, and in one that gives it about as many weights: a network on
ego-networks has one set of them for each size.
"""

from __future__ import annotations

from torch import nn

from erlangen.graphs import IGN2, SPEN
from erlangen.recipes.experiment import Experiment, Findings
from erlangen.recipes.seeds import Tick
from erlangen.recipes.spen import classification
from erlangen.recipes.spen.classification import Method, Outcome, Task
from erlangen.recipes.spen.networks import GIN
from erlangen.recipes.spen.settings import Config
from erlangen.report import Claim

NAME = "mutag"
CLASSES = 2


def spen(config: Config, task: Task, in_channels: int) -> nn.Module:
    """SPEN on ego-networks of one hop, with weights for each size from two, which isolated nodes take, to a largest."""
    sizes = range(2, task.setting(config, "sizes") + 1)
    widths = (in_channels, task.setting(config, "channels"), task.setting(config, "layers"), CLASSES)
    return SPEN(*widths, sizes=sizes, norm=config.norm, dropout=config.dropout)


def whole(times: int) -> Method:
    """The network on all pairs of nodes, so many times as wide as SPEN."""

    def build(config: Config, task: Task, in_channels: int) -> nn.Module:
        widths = (in_channels, times * task.setting(config, "channels"), task.setting(config, "layers"), CLASSES)
        return IGN2(*widths, norm=config.norm, dropout=config.dropout)

    return Method(f"all pairs, {'same width' if times == 1 else f'{times} x width'}", build)


def gin(config: Config, task: Task, in_channels: int) -> nn.Module:
    """A GIN of about as many weights as SPEN has."""
    channels, layers = 7 * task.setting(config, "channels"), task.setting(config, "layers")
    return GIN(in_channels, channels, layers, CLASSES, dropout=config.dropout)


METHODS = {"spen": Method("SPEN, 1 hop", spen), "global": whole(1), "wide": whole(2), "gin": Method("GIN", gin)}
TASK = Task(NAME, "MUTAG", METHODS)


def _claim(name: str, statement: str, relation: str, margin: float, baseline: str | float) -> Claim:
    return Claim(
        f"{NAME}-{name}",
        statement,
        relation,  # type: ignore[arg-type]
        margin=margin,
        required_seeds=3,
        experiment=NAME,
        ours=f"{NAME}_spen",
        baseline=baseline,
    )


# Written before the first run.
CLAIMS = (
    _claim("accuracy", "SPEN reads over 83 % of held-out molecules.", ">", 0.0, 0.83),
    _claim("global", "It reads more than the network on all pairs of atoms.", ">", 0.0, f"{NAME}_global"),
    _claim("wide", "It reads more than that network with as many weights.", ">", 0.0, f"{NAME}_wide"),
    _claim("gin", "A GIN of similar size is within four points of it.", "==", 0.04, f"{NAME}_gin"),
)


def run(config: Config) -> Findings:
    """Cross validation on MUTAG."""
    return classification.run(TASK, config, one_seed)


def one_seed(config: Config, seed: int, tick: Tick) -> Outcome:
    """All folds of one seed."""
    return classification.cross_validate(TASK, config, seed, tick)


EXPERIMENT = Experiment(NAME, "molecules that cause mutations: ego-networks, all pairs, messages", CLAIMS, run)
