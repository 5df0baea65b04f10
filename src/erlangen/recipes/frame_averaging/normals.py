r"""Normals of point clouds: upright solids to learn from, turned ones to be tested on.

Solids of four kinds stand along the axes (I), or each is turned at random (SO3). Networks predict the normal at every
point, up to its sign; the error is :math:`1 - (n \cdot \hat n)^2`. PointNet and DGCNN learn from upright clouds, and
again from clouds turned anew at each step. FA-PointNet, the same PointNet averaged over the eight principal frames of a
cloud, learns from upright clouds alone: turned ones would look the same to it. A second one sees only one random frame
in each step, so that it costs no more than PointNet, and is tested with all eight. (A network that was right for each
frame by itself may still answer n for one and -n for another, as the error does not care, and vectors then cancel. So
its lines are averaged as well: a row of the table, added after a first run, about which nothing was claimed.)

All train for the same number of steps on the same clouds in the same order, and keep their last weights.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from erlangen.audit import audit
from erlangen.data.shapes import KINDS, Clouds, solids, turned
from erlangen.groups import SO, Points, Symmetry, Vector
from erlangen.recipes.experiment import Experiment, Findings, by_metric
from erlangen.recipes.frame_averaging.point_networks import DGCNN, MeanLine, PointNet, framed, normal_error
from erlangen.recipes.frame_averaging.settings import Config
from erlangen.recipes.seeds import Tick, over_seeds
from erlangen.report import Check, Claim, Table, new_figure, save_figure
from erlangen.symmetrize import Symmetrized
from erlangen.train import fit

NAME = "normals"
PROMISE = Symmetry(SO(3), inputs=(Points(SO(3)),), output=Vector(SO(3)))
SHOWN = 4  # clouds that are drawn: one of each kind


@dataclass(frozen=True)
class Method:
    """A network and what it learns from.

    Args:
        title: As tables show it.
        turned: Whether training clouds are turned at random, anew at each step.
        average: How frames are averaged in training; empty for none.
        dynamic: Whether it is a DGCNN.
        cost: About how many steps of PointNet a step takes, for the progress bar.
    """

    title: str
    turned: bool = False
    average: str = ""
    dynamic: bool = False
    cost: int = 1


METHODS = {
    "pointnet": Method("PointNet"),
    "pointnet_so3": Method("PointNet", turned=True),
    "dgcnn": Method("DGCNN", dynamic=True),
    "dgcnn_so3": Method("DGCNN", turned=True, dynamic=True),
    "fa": Method("FA-PointNet", average="full", cost=9),
    "sampled": Method("FA-PointNet, one frame per step", average="sample"),
}
LINES = "lines"  # the weights of `sampled`, tested by averaging lines
TITLES = {name: method.title for name, method in METHODS.items()} | {LINES: "the same, averaging lines"}
FRAMED = ("fa", "sampled", LINES)
COST = sum(method.cost for method in METHODS.values())


def _claim(name: str, statement: str, relation: Any, **comparison: Any) -> Claim:
    return Claim(f"normals-{name}", statement, relation, experiment=NAME, **comparison)


# Written before the first run. Metrics end in what is tested: upright clouds (i) or turned ones (so3).
CLAIMS = (
    _claim(
        "pointnet-breaks",
        "Trained on upright clouds, PointNet's error at least doubles on turned ones.",
        ">",
        margin=2.0,
        form="ratio",
        ours="pointnet_on_so3",
        baseline="pointnet_on_i",
    ),
    _claim(
        "dgcnn-breaks",
        "DGCNN's grows by more than half.",
        ">",
        margin=1.5,
        form="ratio",
        ours="dgcnn_on_so3",
        baseline="dgcnn_on_i",
    ),
    _claim(
        "fa-steady",
        "FA-PointNet's error on turned clouds is that on upright ones, to within 0.01.",
        "<",
        margin=0.01,
        ours="fa_on_so3",
        baseline="fa_on_i",
    ),
    _claim(
        "fa-turned",
        "On turned clouds FA-PointNet, which saw upright ones, beats PointNet trained on turned ones.",
        "<",
        margin=1.0,
        form="ratio",
        ours="fa_on_so3",
        baseline="pointnet_so3_on_so3",
    ),
    _claim(
        "fa-upright",
        "It also beats PointNet on upright clouds, where PointNet has nothing to lose.",
        "<",
        margin=1.0,
        form="ratio",
        ours="fa_on_i",
        baseline="pointnet_on_i",
    ),
    _claim(
        "sampled-turned",
        "With one random frame per step, at equal time, it still beats PointNet trained on turned clouds.",
        "<",
        margin=1.0,
        form="ratio",
        ours="sampled_on_so3",
        baseline="pointnet_so3_on_so3",
    ),
    _claim(
        "sampled-price",
        "Training on one random frame instead of eight costs less than 0.05 of error.",
        "<",
        margin=0.05,
        ours="sampled_on_so3",
        baseline="fa_on_so3",
    ),
)


@dataclass
class Outcome:
    """What one seed measured; ``shown`` holds what the figure draws."""

    metrics: dict[str, float]
    audits: list[dict[str, Any]]
    verdicts: dict[str, str]
    same_weights: bool
    shown: dict[str, Tensor]


def run(config: Config) -> Findings:
    """Trains all networks of every seed; draws the clouds of the first."""
    steps = -(-config.normals_clouds // config.normals_batch)
    outcomes = over_seeds(one_seed, config, NAME, steps=COST * config.normals_epochs * steps)
    metrics = by_metric([outcome.metrics for outcome in outcomes])
    findings = Findings(metrics, [_table(metrics, config)], {}, _checks(outcomes, metrics), outcomes[0].audits)
    if config.out is not None:
        findings.figures["normals.png"] = (
            "Turned test clouds, coloured by the normal's direction (red, green and blue: the sizes of its components "
            "along the solid's own axes): true, and as predicted by networks that learned from upright clouds; "
            "with the mean error of each cloud (first seed)"
        )
        _draw(outcomes[0].shown, config.out / "normals.png")
    return findings


def one_seed(config: Config, seed: int, tick: Tick) -> Outcome:
    """Trains and measures the networks of one seed."""
    generator = torch.Generator().manual_seed(seed)
    train = solids(config.normals_clouds, config.normals_points, generator)
    upright = solids(config.normals_tests, config.normals_points, generator)
    turn = SO(3).sample(config.normals_tests, generator=generator)
    train, upright = (Clouds(*(tensor.to(config.device) for tensor in clouds)) for clouds in (train, upright))
    tests = {"i": upright, "so3": turned(upright, turn)}
    networks: dict[str, Any] = {}
    metrics: dict[str, float] = {}
    for name, network in _networks(config, seed).items():
        metrics[f"{name}_seconds"] = _train(name, network, train, config, seed, tick)
        networks[name] = _whole(network)
    networks[LINES] = MeanLine(networks["sampled"].backbone).eval()
    errors: dict[str, Tensor] = {}
    with torch.no_grad():
        predicted = {name: {on: _predict(network, c) for on, c in tests.items()} for name, network in networks.items()}
    for name, outputs in predicted.items():
        for on, clouds in tests.items():
            metrics[f"{name}_on_{on}"] = float(normal_error(outputs[on], clouds.normals))
        errors[name] = normal_error(outputs["so3"], tests["so3"].normals, each=True)
        for number, kind in enumerate(KINDS):
            metrics[f"{name}_on_so3_{kind}"] = float(errors[name][upright.kind == number].mean())
    few = upright.points[:4].double()
    promises = {name: network.symmetry if name in FRAMED else PROMISE for name, network in networks.items()}
    reports = {name: audit(networks[name], few, symmetry=promises[name], num_elements=8) for name in networks}
    lines = {name: predicted[name]["so3"] for name in ("pointnet", "dgcnn", "fa")}
    return Outcome(
        metrics=metrics,
        audits=[{"name": _title(name)} | report.to_dict() for name, report in reports.items()],
        verdicts={name: report.verdict for name, report in reports.items()},
        same_weights=_weights(networks["pointnet"]) == _weights(networks["fa"]) == _weights(networks["sampled"]),
        shown=_shown(tests["so3"], turn, lines, errors),
    )


def _networks(config: Config, seed: int) -> dict[str, nn.Module]:
    """All start from one PointNet and one DGCNN."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        pointnet, dgcnn = PointNet(config.normals_width), DGCNN(config.normals_width)
    networks: dict[str, nn.Module] = {}
    for name, method in METHODS.items():
        start = copy.deepcopy(dgcnn if method.dynamic else pointnet).to(config.device)
        networks[name] = framed(start, method.average) if method.average else start
    return networks


def _train(name: str, network: nn.Module, train: Clouds, config: Config, seed: int, tick: Tick) -> float:
    """Seconds that the training took, the processor's where it computes there."""
    method = METHODS[name]

    def loss(model: nn.Module, batch: Any) -> Tensor:
        clouds = Clouds(*batch)
        if method.turned:
            clouds = turned(clouds, SO(3).sample(len(clouds.points)))
        return normal_error(model(clouds.points), clouds.normals)

    fitted = fit(
        network,
        tuple(train),
        loss,
        epochs=config.normals_epochs,
        batch_size=config.normals_batch,
        lr=2e-3,
        schedule="cosine",
        seed=seed,
        progress=lambda: tick(method.cost),
        **config.fit_options(NAME, seed, name),
    )
    return fitted.processor_seconds if config.device == "cpu" else fitted.seconds


def _whole(network: nn.Module) -> nn.Module:
    """What is tested: averages over whole frames, also where one element at a time was trained."""
    return framed(network.backbone).eval() if isinstance(network, Symmetrized) else network.eval()


def _predict(network: nn.Module, clouds: Clouds) -> Tensor:
    return torch.cat([network(part) for part in clouds.points.split(16)])


def _weights(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def _title(name: str) -> str:
    on = "turned" if name in METHODS and METHODS[name].turned else "upright"
    return (
        f"{METHODS['sampled'].title}, averaging lines" if name == LINES else f"{TITLES[name]}, trained on {on} clouds"
    )


def _shown(clouds: Clouds, turn: Tensor, predicted: dict[str, Tensor], errors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The first cloud of each kind, points and lines turned back upright, so that colours can be compared."""
    first = [int((clouds.kind == number).nonzero()[0]) for number in range(SHOWN)]
    back = turn[first].to(clouds.points)
    shown = {"points": clouds.points[first] @ back, "truth": clouds.normals[first] @ back}
    for name, vectors in predicted.items():
        shown[name] = nn.functional.normalize(vectors[first], dim=-1) @ back
        shown[f"{name}_error"] = errors[name][first]
    return {name: tensor.cpu() for name, tensor in shown.items()}


def _checks(outcomes: list[Outcome], metrics: dict[str, list[float]]) -> list[Check]:
    checks, n = [], len(outcomes)
    for name in FRAMED:
        kept = sum(outcome.verdicts[name] in ("exact", "float32") for outcome in outcomes)
        statement = f"{_title(name)}, tested with all frames, passes its audit."
        checks.append(Check(f"normals-{name}-audit", statement, kept == n, f"{kept} of {n} seeds"))
        pairs = zip(metrics[f"{name}_on_i"], metrics[f"{name}_on_so3"], strict=True)
        worst = max(abs(turned - upright) / upright for upright, turned in pairs)
        statement = f"{_title(name)}, has the same error on turned clouds, to a relative 1e-4."
        checks.append(Check(f"normals-{name}-turned", statement, worst <= 1e-4, f"largest relative change {worst:.1e}"))
    same = all(outcome.same_weights for outcome in outcomes)
    return [*checks, Check("normals-same-weights", "PointNet and FA-PointNet have the same number of weights.", same)]


def _table(metrics: dict[str, list[float]], config: Config) -> Table:
    def spread(name: str) -> str:
        numbers = torch.tensor(metrics[name], dtype=torch.float64)
        return f"{numbers.mean():.3f} ± {numbers.std():.3f}" if len(numbers) > 1 else f"{numbers.mean():.3f}"

    rows: list[list[Any]] = []
    for name in ("pointnet", "dgcnn", *FRAMED):
        times = metrics[f"{'sampled' if name == LINES else name}_seconds"]
        both = "as I/SO3" if name in FRAMED else spread(f"{name}_so3_on_so3")
        rows.append(
            [TITLES[name], round(sum(times) / len(times), 1), spread(f"{name}_on_i"), spread(f"{name}_on_so3"), both]
        )
    note = (
        f"1 - (n . n')^2 on {config.normals_tests} test clouds of {config.normals_points} points, mean ± deviation "
        f"over seeds; {config.normals_clouds} clouds to learn from, {config.normals_epochs} epochs; 2/3 is chance.\n"
        "I/SO3: trained on upright clouds, tested on turned ones. To FA-PointNet turned clouds look as upright ones "
        "do, so it is trained once. Seconds of training are the processor's."
    )
    return Table("Normals of point clouds", ["network", "seconds", "I/I", "I/SO3", "SO3/SO3"], rows, note)


def _draw(shown: dict[str, Tensor], file: Path) -> None:
    columns = {"truth": "true normals", "pointnet": "PointNet", "dgcnn": "DGCNN", "fa": "FA-PointNet"}
    figure, panels = new_figure(SHOWN, len(columns), width=8.0, height=8.0)
    # Seen from a corner, in parallel projection; near points are drawn last.
    view = torch.tensor([[0.8, 0.6, 0.0], [-0.3, 0.4, 0.866], [0.52, -0.693, 0.5]])
    for row in range(SHOWN):
        across, up, depth = (shown["points"][row] @ view.T).unbind(-1)
        order = depth.argsort()
        for column, (name, title) in enumerate(columns.items()):
            axes = panels[row * len(columns) + column]
            colours = shown[name][row].abs().clamp(0, 1)
            axes.scatter(across[order], up[order], c=colours[order].numpy(), s=14, linewidths=0)
            axes.set(aspect="equal", adjustable="datalim", xticks=[], yticks=[])
            axes.spines[:].set_visible(False)
            label = title if row == 0 else ""
            error = "" if name == "truth" else f"{float(shown[f'{name}_error'][row]):.2f}"
            axes.set_title("\n".join(part for part in (label, error) if part))
    save_figure(figure, file, dots_per_inch=100)  # thousands of coloured dots


EXPERIMENT = Experiment(
    NAME, "normals of point clouds, upright and turned: PointNet and DGCNN against FA-PointNet", CLAIMS, run
)
