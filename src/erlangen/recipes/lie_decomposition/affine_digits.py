"""Digits moved by affine maps, and turned by any angle, read by networks that learned from digits that were not.

Networks of one layout with features on SO(2), SL(2) and GL+(2) stand beside a CNN with about as many weights and one
that takes about as many multiplications. A network on SL(2) whose kernels are SIRENs, as published, shows what kernels
that are linear in their weights do for training. All learn from the same digits, in the middle of their frames, for as
many steps. Digits are tested in the middle, moved like affNIST's, and turned.
"""

from __future__ import annotations

from typing import Any

from erlangen.data.affnist import load_affnist
from erlangen.recipes.experiment import Experiment, Findings
from erlangen.recipes.lie_decomposition.evaluation import Outcome, evaluate, run_tests
from erlangen.recipes.lie_decomposition.settings import Config
from erlangen.recipes.seeds import Tick
from erlangen.report import Claim

NAME = "affine-digits"
TESTS = ("centred", "affine", "turned")
WORDS = {"so": "SO(2)", "sl": "SL(2)", "gl": "GL+(2)"}


def _claim(
    name: str, statement: str, relation: Any, margin: float, ours: str, baseline: str | float, **form: Any
) -> Claim:
    return Claim(
        f"{NAME}-{name}",
        statement,
        relation,
        margin=margin,
        required_seeds=3,
        experiment=NAME,
        ours=ours,
        baseline=baseline,
        **form,
    )


# Written before the first run. The layout and the margins were set down with the method's description; which kernels,
# how many steps, and how samples are drawn was chosen after pilots, see `reading`.
CLAIMS = (
    *(
        _claim(
            f"{name}-centred", f"Digits in the middle: {WORDS[name]} and the CNN agree to within 2 points.",
            "==", 0.02, f"{name}_centred", "cnn_centred",
        )
        for name in ("so", "sl", "gl")
    ),
    *(
        _claim(
            f"{name}-affine", f"Digits moved by affine maps: {WORDS[name]} reads at least 3 points more than the CNN.",
            ">", 0.03, f"{name}_affine", "cnn_affine",
        )
        for name in ("sl", "gl")
    ),
    *(
        _claim(
            f"{name}-drop", f"From digits in the middle to moved ones {WORDS[name]} loses at most half as much.",
            "<", 0.5, f"{name}_lost", "cnn_lost", form="ratio",
        )
        for name in ("sl", "gl")
    ),
    *(
        _claim(
            f"{name}-turned", f"Digits turned by any angle: {WORDS[name]} reads at least 20 points more than the CNN.",
            ">", 0.20, f"{name}_turned", "cnn_turned",
        )
        for name in ("so", "sl", "gl")
    ),
    _claim(
        "sl-wide", "Moved digits: SL(2) reads at least 3 points more than a CNN with as many multiplications.",
        ">", 0.03, "sl_affine", "wide_affine",
    ),
    _claim(
        "basis", "Digits in the middle: after as many steps, SL(2) with kernels linear in their weights reads at least "
        "5 points more than with SIRENs.", ">", 0.05, "sl_centred", "siren_centred",
    ),
    _claim(
        "published", "On affNIST's own test SL(2) reads more than 97.7 %, the best of earlier networks.",
        ">", 0.0, "sl_affnist", 0.977,
    ),
)  # fmt: skip


def run(config: Config) -> Findings:
    """Trains the networks of every seed."""
    return run_tests(one_seed, config, NAME, "Digits moved by affine maps", TESTS)


def one_seed(config: Config, seed: int, tick: Tick) -> Outcome:
    """Trains and tests all networks of one seed."""
    return evaluate(config, seed, tick, TESTS, lambda: ("affnist", *load_affnist("moved/test", config.data)))


EXPERIMENT = Experiment(
    NAME,
    "digits moved by affine maps and turned, learned from digits in the middle: CNNs, SO(2), SL(2), GL+(2)",
    CLAIMS,
    run,
)
