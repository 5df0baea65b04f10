"""One arrangement of furniture to learn from: who still knows the pieces after they were moved?

A chair, a table, a box and a ball stand somewhere, turned somehow. All scans to learn from are of one arrangement, with
new points each. A network that treats a whole scene, even one that keeps its symmetries (EPN: frame averaging over the
whole), can learn who stands where. APEN works on parts, and has to learn what a piece looks like by itself. Tested are
new scans of the same arrangement, and scans of arrangements that nobody saw.

Steps of EPN and PointNet are faster, so EPN is given twice and PointNet five times as many as APEN, with new scans in
each; PointNet sees scenes that are turned at random. The table says what that took of the processor's time: for EPN
about as much as APEN takes, for PointNet less.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from erlangen.audit import audit
from erlangen.data.furniture import PIECES, Arrangement, arrangements, furniture
from erlangen.points import APENOutput
from erlangen.recipes.apen.part_learning import (
    APEN_METHOD,
    EPN_METHOD,
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
)
from erlangen.recipes.apen.settings import Config
from erlangen.recipes.experiment import Experiment, Findings, by_metric
from erlangen.recipes.seeds import Tick, over_seeds
from erlangen.report import Check, Claim, Table, new_figure, save_figure

NAME = "oneshot"
METHODS = {"pointnet": TURNED_POINTNET, "epn": EPN_METHOD, "apen": APEN_METHOD}
EXACT = ("epn", "apen")


def _claim(name: str, statement: str, ours: str, baseline: str | float, margin: float = 0.0) -> Claim:
    return Claim(
        f"oneshot-{name}", statement, ">", margin, required_seeds=3, experiment=NAME, ours=ours, baseline=baseline
    )


# Written before the first run.
CLAIMS = (
    _claim("apen-learns", "On the arrangement it learned, APEN reaches an mIoU above 0.9.", "apen_same", 0.9),
    _claim("epn-learns", "On the arrangement it learned, EPN reaches an mIoU above 0.9.", "epn_same", 0.9),
    _claim(
        "moved-epn",
        "On pieces that were moved, the mIoU of APEN is above that of EPN by over 0.25.",
        "apen_moved",
        "epn_moved",
        0.25,
    ),
    _claim(
        "moved-pointnet",
        "It is above that of PointNet by over 0.25.",
        "apen_moved",
        "pointnet_moved",
        0.25,
    ),
    Claim(
        "oneshot-fewer-parts",
        "From the first partition to the last, the number of parts falls to less than a quarter.",
        "<",
        0.25,
        form="ratio",
        required_seeds=3,
        experiment=NAME,
        ours="stage4_parts",
        baseline="stage1_parts",
    ),
    Claim(
        "oneshot-error",
        "When pieces move, what APEN returns changes less than half as much as what EPN returns.",
        "<",
        0.5,
        form="ratio",
        required_seeds=3,
        experiment=NAME,
        ours="apen_change",
        baseline="epn_change",
    ),
)


@dataclass
class Outcome:
    """What one seed measured; ``picture`` holds what the first figure draws."""

    metrics: dict[str, float]
    audits: list[dict[str, Any]] = field(default_factory=list)
    verdicts: dict[str, str] = field(default_factory=dict)
    picture: dict[str, Any] = field(default_factory=dict)


def run(config: Config) -> Findings:
    """Trains the networks of every seed; draws a scene of the first."""
    steps = config.oneshot_steps * sum(method.times for method in METHODS.values())
    outcomes = over_seeds(one_seed, config, NAME, steps=steps)
    metrics = by_metric([outcome.metrics for outcome in outcomes])
    tables = [
        _table(metrics, config),
        Table("Moved furniture: partitions of APEN", STAGE_COLUMNS, stage_rows(metrics), STAGE_NOTE),
    ]
    findings = Findings(metrics, tables, {}, _checks(outcomes), outcomes[0].audits)
    if config.out is not None:
        findings.figures = {
            "oneshot-parts.png": "A scene with pieces that were moved, from above: the parts that each layer of APEN "
            "works with, and the pieces that it reads (first seed)",
            "oneshot-moved.png": "mIoU of each seed on the arrangement that was learned, and on pieces that were moved",
        }
        draw_parts(outcomes[0].picture, PIECES, config.out / "oneshot-parts.png")
        _draw_moved(metrics, config.out / "oneshot-moved.png")
    return findings


def one_seed(config: Config, seed: int, tick: Tick) -> Outcome:
    """Trains and measures the networks of one seed."""
    rng = torch.Generator().manual_seed(seed)
    learned, elsewhere = arrangements(1, rng), arrangements(2 * config.oneshot_scenes, rng)
    again = Arrangement(*(part.expand(8, *part.shape[1:]) for part in learned))
    same = scans(again, config.oneshot_points, rng).on(config.device)
    first, second = (Arrangement(*parts) for parts in zip(*(part.chunk(2) for part in elsewhere), strict=True))
    # The same points twice: what moves are the pieces.
    moved, further = (
        scans(arrangement, config.oneshot_points, torch.Generator().manual_seed(1000 + seed)).on(config.device)
        for arrangement in (first, second)
    )
    outcome = Outcome({})
    for name, method in METHODS.items():
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            built = method.build(config.oneshot_width, config.oneshot_parts, len(PIECES), "node", 1.0)
        network = built.to(config.device)
        clouds = config.oneshot_batch * config.oneshot_steps * method.times
        data = Fresh(lambda generator: scans(learned, config.oneshot_points, generator), clouds, seed)
        seconds = train(method, network, data, config.oneshot_batch, config, seed, tick, NAME, str(seed), name)
        outcome.metrics[f"{name}_seconds"] = seconds
        outputs = predict(network, moved)
        numbers, others = logits(outputs), logits(predict(network, further))
        outcome.metrics[f"{name}_change"] = float((others - numbers).norm() / numbers.norm())
        for which, clouds, found in (("same", same, logits(predict(network, same))), ("moved", moved, numbers)):
            label = clouds.label.flatten()
            outcome.metrics[f"{name}_{which}"] = mean_iou(found.argmax(-1), label, len(PIECES))
        if name in EXACT:
            few = Clouds(*(tensor[:2] for tensor in moved))
            points = few.points - few.points.mean(1, keepdim=True)
            report = audit(network, None, points.flatten(0, 1), None, few.batch, num_elements=6)
            outcome.audits.append({"name": method.title} | report.to_dict())
            outcome.verdicts[name] = report.verdict
        if name == "apen":
            outcome.metrics |= stages(outputs, moved)
            outcome.picture = picture(outputs, moved)
    return outcome


def scans(arrangement: Arrangement, points: int, generator: torch.Generator) -> Clouds:
    """Scans of furniture, the pieces as labels."""
    scene = furniture(arrangement, points, generator)
    return Clouds(scene.points, scene.piece, scene.center, scene.piece)


def picture(outputs: list[Any], clouds: Clouds) -> dict[str, Any]:
    """What is drawn of the first cloud: coordinates, its part in each partition, and what is read."""
    out, n = outputs[0], clouds.points.shape[1]
    assert isinstance(out, APENOutput)
    return {
        "points": clouds.points[0].tolist(),
        "parts": [part.index[:n].tolist() for part in out.partitions],
        "read": out.scalar[:n].argmax(-1).tolist(),
    }


def draw_parts(drawn: dict[str, Any], names: tuple[str, ...], file: Path, axes: tuple[int, int] = (0, 1)) -> None:
    """One panel for each partition, and one for what is read."""
    points = torch.tensor(drawn["points"])
    figure, panels = new_figure(1, len(drawn["parts"]) + 1, width=11.0, height=2.7)
    for number, (panel, part) in enumerate(zip(panels, [*drawn["parts"], drawn["read"]], strict=True), 1):
        last = number == len(panels)
        colours = [f"C{i}" if last else _colour(i) for i in part]
        panel.scatter(points[:, axes[0]], points[:, axes[1]], c=colours, s=7, linewidths=0)
        count = len(set(part))
        panel.set(title="what it reads" if last else f"layer {number}: {count} parts", aspect="equal")
        panel.set(xticks=[], yticks=[])
        panel.grid(False)
    for i, name in enumerate(names):
        panels[-1].scatter([], [], c=f"C{i}", s=20, label=name)
    panels[-1].legend(loc="center left", bbox_to_anchor=(1.0, 0.5), fontsize="small", handletextpad=0.1)
    save_figure(figure, file)


def _colour(part: int) -> tuple[float, float, float]:
    """Colours of many parts, neighbours in number far apart in hue."""
    import colorsys

    return colorsys.hsv_to_rgb((0.618034 * part) % 1, 0.55 + 0.4 * (part % 2), 0.55 + 0.35 * (part % 3) / 2)


def _draw_moved(metrics: dict[str, list[float]], file: Path) -> None:
    figure, (panel,) = new_figure(1, 1, width=6.0, height=2.6)
    for place, (name, method) in enumerate(METHODS.items()):
        for which, filled, label in (("same", "full", "as learned"), ("moved", "none", "moved")):
            values = metrics[f"{name}_{which}"]
            panel.plot(values, [place] * len(values), "o", color=f"C{place}", fillstyle=filled, label=label)
            if place == 0:
                panel.legend()
        panel.text(0.0, place - 0.25, method.title, fontsize="small", color=f"C{place}")
    panel.axvline(1 / 7, color="0.6", linewidth=0.8, linestyle=":")
    panel.set(xlabel="mIoU (dotted: by chance)", xlim=(-0.02, 1.02), ylim=(len(METHODS) - 0.5, -0.6), yticks=[])
    save_figure(figure, file)


def _checks(outcomes: list[Outcome]) -> list[Check]:
    checks = []
    for name in EXACT:
        kept = sum(outcome.verdicts[name] in ("exact", "float32") for outcome in outcomes)
        statement = f"{METHODS[name].title} keeps E(3) and permutations of whole scenes, as its audit finds."
        checks.append(
            Check(f"oneshot-{name}-audit", statement, kept == len(outcomes), f"{kept} of {len(outcomes)} seeds")
        )
    return checks


def _table(metrics: dict[str, list[float]], config: Config) -> Table:
    rows: list[list[Any]] = []
    for name, method in METHODS.items():
        seconds = sum(metrics[f"{name}_seconds"]) / len(metrics[f"{name}_seconds"])
        numbers = [spread(metrics[f"{name}_{what}"]) for what in ("same", "moved", "change")]
        rows.append([method.title, method.times * config.oneshot_steps, round(seconds, 1), *numbers])
    note = (
        "mIoU over four pieces, mean ± deviation over seeds; 1/7 by chance. As learned: 8 new scans of the arrangement "
        f"learned from. Moved: {config.oneshot_scenes} scenes with new places and rotations of all pieces. Change: "
        "of the logits when the pieces move once more, relative to their size. Seconds of training are the processor's."
    )
    return Table(
        "Furniture learned from one arrangement",
        ["network", "steps", "seconds", "as learned", "moved", "change"],
        rows,
        note,
    )


EXPERIMENT = Experiment(NAME, "furniture learned from one arrangement, then moved: APEN, EPN and PointNet", CLAIMS, run)
