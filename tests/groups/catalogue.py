"""The groups, maps and representations that the tests sweep, and how elements are compared."""

import torch

from erlangen.groups import (
    CO,
    CSO,
    GL,
    SE,
    SL,
    SO,
    Affine,
    Cyclic,
    E,
    Embed,
    Factor,
    Fork,
    GLPlus,
    Hom,
    Irreps,
    LinearPart,
    Lorentz,
    O,
    OrthogonalPart,
    PseudoScalar,
    Regular,
    Scalar,
    Scaling,
    Sign,
    SignedPermutation,
    Symmetric,
    Translation,
    Trivial,
    Vector,
)
from erlangen.groups.element import tensors

GROUPS = [
    SO(1), SO(2), SO(3), SO(5), O(1), O(2), O(3), O(4), SE(1), SE(2), SE(3), E(1), E(2), E(3),
    GLPlus(1), GLPlus(2), GL(1), GL(2), GL(3), SL(1), SL(2), SL(3), Affine(1), Affine(2), Affine(2, SL(2)),
    Affine(3, SO(3)), Translation(1), Translation(3), Scaling(), Trivial(), Cyclic(1), Cyclic(4), Cyclic(5),
    Symmetric(1), Symmetric(2), Symmetric(3), Symmetric(5), SignedPermutation(1), SignedPermutation(3),
    Lorentz(2), Lorentz(4), CO(1), CO(2), CO(3), CSO(1), CSO(3), Affine(3, CO(3)),
    Symmetric(4) * E(3), O(3) * O(3), Cyclic(4) * SO(2) * Scaling(), Symmetric(3) * SignedPermutation(2) * O(1),
]  # fmt: skip

S4_E3 = Symmetric(4) * E(3)
C4_O3 = Cyclic(4) * O(3)
SWAP = Fork(O(3) * O(3), (Factor(O(3) * O(3), 1), Factor(O(3) * O(3), 0)))

HOMS = [
    Hom.canonical(O(3), O(3)), Hom.canonical(E(3), Trivial()), Hom.canonical(S4_E3, O(3)), Hom.canonical(S4_E3, E(3)),
    Hom.canonical(S4_E3, O(3) * Symmetric(4)), Hom.canonical(Symmetric(3) * O(2) * O(2), O(2) * O(2)),
    LinearPart(SE(2)), LinearPart(Affine(2, SL(2))), LinearPart(Translation(3)), Factor(C4_O3, 0), Factor(C4_O3, 1),
    OrthogonalPart(CO(3)), OrthogonalPart(CSO(2)), Hom.canonical(Affine(3, CO(3)), O(3)),
    Hom.canonical(Symmetric(3) * Affine(2, CSO(2)), SO(2)), Embed(Scaling(), CO(3)),
    Embed(O(2), O(3), axes=(0, 1)), Embed(SO(2), SO(3), axes=(2, 0)), Embed(O(2), O(2), axes=(1, 0)),
    Embed(E(2), E(3), axes=(0, 2)), Embed(Translation(2), SE(3), axes=(1, 2)), Embed(Scaling(), GLPlus(3)),
    Embed(Scaling(), GL(3), axes=(0, 2)), Embed(Cyclic(5), SO(3), axes=(0, 1)), Embed(Symmetric(3), O(3)),
    Embed(SignedPermutation(2), Affine(2)), Sign(O(3)), Sign(E(2)), Sign(GL(2)), Sign(Symmetric(4)), SWAP,
    Sign(Symmetric(4)).then(Embed(O(1), O(3), axes=(2,))), Factor(S4_E3, 1).then(LinearPart(E(3))).then(Sign(O(3))),
]  # fmt: skip

_V = Vector(O(3))
_W = Vector(GL(2))
_A = Vector(Affine(2))
_MIXED = Vector(Cyclic(4)).along(Factor(C4_O3, 0)) * _V.along(Factor(C4_O3, 1))

REPRESENTATIONS = [
    Scalar(E(3)), _V, Vector(SE(2)), Vector(Scaling()), Vector(SL(3)), Vector(Cyclic(5)), Vector(Symmetric(4)),
    Vector(SignedPermutation(3)), Vector(O(1)), Vector(Symmetric(1)), 3 * _V, 2 * Scalar(O(3)) + _V + 2 * (_V * _V),
    _V**0, _V**3, 0 * _V, _W.dual, _W * _W.dual, (2 * _W + Scalar(GL(2))).dual,
    (_W * _A.along(Embed(GL(2), Affine(2)))).dual,
    _A, _A.dual, _A * _A.dual + 2 * Scalar(Affine(2)), Vector(Affine(2, SL(2))) ** 2, Vector(Scaling()).dual ** 3,
    PseudoScalar(O(3)), PseudoScalar(E(3)) * Vector(E(3)), PseudoScalar(Symmetric(4)) + Vector(Symmetric(4)),
    PseudoScalar(GL(2)) * _W.dual, Regular(Cyclic(5)), Regular(Symmetric(4)), Regular(SignedPermutation(2)),
    Regular(Cyclic(2) * Symmetric(3)), Regular(O(1)), Regular(Cyclic(1)), Regular(Cyclic(3)) * Vector(Cyclic(3)),
    Vector(Symmetric(3)) * Vector(Symmetric(3)) + Regular(Symmetric(3)), _MIXED, 2 * _MIXED + 3 * Scalar(C4_O3),
    _V.along(Embed(O(2), O(3), axes=(0, 1))), (_V * _V).along(Embed(O(2), O(3), axes=(2, 0))),
    Vector(GL(3)).dual.along(Embed(Scaling(), GL(3), axes=(0, 2))), Vector(O(2)).along(Embed(O(2), O(2), axes=(1, 0))),
    (Vector(E(3)) + Scalar(E(3))).along(Factor(S4_E3, 1)), _V.along(Hom.canonical(S4_E3, O(3))) ** 2,
    _V.along(Factor(O(3) * O(3), 0)) * _V.along(Factor(O(3) * O(3), 1)),
    Vector(Lorentz(4)), Vector(Lorentz(3)) * Vector(Lorentz(3)).dual,
    Irreps("2x0e+1x1o"), Irreps("0o+1e+3e+4o"), Irreps("0e+1o+2e", SO(3)), Irreps("1o+2e+1e", E(3)),
    Irreps("3o+2o", SE(3)), Irreps("2e") * Irreps("1o+1e"), Irreps("2e+1o").along(Embed(O(2), O(3), axes=(0, 1))),
    Vector(O(3)).along(Hom.canonical(Affine(3, CO(3)), O(3))), Vector(CO(2)).dual,
    Irreps("2o", E(3)).along(Factor(S4_E3, 1)),
]  # fmt: skip


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def gap(g, h) -> float:
    """The largest difference between two elements, relative to the size of their entries when these are large."""
    pairs = list(zip(tensors(g), tensors(h), strict=True))
    for a, b in pairs:
        assert a.shape == b.shape, f"shapes {tuple(a.shape)} and {tuple(b.shape)}"
    differences = [
        (a.double() - b.double()).abs().max() / max(1.0, float(b.abs().max())) for a, b in pairs if a.numel()
    ]
    return max(differences, default=0.0)


def random_tangent(group, generator, scale=1.0):
    """A random element of the Lie algebra; of discrete groups its zero."""

    def add(total, part, weight):
        if isinstance(total, tuple):
            return tuple(add(t, p, weight) for t, p in zip(total, part, strict=True))
        return total + weight * part

    total = group.zero()
    for basis in group.algebra_basis():
        total = add(total, basis, scale * float(torch.randn((), generator=generator, dtype=torch.float64)))
    return total


def times(scalar, A):
    return tuple(times(scalar, part) for part in A) if isinstance(A, tuple) else scalar * A
