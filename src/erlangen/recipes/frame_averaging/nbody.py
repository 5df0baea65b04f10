r"""Charged particles: predicting where five of them will be, with a network that knows nothing of rotations.

The simulated system keeps E(3), or nearly so (see `erlangen.data.nbody`). Compared at equal epochs are a plain message
passing network (GNN), the same network averaged over the eight principal frames of the particles (FA-GNN), the same
again with new frames for each layer (as in the publication), and a network that is equivariant by construction (EGNN).
Eight copies make a step of FA-GNN cost about as much as six of the GNN or five of the EGNN (seconds stand in the
table), so these two are also trained for so many times the epochs: about the time that FA-GNN takes. The GNN is trained
for as long on particles turned at random, too. Every training keeps the weights of its best epoch by validation.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from erlangen.audit import audit
from erlangen.data.nbody import LATER, NOW, Particles, charged_particles, simulate
from erlangen.groups import SO
from erlangen.recipes.experiment import Experiment, Findings, by_metric
from erlangen.recipes.frame_averaging.particle_networks import EGNN, GNN, PROMISE, Reframed, framed
from erlangen.recipes.frame_averaging.settings import Config
from erlangen.recipes.seeds import Tick, over_seeds
from erlangen.report import Check, Claim, Table, new_figure, save_figure
from erlangen.train import fit

NAME = "nbody"
ANGLES = tuple(range(15, 181, 15))
DRAWN = 3  # simulations whose paths are drawn


@dataclass(frozen=True)
class Method:
    """A network and how long it is trained.

    Args:
        title: As tables show it.
        build: Makes the network from the GNN that all start from.
        times: How many times the epochs.
        cost: About how many steps of the GNN a step takes, for the progress bar.
        turned: Whether it is trained on particles turned at random, anew at each step.
        exact: Whether it promises to keep E(3).
    """

    title: str
    build: Callable[[GNN], nn.Module]
    times: int = 1
    cost: int = 1
    turned: bool = False
    exact: bool = False


def _egnn(start: GNN) -> nn.Module:
    return EGNN(max(1, start.embed.out_features * 4 // 5), len(start.layers))


METHODS = {
    "gnn": Method("GNN", copy.deepcopy),
    "fa": Method("FA-GNN", lambda start: framed(copy.deepcopy(start)), cost=8, exact=True),
    "reframed": Method("FA-GNN, frames per layer", lambda s: Reframed(copy.deepcopy(s)), cost=10, exact=True),
    "egnn": Method("EGNN", _egnn, exact=True),
    "gnn_longer": Method("GNN, 6 x epochs", copy.deepcopy, times=6),
    "gnn_augmented": Method("GNN, 6 x epochs, turned at random", copy.deepcopy, times=6, turned=True),
    "egnn_longer": Method("EGNN, 5 x epochs", _egnn, times=5, exact=True),
}
AUDITED = ("gnn", "fa", "reframed", "egnn")  # the others are the same networks, trained longer
COST = sum(method.times * method.cost for method in METHODS.values())


def _claim(name: str, statement: str, relation: Any, **comparison: Any) -> Claim:
    return Claim(f"nbody-{name}", statement, relation, experiment=NAME, **comparison)


# Written before the first run.
CLAIMS = (
    _claim(
        "frames",
        "At equal epochs, averaging over frames brings the GNN's error down to at most three quarters.",
        "<",
        margin=0.75,
        form="ratio",
        ours="fa",
        baseline="gnn",
    ),
    _claim(
        "frames-equal-time",
        "FA-GNN is still ahead of a GNN that is trained for as long as it takes itself.",
        "<",
        margin=1.0,
        form="ratio",
        ours="fa",
        baseline="gnn_longer",
    ),
    _claim(
        "frames-augmented",
        "It is also ahead of a GNN that is trained for as long on particles turned at random.",
        "<",
        margin=1.0,
        form="ratio",
        ours="fa",
        baseline="gnn_augmented",
    ),
    _claim(
        "reframing",
        "New frames for each layer lower the error further.",
        "<",
        margin=1.0,
        form="ratio",
        ours="reframed",
        baseline="fa",
    ),
    _claim(
        "egnn-ahead",
        "At this size the EGNN stays ahead of FA-GNN at equal epochs.",
        "<",
        margin=1.0,
        form="ratio",
        ours="egnn",
        baseline="fa",
    ),
    _claim(
        "egnn-ahead-equal-time",
        "And at equal time.",
        "<",
        margin=1.0,
        form="ratio",
        ours="egnn_longer",
        baseline="fa",
    ),
    _claim(
        "gnn-disagrees",
        "Turning the particles changes what the GNN predicts by over a twentieth of how far they move.",
        ">",
        ours="gnn_disagreement",
        baseline=0.05,
    ),
    _claim(
        "cost",
        "Training with eight copies costs less than ten times as much.",
        "<",
        margin=10.0,
        form="ratio",
        ours="fa_seconds",
        baseline="gnn_seconds",
    ),
)


@dataclass
class Outcome:
    """What one seed measured; ``paths`` holds what the first figure draws."""

    metrics: dict[str, float]
    audits: list[dict[str, Any]]
    verdicts: dict[str, str]
    same_weights: bool
    paths: dict[str, list[Any]]


def run(config: Config) -> Findings:
    """Trains all networks of every seed; draws the paths of the first."""
    outcomes = over_seeds(one_seed, config, NAME, steps=COST * config.nbody_epochs * _steps(config))
    metrics = by_metric([outcome.metrics for outcome in outcomes])
    findings = Findings(metrics, [_table(metrics, config)], {}, _checks(outcomes, metrics), outcomes[0].audits)
    if config.out is not None:
        findings.figures = {
            "nbody-paths.png": "Particles of three test simulations, seen along one axis: where they go (red: positive "
            "charge, blue: negative), and what is predicted (first seed)",
            "nbody-rotation.png": "Error on particles as they are and turned; change of the prediction as they turn "
            "(mean, range over seeds)",
        }
        _draw_paths(outcomes[0].paths, config.out / "nbody-paths.png")
        _draw_rotation(metrics, config.out / "nbody-rotation.png")
    return findings


def one_seed(config: Config, seed: int, tick: Tick) -> Outcome:
    """Trains and measures the networks of one seed."""
    parts = [config.nbody_sims, config.nbody_validation, config.nbody_tests]
    data = [tensor.to(config.device).split(parts) for tensor in charged_particles(sum(parts), seed)]
    train, validation, test = (Particles(*part) for part in zip(*data, strict=True))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        start = GNN(config.nbody_channels)
        networks = {name: method.build(start).to(config.device) for name, method in METHODS.items()}
    start = start.to(config.device)
    metrics: dict[str, float] = {}
    for name, network in networks.items():
        metrics |= _train(name, network, train, validation, config, seed, tick)
    generator = torch.Generator().manual_seed(seed)
    turn = SO(3).sample(len(test.charge), generator=generator)
    axis = nn.functional.normalize(torch.randn(len(test.charge), 3, generator=generator, dtype=torch.float64), dim=-1)
    with torch.no_grad():
        for name, network in networks.items():
            metrics |= _measure(name, network, test, turn, axis)
    metrics["simulation_disagreement"], metrics["simulation_error"] = _simulation(test, turn)
    few = [tensor[:8] for tensor in test[:3]]
    reports = {name: audit(networks[name], *few, symmetry=PROMISE, num_elements=12) for name in AUDITED}
    return Outcome(
        metrics=metrics,
        audits=[{"name": METHODS[name].title} | report.to_dict() for name, report in reports.items()],
        verdicts={name: report.verdict for name, report in reports.items()},
        same_weights=_weights(networks["fa"]) == _weights(networks["reframed"]) == _weights(start),
        paths=_paths(networks, test),
    )


def error(network: nn.Module, batch: Any) -> Tensor:
    """The mean squared error of a coordinate."""
    position, velocity, charge, target = batch
    return (network(position, velocity, charge) - target).square().mean()


def turned(particles: Particles, turn: Tensor) -> Particles:
    """Every simulation turned by its own rotation, ``(sims, 3, 3)``."""
    position, velocity, charge, target = particles
    turn = turn.to(position).mT
    return Particles(position @ turn, velocity @ turn, charge, target @ turn)


def _train(
    name: str, network: nn.Module, train: Particles, validation: Particles, config: Config, seed: int, tick: Tick
) -> dict[str, float]:
    method = METHODS[name]

    def loss(model: nn.Module, batch: Any) -> Tensor:
        if method.turned and model.training:
            batch = turned(Particles(*batch), SO(3).sample(len(batch[0])))
        return error(model, batch)

    fitted = fit(
        network,
        tuple(train),
        loss,
        val_data=tuple(validation),
        val_batch_size=len(validation.charge),
        epochs=method.times * config.nbody_epochs,
        batch_size=config.nbody_batch,
        lr=1e-3,
        weight_decay=1e-12,
        schedule="cosine",
        clip=0.5,
        seed=seed,
        progress=lambda: tick(method.cost),
        **config.fit_options(NAME, seed, name),
    )
    seconds = fitted.processor_seconds if config.device == "cpu" else fitted.seconds
    return {f"{name}_seconds": seconds, f"{name}_best_epoch": float(fitted.best_epoch)}


def _measure(name: str, network: nn.Module, test: Particles, turn: Tensor, axis: Tensor) -> dict[str, float]:
    r"""Errors as they are and turned, and the disagreement :math:`\|f(g x) - g f(x)\| / \|x' - x\|` at each angle."""

    def predict(particles: Particles) -> Tensor:
        parts = [network(*part) for part in zip(*(tensor.split(500) for tensor in particles[:3]), strict=True)]
        return torch.cat(parts).double()

    upright, moved = predict(test), (test.target - test.position).norm()

    def compare(turn: Tensor) -> tuple[Tensor, float]:
        other = predict(turned(test, turn))
        return other, float((other - upright @ turn.to(upright).mT).norm() / moved)

    measured = {name: float((upright - test.target).square().mean())}
    other, measured[f"{name}_disagreement"] = compare(turn)
    measured[f"{name}_turned"] = float((other - turned(test, turn).target).square().mean())
    for angle in ANGLES:
        measured[f"{name}_disagreement_{angle:03d}"] = compare(about(axis, angle))[1]
    return measured


def _simulation(test: Particles, turn: Tensor) -> tuple[float, float]:
    """What the networks' disagreement is for the simulation itself, and the mean squared error that it makes."""

    def later(x: Particles) -> Tensor:
        return simulate(x.position, x.velocity, x.charge, [LATER - NOW])[0][0]

    before = Particles(*(tensor.double().cpu() for tensor in test))
    upright, other = later(before), later(turned(before, turn))
    change = other - upright @ turn.mT
    return float(change.norm() / (upright - before.position).norm()), float(change.square().mean())


def about(axis: Tensor, degrees: int | float) -> Tensor:
    """Rotations about unit vectors ``(sims, 3)``, all by one angle.

    >>> quarter = about(torch.tensor([[0.0, 0.0, 1.0]], dtype=torch.float64), 90)
    >>> (quarter @ torch.tensor([2.0, 0.0, 1.0], dtype=torch.float64)).round().int()
    tensor([[0, 2, 1]], dtype=torch.int32)
    """
    eye = torch.eye(3, dtype=axis.dtype, device=axis.device)
    across = torch.linalg.cross(axis[:, None], eye.expand(len(axis), 3, 3)).mT
    return SO(3).exp(math.radians(degrees) * across)


def _weights(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def _steps(config: Config) -> int:
    return math.ceil(config.nbody_sims / config.nbody_batch)


def _paths(networks: dict[str, nn.Module], test: Particles) -> dict[str, list[Any]]:
    few = Particles(*(tensor[:DRAWN].cpu() for tensor in test))
    record = list(range(20, LATER - NOW + 1, 20))
    states = simulate(few.position.double(), few.velocity.double(), few.charge.double(), record)
    positions = [position for position, _ in states]
    paths: dict[str, Any] = {"true": torch.stack([few.position.double(), *positions], 1), "target": few.target}
    paths["charge"] = few.charge
    with torch.no_grad():
        for name in ("gnn", "fa", "egnn"):
            paths[name] = networks[name](*(tensor[:DRAWN] for tensor in test[:3])).cpu()
    return {name: tensor.tolist() for name, tensor in paths.items()}


def _checks(outcomes: list[Outcome], metrics: dict[str, list[float]]) -> list[Check]:
    checks, n = [], len(outcomes)
    for name, method in METHODS.items():
        if not method.exact:
            continue
        if name in AUDITED:
            kept = sum(outcome.verdicts[name] in ("exact", "float32") for outcome in outcomes)
            statement = f"{method.title} keeps E(3) and permutations, as its audit finds."
            checks.append(Check(f"nbody-{name}-audit", statement, kept == n, f"{kept} of {n} seeds"))
        pairs = zip(metrics[name], metrics[f"{name}_turned"], strict=True)
        worst = max(abs(turned - upright) / upright for upright, turned in pairs)
        statement = f"{method.title} has the same error on turned particles, to a relative 1e-5."
        checks.append(Check(f"nbody-{name}-turned", statement, worst <= 1e-5, f"largest relative change {worst:.1e}"))
    same = all(outcome.same_weights for outcome in outcomes)
    return [*checks, Check("nbody-same-weights", "GNN and both FA-GNN have the same number of weights.", same)]


def _table(metrics: dict[str, list[float]], config: Config) -> Table:
    def spread(name: str) -> str:
        numbers = torch.tensor(metrics[name], dtype=torch.float64)
        return f"{numbers.mean():.4f} ± {numbers.std():.4f}" if len(numbers) > 1 else f"{numbers.mean():.4f}"

    rows: list[list[Any]] = []
    for name, method in METHODS.items():
        seconds = sum(metrics[f"{name}_seconds"]) / len(metrics[f"{name}_seconds"])
        disagreement = max(metrics[f"{name}_disagreement"])
        epochs = method.times * config.nbody_epochs
        rows.append(
            [method.title, epochs, round(seconds, 1), spread(name), spread(f"{name}_turned"), f"{disagreement:.1e}"]
        )
    kept = f"{max(metrics['simulation_disagreement']):.1e}"
    rows.append(["the simulation itself", None, None, None, spread("simulation_error"), kept])
    note = (
        f"Mean squared error of a coordinate on {config.nbody_tests} test simulations, mean ± deviation over seeds; "
        f"{config.nbody_sims} to learn from, {config.nbody_validation} to choose the epoch.\n"
        "Disagreement: how far the prediction for turned particles is from the turned prediction, against how far "
        "particles move; worst seed. That of the simulation, whose forces are cut off along the axes, is a floor: half "
        "of its error is out of reach for whoever keeps rotations. Seconds of training are the processor's."
    )
    columns = ["network", "epochs", "seconds", "error", "error, turned", "disagreement"]
    return Table("Positions of charged particles, a thousand steps later", columns, rows, note)


def _draw_paths(paths: dict[str, list[Any]], file: Path) -> None:
    figure, panels = new_figure(1, DRAWN)
    true, charge = torch.tensor(paths["true"]), torch.tensor(paths["charge"])
    markers = {"gnn": ("x", "GNN"), "fa": ("o", "FA-GNN"), "egnn": ("+", "EGNN")}
    for index, axes in enumerate(panels[: len(true)]):
        for particle, sign in enumerate(charge[index].tolist()):
            x, y, _ = true[index, :, particle].T
            colour = "tab:red" if sign > 0 else "tab:blue"
            axes.plot(x, y, color=colour, alpha=0.6)
            axes.plot(x[:1], y[:1], ".", color=colour, markersize=4)
        x, y, _ = torch.tensor(paths["target"])[index].T
        axes.plot(x, y, "o", color="0.75", markersize=9, zorder=0, label="true")
        for name, (marker, title) in markers.items():
            x, y, _ = torch.tensor(paths[name])[index].T
            axes.plot(x, y, marker, color="k", markersize=5, fillstyle="none", linestyle="none", label=title)
        axes.set(title=f"simulation {index + 1}", aspect="equal", adjustable="datalim")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=4, frameon=False)
    save_figure(figure, file)


def _draw_rotation(metrics: dict[str, list[float]], file: Path) -> None:
    figure, (errors, changes) = new_figure(1, 2, height=3.8)
    for place, (name, method) in enumerate(METHODS.items()):
        colour = f"C{place}"
        for shift, kind, filled in ((-0.15, name, "full"), (0.15, f"{name}_turned", "none")):
            values = metrics[kind]
            label = {"full": "as they are", "none": "turned"}[filled] if place == 0 else None
            errors.plot(values, [place + shift] * len(values), "o", color=colour, fillstyle=filled, label=label)
        values = torch.tensor([metrics[f"{name}_disagreement_{angle:03d}"] for angle in ANGLES])
        changes.plot(ANGLES, values.mean(1), color=colour, label=method.title)
        changes.fill_between(ANGLES, values.amin(1), values.amax(1), color=colour, alpha=0.15, linewidth=0)
    titles = [method.title for method in METHODS.values()]
    errors.set(title="Error of each seed", xlabel="mean squared error", xlim=(0, None), yticks=range(len(titles)))
    for label, place in zip(errors.set_yticklabels(titles), range(len(titles)), strict=True):
        label.set_color(f"C{place}")
    errors.invert_yaxis()
    errors.legend()
    changes.set(title="Change of the prediction", xlabel="angle in degrees")
    changes.set(ylabel="change / how far particles move", yscale="log", xticks=range(0, 181, 45), xlim=(0, 180))
    save_figure(figure, file)


EXPERIMENT = Experiment(
    NAME, "where charged particles will be: GNN, FA-GNN and EGNN, at equal epochs and at equal time", CLAIMS, run
)
