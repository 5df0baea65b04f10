"""Networks on points under torch.compile, in one graph, and torch.export: a program, run by test_compile.py."""

import torch

from erlangen.points import EGNN, PONITA, PointGNN, PointNet
from erlangen.points.flat import all_pairs


def networks():
    sizes = {"in_scalar": 2, "hidden": 8, "out_scalar": 1, "num_layers": 2}
    vectors = {"in_vector": 1, "out_vector": 1}
    return [
        PONITA(**sizes, **vectors, num_ori=12, grid="icosahedron"),
        PONITA(**sizes, **vectors, num_ori=7, dim=2, radius=3.0),
        PONITA(**sizes, num_ori=0),
        EGNN(**sizes, **vectors),
        PointGNN(**sizes, **vectors),
        PointNet(**sizes, **vectors),
    ]


def close(actual, expected):
    assert (actual - expected).abs().max() < 1e-5 * expected.abs().max(), (actual, expected)


def main():
    torch.manual_seed(0)
    edge_index = all_pairs(torch.zeros(6, dtype=torch.long))
    for network in map(torch.nn.Module.eval, networks()):
        pos = torch.randn(6, 2 if getattr(network, "num_ori", 0) == 7 else 3, requires_grad=True)
        vec = torch.randn(6, 1, pos.shape[1]) if getattr(network, "num_ori", 1) else None
        inputs = torch.randn(6, 2), pos, edge_index, None, vec
        expected, actual = network(*inputs), torch.compile(network, fullgraph=True, backend="aot_eager")(*inputs)
        close(actual.scalar, expected.scalar)
        one, two = (torch.autograd.grad(out.scalar.sum(), pos)[0] for out in (expected, actual))
        close(two, one)
        program = torch.export.export(network, tuple(t if t is None else t.detach() for t in inputs)).module()
        close(program(*inputs).scalar, expected.scalar)
        print(type(network).__name__)


if __name__ == "__main__":
    main()
