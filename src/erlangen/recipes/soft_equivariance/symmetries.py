"""The candidates: which groups may act on space, and the one that only says which shapes features have."""

from __future__ import annotations

from erlangen.groups import GL, Hom, inclusion, parse_group

PLANES: dict[str, Hom] = {plane: parse_group(f"O(2)@{plane}") for plane in ("xy", "yz", "xz")}
"""Turns and reflections of each coordinate plane; all three together generate O(3)."""

TURNS_AND_SCALE: dict[str, Hom] = {"rotations": inclusion("SO(3)", GL(3)), "scale": inclusion("Scaling", GL(3))}
"""Rotations of space, and factors common to all its axes."""
