r"""One linear layer, where every answer has a closed form: how much is won by strengths that were tuned once.

Eight vectors in, eight vectors out, and a map that keeps the turns and reflections of the xy plane but for a tenth:

.. math:: y = (P_{xy} W + 0.1\, W')\, x + \text{noise}.

Known are fewer samples than :math:`x` has coordinates, and they are noisy. Least squares alone has no chance; all of
O(3) is too much to ask; the symmetry that holds is not known beforehand. Fitted is the minimum of

.. math:: \tfrac{1}{2n} \sum_i \|\hat W x_i - y_i\|^2 + \sum_g \lambda_g \tfrac12 \|\hat W - P_g \hat W\|^2

over the three O(2) of the coordinate planes, first with equal strengths, then once more with strengths that were tuned
by what the first fit violates. Errors are exact, too: that of :math:`\hat W` on new inputs without noise is
:math:`\|\hat W - W_{true}\|^2` over the number of outputs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from erlangen.groups import Basis, Hom, O, Vector, equivariant_basis
from erlangen.recipes.experiment import Experiment, Findings, by_metric
from erlangen.recipes.seeds import Tick, over_seeds
from erlangen.recipes.soft_equivariance.ordering import MOST, ahead
from erlangen.recipes.soft_equivariance.settings import Config
from erlangen.recipes.soft_equivariance.symmetries import PLANES
from erlangen.report import Check, Claim, Table, new_figure, save_figure
from erlangen.symmetrize import PenaltyTuner

NAME = "convex"
RIDGE = 1e-8
POWER = 2.0
PATH = tuple(10 ** (k / 2) for k in range(-8, 9))
"""Strengths that the figure goes through."""

METHODS = {
    "free": "no penalty",
    "equal": "equal strengths",
    "tuned": "tuned strengths",
    "all": "all of O(3), hard",
    "oracle": "O(2) in xy, hard",
}


def _claim(name: str, statement: str, ours: str, baseline: str | float, relation: Any = "<", **form: Any) -> Claim:
    return Claim(f"convex-{name}", statement, relation, experiment=NAME, ours=ours, baseline=baseline, **form)


# Written before the first run. In that run errors were means over outputs, too, so that a strength of 1 weighed twelve
# times as much, and tuned strengths were not clearly better than no penalty; the figure shows all strengths.
CLAIMS = (
    _claim(
        "free", "Tuned strengths have a smaller error than no penalty.", "tuned", "free", margin=1.0, form="ratio",
    ),
    _claim(
        "all", "They have a smaller error than all symmetries kept exactly.", "tuned", "all", margin=1.0, form="ratio",
    ),
    _claim(
        "equal", "They have a smaller error than the equal strengths they started from.", "tuned", "equal",
        margin=1.0, form="ratio",
    ),
    _claim(
        "order", "The symmetry that holds gets the largest strength, in at least four of five seeds.", "ordered", 0.0,
        relation=">", margin=MOST, required_seeds=1,
    ),
)  # fmt: skip


@dataclass
class Outcome:
    """What one seed measured; ``path`` has the errors over strengths, equal ones and tuned ones."""

    metrics: dict[str, float]
    path: dict[str, list[float]]


def run(config: Config) -> Findings:
    """Fits all maps of every seed."""
    outcomes = over_seeds(one_seed, config, NAME, steps=1)
    metrics = by_metric([outcome.metrics for outcome in outcomes])
    findings = Findings(metrics, [_table(metrics, config)], {}, _checks(metrics))
    others = [max(pair) for pair in zip(metrics["strength_yz"], metrics["strength_xz"], strict=True)]
    metrics["ordered"] = ahead(metrics["strength_xy"], others)
    if config.out is not None:
        findings.figures = {
            "convex.png": "Left: error on new inputs over the strength of the penalties, equal ones and once tuned "
            "(mean and range over seeds). Right: strengths after tuning, of each seed"
        }
        _draw(outcomes, metrics, config, config.out / "convex.png")
    return findings


def one_seed(config: Config, seed: int, tick: Tick) -> Outcome:
    """Draws a map and samples of it, and fits."""
    generator = torch.Generator().manual_seed(seed)
    projectors = {name: projector(basis(config.convex_vectors, hom)) for name, hom in PLANES.items()}
    size = 3 * config.convex_vectors

    def normal(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator, dtype=torch.float64)

    kept, broken = normal(2, size, size) / size**0.5
    truth = (projectors["xy"] @ kept.flatten()).view(size, size) + config.convex_break * broken
    x = normal(config.convex_samples, size)
    y = x @ truth.T + config.convex_noise * normal(config.convex_samples, size)

    def error(w: Tensor) -> float:
        return float((w - truth).square().sum()) / size

    def both(strength: float) -> tuple[Tensor, Tensor, dict[str, float], dict[str, float]]:
        equal = dict.fromkeys(PLANES, strength)
        first = soft_fit(x, y, projectors, equal)
        violations = {name: violation(first, p) for name, p in projectors.items()}
        tuner = PenaltyTuner(list(equal.values()), at=1, power=POWER)
        tuner.record(list(violations.values()))
        strengths = dict(zip(PLANES, tuner.strengths.tolist(), strict=True))
        return first, soft_fit(x, y, projectors, strengths), violations, strengths

    first, second, violations, strengths = both(config.convex_strength)
    fits = {
        "free": soft_fit(x, y, projectors, {}),
        "equal": first,
        "tuned": second,
        "all": hard_fit(x, y, equivariant_basis(*2 * (config.convex_vectors * Vector(O(3)),))),
        "oracle": hard_fit(x, y, basis(config.convex_vectors, PLANES["xy"])),
    }
    metrics = {name: error(w) for name, w in fits.items()}
    metrics |= {f"violation_{name}": value for name, value in violations.items()}
    metrics |= {f"strength_{name}": value for name, value in strengths.items()}
    limit = soft_fit(x, y, projectors, {"xy": 1e7}) - fits["oracle"]
    metrics["limit"] = float(limit.abs().max())
    path = {"equal": [], "tuned": []}
    for strength in PATH:
        for name, w in zip(path, both(strength)[:2], strict=True):
            path[name].append(error(w))
    tick()
    return Outcome(metrics, path)


def basis(vectors: int, hom: Hom) -> Basis:
    """The maps of several vectors to as many that keep a symmetry."""
    rep = vectors * Vector(O(3)).along(hom)
    return equivariant_basis(rep, rep)


def projector(maps: Basis) -> Tensor:
    """The orthogonal projection onto them, a matrix on flattened maps."""
    q = maps.dense().flatten(1)
    return q.T @ q


def violation(w: Tensor, p: Tensor) -> float:
    """Half the squared distance to what a projection keeps."""
    flat = w.flatten()
    return 0.5 * float((flat - p @ flat).square().sum())


def soft_fit(x: Tensor, y: Tensor, projectors: Mapping[str, Tensor], strengths: Mapping[str, float]) -> Tensor:
    """The map of least mean error plus penalties, from its normal equations."""
    n, size = len(x), y.shape[1]
    one = torch.eye(size, dtype=x.dtype)
    hessian = torch.kron(one, x.T @ x / n) + RIDGE * torch.eye(size * x.shape[1], dtype=x.dtype)
    for name, strength in strengths.items():
        hessian += strength * (torch.eye(len(hessian), dtype=x.dtype) - projectors[name])
    return torch.linalg.solve(hessian, (y.T @ x / n).flatten()).view(size, -1)


def hard_fit(x: Tensor, y: Tensor, maps: Basis) -> Tensor:
    """The map of least mean error (and ridge) among those of a basis."""
    dense = maps.dense()
    made = torch.einsum("kij,nj->nik", dense, x).flatten(0, 1)
    gram = made.T @ made / len(x) + RIDGE * torch.eye(len(dense), dtype=x.dtype)
    coefficients = torch.linalg.solve(gram, made.T @ y.flatten() / len(x))
    return torch.tensordot(coefficients, dense, 1)


def _checks(metrics: dict[str, list[float]]) -> list[Check]:
    far = max(metrics["limit"])
    statement = "A strength of 1e7 gives what least squares among equivariant maps give, to 1e-4."
    return [Check("convex-limit", statement, far <= 1e-4, f"{far:.1e}")]


def _table(metrics: dict[str, list[float]], config: Config) -> Table:
    def cell(name: str) -> str:
        values = torch.tensor(metrics[name], dtype=torch.float64)
        return f"{values.mean():.4f}" + (f" ± {values.std():.4f}" if len(values) > 1 else "")

    def strengths(name: str) -> list[Any]:
        if name == "equal":
            return [f"{config.convex_strength:g}"] * len(PLANES)
        if name == "tuned":
            return [f"{sum(v) / len(v):.3g}" for v in (metrics[f"strength_{g}"] for g in PLANES)]
        return {"free": ["0"] * 3, "all": ["∞"] * 3, "oracle": ["∞", "0", "0"]}[name]

    rows: list[list[Any]] = [[title, cell(name), *strengths(name)] for name, title in METHODS.items()]
    note = (
        f"Squared error of a coordinate on new inputs, noise left out, mean ± deviation over seeds; "
        f"{config.convex_samples} samples of {3 * config.convex_vectors} inputs. Strengths: means over seeds. Hard: "
        "least squares among the maps that keep the symmetry. The last row knows what nobody tells the others."
    )
    return Table("One linear layer", ["fit", "error", *(f"λ {plane}" for plane in PLANES)], rows, note)


def _draw(outcomes: list[Outcome], metrics: dict[str, list[float]], config: Config, file: Path) -> None:
    figure, (left, right) = new_figure(1, 2, width=9.0, height=3.4)
    for colour, (name, title) in enumerate((("equal", METHODS["equal"]), ("tuned", METHODS["tuned"]))):
        errors = torch.tensor([outcome.path[name] for outcome in outcomes])
        left.plot(PATH, errors.mean(0), color=f"C{colour}", label=title)
        left.fill_between(PATH, errors.amin(0), errors.amax(0), color=f"C{colour}", alpha=0.15, linewidth=0)
    for name, line in (("free", ":"), ("all", "--"), ("oracle", "-.")):
        left.axhline(sum(metrics[name]) / len(metrics[name]), color="0.4", linestyle=line, label=METHODS[name])
    left.set(xscale="log", yscale="log", xlabel="strength c before tuning", ylabel="error on new inputs")
    left.legend(fontsize=7)
    for place, plane in enumerate(PLANES):
        values = metrics[f"strength_{plane}"]
        offsets = torch.linspace(-0.15, 0.15, len(values)).tolist() if len(values) > 1 else [0.0]
        right.plot([place + offset for offset in offsets], values, "o", markersize=5, color=f"C{place}")
    right.set(yscale="log", ylabel=f"strength after tuning (before: {config.convex_strength:g})")
    right.set_xticks(range(len(PLANES)), [f"O(2) in {plane}" for plane in PLANES])
    save_figure(figure, file)


EXPERIMENT = Experiment(NAME, "one linear layer in closed form: no penalty, equal, tuned, hard symmetry", CLAIMS, run)
