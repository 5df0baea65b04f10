"""Channels of functions on the sphere: what of e3nn's Irreps the products of this package can multiply."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from erlangen.groups import Irreps, Representation
from erlangen.groups.irreps import Irrep

LAYOUTS = ("flat", "channels")


@dataclass(frozen=True)
class Signal:
    """Some channels, each with one part for every degree: ``16x0e+16x1o+16x2e``. Its ``str`` is e3nn's notation.

    Attributes:
        channels: the multiplicity, the same for every degree.
        terms: degree and parity of the parts, in their order; degrees may be missing, but stand once for each parity.
    """

    channels: int
    terms: tuple[tuple[int, int], ...]

    @classmethod
    def read(cls, irreps: object, name: str) -> Signal:
        """Reads e3nn's notation, or any object whose ``str`` reads so (e3nn's own ``Irreps``).

        Raises:
            ValueError: when a term cannot be read, multiplicities differ, or a term stands twice; names the argument.
        """
        try:
            parts = Irreps(str(irreps)).parts
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None
        terms, channels = [], set()
        for copies, part in parts:
            assert isinstance(part, Irrep)
            terms.append((part.l, part.p))
            channels.add(copies)
        if not terms:
            raise ValueError(f"{name}: at least one irrep, got {str(irreps)!r}")
        if len(channels) > 1:
            raise ValueError(f"{name}: one multiplicity for all degrees, got {str(irreps)!r}")
        if len(set(terms)) < len(terms):
            raise ValueError(f"{name}: every irrep once, got {str(irreps)!r}")
        return cls(channels.pop(), tuple(terms))

    @property
    def degrees(self) -> tuple[int, ...]:
        """The degrees in their order."""
        return tuple(l for l, _ in self.terms)

    @property
    def width(self) -> int:
        """Number of components of one channel."""
        return sum(2 * l + 1 for l in self.degrees)

    @property
    def dim(self) -> int:
        """Number of components of all channels."""
        return self.channels * self.width

    def sign(self, name: str) -> int:
        """The sign ``p`` of parities ``p * (-1) ** l``, which functions on the sphere have: 1 for 0e + 1o + 2e + ...

        Raises:
            ValueError: when degrees differ in it.
        """
        signs = {p * (-1) ** l for l, p in self.terms}
        if len(signs) > 1:
            raise ValueError(
                f"{name}: parities p * (-1) ** l with one sign p for all degrees (0e+1o+2e+... or 0o+1e+2o+...), "
                f"got {self}; give each sign a product of its own"
            )
        return signs.pop()

    def of_sign(self, sign: int) -> Signal:
        """The terms of one sign."""
        return Signal(self.channels, tuple((l, p) for l, p in self.terms if p * (-1) ** l == sign))

    def representation(self, layout: str) -> Representation:
        """How O(3) acts on the last axis: of all channels one after another, degree by degree, or of one channel."""
        return Irreps(str(self if layout == "flat" else Signal(1, self.terms)))

    def places(self, term: tuple[int, int], channel: int) -> range:
        """Where the components of one term and channel stand on the flat axis of e3nn's layout."""
        start = 0
        for l, p in self.terms:
            size = 2 * l + 1
            if (l, p) == term:
                return range(start + channel * size, start + (channel + 1) * size)
            start += self.channels * size
        raise ValueError(f"{term} is not among {self}")

    def within(self, part: Signal) -> list[int]:
        """Where the components of some of the terms stand among those of a channel."""
        starts = {term: sum(2 * l + 1 for l, _ in self.terms[:k]) for k, term in enumerate(self.terms)}
        return [starts[term] + m for term in part.terms for m in range(2 * term[0] + 1)]

    def order(self, components: Sequence[int] | None, layout: str) -> tuple[int, ...] | None:
        """Which component of the input stands at each place of ``(channels, components)``; ``None`` as they are.

        Args:
            components: the order wanted within a channel; ``None`` for that of the terms.
            layout: of the input: "flat" over all channels, or "channels" over the components of one.
        """
        if layout == "channels":
            return None if components is None else tuple(components)
        found = []
        for channel in range(self.channels):
            own = [place for term in self.terms for place in self.places(term, channel)]
            found += own if components is None else [own[k] for k in components]
        return None if found == list(range(len(found))) else tuple(found)

    def __str__(self) -> str:
        return "+".join(f"{self.channels}x{l}{'e' if p == 1 else 'o'}" for l, p in self.terms)


def require_layout(layout: str, name: str) -> None:
    """Checks the name of a layout.

    Raises:
        ValueError: when it is unknown.
    """
    if layout not in LAYOUTS:
        raise ValueError(f"{name}(layout): one of {', '.join(LAYOUTS)}, got {layout!r}")
