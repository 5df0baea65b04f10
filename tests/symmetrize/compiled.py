"""Networks on tensors under torch.compile, in one graph, and torch.export: a program, run by test_compile.py."""

import torch

from erlangen.groups import O, Scalar, Vector
from erlangen.symmetrize import EMLP, ResidualPathwayEMLP, SoftEMLP, SoftEquivariantLinear

V = Vector(O(3))
ENDS, SIZES = (2 * Scalar(O(3)) + 3 * V, V + V**2), {"channels": 20, "num_layers": 3}


def networks():
    return [
        SoftEMLP(*ENDS, ["O(2)@xy", "O(2)@yz"], **SIZES),
        EMLP(*ENDS, "O(2)@xy", **SIZES),
        ResidualPathwayEMLP(*ENDS, "O(3)", **SIZES),
        SoftEquivariantLinear(*ENDS, ["O(3)"]),
    ]


def main():
    torch.manual_seed(0)
    x = torch.randn(5, ENDS[0].dim, requires_grad=True)
    for network in networks():
        expected, actual = network(x), torch.compile(network, fullgraph=True, backend="aot_eager")(x)
        torch.testing.assert_close(actual, expected)
        one, two = (torch.autograd.grad(y.square().sum(), x)[0] for y in (expected, actual))
        torch.testing.assert_close(two, one)
        torch.testing.assert_close(torch.export.export(network, (x.detach(),)).module()(x.detach()), expected)
        torch.testing.assert_close(network(x), expected)  # nothing of the compiler's was kept
        print(type(network).__name__)


if __name__ == "__main__":
    main()
