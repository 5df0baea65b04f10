"""Sums of messages and convolutions over positions and orientations, against loops."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.points.solids import randn, rotations_of
from torch import nn

from erlangen.points import (
    FiberBundleConvNext,
    PointConv,
    PositionOrientationConv,
    messages,
    orientation_grid,
    weighted_sum,
)
from erlangen.points.invariants import fiber_invariants

DTYPES = [torch.float32, torch.float64]


def edges(nodes, count, seed=0):
    return torch.randint(nodes, (2, count), generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("dtype", DTYPES)
@given(nodes=st.integers(1, 5), count=st.integers(0, 30), shape=st.sampled_from([(), (3,), (2, 3), (2, 2, 3)]),
       block=st.sampled_from([1, 7, 10**6]), loops=st.booleans())  # fmt: skip
@settings(max_examples=40)
def test_the_sum_of_messages(dtype, nodes, count, shape, block, loops):
    edge_index = edges(nodes, count)
    kernel, x = randn(count + loops, *shape, dtype=dtype), randn(nodes, *shape, seed=1, dtype=dtype)
    often = torch.arange(nodes).to(dtype) if loops else None
    expected = torch.zeros_like(x)
    for e, (source, target) in enumerate(edge_index.T.tolist()):
        expected[target] += kernel[e] * x[source]
    for node in range(nodes if loops else 0):
        expected[node] += node * kernel[-1] * x[node]
    before, messages.BLOCK = messages.BLOCK, block
    try:
        found = weighted_sum(kernel, x, edge_index, often)
    finally:
        messages.BLOCK = before
    assert found.shape == x.shape and found.dtype == dtype
    assert (found - expected).abs().max() < (1e-13 if dtype == torch.float64 else 1e-5)


@pytest.mark.parametrize("loops", [False, True])
def test_derivatives_of_the_sum(loops, monkeypatch):
    monkeypatch.setattr(messages, "BLOCK", 8)
    edge_index = edges(3, 7)
    often = torch.tensor([1.0, 0.0, 2.0]).double() if loops else None
    kernel, x = randn(7 + loops, 2, 2).requires_grad_(), randn(3, 2, 2, seed=1).requires_grad_()
    function = lambda k, x: weighted_sum(k, x, edge_index, often)
    assert torch.autograd.gradcheck(function, (kernel, x)) and torch.autograd.gradgradcheck(function, (kernel, x))


@pytest.mark.parametrize("dtype", DTYPES)
def test_kernels_and_features_may_lie_anyhow_in_memory(dtype):
    edge_index = edges(4, 9)
    wide, x = randn(9, 2, 6, dtype=dtype), randn(2, 4, 3, seed=1, dtype=dtype).transpose(0, 1)
    kernel = wide[..., 3:]
    expected = weighted_sum(kernel.contiguous(), x.contiguous(), edge_index)
    assert torch.equal(weighted_sum(kernel, x, edge_index), expected)


def messages_by_hand(kernel, x, edge_index, groups, out):
    """Full kernels ``(edges, out * in / groups)`` applied one number at a time: group, output, input."""
    found = torch.zeros(len(x), out, dtype=x.dtype)
    wide = x.shape[1] // groups
    for e, (source, target) in enumerate(edge_index.T.tolist()):
        for o in range(out):
            group = o * groups // out
            for i in range(wide):
                found[target, o] += kernel[e, o * wide + i] * x[source, group * wide + i]
    return found


@pytest.mark.parametrize(("channels", "out", "groups"), [(4, 4, None), (4, 4, 1), (4, 4, 2), (4, 6, 2), (3, 5, None)])
def test_convolution_over_points(channels, out, groups):
    torch.manual_seed(0)
    conv, edge_index = PointConv(channels, out, 7, groups).double(), edges(5, 12)
    nn.init.normal_(conv.bias)
    x, basis = randn(5, channels), randn(12, 7, seed=1)
    kernel = basis @ conv.kernel.weight.T
    expected = messages_by_hand(kernel, x, edge_index, conv.groups, out) + conv.bias
    assert torch.allclose(conv(x, edge_index, basis), expected, atol=1e-12)


@pytest.mark.parametrize(("channels", "out", "groups"), [(4, 4, None), (4, 4, 1), (4, 6, 2)])
def test_convolution_that_is_not_separable(channels, out, groups):
    torch.manual_seed(0)
    conv, edge_index = PositionOrientationConv(channels, out, 7, groups, separable=False).double(), edges(4, 6)
    x, basis = randn(4, 3, channels), randn(6, 3, 3, 7, seed=1)
    found = conv(x, edge_index, basis)
    for p in range(3):
        parts = [
            messages_by_hand(basis[:, p, o] @ conv.kernel.weight.T, x[:, o], edge_index, conv.groups, out)
            for o in range(3)
        ]
        assert torch.allclose(found[:, p], sum(parts) / 3, atol=1e-12)


@pytest.mark.parametrize(("channels", "out", "groups"), [(4, 4, None), (4, 4, 1), (4, 6, 2)])
def test_the_separable_kernel_is_a_product(channels, out, groups):
    """Equal to the full kernel k(a1, a2, a3) = K(a1, a2) K'(a3) / O, to 1e-12, one number at a time."""
    torch.manual_seed(0)
    conv, edge_index, grid = PositionOrientationConv(channels, out, 7, groups).double(), edges(4, 6), 5
    x, basis, fiber_basis = randn(4, grid, channels), randn(6, grid, 7, seed=1), randn(grid, grid, 7, seed=2)
    found = conv(x, edge_index, basis, fiber_basis)
    space, fiber = basis @ conv.kernel.weight.T, fiber_basis @ conv.fiber_kernel.weight.T
    wide = channels // conv.groups
    expected = torch.zeros(4, grid, out, dtype=torch.float64)
    for e, (source, target) in enumerate(edge_index.T.tolist()):
        for p in range(grid):
            for o in range(grid):
                for c in range(out):
                    for i in range(wide):
                        read = c * conv.groups // out * wide + i
                        k = space[e, o, read] * fiber[p, o, c * wide + i] / grid
                        expected[target, p, c] += k * x[source, o, read]
    assert (found - expected).abs().max() < 1e-12


def test_with_loops_alone_it_is_a_convolution_on_the_sphere():
    """It commutes with the rotations of the icosahedron, which permute the grid."""
    torch.manual_seed(0)
    grid = orientation_grid(12, kind="icosahedron")
    fiber = nn.Sequential(nn.Linear(1, 8), nn.GELU(), nn.Linear(8, 6)).double()
    conv = PositionOrientationConv(4, 4, 6).double()
    loops = torch.arange(3).expand(2, -1)
    basis, fiber_basis = torch.ones(3, 12, 6).double(), fiber(fiber_invariants(grid[:, None], grid))
    x = randn(3, 12, 4)
    found = conv(x, loops, basis, fiber_basis)
    alone = torch.einsum("poc,noc->npc", conv.fiber_kernel(fiber_basis), x * conv.kernel(basis)) / 12
    assert torch.allclose(found, alone + conv.bias, atol=1e-13)
    rotations = rotations_of(grid)
    for rotation in rotations[:: len(rotations) // 20]:
        image = torch.cdist(grid @ rotation.T, grid).argmin(1)
        turned = torch.empty_like(x)
        turned[:, image] = x
        expected = torch.empty_like(x)
        expected[:, image] = found
        assert (conv(turned, loops, basis, fiber_basis) - expected).abs().max() < 1e-12


@pytest.mark.parametrize("make", [PointConv, PositionOrientationConv])
@pytest.mark.parametrize("groups", [0, 3, -1, 1.0, True])
def test_groups_that_do_not_fit(make, groups):
    with pytest.raises(Exception, match="groups"):
        make(4, 4, 8, groups)


def test_errors():
    with pytest.raises(ValueError, match=r"PointConv\(groups\): a divisor of 4 and 6 channels, got 4"):
        PointConv(4, 6, 8, groups=4)
    with pytest.raises(ValueError, match=r"\(in_channels, out_channels\): at least 1, got 0, 4"):
        PointConv(0, 4, 8)
    conv, x = PositionOrientationConv(4, 4, 8), torch.ones(3, 5, 4)
    loops, basis, fiber_basis = torch.arange(3).expand(2, -1), torch.ones(3, 5, 8), torch.ones(5, 5, 8)
    with pytest.raises(ValueError, match=r"\(basis, fiber_basis\): shapes .* and None with separable=True"):
        conv(x, loops, basis)
    whole = PositionOrientationConv(4, 4, 8, separable=False)
    with pytest.raises(ValueError, match="separable=False"):
        whole(x, loops, torch.ones(3, 5, 5, 8), fiber_basis)
    with pytest.raises(ValueError, match="separable=False"):
        whole(x, loops, basis)


@pytest.mark.parametrize("scale", [None, 0.5])
def test_the_block(scale):
    torch.manual_seed(0)
    block = FiberBundleConvNext(4, nn.Linear(4, 4), widening_factor=3, layer_scale=scale).double()
    x = randn(2, 5, 4)
    y = block.conv(x)
    y = (y - y.mean(-1, keepdim=True)) / (y.var(-1, keepdim=True, correction=0) + block.norm.eps).sqrt()
    wide, back = block.mix[0], block.mix[2]
    hidden = y @ wide.weight.T + wide.bias
    hidden = hidden * (1 + torch.erf(hidden / 2**0.5)) / 2
    assert hidden.shape[-1] == 12
    assert torch.allclose(block(x), x + (scale or 1.0) * (hidden @ back.weight.T + back.bias), atol=1e-12)
    with pytest.raises(ValueError, match=r"\(widening_factor\): at least 1, got 0"):
        FiberBundleConvNext(4, nn.Identity(), 0)
