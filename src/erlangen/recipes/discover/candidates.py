"""The symmetries that may hold: a list of groups in words, each of them inside the linear maps of one space."""

from __future__ import annotations

from dataclasses import dataclass

from erlangen.groups import GL, Group, Hom, Identity, Product, Scaling, Trivial, inclusion, parse_group

#: Candidates where nobody names any, by the dimension of the space.
USUAL = {
    2: "O(2), SO(2), Scaling",
    3: "O(3), SO(3), O(2)@xy, O(2)@yz, O(2)@xz, Scaling",
}


@dataclass(frozen=True)
class Candidate:
    """A group that may act.

    Args:
        name: in the user's words.
        hom: how it stands in the invertible linear maps of the space.
    """

    name: str
    hom: Hom


def usual_candidates(dim: int) -> str:
    """The list for a space of ``dim`` dimensions.

    >>> usual_candidates(5)
    'O(5), SO(5), Scaling'
    """
    return USUAL.get(dim, f"O({dim}), SO({dim}), Scaling")


def split_list(text: str) -> list[str]:
    """The words of a list: commas part them, but for those in brackets.

    Raises:
        ValueError: if it is empty, or a word stands twice.

    >>> split_list("SO(3), Affine(2, SO(2)),O(2)@xy")
    ['SO(3)', 'Affine(2, SO(2))', 'O(2)@xy']
    """
    words, depth = [""], 0
    for character in text:
        depth += (character == "(") - (character == ")")
        if character == "," and depth == 0:
            words.append("")
        else:
            words[-1] += character
    words = [word.strip() for word in words]
    if not all(words):
        raise ValueError(f"--groups: groups joined by commas, such as 'SO(3), O(2)@xy, Scaling', got {text!r}")
    for word in words:
        if words.count(word) > 1:
            raise ValueError(f"--groups names {word} twice")
    return words


def space_of(words: list[str]) -> int | None:
    """The dimension of the space that the groups act on; None where no group tells it.

    Raises:
        ValueError: if a word is no group, or two act on different spaces.
    """
    known: dict[int, str] = {}
    for word in words:
        for size in _sizes(_parsed(word).target):
            known.setdefault(size, word)
    if len(known) > 1:
        (one, first), (other, second) = list(known.items())[:2]
        raise ValueError(f"--groups: all on one space, but {first} has {one} dimensions and {second} has {other}")
    return next(iter(known), None)


def read_candidates(words: list[str], dim: int) -> list[Candidate]:
    """The groups inside GL(dim).

    Raises:
        ValueError: if a word is no group, or one without a place among the linear maps of the space.
    """
    found = []
    for word in words:
        try:
            found.append(Candidate(word, inclusion(_parsed(word), GL(dim))))
        except ValueError as error:
            raise ValueError(_named(error)) from None
    return found


def whole_space(dim: int) -> Hom:
    """The map that words for data are read with: all invertible linear maps of the space."""
    return Identity(GL(dim))


def _parsed(word: str) -> Hom:
    try:
        return parse_group(word)
    except ValueError as error:  # the grammar's has further lines, which point at the column
        raise ValueError(_named(error)) from None


def _named(error: ValueError) -> str:
    return f"--groups: {str(error).removeprefix('inclusion: ')}"


def _sizes(group: Group) -> list[int]:
    if isinstance(group, Product):
        return [size for factor in group.factors for size in _sizes(factor)]
    return [] if isinstance(group, Scaling | Trivial) or group.names else [group.matrix_dim]
