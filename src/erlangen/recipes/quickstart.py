"""Quarter turns of handwritten digits: one small CNN, and what symmetrising it does.

Four networks of one architecture see the same upright training digits in the same order, for the same number of steps:

* **plain**: trained as it is;
* **augmented**: trained as it is, on digits turned at random;
* **after**: the weights of *plain*, symmetrised over quarter turns afterwards, without another step;
* **trained**: symmetrised before its first step, then trained (each step costs four forwards).

They are compared on held-out digits, upright and turned. A six turned upside down is nearly a nine, so being blind to
turns has its price; the claims say what to expect, and were written before the first run.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from erlangen.audit import audit
from erlangen.data.digits import load_digits, load_mnist_test
from erlangen.groups import SO, Cyclic, Pixels, QuarterTurns, Symmetry
from erlangen.recipes.config import Config as BaseConfig
from erlangen.recipes.config import ConfigError, option
from erlangen.recipes.seeds import Tick, over_seeds
from erlangen.report import Check, Claim, Result, Table, capture_environment, judge_claims, new_figure, save_figure
from erlangen.symmetrize import symmetrize_images

EXPERIMENTS = {
    "turns": "accuracy on upright digits and on quarter turns of them; audit of every network",
    "angles": "accuracy and change of the logits over all angles",
}

METHODS = {
    "plain": "plain",
    "augmented": "augmented",
    "after": "symmetrised after training",
    "trained": "symmetrised before training",
}

# Written before the first run.
CLAIMS = (
    Claim(
        "plain-breaks",
        "Upright digits do not teach the plain network to ignore turns: logits change by over a tenth of their spread.",
        ">",
        experiment="turns",
        ours="plain_error",
        baseline=0.1,
    ),
    Claim(
        "after-turned",
        "Symmetrised after training, without another step, it reads turned digits better by at least ten points.",
        ">",
        margin=0.10,
        experiment="turns",
        ours="after_turned",
        baseline="plain_turned",
    ),
    Claim(
        "trained-turned",
        "Symmetrised first and then trained, it gains at least another five points on turned digits.",
        ">",
        margin=0.05,
        experiment="turns",
        ours="trained_turned",
        baseline="after_turned",
    ),
    Claim(
        "trained-augmented",
        "With as many steps, symmetrising reads turned digits better than training on turned digits does.",
        ">",
        experiment="turns",
        ours="trained_turned",
        baseline="augmented_turned",
    ),
    Claim(
        "price",
        "On upright digits the price of symmetry is less than two points against the plain network.",
        ">",
        margin=-0.02,
        experiment="turns",
        ours="trained_upright",
        baseline="plain_upright",
    ),
    Claim(
        "between",
        "Between the quarter turns it helps as well: over all angles it gains at least twenty points on the plain one.",
        ">",
        margin=0.20,
        experiment="angles",
        ours="trained_mean",
        baseline="plain_mean",
    ),
)

NEXT = (
    "erlangen run quickstart --steps 1000        more training: which verdicts change?",
    "erlangen run quickstart --seeds 10 --workers 2",
    "erlangen audit my_file:make_model --group 'SO(3)'        does your own model keep its promise?",
)

GROUP = Cyclic(4)
ANGLES = tuple(range(0, 361, 15))


@dataclass(frozen=True, kw_only=True)
class Config(BaseConfig):
    """Settings of the quickstart."""

    experiments = tuple(EXPERIMENTS)

    images: Literal["digits", "mnist"] = option("which digits", smoke="digits", small="digits", paper="mnist")
    steps: int = option("training steps of each network", smoke=30, small=400, paper=3000)
    batch_size: int = option("digits per step", 64)
    channels: int = option("channels of the first convolution", smoke=4, small=16, paper=32)
    learning_rate: float = option("of Adam", 3e-3)

    def check(self) -> None:
        for name in ("steps", "batch_size", "channels"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} is {getattr(self, name)}; it takes a whole number from 1")
        if not self.learning_rate > 0:
            raise ConfigError(f"learning_rate is {self.learning_rate}; it takes a positive number")


def run(config: Config) -> Result:
    """Trains, measures and judges.

    Args:
        config: The settings. Figures are written if ``config.out`` is set; its folder must exist.

    Raises:
        MissingDataError: If MNIST is asked for and not there.
    """
    load(config)  # fails before the first seed does
    outcomes = over_seeds(one_seed, config, "quickstart", steps=3 * config.steps)
    metrics = {
        experiment: {name: [outcome.metrics[experiment][name] for outcome in outcomes] for name in block}
        for experiment, block in outcomes[0].metrics.items()
    }
    result = Result(
        recipe="quickstart",
        size=config.size,
        config=config.to_dict(),
        seeds=config.seed_list,
        environment=capture_environment(),
        metrics=metrics,
        claims=judge_claims(CLAIMS, metrics),
        checks=_checks(outcomes),
        audits=outcomes[0].audits,
        status="complete" if config.chosen == config.experiments else "partial",
    )
    if "turns" in metrics:
        result.tables.append(_table(metrics["turns"], outcomes[0]))
    if "angles" in metrics and config.out is not None:
        result.figures["angles.png"] = (
            "Accuracy and change of the logits as held-out digits turn (mean, range over seeds)"
        )
        _draw(metrics["angles"], config.out / "angles.png")
    return result


@dataclass
class Outcome:
    """What one seed measured: metrics by experiment, reports of the audits, and the identities."""

    metrics: dict[str, dict[str, float]]
    audits: list[dict[str, Any]]
    same_weights: bool
    verdicts: dict[str, str]
    largest_change: dict[str, float]


def one_seed(config: Config, seed: int, tick: Tick) -> Outcome:
    """Trains the four networks of one seed and measures them."""
    generator = torch.Generator().manual_seed(seed)
    images, labels = (tensor.to(config.device) for tensor in load(config))
    order = torch.randperm(len(images), generator=generator).to(config.device)
    test, rest = order[: len(order) // 5], order[len(order) // 5 :]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        start = build(config.channels, images.shape[-1]).to(config.device)

    networks: dict[str, nn.Module] = {
        "plain": copy.deepcopy(start),
        "augmented": copy.deepcopy(start),
        "trained": symmetrize_images(copy.deepcopy(start), GROUP, output="scalar"),
    }
    for name, network in networks.items():
        train(network, images[rest], labels[rest], config, seed, turned=name == "augmented", tick=tick)
    networks["after"] = symmetrize_images(copy.deepcopy(networks["plain"]), GROUP, output="scalar")
    networks = {name: networks[name].eval() for name in METHODS}

    promise = networks["after"].symmetry
    assert isinstance(promise, Symmetry)
    reports = {name: audit(network, images[test][:32], symmetry=promise) for name, network in networks.items()}
    metrics: dict[str, dict[str, float]] = {}
    x, y = images[test], labels[test]
    with torch.no_grad():
        if "turns" in config.chosen:
            metrics["turns"] = _turns(networks, x, y) | {f"{name}_error": reports[name].error for name in networks}
        if "angles" in config.chosen:
            metrics["angles"] = _angles(networks, x, y)
        largest = {name: _largest_change(networks[name], x) for name in ("after", "trained")}
    return Outcome(
        metrics=metrics,
        audits=[{"name": METHODS[name]} | report.to_dict() for name, report in reports.items()],
        same_weights=_same_weights(networks["plain"], networks["after"]),
        verdicts={name: report.verdict for name, report in reports.items()},
        largest_change=largest,
    )


def load(config: Config) -> tuple[Tensor, Tensor]:
    """The digits that the config names, and their labels."""
    return load_digits() if config.images == "digits" else load_mnist_test(config.data)


def build(channels: int, size: int) -> nn.Sequential:
    """The backbone: two convolutions and a linear head that sees where things are."""
    return nn.Sequential(
        nn.Conv2d(1, channels, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(channels, 2 * channels, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(2 * channels * (size // 4) ** 2, 10),
    )


def train(
    network: nn.Module, images: Tensor, labels: Tensor, config: Config, seed: int, turned: bool, tick: Tick
) -> None:
    """Adam on cross-entropy; every network of a seed sees the same batches in the same order."""
    generator = torch.Generator().manual_seed(1000 + seed)
    turn = QuarterTurns()
    optimizer = torch.optim.Adam(network.parameters(), lr=config.learning_rate)
    network.train()
    for _ in range(config.steps):
        batch = torch.randint(len(images), (config.batch_size,), generator=generator)
        quarters = torch.randint(4, (config.batch_size,), generator=generator)
        x = images[batch.to(images.device)]
        x = turn(quarters, x) if turned else x
        loss = nn.functional.cross_entropy(network(x), labels[batch.to(labels.device)])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        tick()


def _turns(networks: dict[str, nn.Module], x: Tensor, y: Tensor) -> dict[str, float]:
    """Accuracy upright, and its mean over the three other quarter turns."""
    turn, measured = QuarterTurns(), {}
    for name, network in networks.items():
        right = [_accuracy(_logits(network, turn(torch.tensor(k), x)), y) for k in range(4)]
        measured[f"{name}_upright"], measured[f"{name}_turned"] = right[0], sum(right[1:]) / 3
    return measured


def _angles(networks: dict[str, nn.Module], x: Tensor, y: Tensor) -> dict[str, float]:
    r"""Accuracy, and :math:`\|f(g x) - f(x)\| / \|f(x) - \bar f\|`, at every angle; the mean leaves out 360 degrees."""
    act, measured = Pixels(SO(2)), {}
    turned = [act(_rotation(angle), x) for angle in ANGLES]
    for name, network in networks.items():
        upright = _logits(network, x)
        spread = (upright - upright.mean(0)).norm()
        outputs = [_logits(network, image) for image in turned]
        right = [_accuracy(output, y) for output in outputs]
        measured |= {f"{name}_accuracy_{angle:03d}": value for angle, value in zip(ANGLES, right, strict=True)}
        measured |= {
            f"{name}_change_{angle:03d}": float((output - upright).norm() / spread)
            for angle, output in zip(ANGLES, outputs, strict=True)
        }
        measured[f"{name}_mean"] = sum(right[:-1]) / len(right[:-1])
    return measured


def _rotation(degrees: int) -> Tensor:
    angle = torch.tensor(degrees, dtype=torch.float64).deg2rad()
    return torch.stack([angle.cos(), -angle.sin(), angle.sin(), angle.cos()]).reshape(2, 2)


def _logits(network: nn.Module, x: Tensor) -> Tensor:
    return torch.cat([network(part) for part in x.split(500)])


def _accuracy(logits: Tensor, labels: Tensor) -> float:
    return float((logits.argmax(-1) == labels).double().mean())


def _largest_change(network: nn.Module, x: Tensor) -> float:
    """Largest change of a logit under a quarter turn, against the largest logit."""
    upright = _logits(network, x)
    changes = [(_logits(network, QuarterTurns()(torch.tensor(k), x)) - upright).abs().max() for k in (1, 2, 3)]
    return float(torch.stack(changes).max() / upright.abs().max())


def _same_weights(plain: nn.Module, symmetrised: nn.Module) -> bool:
    first, second = list(plain.parameters()), list(symmetrised.parameters())
    return len(first) == len(second) and all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


def _checks(outcomes: list[Outcome]) -> list[Check]:
    n = len(outcomes)
    exact = {name: sum(o.verdicts[name] in ("exact", "float32") for o in outcomes) for name in ("after", "trained")}
    checks = [
        Check(f"{name}-audit", f"The network {METHODS[name]} passes its audit.", count == n, f"{count} of {n} seeds")
        for name, count in exact.items()
    ]
    for name in ("after", "trained"):
        worst = max(outcome.largest_change[name] for outcome in outcomes)
        sentence = f"Quarter turns leave the logits of the network {METHODS[name]} alone, up to rounding."
        checks.append(Check(f"{name}-logits", sentence, worst < 1e-4, f"largest relative change {worst:.1e}"))
    same = all(outcome.same_weights for outcome in outcomes)
    return [*checks, Check("same-weights", "Symmetrising after training leaves the weights as they are.", same)]


def _table(metrics: dict[str, list[float]], first: Outcome) -> Table:
    rows: list[list[Any]] = []
    for name, title in METHODS.items():
        error = max(metrics[f"{name}_error"])
        cells = [_percent(metrics[f"{name}_upright"]), _percent(metrics[f"{name}_turned"])]
        rows.append([title, *cells, f"{error:.1e}", first.verdicts[name]])
    columns = ["network", "upright %", "turned %", "error", "audit"]
    note = (
        "Held-out digits, mean ± deviation over seeds. Augmented: trained on digits turned at random.\n"
        "Audit: worst error over seeds, relative to the spread of the logits; verdict of the first seed."
    )
    return Table("Digits upright, and turned by 90, 180 and 270 degrees", columns, rows, note)


def _percent(values: list[float]) -> str:
    numbers = torch.tensor(values, dtype=torch.float64) * 100
    return f"{numbers.mean():.1f} ± {numbers.std():.1f}" if len(values) > 1 else f"{numbers.mean():.1f}"


def _draw(metrics: dict[str, list[float]], path: Path) -> None:
    figure, (accuracy, change) = new_figure(1, 2)
    for colour, (name, title) in enumerate(METHODS.items()):
        for axes, kind in ((accuracy, "accuracy"), (change, "change")):
            values = torch.tensor([metrics[f"{name}_{kind}_{angle:03d}"] for angle in ANGLES])
            axes.plot(ANGLES, values.mean(1), color=f"C{colour}", label=title)
            axes.fill_between(ANGLES, values.amin(1), values.amax(1), color=f"C{colour}", alpha=0.15, linewidth=0)
    for axes, title, label in (
        (accuracy, "How many turned digits are read", "accuracy"),
        (change, "How far the logits move", "change / spread of the logits"),
    ):
        axes.set(title=title, xlabel="angle in degrees", ylabel=label, xticks=range(0, 361, 90), ylim=(0, None))
    figure.legend(*accuracy.get_legend_handles_labels(), loc="outside lower center", ncols=4, frameon=False)
    save_figure(figure, path)
