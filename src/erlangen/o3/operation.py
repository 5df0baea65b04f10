"""The three operations of the package, said once for all routes: factors at a point, and polynomials of them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from erlangen.o3.polynomial import Polynomial

#: What of an input a factor is: its value, or its slope along one of two orthonormal tangents.
VALUE, FIRST, SECOND = "value", "first", "second"


@dataclass(frozen=True)
class Operation:
    """Polynomials of the values and slopes of functions on the sphere.

    Attributes:
        name: as in error messages.
        factors: the input each factor comes from, and what of it.
        polynomials: one per output.
        powers: how often each input stands in a term at most; bounds the degree of the result.
    """

    name: str
    factors: tuple[tuple[int, str], ...]
    polynomials: tuple[Polynomial, ...]
    powers: tuple[int, ...]

    def __hash__(self) -> int:
        return hash((self.name, self.powers))  # enough to tell operations apart, and looked up at every call

    def degree(self, lmaxes: tuple[int, ...]) -> int:
        """Largest degree of an untruncated result; slopes bring it down by one."""
        lost = int(any(kind != VALUE for _, kind in self.factors))
        return max(0, sum(n * l for n, l in zip(self.powers, lmaxes, strict=True)) - lost)

    def halves(self) -> tuple[tuple[Polynomial, Polynomial], ...]:
        """Each polynomial's even and odd part, in factors that are split likewise: even part 2 i, odd part 2 i + 1.

        At the antipode, values of odd functions change sign. With the tangents ``a`` and ``-b`` there, so do slopes of
        even functions along the first, and of odd ones along the second.
        """
        found = []
        for polynomial in self.polynomials:
            sides: tuple[dict[tuple[int, ...], float], ...] = ({}, {})
            for exponents, coefficient in polynomial:
                factors = [i for i, e in enumerate(exponents) for _ in range(e)]
                for choice in range(2 ** len(factors)):
                    picked = [2 * i + (choice >> place & 1) for place, i in enumerate(factors)]
                    changes = sum((p % 2) ^ (self.factors[p // 2][1] == FIRST) for p in picked)
                    key = tuple(picked.count(p) for p in range(2 * len(self.factors)))
                    sides[changes % 2][key] = sides[changes % 2].get(key, 0.0) + coefficient
            found.append((tuple(sides[0].items()), tuple(sides[1].items())))
        return tuple(found)


#: The Gaunt product: two functions multiplied.
PRODUCT = Operation("gaunt_product", ((0, VALUE), (1, VALUE)), ((((1, 1), 1.0),),), (1, 1))

#: The Poisson product: the triple product of the position and the two gradients.
POISSON = Operation(
    "poisson_product",
    ((0, FIRST), (0, SECOND), (1, FIRST), (1, SECOND)),
    ((((1, 0, 0, 1), 1.0), ((0, 1, 1, 0), -1.0)),),
    (1, 1),
)


@cache
def power(first: int, last: int) -> Operation:
    """All powers of a function between two exponents."""
    polynomials = tuple((((n,), 1.0),) for n in range(first, last + 1))
    return Operation("spherical_power", ((0, VALUE),), polynomials, (last,))
