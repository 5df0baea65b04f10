"""Layers of o3 under torch.compile, in one graph, and torch.export: a program, run by test_memory_and_compile.py."""

import sys

import torch
from torch import nn

from erlangen.neighbours import radius_graph
from erlangen.o3 import (
    GauntConv,
    GauntManyBody,
    GauntPotential,
    GauntSelfMix,
    GauntTensorProduct,
    gaunt_product,
)

SIGNAL = "2x0e+2x1o+2x2e"


def modules():
    return [
        (GauntTensorProduct(SIGNAL, SIGNAL, antisymmetric=True), ((5, 18), (5, 18))),
        (GauntTensorProduct(SIGNAL, SIGNAL, method="grid:half", layout="channels"), ((5, 2, 9), (5, 2, 9))),
        (GauntSelfMix(SIGNAL, 4), ((5, 18),)),
        (GauntManyBody(SIGNAL, "2x0e+2x1o", 3), ((5, 18),)),
    ]


class Energy(nn.Module):
    def __init__(self, potential):
        super().__init__()
        self.potential = potential

    def forward(self, vectors, kinds, edge_index):
        return self.potential.energy(vectors, kinds, edge_index, torch.zeros_like(kinds), 1)


def close(actual, expected):
    assert (actual - expected).abs().max() < 1e-5 * expected.abs().max(), (actual, expected)


def main():
    assert not {"e3nn", "scipy.integrate", "torch_geometric"} & sys.modules.keys(), "a cheap start"
    torch.manual_seed(0)
    for layer, shapes in modules():
        inputs = [torch.randn(shape, requires_grad=True) for shape in shapes]
        compiled = torch.compile(layer, fullgraph=True, backend="aot_eager")
        expected, actual = layer(*inputs), compiled(*inputs)
        close(actual, expected)
        one, two = (torch.autograd.grad(z.square().sum(), inputs) for z in (expected, actual))
        for a, b in zip(one, two, strict=True):
            close(b, a)
    print("modules")
    edge_index = torch.randint(5, (2, 9))
    for form in ("grid", "edge", "aligned"):
        conv = GauntConv("2x0e+2x1o", "0e+1o+2e", SIGNAL, nn.Identity(), method=form)
        inputs = torch.randn(5, 8, requires_grad=True), edge_index, torch.randn(9, 3), torch.randn(9, 6)
        compiled = torch.compile(conv, fullgraph=True, backend="aot_eager")
        expected, actual = conv(*inputs), compiled(*inputs)
        close(actual, expected)
        close(*(torch.autograd.grad(z.square().sum(), inputs[0])[0] for z in (expected, actual)))
    print("convolutions")
    x = torch.randn(5, 9)
    double = lambda x: 2 * gaunt_product(x, x, 2, 2)
    close(torch.compile(double, backend="aot_eager")(x), double(x))
    print("functions")
    for layer, shapes in modules():
        inputs = tuple(torch.randn(shape) for shape in shapes)
        close(torch.export.export(layer, inputs).module()(*inputs), layer(*inputs))
    print("exports")
    model, x, kinds = Energy(GauntPotential([1, 8], 4.0, 3, num_layers=2)), torch.randn(5, 3), torch.arange(5) % 2
    edge_index, place = radius_graph(x, 4.0), x.clone().requires_grad_()
    inputs = place[edge_index[0]] - place[edge_index[1]], kinds, edge_index
    expected, actual = model(*inputs), torch.compile(model, fullgraph=True, backend="aot_eager")(*inputs)
    close(actual, expected)
    close(*(torch.autograd.grad(z.sum(), place, retain_graph=True)[0] for z in (expected, actual)))
    print("energies")


if __name__ == "__main__":
    main()
