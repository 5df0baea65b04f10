"""Groups and actions in words, for command lines and short calls.

Groups: ``SO(3)``, ``S*E(3)``, ``S(n)``, ``C(4)``, ``GL+(2)``, ``O(2)@xy`` (O(2) acting in the xy plane of space).
Actions: ``pos:points vel:vector q:fixed edge_index:edges h:2*scalar+vector x:nodes&points``, or without names.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable
from dataclasses import dataclass

from erlangen.groups.action import Action, Fixed
from erlangen.groups.affine import SE, Affine, E, Translation
from erlangen.groups.conformal import CO, CSO
from erlangen.groups.discrete import Cyclic, SignedPermutation, Symmetric
from erlangen.groups.group import Group, Product, Trivial
from erlangen.groups.hom import Embed, Factor, Fork, Hom, Identity
from erlangen.groups.irreps import Irreps
from erlangen.groups.lorentz import Lorentz
from erlangen.groups.matrix import GL, SL, SO, GLPlus, O, Scaling
from erlangen.groups.nodes import BatchVector, EdgeIndex, Nodes
from erlangen.groups.pixels import Pixels, QuarterTurns
from erlangen.groups.points import Points
from erlangen.groups.regular import Regular
from erlangen.groups.representation import PseudoScalar, Representation, Scalar, Vector
from erlangen.groups.unitary import SU, U


class GrammarError(ValueError):
    """A text that is not a group or not a list of actions; the message shows the text and points at the column."""

    def __init__(self, text: str, column: int, problem: str) -> None:
        self.text, self.column, self.problem = text, column, problem
        super().__init__(f"{problem}\n  {text}\n  {' ' * column}^ column {column + 1}")


_SIZED: dict[str, Callable[[int], Group]] = {
    "SO": SO, "O": O, "SE": SE, "E": E, "GL": GL, "GL+": GLPlus, "GLPlus": GLPlus, "SL": SL, "Affine": Affine,
    "CO": CO, "CSO": CSO,
    "T": Translation, "Translation": Translation, "C": Cyclic, "Cyclic": Cyclic,
    "B": SignedPermutation, "Lorentz": Lorentz, "U": U, "SU": SU, "SignedPermutation": SignedPermutation,
}  # fmt: skip
_BARE: dict[str, Callable[[], Group]] = {"Scaling": Scaling, "Trivial": Trivial}
_NAMED = ("S", "Symmetric")
_TOKEN = re.compile(r"\s*(?:(\d+x\d+[eoy]|\d+[eoy])|(GL\+)|([^\W\d]\w*)|(\d+)|(\S))")


@dataclass
class _Token:
    kind: str
    text: str
    column: int


class _Reader:
    """A text cut into tokens, read from left to right."""

    def __init__(self, text: str, start: int = 0, whole: str | None = None) -> None:
        self.whole = text if whole is None else whole
        self.tokens: list[_Token] = []
        at = 0
        kinds = ("irrep", "name", "name", "number", "sign")
        while match := _TOKEN.match(text, at):
            i = next(k for k in range(5) if match.group(k + 1) is not None)
            self.tokens.append(_Token(kinds[i], match.group(i + 1), start + match.start(i + 1)))
            at = match.end()
        self.tokens.append(_Token("end", "", start + len(text.rstrip())))
        self.at = 0

    @property
    def here(self) -> _Token:
        return self.tokens[self.at]

    def fail(self, problem: str, token: _Token | None = None) -> GrammarError:
        return GrammarError(self.whole, (token or self.here).column, problem)

    def accept(self, *texts: str) -> bool:
        if self.here.kind in ("sign", "name") and self.here.text in texts:
            self.at += 1
            return True
        return False

    def expect(self, text: str) -> None:
        if not self.accept(text):
            got = repr(self.here.text) if self.here.kind != "end" else "the end"
            raise self.fail(f"expected {text!r}, got {got}")

    def take(self) -> _Token:
        token = self.here
        self.at += token.kind != "end"
        return token


def _suggest(word: str, known: list[str]) -> str:
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    return f"; did you mean {close[0]}?" if close else f"; known are {', '.join(sorted(known))}"


def _factor(read: _Reader) -> Hom:
    token = read.take()
    if token.kind != "name":
        got = repr(token.text) if token.kind != "end" else "the end"
        raise read.fail(f"expected a group, got {got}", token)
    name = token.text
    if name in _BARE:
        if read.accept("("):
            read.expect(")")
        return Identity(_BARE[name]())
    if name in _NAMED:
        size: int | str = "n"
        if read.accept("("):
            inner = read.take()
            if inner.kind not in ("number", "name"):
                raise read.fail("a permutation group takes a number or a name, as in S(5) or S(n)", inner)
            size = int(inner.text) if inner.kind == "number" else inner.text
            read.expect(")")
        return Identity(_build(lambda: Symmetric(size), read, token))
    if name not in _SIZED:
        raise read.fail(f"unknown group {name!r}" + _suggest(name, [*_SIZED, *_BARE, *_NAMED]), token)
    read.expect("(")
    inner = read.take()
    if inner.kind != "number":
        raise read.fail(f"{name} takes a number, as in {name}(3)", inner)
    group = _build(lambda: _SIZED[name](int(inner.text)), read, inner)
    if isinstance(group, Affine) and read.accept(","):
        linear = _factor(read)
        group = _build(lambda: Affine(int(inner.text), linear.source), read, inner)
    read.expect(")")
    return _placed(group, read)


def _build(make: Callable[[], Group], read: _Reader, token: _Token) -> Group:
    try:
        return make()
    except ValueError as error:
        raise read.fail(str(error), token) from error


def _placed(group: Group, read: _Reader) -> Hom:
    if not read.accept("@"):
        return Identity(group)
    where = read.take()
    if where.kind != "name" or any(c not in "xyz" for c in where.text):
        raise read.fail("after @ come axes of space, as in O(2)@xy", where)
    axes = tuple("xyz".index(c) for c in where.text)
    family = type(group)
    if family not in (SO, O, SE, E, GL, GLPlus, SL, Translation):
        raise read.fail(f"{group} has no axes to be placed on", where)
    try:
        return Embed(group, family(3), axes)  # type: ignore[call-arg]
    except ValueError as error:
        raise read.fail(str(error), where) from error


def parse_group(text: str) -> Hom:
    """Reads a group. The group that acts is ``.source``; the one whose words describe the data is ``.target``.

    They differ only for placed groups: ``O(2)@xy`` is O(2), acting on vectors of space through O(3).

    Raises:
        GrammarError: pointing at the column.

    Example:
        >>> parse_group("S*E(3)").source
        S(n)*E(3)
        >>> parse_group("O(2)@xy").target
        O(3)
    """
    read = _Reader(text)
    homs = [_factor(read)]
    while read.accept("*", "x", "×"):
        homs.append(_factor(read))
    if read.here.kind != "end":
        raise read.fail(f"expected * and another group, or the end, got {read.here.text!r}")
    if len(homs) == 1:
        return homs[0]
    try:
        source = Product(*(h.source for h in homs))
    except ValueError as error:
        raise GrammarError(text, 0, str(error)) from error
    if all(isinstance(h, Identity) for h in homs):
        return Identity(source)
    return Fork(source, tuple(Factor(source, i).then(h) for i, h in enumerate(homs)))


def _pick(group: Group, wanted: Callable[[Group], bool], fallback: Group | None) -> Group | None:
    factors = group.factors if isinstance(group, Product) else (group,)
    return next((f for f in factors if wanted(f)), fallback)


_WORDS: dict[str, Callable[[Group], Action]] = {
    "points": Points, "vector": Vector, "scalar": Scalar, "pseudoscalar": PseudoScalar, "regular": Regular,
    "nodes": Nodes, "pairs": lambda group: Nodes(group, order=2), "edges": EdgeIndex, "batch": BatchVector,
    "pixels": Pixels, "turns": lambda group: QuarterTurns(group if isinstance(group, Cyclic) else Cyclic(4)),
    "fixed": lambda group: Fixed(),
}  # fmt: skip


def _word(read: _Reader, group: Group) -> Action:
    token = read.take()
    if token.kind == "irrep":
        spec = token.text
        while read.here.text == "+" and read.tokens[read.at + 1].kind == "irrep":
            read.take()
            spec += "+" + read.take().text
        owner = _pick(group, lambda f: f in (O(3), SO(3), E(3), SE(3)), None)
        if owner is None:
            raise read.fail(f"irreps belong to O(3) or SO(3), not to {group}", token)
        return Irreps(spec, owner)
    if token.kind == "number":
        read.expect("*")
        inner = _word(read, group)
        if not isinstance(inner, Representation):
            raise read.fail("only representations can be multiplied", token)
        return int(token.text) * inner
    if token.kind == "end":
        raise read.fail("expected an action, got the end", token)
    if token.kind != "name" or token.text not in _WORDS:
        raise read.fail(f"unknown action {token.text!r}" + _suggest(token.text, [*_WORDS, "1x0e"]), token)
    word = token.text
    if word in ("nodes", "pairs"):
        owner = _pick(group, lambda f: isinstance(f, Symmetric), None)
    elif word in ("edges", "batch"):
        owner = _pick(group, lambda f: isinstance(f, Symmetric), Trivial())
    elif word == "regular":
        owner = group
    else:
        owner = _pick(group, lambda f: not isinstance(f, Symmetric | Trivial), group)
    if owner is None:
        raise read.fail(f"{word!r} needs a permutation group S(n), and {group} has none", token)
    try:
        return _WORDS[word](owner)
    except ValueError as error:
        raise read.fail(str(error), token) from error


def _term(read: _Reader, group: Group) -> Action:
    left = _word(read, group)
    while read.here.text == "*":
        sign = read.take()
        right = _word(read, group)
        if not (isinstance(left, Representation) and isinstance(right, Representation)):
            raise read.fail("only representations can be multiplied", sign)
        left = left * right
    return left


def _sum(read: _Reader, group: Group) -> Action:
    left = _term(read, group)
    while read.here.text == "+":
        sign = read.take()
        right = _term(read, group)
        if not (isinstance(left, Representation) and isinstance(right, Representation)):
            raise read.fail("only representations can be added", sign)
        left = left + right
    return left


def _action(read: _Reader, hom: Hom) -> Action:
    action = _sum(read, hom.target)
    while read.accept("&"):
        action = action & _sum(read, hom.target)
    if read.here.kind != "end":
        raise read.fail(f"expected +, *, & or the end of the action, got {read.here.text!r}")
    try:
        return action.along(Hom.canonical(hom.target, action.group)).along(hom)
    except ValueError as error:
        raise read.fail(str(error), read.tokens[0]) from error


def parse_actions(text: str, hom: Hom | str) -> dict[str, Action]:
    """Reads a list of actions, separated by spaces: ``"pos:points vel:vector"``, or ``"points vector"`` by position.

    Args:
        text: the words.
        hom: what :func:`parse_group` returned, or its text.

    Returns:
        Actions of ``hom.source`` by name; by position their names are "0", "1", ...

    Raises:
        GrammarError: pointing at the column.

    Example:
        >>> parse_actions("pos:points q:fixed", "E(3)")
        {'pos': Points(E(3)), 'q': Fixed()}
    """
    hom = parse_group(hom) if isinstance(hom, str) else hom
    out: dict[str, Action] = {}
    for match in re.finditer(r"\S+", text):
        chunk, start = match.group(), match.start()
        name, colon, rest = chunk.partition(":")
        if colon:
            if not name.isidentifier():
                raise GrammarError(text, start, f"a name before ':' is an identifier, got {name!r}")
            start += len(name) + 1
        else:
            name, rest = str(len(out)), chunk
        if name in out:
            raise GrammarError(text, match.start(), f"{name!r} is named twice")
        out[name] = _action(_Reader(rest, start, text), hom)
    if not out:
        raise GrammarError(text, 0, "expected at least one action")
    return out
