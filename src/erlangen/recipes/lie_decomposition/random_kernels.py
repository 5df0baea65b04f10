"""What the group does without any training of kernels: random ones, and a readout of what they find.

An image is lifted to a group by random SIREN kernels of 9 x 9 pixels and cut off at zero; the maximum and the mean of
each channel over pixels and group are what a logistic regression reads. It learns from digits in the middle and is
tested on digits that are moved. Compared are kernels as they are, turned by SO(2), and turned and stretched by SL(2)
and GL+(2), all drawn with the same seed.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from erlangen.extras import require
from erlangen.groups import SL, SO, GLPlus, Group, LogNormal, Trivial
from erlangen.images import AffineLifting2d, GroupFeature, GroupPool, draw_samples
from erlangen.recipes.experiment import Experiment, Findings, by_metric
from erlangen.recipes.lie_decomposition.digits import load, moved, prepared
from erlangen.recipes.lie_decomposition.settings import Config
from erlangen.recipes.seeds import Tick, over_seeds
from erlangen.report import Claim, Table, new_figure, save_figure

NAME = "random-kernels"
TESTS = ("centred", "affine")
SIZE, KERNEL = 20, 9
_AT_ONCE = 100


@dataclass(frozen=True)
class Method:
    """A group that turns and stretches the kernels."""

    title: str
    group: Group


METHODS = {
    "none": Method("no group", Trivial()),
    "so": Method("SO(2)", SO(2)),
    "sl": Method("SL(2)", SL(2)),
    "gl": Method("GL+(2)", GLPlus(2)),
}


def _claim(name: str, statement: str, margin: float, ours: str, baseline: str) -> Claim:
    return Claim(
        f"{NAME}-{name}",
        statement,
        ">",
        margin=margin,
        required_seeds=3,
        experiment=NAME,
        ours=ours,
        baseline=baseline,
    )


# Written before the first run.
CLAIMS = (
    _claim("none", "Moved digits: SL(2) reads at least 5 points more than no group.", 0.05, "sl_affine", "none_affine"),
    _claim("so", "Moved digits: SL(2) reads at least 5 points more than SO(2).", 0.05, "sl_affine", "so_affine"),
    _claim(
        "centred", "Digits in the middle: SL(2) loses at most 4 points against no group.", -0.04,
        "sl_centred", "none_centred",
    ),
)  # fmt: skip


def run(config: Config) -> Findings:
    """Draws the kernels of every seed and reads what they find."""
    metrics = by_metric(over_seeds(one_seed, config, NAME, steps=len(METHODS)))
    findings = Findings(metrics, [_table(metrics, config)])
    if config.out is not None:
        findings.figures = {"random-kernels.png": "Digits read from features of random kernels: mean, range over seeds"}
        _draw(metrics, config.out / "random-kernels.png")
    return findings


def one_seed(config: Config, seed: int, tick: Tick) -> dict[str, float]:
    """Accuracies of all groups with the kernels of one seed."""
    digits = load(config, config.random_train, config.random_tests, seed)
    sets = {"train": prepared(digits.train, SIZE)} | {how: moved(digits, how, SIZE) for how in TESTS}
    found: dict[str, float] = {}
    for name, method in METHODS.items():
        features = {key: random_features(images, method.group, config, seed) for key, images in sets.items()}
        predict = _logistic_regression(features["train"], digits.train_labels)
        for how in TESTS:
            found[f"{name}_{how}"] = float((predict(features[how]) == digits.test_labels).double().mean())
        tick()
    return found


@torch.no_grad()
def random_features(images: Tensor, group: Group, config: Config, seed: int) -> Tensor:
    """The maximum and the mean of every channel over pixels and group, ``(n, 2 channels)``."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        lift = AffineLifting2d(group, 1, config.random_channels, KERNEL, "siren").eval()
    generator = torch.Generator().manual_seed(seed)
    samples = draw_samples(group, config.random_samples, LogNormal(config.random_variance), generator=generator)
    samples = samples.to(torch.float32)
    found = []
    for part in images.split(_AT_ONCE):
        feature = lift(part, samples).map(nn.functional.relu)
        found.append(torch.cat([feature.values.amax((2, 3, 4)), _mean(feature)], 1))
    return torch.cat(found)


def _mean(feature: GroupFeature) -> Tensor:
    return GroupPool("mean")(feature).mean((2, 3))


def _logistic_regression(features: Tensor, labels: Tensor) -> Any:
    """Fits scikit-learn's logistic regression to standardised features; a function from features to labels."""
    linear = require("sklearn.linear_model", "recipes", "the readout of random kernels")
    mean, spread = features.mean(0), features.std(0).clamp_min(1e-8)
    model = linear.LogisticRegression(max_iter=500)
    model.fit(((features - mean) / spread).numpy(), labels.numpy())
    return lambda x: torch.from_numpy(np.asarray(model.predict(((x - mean) / spread).numpy())))


def _table(metrics: dict[str, list[float]], config: Config) -> Table:
    rows: list[list[Any]] = []
    for name, method in METHODS.items():
        cells = []
        for how in TESTS:
            values = 100 * torch.tensor(metrics[f"{name}_{how}"], dtype=torch.float64)
            cells.append(f"{values.mean():.1f}" + (f" ± {values.std():.1f}" if len(values) > 1 else ""))
        rows.append([method.title, *cells])
    note = (
        f"Percent of {config.random_tests} digits, mean ± deviation over seeds; {config.random_train} digits in the "
        f"middle to learn from; {config.random_channels} kernels at {config.random_samples} samples of each group, "
        f"logarithms of stretches of variance {config.random_variance:g}."
    )
    return Table("Digits read from features of random kernels", ["group", *TESTS], rows, note)


def _draw(metrics: dict[str, list[float]], file: Path) -> None:
    figure, panels = new_figure(1, len(TESTS), width=8.0, height=2.8)
    for axes, how in zip(panels, TESTS, strict=True):
        values = 100 * torch.tensor([metrics[f"{name}_{how}"] for name in METHODS], dtype=torch.float64)
        mean = values.mean(1)
        ends = torch.stack([mean - values.amin(1), values.amax(1) - mean])
        colours = [f"C{k}" for k in range(len(METHODS))]
        axes.bar([method.title for method in METHODS.values()], mean, yerr=ends, color=colours)
        axes.set(title=f"digits {how}", ylabel="read in %", ylim=(0, 100))
    save_figure(figure, file)


EXPERIMENT = Experiment(NAME, "random kernels and a linear readout: what the group does without training", CLAIMS, run)
