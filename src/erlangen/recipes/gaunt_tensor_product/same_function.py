"""Whether all routes compute one function: against the integral of three harmonics, and against e3nn's coefficients."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from erlangen.extras import require
from erlangen.groups import Irreps, O, Representation
from erlangen.o3 import gaunt_coefficients, gaunt_product, poisson_coefficients, poisson_product
from erlangen.recipes.experiment import Experiment, Findings, by_metric
from erlangen.recipes.gaunt_tensor_product.settings import Config
from erlangen.recipes.seeds import Tick, over_seeds
from erlangen.report import Check, Table, new_figure, save_figure

NAME = "same-function"
ROUTES = ("grid:interpolation", "grid:half", "grid:gl", "grid:lebedev", "fourier")
E3NN_DEGREE = 5  # up to here e3nn's Wigner coefficients are the truth, too
PRODUCTS = {"gaunt": (gaunt_product, gaunt_coefficients), "poisson": (poisson_product, poisson_coefficients)}


def run(config: Config) -> Findings:
    """Compares on random numbers, new ones for each seed."""
    steps = config.function_degree
    metrics = by_metric(over_seeds(one_seed, config, NAME, steps=steps))
    findings = Findings(metrics, [_table(metrics, config)], checks=_checks(metrics, config))
    if config.out is not None:
        findings.figures["gaunt-error.png"] = "Largest error against the dense product over degree L, worst seed"
        _draw(metrics, config, config.out / "gaunt-error.png")
    return findings


def one_seed(config: Config, seed: int, tick: Tick) -> dict[str, float]:
    """The largest relative errors at each degree."""
    generator, measured = torch.Generator().manual_seed(seed), {}
    for degree in range(1, config.function_degree + 1):
        x, y = torch.randn(2, 20, (degree + 1) ** 2, dtype=torch.float64, generator=generator)
        for name, (product, _) in PRODUCTS.items():
            truth = product(x, y, degree, degree, method="dense")
            for dtype in (torch.float64, torch.float32):
                for route in ROUTES:
                    z = product(x.to(dtype), y.to(dtype), degree, degree, method=route)
                    measured[f"{name}_{route}_{str(dtype)[-2:]}_{degree}"] = _error(z, truth)
        if degree <= E3NN_DEGREE:
            measured[f"e3nn_{degree}"] = _error(_by_wigner(x, y, degree), gaunt_product(x, y, degree, degree))
        measured[f"rotation_{degree}"] = _rotated(x, y, degree, generator)
        tick()
    return measured


def _error(z: Tensor, truth: Tensor) -> float:
    return float((z.double() - truth).abs().max() / truth.abs().max())


def _by_wigner(x: Tensor, y: Tensor, degree: int) -> Tensor:
    """The product from e3nn's coefficients, each block times its factor, which is projected from ours."""
    o3 = require("e3nn.o3", "o3", "Wigner's coefficients")
    parts = []
    for l3 in range(2 * degree + 1):
        z = x.new_zeros(len(x), 2 * l3 + 1)
        for l1 in range(degree + 1):
            for l2 in range(degree + 1):
                if abs(l1 - l2) <= l3 <= l1 + l2 and (l1 + l2 + l3) % 2 == 0:
                    w = o3.wigner_3j(l1, l2, l3, dtype=torch.float64)
                    factor = (gaunt_coefficients(l1, l2, l3) * w).sum()
                    a, b = x[:, l1 * l1 : (l1 + 1) ** 2], y[:, l2 * l2 : (l2 + 1) ** 2]
                    z = z + factor * torch.einsum("bi,bj,ijk->bk", a, b, w)
        parts.append(z)
    return torch.cat(parts, -1)


def _rotated(x: Tensor, y: Tensor, degree: int, generator: torch.Generator) -> float:
    """How far the product of turned factors is from the turned product."""

    def irreps(lmax: int) -> Representation:
        return Irreps("+".join(f"{l}{'eo'[l % 2]}" for l in range(lmax + 1)), O(3))

    g = O(3).sample(len(x), generator=generator)
    one, out = irreps(degree), irreps(2 * degree)
    return _error(gaunt_product(one(g, x), one(g, y), degree, degree), out(g, gaunt_product(x, y, degree, degree)))


def _worst(metrics: dict[str, list[float]], start: str, end: str = "") -> float:
    return max(max(v) for name, v in metrics.items() if name.startswith(start) and end in name)


def _checks(metrics: dict[str, list[float]], config: Config) -> list[Check]:
    limits = [
        ("routes", "All routes agree with the dense product in float64, to 1e-11.", _worst(metrics, "", "_64_"), 1e-11),
        ("single", "In float32, to 1e-5.", _worst(metrics, "", "_32_"), 1e-5),
        ("e3nn", f"It is e3nn's product with the paths of even sum, up to degree {E3NN_DEGREE}, to 1e-12.",
         _worst(metrics, "e3nn_"), 1e-12),
        ("rotation", "It keeps rotations and reflections, to 1e-10.", _worst(metrics, "rotation_"), 1e-10),
    ]  # fmt: skip
    return [Check(f"function-{name}", text, worst <= limit, f"{worst:.1e}") for name, text, worst, limit in limits]


def _table(metrics: dict[str, list[float]], config: Config) -> Table:
    rows = [
        [degree, *(f"{max(metrics[f'gaunt_{route}_64_{degree}']):.0e}" for route in ROUTES)]
        for degree in range(1, config.function_degree + 1)
    ]
    note = "Largest difference from the dense product, against its largest entry; float64, worst seed."
    return Table("Routes to the Gaunt product", ["L", *ROUTES], rows, note)


def _draw(metrics: dict[str, list[float]], config: Config, file: Path) -> None:
    figure, panels = new_figure(1, 2, width=8.0)
    degrees = list(range(1, config.function_degree + 1))
    for axes, name in zip(panels, PRODUCTS, strict=True):
        for number, route in enumerate(ROUTES):
            for bits, style in (("64", "-"), ("32", "--")):
                errors = [max(metrics[f"{name}_{route}_{bits}_{degree}"]) for degree in degrees]
                axes.plot(degrees, errors, style, color=f"C{number}", label=route if bits == "64" else None)
        axes.set(title=f"{name} product", xlabel="L", ylabel="relative error", yscale="log")
    panels[0].legend(fontsize="x-small", title="float64 (float32: dashed)")
    save_figure(figure, file)


EXPERIMENT = Experiment(NAME, "all routes against the dense product and e3nn's coefficients", (), run)
