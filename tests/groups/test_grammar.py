"""Groups and actions in words: what is read is what was written, and errors point at the column."""

import pytest
import torch
from tests.groups.catalogue import GROUPS, seeded

from erlangen.groups import (
    GL,
    SE,
    SL,
    SO,
    Affine,
    BatchVector,
    Cyclic,
    E,
    EdgeIndex,
    Embed,
    Factor,
    Fixed,
    Fork,
    GLPlus,
    GrammarError,
    Identity,
    Irreps,
    Nodes,
    O,
    Pixels,
    Points,
    PseudoScalar,
    QuarterTurns,
    Regular,
    Scalar,
    Scaling,
    SignedPermutation,
    Symmetric,
    Translation,
    Trivial,
    Vector,
    parse_actions,
    parse_group,
)
from erlangen.groups.action import pull_back

NAMED = [Symmetric("n"), Symmetric("nodes_2"), Symmetric("ñ"), Symmetric("x"), Symmetric("n") * E(3) * Symmetric("m")]


@pytest.mark.parametrize("group", GROUPS + NAMED, ids=str)
def test_what_a_group_prints_is_read_back(group):
    assert parse_group(str(group)) == Identity(group)
    assert parse_group(f"  {str(group).replace('*', ' * ').replace('(', ' ( ')} ").source == group


@pytest.mark.parametrize(
    ("text", "group"),
    [
        ("S", Symmetric("n")), ("S(5)", Symmetric(5)), ("Symmetric(m)", Symmetric("m")), ("C(4)", Cyclic(4)),
        ("GL+(2)", GLPlus(2)), ("GLPlus(2)", GLPlus(2)), ("T(3)", Translation(3)), ("B(3)", SignedPermutation(3)),
        ("Trivial", Trivial()), ("Scaling", Scaling()), ("S*E(3)", Symmetric("n") * E(3)),
        ("S(n) x E(3)", Symmetric("n") * E(3)), ("C(4)×SO(2)", Cyclic(4) * SO(2)),
        ("Affine(2, SL(2))", Affine(2, SL(2))),
        ("Affine(3,SO(3))*GL(2)", Affine(3, SO(3)) * GL(2)), ("S(x) x O(1)", Symmetric("x") * O(1)),
    ],
)  # fmt: skip
def test_short_names(text, group):
    hom = parse_group(text)
    assert hom.source == hom.target == group


def test_placed_groups():
    assert parse_group("O(2)@xy") == Embed(O(2), O(3), (0, 1))
    assert parse_group("SE(2)@zx") == Embed(SE(2), SE(3), (2, 0))
    hom = parse_group("S(4)*O(2)@yz")
    source = Symmetric(4) * O(2)
    assert hom == Fork(source, (Factor(source, 0), Factor(source, 1).then(Embed(O(2), O(3), (1, 2)))))
    assert hom.target == Symmetric(4) * O(3)


GROUP_ERRORS = [
    ("", 1, "expected a group, got the end"),
    ("  ", 1, "expected a group"),
    ("SOO(3)", 1, "unknown group 'SOO'; did you mean SO?"),
    ("Foo(3)", 1, "unknown group 'Foo'; known are"),
    ("SO", 3, r"expected '\(', got the end"),
    ("SO 3", 4, r"expected '\('"),
    ("SO(n)", 4, r"SO takes a number, as in SO\(3\)"),
    ("SO(0)", 4, "at least 1, got 0"),
    ("SO(3", 5, r"expected '\)', got the end"),
    ("SO(3)*", 7, "expected a group, got the end"),
    ("SO(3) E(3)", 7, r"expected \* and another group, or the end, got 'E'"),
    ("SO(3)*(E(3))", 7, r"expected a group, got '\('"),
    ("S()", 3, "a number or a name"),
    ("S(0)", 1, "at least 1"),
    ("O(2)@ab", 6, "axes of space"),
    ("O(2)@", 6, "axes of space"),
    ("O(2)@xyz", 6, "2 axes"),
    ("O(2)@xx", 6, "different axes"),
    ("C(4)@xy", 6, "has no axes"),
    ("SO(3)*Affine(2,SO(3))", 14, "2 by 2 matrices"),
    ("S(n)*S(n)", 1, "names two factors"),
    ("SO(-3)", 4, "SO takes a number"),
    ("SO(3)!", 6, "got '!'"),
    ("3", 1, "expected a group, got '3'"),
]


@pytest.mark.parametrize(("text", "column", "problem"), GROUP_ERRORS)
def test_group_errors_point_at_the_column(text, column, problem):
    with pytest.raises(GrammarError, match=problem) as caught:
        parse_group(text)
    assert caught.value.column == column - 1
    shown, arrow = str(caught.value).split("\n")[-2:]
    assert shown == f"  {text}" and arrow == " " * (2 + column - 1) + f"^ column {column}"


E3, S = E(3), Symmetric("n")


@pytest.mark.parametrize(
    ("text", "group", "actions"),
    [
        ("pos:points vel:vector q:fixed", "E(3)", {"pos": Points(E3), "vel": Vector(E3), "q": Fixed(E3)}),
        ("points vector", "O(2)", {"0": Points(O(2)), "1": Vector(O(2))}),
        ("h:2*scalar+vector", "SO(3)", {"h": 2 * Scalar(SO(3)) + Vector(SO(3))}),
        ("h:vector*vector+3*pseudoscalar", "O(3)", {"h": Vector(O(3)) ** 2 + 3 * PseudoScalar(O(3))}),
        ("h:2x0e+1o+1x2e", "O(3)", {"h": Irreps("2x0e+1o+2e")}), ("h:1o", "SE(3)", {"h": Irreps("1o", SE(3))}),
        ("r:regular", "C(6)", {"r": Regular(Cyclic(6))}), ("x:turns", "C(4)", {"x": QuarterTurns()}),
        ("x:turns", "C(2)", {"x": QuarterTurns(Cyclic(2))}), ("x:pixels", "SO(2)", {"x": Pixels(SO(2))}),
        ("x:nodes a:pairs e:edges b:batch", "S(n)",
         {"x": Nodes(S), "a": Nodes(S, order=2), "e": EdgeIndex(S), "b": BatchVector(S)}),
        ("x:vector", "S(4)", {"x": Vector(Symmetric(4))}),
    ],
)  # fmt: skip
def test_actions(text, group, actions):
    assert parse_actions(text, group) == actions


def test_actions_of_products():
    group = S * E3
    found = parse_actions("x:nodes&points e:edges q:fixed h:nodes&1x1o", "S*E(3)")
    wanted = {"x": Nodes(S) & Points(E3), "e": EdgeIndex(S), "q": Fixed(), "h": Nodes(S) & Irreps("1o", E3)}
    assert found == {name: pull_back(action, group) for name, action in wanted.items()}
    assert all(action.group == group for action in found.values())


def test_actions_of_placed_groups():
    found = parse_actions("pos:points q:fixed", "O(2)@xy")
    assert found == {"pos": Points(O(3)).along(Embed(O(2), O(3), (0, 1))), "q": Fixed(O(2))}
    g = O(2).sample(generator=seeded(0))
    x = torch.tensor([[0.0, 0.0, 1.0]]).double()
    assert torch.equal(found["pos"](g, x), x)
    assert parse_actions("points", parse_group("O(2)@xy"))["0"] == found["pos"]


ACTION_ERRORS = [
    ("", "E(3)", 1, "at least one action"),
    ("pos:pionts", "E(3)", 5, "unknown action 'pionts'; did you mean points?"),
    ("pos:", "E(3)", 5, "expected an action, got the end"),
    ("pos:points vel:", "E(3)", 16, "expected an action"),
    ("a:fixed a:fixed", "E(3)", 9, "'a' is named twice"),
    ("1a:fixed", "E(3)", 1, "an identifier, got '1a'"),
    ("pos:points+vector", "E(3)", 11, "only representations can be added"),
    ("pos:points*vector", "E(3)", 11, "only representations can be multiplied"),
    ("q:2*points", "E(3)", 3, "only representations can be multiplied"),
    ("q:2", "E(3)", 4, r"expected '\*', got the end"),
    ("x:nodes", "E(3)", 3, r"'nodes' needs a permutation group S\(n\), and E\(3\) has none"),
    ("h:1o", "O(2)", 3, r"irreps belong to O\(3\) or SO\(3\), not to O\(2\)"),
    ("x:pixels", "E(3)", 3, "a group of the plane"),
    ("q:fixed x:turns", "SO(3)", 11, "no canonical homomorphism"),
    ("r:regular", "SO(3)", 3, "infinitely many"),
    ("x:points", "O(3)*O(3)", 3, "more than one factor"),
    ("x:points)", "E(3)", 9, r"or the end of the action, got '\)'"),
    ("x:points &vector", "E(3)", 10, "unknown action '&'"),
]


@pytest.mark.parametrize(("text", "group", "column", "problem"), ACTION_ERRORS)
def test_action_errors_point_at_the_column(text, group, column, problem):
    with pytest.raises(GrammarError, match=problem) as caught:
        parse_actions(text, group)
    assert caught.value.column == column - 1
    assert str(caught.value).split("\n")[-2:] == [f"  {text}", " " * (2 + column - 1) + f"^ column {column}"]


def test_a_grammar_error_is_a_value_error():
    with pytest.raises(ValueError):
        parse_actions("points", "SOO(3)")
