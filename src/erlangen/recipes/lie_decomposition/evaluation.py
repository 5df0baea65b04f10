"""What both experiments on moved digits measure of the trained networks, and how it is shown."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from erlangen.data.sources import MissingDataError
from erlangen.recipes.experiment import Findings, by_metric
from erlangen.recipes.lie_decomposition.digits import load, moved, prepared
from erlangen.recipes.lie_decomposition.reading import GROUPS, METHODS, answers, cost, train
from erlangen.recipes.lie_decomposition.settings import Config
from erlangen.recipes.seeds import Tick, over_seeds
from erlangen.report import Table, new_figure, save_figure

DRAWN = 8
SHOWN = ("cnn", "sl")


@dataclass
class Outcome:
    """What one seed measured; ``drawn`` has some moved digits and what was read, ``learned`` counts digits."""

    metrics: dict[str, float] = field(default_factory=dict)
    weights: dict[str, int] = field(default_factory=dict)
    drawn: list[dict[str, Any]] = field(default_factory=list)
    source: str = ""
    learned: int = 0


def evaluate(
    config: Config,
    seed: int,
    tick: Tick,
    tests: Sequence[str],
    published: Callable[[], tuple[str, Tensor, Tensor]],
    again: bool = False,
) -> Outcome:
    """Trains and tests all networks of one seed.

    Args:
        config: The settings.
        seed: The seed.
        tick: Of the progress bar.
        tests: How digits are moved, in the middle first; what is lost between the first and the second is measured.
        published: Name, digits and labels of a further test, as it was published.
        again: Whether the other experiment of this run has trained the networks already.
    """
    digits = load(config, config.digits_train, config.digits_tests, seed)
    sets = {how: (moved(digits, how, config.digits_size), digits.test_labels) for how in tests}
    if config.digits_published:
        name, images, labels = published()
        sets[name] = (prepared(images, config.digits_size), labels)
    trained = train(config, digits, prepared(digits.train, config.digits_size), seed, tick, again)
    source = f"{len(digits.test_labels)} digits of {digits.source}"
    outcome, read = Outcome(weights=trained.weights, source=source, learned=len(digits.train)), {}
    for name, network in trained.networks.items():
        outcome.metrics[f"{name}_seconds"] = trained.seconds[name]
        for how, (images, labels) in sets.items():
            found = answers(network, images)
            outcome.metrics[f"{name}_{how}"] = _right(found, labels)
            if name in GROUPS:
                average = answers(network, images, config.digits_draws, seed)
                outcome.metrics[f"{name}_{how}_averaged"] = _right(average, labels)
            if name in SHOWN and how == tests[1]:
                read[name] = found
        lost = outcome.metrics[f"{name}_{tests[0]}"] - outcome.metrics[f"{name}_{tests[1]}"]
        # Half an error is added, so that a ratio of losses is a number whatever was read.
        outcome.metrics[f"{name}_lost"] = max(lost, 0.0) + 0.5 / len(digits.test_labels)
    outcome.drawn = _some(*sets[tests[1]], read)
    return outcome


def run_tests(
    one_seed: Callable[[Config, int, Tick], Outcome], config: Config, name: str, title: str, tests: Sequence[str]
) -> Findings:
    """Runs all seeds of an experiment; table, and figures if the config has a folder for them."""
    try:
        outcomes = over_seeds(one_seed, config, name, steps=cost(config))
    except MissingDataError as error:
        return Findings({}, [Table(title, ["not measurable here"], [[str(error)]])])
    metrics = by_metric([outcome.metrics for outcome in outcomes])
    findings = Findings(metrics, [_table(metrics, outcomes[0], config, title, tests)])
    if config.out is not None:
        findings.figures = {
            f"{name}.png": f"{title}, by test: mean and range over seeds",
            f"{name}-read.png": f"{title}: what each is, and what the CNN and SL(2) read; first those on which they "
            "differ (first seed)",
        }
        _draw_accuracies(metrics, tests, config.out / f"{name}.png")
        _draw_digits(outcomes[0].drawn, config.out / f"{name}-read.png")
    return findings


def _right(read: Tensor, labels: Tensor) -> float:
    return float((read == labels).double().mean())


def _some(images: Tensor, labels: Tensor, read: dict[str, Tensor]) -> list[dict[str, Any]]:
    """A digit of each class, so far as there are any, on which two networks differ."""
    first, second = read.values()
    order = (first != second).int().argsort(descending=True, stable=True).tolist()
    chosen = [next(i for i in order if labels[i] == label) for label in labels.unique().tolist()]
    return [
        {"image": images[i, 0].tolist(), "true": int(labels[i]), "read": {n: int(r[i]) for n, r in read.items()}}
        for i in sorted(chosen, key=order.index)[:DRAWN]
    ]


def _table(
    metrics: dict[str, list[float]], outcome: Outcome, config: Config, title: str, tests: Sequence[str]
) -> Table:
    def percent(name: str) -> str | None:
        if name not in metrics:
            return None
        values = 100 * torch.tensor(metrics[name], dtype=torch.float64)
        return f"{values.mean():.1f}" + (f" ± {values.std():.1f}" if len(values) > 1 else "")

    sets = [*tests, *(how for how in ("affnist", "homnist") if f"cnn_{how}" in metrics)]
    rows: list[list[Any]] = []
    for name, method in METHODS.items():
        seconds = sum(metrics[f"{name}_seconds"]) / len(metrics[f"{name}_seconds"])
        cells = [percent(f"{name}_{how}{kind}") for how in sets for kind in ("", "_averaged")]
        rows.append([method.title, *cells, outcome.weights[name], round(seconds)])
    note = (
        f"Percent of {outcome.source}, mean ± deviation over seeds; learned from "
        f"{outcome.learned} digits in the middle, {config.digits_epochs} epochs. Averaged: logits of "
        f"{config.digits_draws} draws of samples together. Seconds of training are the processor's. Settings of size "
        "small were chosen after pilots that were tested on other digits."
    )
    columns = [f"{how}{kind}" for how in sets for kind in ("", ", averaged")]
    return Table(title, ["network", *columns, "weights", "seconds"], rows, note)


def _draw_accuracies(metrics: dict[str, list[float]], tests: Sequence[str], file: Path) -> None:
    figure, (axes,) = new_figure(1, 1, width=9.0, height=3.4)
    width = 0.8 / len(METHODS)
    for k, (name, method) in enumerate(METHODS.items()):
        values = 100 * torch.tensor([metrics[f"{name}_{how}"] for how in tests], dtype=torch.float64)
        mean = values.mean(1)
        ends = torch.stack([mean - values.amin(1), values.amax(1) - mean])
        places = [i + (k - (len(METHODS) - 1) / 2) * width for i in range(len(tests))]
        axes.bar(places, mean, width, yerr=ends, label=method.title, error_kw={"linewidth": 0.8})
    axes.set(ylabel="digits read in %", xticks=range(len(tests)), xticklabels=tests, ylim=(0, 100))
    axes.legend(fontsize=7, ncols=len(METHODS), loc="lower center", bbox_to_anchor=(0.5, 1.0))
    save_figure(figure, file)


def _draw_digits(drawn: list[dict[str, Any]], file: Path) -> None:
    figure, panels = new_figure(1, DRAWN, width=9.0, height=1.8)
    for axes in panels:
        axes.set_axis_off()
    for axes, digit in zip(panels, drawn, strict=False):
        axes.imshow(digit["image"], cmap="gray_r", vmin=-1, vmax=1)
        said = "\n".join(f"{METHODS[name].title}: {what}" for name, what in digit["read"].items())
        axes.set_title(f"{digit['true']}\n{said}", fontsize=7)
    save_figure(figure, file)
