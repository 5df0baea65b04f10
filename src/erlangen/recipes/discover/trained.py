"""A user's trained model alone: which candidates it keeps, by moving example inputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import nn

from erlangen.audit import Discovered, discover_symmetries
from erlangen.audit.discovery import LARGE
from erlangen.groups import Symmetry
from erlangen.recipes.discover.drawing import Shown, draw
from erlangen.recipes.discover.settings import Discovery
from erlangen.report import Result, Table, capture_environment

EXPERIMENT, FIGURE = "model", "discover.png"


def discover_model(
    config: Discovery, module: nn.Module, inputs: Sequence[Any], symmetries: Mapping[str, Symmetry]
) -> Result:
    """Says which candidates a trained model keeps; writes the figure where ``config.out`` is set.

    Raises:
        ValueError: as `discover_symmetries`.
        TypeError: as `discover_symmetries`.
    """
    found = discover_symmetries(module, *inputs, symmetries=symmetries, num_elements=config.elements, seed=config.seed)
    metrics: dict[str, list[float]] = {}
    for one in found:
        low, high = one.interval
        metrics |= {f"{one.name} error": [one.error], f"{one.name} low": [low], f"{one.name} high": [high]}
    result = Result(
        recipe="discover",
        size=config.size,
        config=config.to_dict(),
        seeds=[config.seed],
        environment=capture_environment(),
        metrics={EXPERIMENT: metrics},
        tables=[_table(str(config.model), found, config)],
        audits=[
            one.report.to_dict()
            | {"name": one.name, "verdict": one.finding, "error": one.error, "error_interval": one.interval}
            | {"reason": one.reason, "audit": one.report.verdict}
            for one in found
        ],
    )
    if config.out is not None:
        result.figures = {FIGURE: "How far answers for moved inputs, moved back, are from the answers, with intervals"}
        draw([Shown(one.name, one.finding, one.error, one.interval) for one in found], config.out / FIGURE)
    return result


def _table(model: str, found: Sequence[Discovered], config: Discovery) -> Table:
    rows: list[list[Any]] = [
        [one.name, one.finding, "{:.2g} ({:.2g} to {:.2g})".format(one.error, *one.interval), one.reason]
        for one in found
    ]
    lines = [
        "Error: how far answers for moved inputs, moved back, are from the answers:",
        "0 is kept, 1 as far as answers for different inputs are.",
        "Exact: the audit finds rounding alone. Else approximate where the error is",
        f"below {LARGE}, absent where it is above. Whole intervals have to be (95 %, over inputs).",
        f"Each input was moved by {config.elements} random elements of each group.",
    ]
    said = dict.fromkeys(sentence for one in found for sentence in one.report.symmetry.assumed)
    if said:
        lines += ["Assumed, as --inputs and --output say nothing:", *(f"  {sentence}" for sentence in said)]
    return Table(f"The model {model}", ["symmetry", "finding", "error", "because"], rows, "\n".join(lines))
