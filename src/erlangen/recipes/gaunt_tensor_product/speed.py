"""How long the product takes, on every route and in e3nn, on one thread: the same function everywhere.

Competitors take turns, each called once before it is timed, and the least time of each counts, as other programs can
only add to it. A seed is a repetition: it draws other numbers, and measures again. All degrees of the result are kept.
"Own" is the layout with the components of a channel side by side; "flat" is e3nn's at both ends. e3nn's module has no
weights here, which is its fastest; modules are compiled and warmed up before the first timing.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import lru_cache, partial
from pathlib import Path

import torch
from torch import Tensor, nn

from erlangen.o3 import GauntTensorProduct, gaunt_product
from erlangen.recipes.experiment import Experiment, Findings, by_metric
from erlangen.recipes.gaunt_tensor_product.peers import e3nn_product, functions
from erlangen.recipes.gaunt_tensor_product.settings import Config
from erlangen.recipes.seeds import Tick, over_seeds
from erlangen.report import Claim, Table, new_figure, save_figure

NAME = "speed"
CHANNELS, BATCH = 32, 32
ROUTES = {
    "interpolation": "grid:interpolation",
    "half": "grid:half",
    "gl": "grid:gl",
    "lebedev": "grid:lebedev",
    "fourier": "fourier",
}
TITLES = {
    "auto": "own layout, chosen route",
    "flat": "e3nn's layout, chosen route",
    "interpolation": "interpolation set",
    "half": "half set",
    "gl": "Gauss-Legendre",
    "lebedev": "Lebedev",
    "fourier": "2D Fourier",
    "e3nn": "e3nn",
}


def _times(
    name: str, statement: str, degree: int, margin: int | float, ours: str = "auto", baseline: str = "e3nn"
) -> Claim:
    return Claim(
        f"speed-{name}-{degree}",
        statement,
        ">",
        margin=margin,
        form="ratio",
        experiment=NAME,
        ours=f"{baseline}_{degree}",
        baseline=f"{ours}_{degree}",
    )


# Written before the first run.
CLAIMS = (
    *(
        _times("e3nn", f"At degree {degree} the product is over {margin} times as fast as e3nn's.", degree, margin)
        for degree, margin in ((1, 3), (2, 8), (3, 12), (4, 25), (5, 25), (6, 25))
    ),
    *(
        _times(
            "flat", f"With e3nn's layout at both ends, over {margin} times (degree {degree}).", degree, margin, "flat"
        )
        for degree, margin in ((1, 2), (2, 6), (3, 10))
    ),
    *(
        _times(
            "fourier", f"The 2D Fourier route is slower than the grid (degree {degree}).", degree, 1, "gl", "fourier"
        )
        for degree in range(1, 7)
    ),
)


def run(config: Config) -> Findings:
    """Times all competitors at each degree, again for each seed, one after another."""
    steps = config.speed_degree * config.speed_rounds
    metrics = by_metric(over_seeds(one_seed, config, NAME, steps=steps, workers=1))
    findings = Findings(metrics, [_table(metrics, config)])
    if config.out is not None:
        findings.figures["gaunt-speed.png"] = (
            f"Seconds for {CHANNELS * BATCH} products of functions up to degree L, one thread (least over seeds)"
        )
        _draw(metrics, config, config.out / "gaunt-speed.png")
    return findings


def one_seed(config: Config, seed: int, tick: Tick) -> dict[str, float]:
    """Milliseconds of each competitor at each degree."""
    generator, measured = torch.Generator().manual_seed(seed), {}
    for degree in range(1, config.speed_degree + 1):
        own = torch.randn(2, BATCH, CHANNELS, (degree + 1) ** 2, generator=generator).to(config.device)
        best = fastest(competitors(degree, own), config.speed_rounds, tick)
        measured |= {f"{name}_{degree}": 1e3 * seconds for name, seconds in best.items()}
    return measured


def competitors(degree: int, own: Tensor) -> dict[str, Callable[[], Tensor]]:
    """The same products, each way; ``own`` holds both factors, ``(2, batch, channels, (degree + 1) ** 2)``."""
    x, y = own
    flat = [_flat(factor, degree) for factor in (x, y)]
    made: dict[str, Callable[[], Tensor]] = {
        "auto": partial(_module(degree, "channels"), x, y),
        "flat": partial(_module(degree, "flat"), *flat),
        "e3nn": partial(e3nn_product(CHANNELS, degree, 2 * degree).to(own.device), *flat),
    }
    for name, method in ROUTES.items():
        made[name] = partial(gaunt_product, x, y, degree, degree, 2 * degree, method)
    return made


def fastest(calls: dict[str, Callable[[], Tensor]], rounds: int, tick: Tick = lambda steps=1: None) -> dict[str, float]:
    """The least seconds of each call, without gradients; the calls take turns."""
    best = dict.fromkeys(calls, float("inf"))
    with torch.no_grad():
        for call in calls.values():
            for _ in range(3):
                call()
        for _ in range(rounds):
            for name, call in calls.items():
                call()  # what came before may have taken its memory out of the caches
                start = time.perf_counter()
                call()
                best[name] = min(best[name], time.perf_counter() - start)
            tick()
    return best


@lru_cache(maxsize=32)
def _module(degree: int, layout: str) -> nn.Module:
    irreps, out = functions(CHANNELS, degree), functions(CHANNELS, 2 * degree)
    return GauntTensorProduct(irreps, irreps, out, weights=None, normalization="integral", layout=layout)


def _flat(x: Tensor, degree: int) -> Tensor:
    """From ``(batch, channels, components)`` to e3nn's order: degree by degree, then channel by channel."""
    return torch.cat([x[..., l * l : (l + 1) ** 2].flatten(1) for l in range(degree + 1)], -1)


def _table(metrics: dict[str, list[float]], config: Config) -> Table:
    rows = [
        [degree, *(f"{min(metrics[f'{name}_{degree}']):.3f}" for name in TITLES)]
        for degree in range(1, config.speed_degree + 1)
    ]
    note = (
        f"Least milliseconds over seeds and {config.speed_rounds} rounds; {CHANNELS} channels, batch {BATCH}, float32, "
        "forward, one thread."
    )
    return Table("Products of functions on the sphere", ["L", *TITLES.values()], rows, note)


def _draw(metrics: dict[str, list[float]], config: Config, file: Path) -> None:
    figure, (axes,) = new_figure(1, 1)
    degrees = list(range(1, config.speed_degree + 1))
    for name, title in TITLES.items():
        times = [min(metrics[f"{name}_{degree}"]) for degree in degrees]
        axes.plot(degrees, times, marker="o", markersize=3, label=title, linestyle="--" if name == "e3nn" else "-")
    axes.set(xlabel="L", ylabel="milliseconds", yscale="log", xticks=degrees)
    axes.legend(fontsize="x-small")
    save_figure(figure, file)


EXPERIMENT = Experiment(NAME, "time over degree: all routes, and e3nn's product of the same function", CLAIMS, run)
