r"""Eight kinds of shapes, learnt in their usual position and met turned, scaled and shifted.

One PointNet, three kinds of input: coordinates as they are, coordinates turned at random in each step, and canonical
coordinates. The latter are tried with signs fixed by odd moments, and with random signs in training, whose network is
then also averaged over all eight patterns of signs. Shapes are learnt upright (so this is the protocol z/SO(3) with no
rotation at all in training), only the network with augmentation learns SO(3)/SO(3). Every test set holds the same
shapes, moved.
"""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from erlangen.audit import audit
from erlangen.data.surfaces import KINDS, LEAST, MOST, Surfaces, sampled, surfaces
from erlangen.groups import SO
from erlangen.recipes.experiment import Experiment, Findings, by_metric
from erlangen.recipes.seeds import Tick, over_seeds
from erlangen.recipes.tinvnn.settings import Config
from erlangen.report import Check, Claim, Table, new_figure, save_figure
from erlangen.symmetrize import TransformationInvariant, mds_coordinates
from erlangen.train import fit

NAME = "pointcloud"
ANGLES = tuple(range(0, 181, 30))
SETS = ("aligned", "rotated", "similar")
CHUNK = 200  # shapes that a test looks at together


class PointNet(nn.Module):
    """Three layers on every point, the largest features of the cloud, and two layers on these.

    Source: Qi, Su, Mo, Guibas, "PointNet: Deep Learning on Point Sets for 3D Classification and Segmentation", 2017.
    """

    def __init__(self, classes: int = len(KINDS)) -> None:
        super().__init__()
        self.points = nn.Sequential(nn.Linear(3, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 128))
        self.head = nn.Sequential(nn.Linear(128, 64), nn.ReLU(), nn.Linear(64, classes))

    def forward(self, x: Tensor) -> Tensor:
        """From clouds ``(B, n, 3)`` to logits ``(B, classes)``."""
        return self.head(self.points(x).amax(1))


@dataclass(frozen=True)
class Method:
    """What a network gets to see.

    Args:
        title: as tables show it.
        sign: how canonical coordinates get their signs; None for coordinates as they are.
        turned: whether shapes are turned at random in training.
    """

    title: str
    sign: str | None = None
    turned: bool = False


METHODS = {
    "raw": Method("coordinates"),
    "augmented": Method("coordinates, turned in training", turned=True),
    "moment": Method("TinvNN, signs by moments", sign="moment"),
    "random": Method("TinvNN, random signs in training", sign="random"),
}
AVERAGED = "averaged"
TITLES = {name: method.title for name, method in METHODS.items()} | {
    AVERAGED: "the same, averaged over signs in tests",
}
INVARIANT = ("moment", "random", AVERAGED)


def _claim(name: str, statement: str, relation: Any, **comparison: Any) -> Claim:
    return Claim(f"pointcloud-{name}", statement, relation, required_seeds=3, experiment=NAME, **comparison)


# Written before the first run.
CLAIMS = (
    _claim(
        "ahead-of-augmentation",
        "On turned shapes canonical coordinates are right four points more often than training with rotations.",
        ">",
        margin=0.04,
        ours="moment_rotated",
        baseline="augmented_rotated",
    ),
    _claim(
        "averaged-ahead-of-augmentation",
        "So is the network that is averaged over signs.",
        ">",
        margin=0.04,
        ours="averaged_rotated",
        baseline="augmented_rotated",
    ),
    _claim(
        "raw-collapses",
        "Plain coordinates, learnt upright, are right on at most 35 % of turned shapes.",
        "<",
        ours="raw_rotated",
        baseline=0.35,
    ),
    _claim(
        "augmentation-collapses",
        "Training with rotations does not help against another scale and place: at most 35 % right.",
        "<",
        ours="augmented_similar",
        baseline=0.35,
    ),
    _claim(
        "cost",
        "It has a price: on upright shapes plain coordinates are right more often than canonical ones.",
        ">",
        ours="raw_aligned",
        baseline="moment_aligned",
    ),
)


@dataclass
class Outcome:
    """What one seed measured."""

    metrics: dict[str, float]
    audits: list[dict[str, Any]]
    verdict: str


def run(config: Config) -> Findings:
    """Trains the networks of every seed."""
    steps = len(METHODS) * config.pointcloud_epochs * math.ceil(config.pointcloud_train / config.pointcloud_batch)
    outcomes = over_seeds(one_seed, config, NAME, steps=steps)
    metrics = by_metric([outcome.metrics for outcome in outcomes])
    tables = [_table(metrics, config), _sign_table(metrics)]
    findings = Findings(metrics, tables, {}, _checks(outcomes, metrics), outcomes[0].audits)
    if config.out is not None:
        findings.figures["tinvnn-rotation.png"] = (
            "Shapes that are recognised as they turn about a random axis, and with another scale and place besides "
            "(mean, range over seeds)"
        )
        _draw(metrics, config.out / "tinvnn-rotation.png")
    return findings


def one_seed(config: Config, seed: int, tick: Tick) -> Outcome:
    """Trains and measures the networks of one seed."""
    generator = torch.Generator().manual_seed(seed)
    train = surfaces(config.pointcloud_train, config.pointcloud_points, generator)
    test = surfaces(config.pointcloud_tests, config.pointcloud_points, generator)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        start = PointNet()
    networks = {name: build(method, start).to(config.device) for name, method in METHODS.items()}
    metrics: dict[str, float] = {}
    for name, network in networks.items():
        metrics |= _train(name, network, train, config, seed, tick)
    averaged = TransformationInvariant(networks["random"].backbone, sign="average", degenerate="keep")  # type: ignore[arg-type]
    moved = moves(test.points.double(), seed)
    for name, network in {**networks, AVERAGED: averaged.eval()}.items():
        metrics |= _measure(name, network, moved, test.kind)
    metrics |= agreement(config, seed)
    report = audit(networks["moment"], test.points[: len(KINDS)].to(config.device), num_elements=12)
    named = {"name": TITLES["moment"]} | report.to_dict()
    return Outcome(metrics, [named], report.verdict)


def build(method: Method, start: nn.Module) -> nn.Module:
    """A network of a method, with the weights that all start from."""
    network = copy.deepcopy(start)
    return network if method.sign is None else TransformationInvariant(network, sign=method.sign, degenerate="keep")


def _train(name: str, network: nn.Module, train: Surfaces, config: Config, seed: int, tick: Tick) -> dict[str, float]:
    method = METHODS[name]

    def loss(model: nn.Module, batch: Any) -> Tensor:
        x, kind = batch
        if method.turned:
            x = x @ SO(3).sample(len(x)).to(x).mT
        return nn.functional.cross_entropy(model(x), kind)

    fitted = fit(
        network,
        (train.points.to(config.device), train.kind.to(config.device)),
        loss,
        epochs=config.pointcloud_epochs,
        batch_size=config.pointcloud_batch,
        lr=2e-3,
        schedule="cosine",
        seed=seed,
        progress=tick,
        **config.fit_options(NAME, seed, name),
    )
    seconds = fitted.processor_seconds if config.device == "cpu" else fitted.seconds
    return {f"{name}_seconds": seconds}


def moves(x: Tensor, seed: int) -> dict[str, Tensor]:
    """The same shapes ``(B, n, 3)`` as they are, turned, with another scale and place, and at each of the angles."""
    generator = torch.Generator().manual_seed(1000 + seed)
    turn = SO(3).sample(len(x), generator=generator)
    scale = 0.3 + 3 * torch.rand(len(x), 1, 1, generator=generator, dtype=torch.float64)
    shift = 2 * torch.randn(len(x), 1, 3, generator=generator, dtype=torch.float64)
    axis = nn.functional.normalize(torch.randn(len(x), 3, generator=generator, dtype=torch.float64), dim=-1)
    across = torch.linalg.cross(axis[:, None], torch.eye(3, dtype=torch.float64).expand(len(x), 3, 3)).mT
    moved = {"aligned": x, "rotated": x @ turn.mT, "similar": scale * x @ turn.mT + shift}
    for angle in ANGLES:
        moved[f"{angle:03d}"] = x @ SO(3).exp(math.radians(angle) * across).mT
    return moved


def _measure(name: str, network: nn.Module, moved: dict[str, Tensor], kind: Tensor) -> dict[str, float]:
    """Parts of the shapes that are recognised, and how many are taken for others once they are moved.

    In float64 where answers are compared, in float32 along the angles.
    """
    precise, device = copy.deepcopy(network).double().eval(), next(network.parameters()).device
    found = {}
    with torch.no_grad():
        for key, x in moved.items():
            model, dtype = (precise, torch.float64) if key in SETS else (network, torch.float32)
            parts = [model(part.to(device, dtype)).argmax(-1).cpu() for part in x.split(CHUNK)]
            found[key] = torch.cat(parts)
    measured = {f"{name}_{key}": float((guess == kind).double().mean()) for key, guess in found.items()}
    measured[f"{name}_changed"] = float(sum((found[key] != found["aligned"]).sum() for key in SETS[1:]))
    return measured


def agreement(config: Config, seed: int) -> dict[str, float]:
    """How often two samples of the same shape get the same signs, and how often axes keep their order, by kind.

    A number that strict invariance says nothing about. Signs agree where each axis of the one cloud points to the same
    side as the axis of the other that is most parallel to it.
    """
    generator = torch.Generator().manual_seed(2000 + seed)
    kind = torch.arange(config.pointcloud_tests) % len(KINDS)
    stretch = LEAST + (MOST - LEAST) * torch.rand(len(kind), 1, 3, generator=generator, dtype=torch.float64)
    first, second = (
        mds_coordinates(sampled(kind, stretch, config.pointcloud_points, generator), degenerate="keep").rotation
        for _ in range(2)
    )
    inner = first.mT @ second
    place = inner.abs().argmax(-1)
    ordered = (place == torch.arange(3)).all(-1)
    signs = (inner.gather(-1, place[..., None])[..., 0] > 0).all(-1)
    measured = {}
    for number, name in enumerate(KINDS):
        mine = kind == number
        measured[f"signs_{name}"] = float(signs[mine].double().mean()) if mine.any() else math.nan
        measured[f"order_{name}"] = float(ordered[mine].double().mean()) if mine.any() else math.nan
    return measured


def _checks(outcomes: list[Outcome], metrics: dict[str, list[float]]) -> list[Check]:
    checks = []
    for name in INVARIANT:
        changed = sum(metrics[f"{name}_changed"])
        statement = f"{TITLES[name]}: no shape is taken for another once it is turned, scaled and shifted (float64)."
        checks.append(Check(f"pointcloud-{name}-unchanged", statement, changed == 0, f"{changed:.0f} are"))
    kept = sum(outcome.verdict in ("exact", "float32") for outcome in outcomes)
    statement = f"{TITLES['moment']}: the trained network keeps similarities, as its audit finds."
    checks.append(Check("pointcloud-audit", statement, kept == len(outcomes), f"{kept} of {len(outcomes)} seeds"))
    return checks


def spread(numbers: list[float], digits: int = 3) -> str:
    """Mean and deviation over seeds."""
    values = torch.tensor(numbers, dtype=torch.float64)
    return f"{values.mean():.{digits}f}" + (f" ± {values.std():.{digits}f}" if len(values) > 1 else "")


def _table(metrics: dict[str, list[float]], config: Config) -> Table:
    rows: list[list[Any]] = []
    for name, title in TITLES.items():
        seconds = metrics.get(f"{name}_seconds")
        cost = None if seconds is None else round(sum(seconds) / len(seconds), 1)
        changed = f"{sum(metrics[f'{name}_changed']) / len(metrics[f'{name}_changed']):.0f}"
        rows.append([title, *(spread(metrics[f"{name}_{key}"]) for key in SETS), changed, cost])
    note = (
        f"Part of {config.pointcloud_tests} shapes that is recognised, mean ± deviation over seeds; by chance it is "
        f"{1 / len(KINDS):.3f}. Learnt from {config.pointcloud_train} upright shapes with {config.pointcloud_points} "
        "points each. Similar: turned, scaled by 0.3 to 3.3 and shifted by twice a unit normal. Changed: answers that "
        "turning or moving changes, of two per shape. Seconds of training are the processor's."
    )
    return Table("Shapes that are recognised", ["input", *SETS, "changed", "seconds"], rows, note)


def _sign_table(metrics: dict[str, list[float]]) -> Table:
    rows: list[list[Any]] = [
        [name, spread(metrics[f"signs_{name}"], 2), spread(metrics[f"order_{name}"], 2)] for name in KINDS
    ]
    note = (
        "Two samples of the same shape: how often signs by moments agree along all axes, and how often the axes come "
        "in the same order. Shapes that are symmetric along an axis have no sign there but what the sample gives them."
    )
    return Table("Canonical coordinates of two samples of a shape", ["shape", "same signs", "same order"], rows, note)


def _draw(metrics: dict[str, list[float]], file: Path) -> None:
    figure, (left, right) = new_figure(1, 2, height=3.8)
    for place, (name, title) in enumerate(TITLES.items()):
        values = torch.tensor([metrics[f"{name}_{angle:03d}"] for angle in ANGLES])
        left.plot(ANGLES, 1 - values.mean(1), color=f"C{place}", label=title)
        left.fill_between(ANGLES, 1 - values.amax(1), 1 - values.amin(1), color=f"C{place}", alpha=0.15, linewidth=0)
        for shift, key in ((-0.2, "aligned"), (0.0, "rotated"), (0.2, "similar")):
            wrong = [1 - value for value in metrics[f"{name}_{key}"]]
            mark = {"aligned": "o", "rotated": "s", "similar": "^"}[key]
            label = key if place == 0 else None
            right.plot(
                wrong,
                [place + shift] * len(wrong),
                mark,
                color=f"C{place}",
                markersize=4,
                linestyle="none",
                label=label,
            )
    left.set(title="Error under rotation", xlabel="angle in degrees", ylabel="part that is not recognised")
    left.set(xticks=range(0, 181, 45), xlim=(0, 180), ylim=(0, 1))
    left.legend(fontsize="small")
    right.set(title="Error of each seed", xlabel="part that is not recognised", xlim=(0, 1), yticks=range(len(TITLES)))
    right.set_yticklabels(list(TITLES.values()))
    right.invert_yaxis()
    right.legend(fontsize="small")
    save_figure(figure, file)


EXPERIMENT = Experiment(
    NAME, "eight kinds of shapes, learnt upright, met turned, scaled and shifted: PointNet on three inputs", CLAIMS, run
)
