"""What backward keeps, and what works under torch.compile and torch.export."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from tests.o3.signals import natural
from torch import nn

from erlangen.o3 import GauntConv, GauntTensorProduct, gaunt_product, spherical_power

NODES, CHANNELS, LMAX = 64, 128, 6


def _kept(function, *inputs):
    """The sizes of the tensors that backward keeps, each counted once."""
    found = {}

    def pack(tensor):
        found[tensor.data_ptr()] = tensor.numel()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        out = function(*inputs)
    return sorted(found.values()), out


@pytest.mark.parametrize(
    ("function", "count"),
    [
        (lambda x: gaunt_product(x, x, LMAX, LMAX, LMAX), 1),
        (lambda x: gaunt_product(x, x, LMAX, LMAX, LMAX, method="grid:gl"), 1),
        (lambda x: spherical_power(x, 3, 2), 1),
    ],
)
def test_functions_keep_coefficients_only(function, count):
    x = torch.randn(NODES * CHANNELS, (LMAX + 1) ** 2, requires_grad=True)
    kept, out = _kept(function, x)
    assert sum(kept) <= (count + 1) * x.numel()
    (gradient,) = torch.autograd.grad(out.square().sum(), x, create_graph=True)
    assert gradient.requires_grad


def test_a_layer_keeps_no_tensor_of_grid_size():
    layer = GauntTensorProduct(natural(CHANNELS, LMAX), natural(CHANNELS, LMAX), natural(CHANNELS, LMAX))
    x, y = (torch.randn(NODES, CHANNELS * 49, requires_grad=True) for _ in range(2))
    kept, out = _kept(layer, x, y)
    points = layer.branches[0].route.points
    assert points > 49 and max(kept) <= x.numel() < NODES * CHANNELS * points
    out.square().sum().backward()
    assert x.grad is not None and x.grad.isfinite().all()


@pytest.mark.parametrize("form", ["grid", "edge"])
def test_a_convolution_keeps_no_tensor_of_grid_size(form):
    nodes, edges, lmax = 10, 60, 3
    conv = GauntConv(natural(8, lmax), natural(1, lmax), natural(8, lmax), nn.Identity(), method=form)
    edge_index = torch.randint(nodes, (2, edges), generator=torch.Generator().manual_seed(0))
    x, vectors, h = torch.randn(nodes, 128), torch.randn(edges, 3), torch.randn(edges, 32)
    kept, _ = _kept(conv, x.requires_grad_(), edge_index, vectors.requires_grad_(), h.requires_grad_())
    points = len(conv.form.points)
    messages = edges * 8 * 16  # their coefficients, which summing edge by edge may keep
    assert max(kept) <= (max(x.numel(), h.numel()) if form == "grid" else messages)
    assert messages < edges * 8 * points and max(x.numel(), h.numel()) < nodes * 8 * points


def test_compile_and_export():
    """In a process of its own: run-time checks of signatures, which tests switch on, stand in the compiler's way."""
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("compiled.py"))], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.split() == ["modules", "convolutions", "functions", "exports", "energies"]
