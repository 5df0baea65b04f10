"""Bodies with joints: which limb each point belongs to, and whose body it is, in poses that nobody saw.

Figures of six ellipsoids differ in their measures from subject to subject. Networks learn from poses in which every
limb is turned by less than 40 degrees, and are tested on new poses of this range and on poses with turns from 60 to 100
degrees. Each network is trained twice: to read the kind of limb of each point (left and right are mirror images, which
nobody who keeps reflections of limbs can tell apart), and to tell the subjects apart. Compared with APEN are EPN, which
is symmetric as a whole, and PointNet, as it is and trained on figures turned at random. EPN is given twice and PointNet
five times as many steps as APEN; of the processor's time that is about as much for EPN, and less for PointNet.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from erlangen.data.figures import KIND, KINDS, figures, measures
from erlangen.recipes.apen.oneshot import draw_parts, picture
from erlangen.recipes.apen.part_learning import (
    APEN_METHOD,
    EPN_METHOD,
    POINTNET,
    STAGE_COLUMNS,
    STAGE_NOTE,
    TURNED_POINTNET,
    Clouds,
    Fresh,
    logits,
    mean_iou,
    predict,
    spread,
    stage_rows,
    stages,
    train,
    turned,
)
from erlangen.recipes.apen.settings import Config
from erlangen.recipes.experiment import Experiment, Findings, by_metric
from erlangen.recipes.seeds import Tick, over_seeds
from erlangen.report import Claim, Table, new_figure, save_figure

NAME = "articulated"
SEEN, UNSEEN = (0.0, 40.0), (60.0, 100.0)
#: The diameter of a limb over about 2.4, and small enough that the widest mixture keeps legs side by side apart.
LENGTH = 0.3
METHODS = {"pointnet": POINTNET, "pointnet_turned": TURNED_POINTNET, "epn": EPN_METHOD, "apen": APEN_METHOD}
TASKS = {"limbs": "node", "subject": "graph"}


def _claim(name: str, statement: str, ours: str, baseline: str, margin: float) -> Claim:
    return Claim(
        f"articulated-{name}", statement, ">", margin, required_seeds=3, experiment=NAME, ours=ours, baseline=baseline
    )


# Written before the first run; margins are half of what was published for human bodies. The task was changed after a
# first run of one seed: at first left and right limbs were labels of their own, arms hung down beside the torso, and
# APEN was given 250 steps, not 300. Claims and margins are as they were.
CLAIMS = (
    _claim(
        "limbs-epn",
        "In unseen poses, APEN reads limbs with an mIoU above that of EPN by over 0.045.",
        "apen_limbs_unseen",
        "epn_limbs_unseen",
        0.045,
    ),
    _claim(
        "limbs-pointnet",
        "It is above that of PointNet by over 0.065.",
        "apen_limbs_unseen",
        "pointnet_limbs_unseen",
        0.065,
    ),
    _claim(
        "subject-pointnet",
        "In unseen poses, APEN knows subjects more often than PointNet, by over a quarter of all figures.",
        "apen_subject_unseen",
        "pointnet_subject_unseen",
        0.25,
    ),
    _claim(
        "subject-epn",
        "It knows them more often than EPN.",
        "apen_subject_unseen",
        "epn_subject_unseen",
        0.0,
    ),
)


@dataclass
class Outcome:
    """What one seed measured; ``picture`` holds what the first figure draws."""

    metrics: dict[str, float]
    picture: dict[str, Any] = field(default_factory=dict)


def run(config: Config) -> Findings:
    """Trains the networks of every seed, twice; draws a figure of the first."""
    steps = config.articulated_steps * len(TASKS) * sum(method.times for method in METHODS.values())
    outcomes = over_seeds(one_seed, config, NAME, steps=steps)
    metrics = by_metric([outcome.metrics for outcome in outcomes])
    partitions = Table("Figures in unseen poses: partitions of APEN", STAGE_COLUMNS, stage_rows(metrics), STAGE_NOTE)
    findings = Findings(metrics, [_table(metrics, config), partitions])
    if config.out is not None:
        findings.figures = {
            "articulated-parts.png": "A figure in an unseen pose, from the front: the parts that each layer of APEN "
            "works with, and the limbs that it reads (first seed)",
            "articulated-poses.png": "Limbs and subjects in poses of the range that was learned, in unseen ones, and "
            "in unseen ones turned as a whole (each seed)",
        }
        draw_parts(outcomes[0].picture, KINDS, config.out / "articulated-parts.png", axes=(0, 2))
        _draw_poses(metrics, config.out / "articulated-poses.png")
    return findings


def one_seed(config: Config, seed: int, tick: Tick) -> Outcome:
    """Trains and measures the networks of one seed."""
    rng = torch.Generator().manual_seed(seed)
    half = measures(config.articulated_subjects, rng)
    outcome = Outcome({})
    for task, kind in TASKS.items():
        tests = {
            name: posed(half, config.articulated_tests, config.articulated_points, angles, task, rng)
            for name, angles in (("seen", SEEN), ("unseen", UNSEEN))
        }
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            tests["whole"] = turned(tests["unseen"])
        classes = len(KINDS) if task == "limbs" else len(half)
        for name, method in METHODS.items():
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(seed)
                built = method.build(config.articulated_width, config.articulated_parts, classes, kind, LENGTH)
            network = built.to(config.device)
            clouds = config.articulated_batch * config.articulated_steps * method.times
            data = Fresh(lambda generator, task=task: _one(half, config, task, generator), clouds, seed)
            place = (NAME, task, str(seed), name)
            seconds = train(method, network, data, config.articulated_batch, config, seed, tick, *place)
            outcome.metrics[f"{name}_{task}_seconds"] = seconds
            for which, test in tests.items():
                test = test.on(config.device)
                outputs = predict(network, test)
                found, label = logits(outputs).argmax(-1), test.label.flatten()
                right = float((found == label).double().mean())
                score = mean_iou(found, label, classes) if task == "limbs" else right
                outcome.metrics[f"{name}_{task}_{which}"] = score
                if (name, task, which) == ("apen", "limbs", "unseen"):
                    outcome.metrics |= stages(outputs, test)
                    outcome.picture = picture(outputs, test)
    return outcome


def posed(
    half: torch.Tensor, count: int, points: int, angles: tuple[float, float], task: str, generator: torch.Generator
) -> Clouds:
    """Figures in random poses, with kinds of limbs or subjects as labels."""
    made = figures(half, count, points, angles, generator)
    label = torch.tensor(KIND)[made.limb] if task == "limbs" else made.subject
    return Clouds(made.points, made.limb, made.center, label)


def _one(half: torch.Tensor, config: Config, task: str, generator: torch.Generator) -> Clouds:
    """A figure of a subject drawn at random."""
    subject = torch.randint(len(half), (1,), generator=generator)
    made = posed(half[subject], 1, config.articulated_points, SEEN, task, generator)
    return made if task == "limbs" else made._replace(label=subject)


def _draw_poses(metrics: dict[str, list[float]], file: Path) -> None:
    figure, panels = new_figure(1, 2, height=3.2)
    titles = [method.title for method in METHODS.values()]
    for panel, task in zip(panels, TASKS, strict=True):
        for place, name in enumerate(METHODS):
            for shift, which, mark in ((-0.2, "seen", "o"), (0.0, "unseen", "s"), (0.2, "whole", "x")):
                values = metrics[f"{name}_{task}_{which}"]
                label = {"seen": "seen range", "unseen": "unseen", "whole": "unseen, turned"}[which]
                panel.plot(
                    values,
                    [place + shift] * len(values),
                    mark,
                    color=f"C{place}",
                    fillstyle="full" if which == "seen" else "none",
                    label=label if place == 0 else None,
                )
        quantity = "mIoU of limbs" if task == "limbs" else "share of subjects that are known"
        panel.set(xlabel=quantity, xlim=(0, 1.02), yticks=range(len(titles)), yticklabels=[])
        panel.invert_yaxis()
    panels[0].set_yticklabels(titles)
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False)
    save_figure(figure, file)


def _table(metrics: dict[str, list[float]], config: Config) -> Table:
    rows: list[list[Any]] = []
    for name, method in METHODS.items():
        numbers = [spread(metrics[f"{name}_{task}_{which}"]) for task in TASKS for which in ("seen", "unseen", "whole")]
        total = [a + b for a, b in zip(*(metrics[f"{name}_{task}_seconds"] for task in TASKS), strict=True)]
        rows.append(
            [method.title, method.times * config.articulated_steps, round(sum(total) / len(total), 1), *numbers]
        )
    note = (
        f"Limbs: mIoU over their kinds. Subject: share of figures of {config.articulated_subjects} subjects that are "
        "known. Seen: new poses of the range of angles that was learned. Turned: unseen poses, the figure turned at "
        "random as a whole. Mean ± deviation over seeds; seconds of both trainings are the processor's."
    )
    kinds = ("seen", "unseen", "turned")
    columns = ["network", "steps", "seconds", *(f"{task}, {kind}" for task in TASKS for kind in kinds)]
    return Table("Figures with joints", columns, rows, note)


EXPERIMENT = Experiment(NAME, "limbs and subjects of figures with joints, in poses that nobody saw", CLAIMS, run)
