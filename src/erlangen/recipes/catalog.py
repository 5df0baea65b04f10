"""All recipes by name, without importing one: what each is, where it comes from, and what it needs.

A new recipe is one module, and one entry here: the file ``erlangen/recipes/NAME.py``, or, for several experiments, the
folder ``erlangen/recipes/NAME/``, whose ``__init__.py`` hands the names on. The module has ``Config`` (extends
`erlangen.recipes.config.Config`), ``EXPERIMENTS`` (name -> what it measures), ``CLAIMS`` (written before the first run)
and ``run(config) -> Result``.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from types import ModuleType

from erlangen.recipes.config import did_you_mean


class UnknownRecipeError(KeyError):
    """No recipe has this name; the message lists those there are and names the nearest."""

    def __str__(self) -> str:
        return str(self.args[0])


@dataclass(frozen=True)
class Entry:
    """One recipe: ``extras`` are those of ``pip install 'erlangen[...]'``; ``paper`` is empty where there is none."""

    name: str
    summary: str
    experiments: tuple[str, ...]
    extras: tuple[str, ...] = ("recipes",)
    paper: str = ""

    @property
    def module(self) -> str:
        """Import path of the recipe's file or folder."""
        return f"erlangen.recipes.{self.name.replace('-', '_')}"

    def load(self) -> ModuleType:
        """Imports the recipe's module."""
        return importlib.import_module(self.module)


CATALOG: tuple[Entry, ...] = (
    Entry("quickstart", "A CNN on real digits, made symmetric under quarter turns, and audited", ("turns", "angles")),
    Entry(
        "frame-averaging",
        "Any backbone made symmetric by a few group elements that move with the input",
        ("graph-separation", "nbody", "normals", "continuity"),
        paper="Puny et al., Frame Averaging for Invariant and Equivariant Network Design, 2022",
    ),
    Entry(
        "gaunt-tensor-product",
        "Products of functions on the sphere in place of Clebsch-Gordan products: speed, limits, accuracy",
        ("same-function", "speed", "limits", "accuracy"),
        extras=("recipes", "o3", "molecules"),
        paper="Luo, Chen, Krishnapriyan, Enabling Efficient Equivariant Operations in the Fourier Basis via Gaunt "
        "Tensor Products, 2024",
    ),
    Entry(
        "ponita",
        "Messages between positions and orientations, against networks on distances and on coordinates",
        ("nbody", "directional", "forces", "superpixels", "generation", "properties"),
        extras=("recipes", "molecules"),
        paper="Bekkers et al., Fast, Expressive SE(n) Equivariant Networks through Weight-Sharing in "
        "Position-Orientation Space, 2024",
    ),
    Entry(
        "tinvnn",
        "Any backbone on coordinates that rotations, shifts and scale do not change: shapes, tours, routes, metrics",
        ("pointcloud", "tsp", "cvrp", "metric"),
        paper="Zhang et al., Revisiting Transformation Invariant Geometric Deep Learning: Are Initial Representations "
        "All You Need?, 2021",
    ),
    Entry(
        "apen",
        "Networks on points whose parts move independently, and that find out what their parts are",
        ("oneshot", "articulated", "bound", "lambda"),
        paper="Atzmon, Huang, Williams, Litany, Approximately Piecewise E(3) Equivariant Point Networks, 2024",
    ),
    Entry(
        "equivariant-polynomials",
        "What networks on graphs cannot compute, polynomial by polynomial, and what they do once it is given to them",
        ("power-table", "strongly-regular", "k4-regression", "gin-plus"),
        extras=("recipes", "graphs"),
        paper="Puny, Lim, Kiani, Maron, Lipman, Equivariant Polynomials for Graph Neural Networks, 2023",
    ),
    Entry(
        "spen",
        "Networks on the ego-networks of a graph: what they tell apart, what they keep in memory, what they learn",
        ("expressivity", "memory", "mutag", "proteins"),
        extras=("recipes", "graphs"),
        paper="Mitton, Murray-Smith, Subgraph Permutation Equivariant Networks, 2021",
    ),
    Entry(
        "lcm",
        "Messages combined two by two in a tree by a learned operator, against fixed and recurrent aggregations",
        ("second-minimum", "depth", "pna-multitask", "real-graphs"),
        extras=("recipes", "graphs"),
        paper="Ong, Veličković, Learnable Commutative Monoids for Graph Neural Networks, 2022",
    ),
    Entry(
        "lie-decomposition",
        "Convolutions on SL(2) and GL+(2): digits moved by affine maps and homographies, and what samples cost",
        ("random-kernels", "equivariance-error", "affine-digits", "homographies"),
        paper="Mironenco, Forre, Lie Group Decompositions for Equivariant Neural Networks, 2024",
    ),
    Entry(
        "soft-equivariance",
        "A penalty for each candidate symmetry, tuned once: which of them hold, and what it is worth to know",
        ("convex", "inertia", "cosine", "roads"),
        paper="Kim, Lee, Yang, Lee, Regularizing Towards Soft Equivariance Under Mixed Symmetries, 2023",
    ),
)


def find(name: str) -> Entry:
    """The entry of a name.

    Raises:
        UnknownRecipeError: If there is none.

    >>> find("quickstart").module
    'erlangen.recipes.quickstart'
    """
    for entry in CATALOG:
        if entry.name == name:
            return entry
    names = [entry.name for entry in CATALOG]
    raise UnknownRecipeError(f"unknown recipe {name!r}{did_you_mean(name, names)} (there are: {', '.join(names)})")
