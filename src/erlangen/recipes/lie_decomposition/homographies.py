"""Digits moved by homographies, which no group of the networks holds, read by the networks of `affine_digits`.

Near a point a homography is an affine map that varies from place to place. The networks are those of the other
experiment, trained there; where this one runs alone, they are trained here.
"""

from __future__ import annotations

from typing import Any

from erlangen.data.affnist import load_homnist
from erlangen.recipes.experiment import Experiment, Findings
from erlangen.recipes.lie_decomposition import affine_digits
from erlangen.recipes.lie_decomposition.evaluation import Outcome, evaluate, run_tests
from erlangen.recipes.lie_decomposition.settings import Config
from erlangen.recipes.seeds import Tick
from erlangen.report import Claim

NAME = "homographies"
TESTS = ("centred", "homography")


def _claim(name: str, statement: str, relation: Any, margin: float, ours: str, baseline: str, **form: Any) -> Claim:
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


# Written before the first run, with the margins of affine maps.
CLAIMS = (
    _claim("sl", "SL(2) reads at least 3 points more than the CNN.", ">", 0.03, "sl_homography", "cnn_homography"),
    _claim("gl", "GL+(2) reads at least 3 points more than the CNN.", ">", 0.03, "gl_homography", "cnn_homography"),
    _claim(
        "drop", "From digits in the middle to moved ones SL(2) loses at most half as much as the CNN.",
        "<", 0.5, "sl_lost", "cnn_lost", form="ratio",
    ),
    _claim(
        "affine", "SL(2) reads more than SO(2), to which no homography near the identity belongs but turns.",
        ">", 0.0, "sl_homography", "so_homography",
    ),
)  # fmt: skip


def run(config: Config) -> Findings:
    """Tests the networks of every seed, trained before or here."""
    return run_tests(one_seed, config, NAME, "Digits moved by homographies", TESTS)


def one_seed(config: Config, seed: int, tick: Tick) -> Outcome:
    """Tests all networks of one seed."""
    published = lambda: ("homnist", *load_homnist(config.data)[:2])
    return evaluate(config, seed, tick, TESTS, published, again=affine_digits.NAME in config.chosen)


EXPERIMENT = Experiment(NAME, "digits moved by homographies, read by the same networks", CLAIMS, run)
