"""Gaunt tensor products: products of functions on the sphere in place of Clebsch-Gordan products.

Luo, Chen, Krishnapriyan, "Enabling Efficient Equivariant Operations in the Fourier Basis via Gaunt Tensor Products",
2024. One file per experiment; each ends in an `Experiment`, which `recipe` lists.
"""

from erlangen.recipes.gaunt_tensor_product.recipe import CLAIMS, EXPERIMENTS, run
from erlangen.recipes.gaunt_tensor_product.settings import Config

__all__ = ["CLAIMS", "EXPERIMENTS", "Config", "run"]
