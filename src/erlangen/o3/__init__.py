"""The Fourier side of O(3): products of functions on the sphere, layers made of them, in e3nn's basis and notation."""

from erlangen.o3.coefficients import gaunt_coefficients, poisson_coefficients
from erlangen.o3.functional import gaunt_product, poisson_product, spherical_power
from erlangen.o3.harmonics import real_spherical_harmonics

__all__ = [
    "gaunt_coefficients",
    "gaunt_product",
    "poisson_coefficients",
    "poisson_product",
    "real_spherical_harmonics",
    "spherical_power",
]
