"""Who acts, and how: groups, homomorphisms, actions, representations, symmetries."""

from erlangen.groups.action import Action, Fixed
from erlangen.groups.affine import SE, Affine, E, Translation
from erlangen.groups.basis import Basis, equivariant_basis
from erlangen.groups.cartan import CartanCoordinates
from erlangen.groups.conformal import CO, CSO
from erlangen.groups.discrete import Cyclic, SignedPermutation, Symmetric
from erlangen.groups.element import Element
from erlangen.groups.fields import Fields
from erlangen.groups.grammar import GrammarError, parse_actions, parse_group
from erlangen.groups.group import Group, Product, Trivial
from erlangen.groups.group_samples import GroupSamples, sample_group
from erlangen.groups.hom import Collapse, Compose, Embed, Factor, Fork, Hom, Identity, LinearPart, OrthogonalPart, Sign
from erlangen.groups.infer import infer_symmetry
from erlangen.groups.integration import Integral, integrate
from erlangen.groups.irreps import Irreps, wigner_d
from erlangen.groups.joint import Joint, inclusion
from erlangen.groups.linear import EquivariantLinear
from erlangen.groups.lorentz import Lorentz
from erlangen.groups.matrix import GL, SL, SO, GLPlus, O, Scaling
from erlangen.groups.nodes import BatchVector, EdgeIndex, Nodes
from erlangen.groups.pixels import Pixels, QuarterTurns
from erlangen.groups.points import Points
from erlangen.groups.polar import polar
from erlangen.groups.positive import SPD, SSPD
from erlangen.groups.proposal import LogNormal
from erlangen.groups.quadrature import Quadrature, quadrature
from erlangen.groups.regular import Regular
from erlangen.groups.representation import PseudoScalar, Representation, Scalar, Vector
from erlangen.groups.rotations import log_rotation
from erlangen.groups.symmetry import Symmetry
from erlangen.groups.unitary import SU, U

__all__ = [
    "Action", "Affine", "Basis", "BatchVector", "CartanCoordinates", "CO", "Collapse", "Compose", "CSO", "Cyclic", "E",
    "EdgeIndex", "Element", "Embed", "EquivariantLinear", "Factor", "Fields", "Fixed", "Fork", "GL", "GLPlus",
    "GrammarError", "Group", "GroupSamples", "Hom", "Identity", "Integral", "Irreps", "Joint", "LinearPart",
    "LogNormal", "Lorentz", "Nodes", "O", "OrthogonalPart", "Pixels", "Points", "Product", "PseudoScalar", "Quadrature",
    "QuarterTurns", "Regular", "Representation", "Scalar", "Scaling", "SE", "Sign", "SignedPermutation", "SL", "SO",
    "SPD", "SSPD", "SU", "Symmetric", "Symmetry", "Translation", "Trivial", "U", "Vector", "equivariant_basis",
    "inclusion", "infer_symmetry", "integrate", "log_rotation", "parse_actions", "parse_group", "polar", "quadrature",
    "sample_group", "wigner_d",
]  # fmt: skip
