"""The Fourier side of O(3): products of functions on the sphere, layers made of them, in e3nn's basis and notation.

Which product reaches which paths (l1, l2, l3), per channel, for degrees up to L:

=========================  =========================  ==================================  ======================
product                    paths                      free weights                        operations
=========================  =========================  ==================================  ======================
Clebsch-Gordan (e3nn)      all                        one per path, of order L^3          of order L^6, dense
Gaunt                      even sum l1 + l2 + l3      one per degree and operand, 4 L     of order L^4 (L^3 by FFT)
Poisson                    odd sum                    likewise                            about twice the Gaunt one
Gaunt and Poisson          all                        likewise, for each                  about three times
=========================  =========================  ==================================  ======================

So none of them stands in for another without change: a Gaunt product is a smaller family of functions. With natural
parities (0e+1o+2e+...) at inputs and outputs, parity forbids the odd paths anyway, and only weights are lost.
:func:`from_e3nn` says how much that is for a given tensor product.
"""

from erlangen.o3.coefficients import gaunt_coefficients, poisson_coefficients
from erlangen.o3.convert import Conversion, from_e3nn
from erlangen.o3.convolution import GauntConv
from erlangen.o3.functional import gaunt_product, poisson_product, spherical_power
from erlangen.o3.harmonics import real_spherical_harmonics
from erlangen.o3.many_body import GauntManyBody
from erlangen.o3.mixing import DegreeLinear
from erlangen.o3.potential import GauntPotential
from erlangen.o3.self_mix import GauntSelfMix
from erlangen.o3.tensor_product import GauntTensorProduct

__all__ = [
    "Conversion",
    "DegreeLinear",
    "GauntConv",
    "GauntManyBody",
    "GauntPotential",
    "GauntSelfMix",
    "GauntTensorProduct",
    "from_e3nn",
    "gaunt_coefficients",
    "gaunt_product",
    "poisson_coefficients",
    "poisson_product",
    "real_spherical_harmonics",
    "spherical_power",
]
