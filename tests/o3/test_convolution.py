"""Convolution: all forms are the Gaunt product with the filter's harmonics, along every direction, differentiably."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.o3.signals import DTYPES, natural, randn, relative, signal
from torch import nn

from erlangen.o3 import GauntConv, gaunt_product, real_spherical_harmonics

FORMS = ("grid", "edge", "aligned")


def _edges(nodes, edges, dtype=torch.float64):
    """Edges, among them along the axis of the harmonics, up and down, and across it."""
    generator = torch.Generator().manual_seed(0)
    vectors = randn(edges, 3)
    special = torch.tensor([[0.0, 2, 0], [0, -3, 0], [1, 0, 0], [0, 0, -1], [1, -1e-9, 0]], dtype=torch.float64)
    vectors[: min(edges, 5)] = special[: min(edges, 5)]
    return torch.randint(nodes, (2, edges), generator=generator), vectors.to(dtype)


def _expected(x, edge_index, vectors, h, lmax, lmax_filter, lmax_out):
    wide = h.repeat_interleave(2 * torch.arange(lmax_filter + 1) + 1, -1)
    filters = wide * real_spherical_harmonics(lmax_filter, vectors)[:, None]
    messages = gaunt_product(x[edge_index[0]], filters, lmax, lmax_filter, lmax_out, method="dense")
    return torch.zeros(len(x), *messages.shape[1:], dtype=x.dtype).index_add(0, edge_index[1], messages)


@pytest.mark.parametrize("dtype", DTYPES)
@settings(max_examples=15)
@given(lmax=st.integers(0, 4), lmax_filter=st.integers(0, 4), edges=st.integers(0, 12), form=st.sampled_from(FORMS),
       data=st.data())  # fmt: skip
def test_the_product_with_the_filter(dtype, lmax, lmax_filter, edges, form, data):
    lmax_out = data.draw(st.integers(0, lmax + lmax_filter))
    edge_index, vectors = _edges(5, edges)
    x, h = signal(lmax, 5, 2), randn(edges, 2, lmax_filter + 1, seed=1)
    conv = GauntConv(natural(2, lmax), natural(1, lmax_filter), natural(2, lmax_out), nn.Identity(), method=form,
                     normalization="integral", layout="channels").to(dtype)  # fmt: skip
    actual = conv(x.to(dtype), edge_index, vectors.to(dtype), h.flatten(1).to(dtype))
    assert actual.shape == (5, 2, (lmax_out + 1) ** 2) and actual.dtype == dtype
    expected = _expected(x, edge_index, vectors, h, lmax, lmax_filter, lmax_out)
    error = (actual.double() - expected).abs().max()
    assert error < (1e-11 if dtype == torch.float64 else 1e-4) * max(1, float(expected.abs().max()))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize(("form", "degrees"), [*((form, "2x0e+2x1o") for form in FORMS), ("auto", "2x0e")])
def test_half_precision(form, degrees, dtype):
    conv = GauntConv(degrees, "0e+1o", "2x0e+2x1o", nn.Linear(3, 4), method=form)
    edge_index, vectors = _edges(5, 9, torch.float32)
    x, attr = randn(5, conv.irreps_in.dim).float(), randn(9, 3).float()
    expected = conv(x, edge_index, vectors, attr)
    found = conv.to(dtype)(x.to(dtype), edge_index, vectors.to(dtype), attr.to(dtype))
    assert found.dtype == dtype
    assert relative(found, expected) < 2e-2


@pytest.mark.parametrize("form", FORMS)
def test_one_edge_along_the_axis(form):
    for direction in ([0.0, 1, 0], [0, -1, 0], [1e-12, 1, 0], [0, -1, 1e-12]):
        vectors = torch.tensor([direction], dtype=torch.float64).requires_grad_()
        x, h = signal(3, 2, 1), randn(1, 1, 4, seed=1)
        conv = GauntConv("1x0e+1x1o+1x2e+1x3o", natural(1, 3), natural(1, 3), nn.Identity(), method=form,
                         normalization="integral", layout="channels").double()  # fmt: skip
        edge_index = torch.tensor([[0], [1]])
        out = conv(x, edge_index, vectors, h.flatten(1))
        assert relative(out, _expected(x, edge_index, vectors, h, 3, 3, 3)) < 1e-11
        actual = torch.autograd.grad(out.sum(), vectors)[0]
        expected = torch.autograd.grad(_expected(x, edge_index, vectors, h, 3, 3, 3).sum(), vectors)[0]
        assert (actual - expected).abs().max() < 1e-10


@pytest.mark.parametrize("form", FORMS)
def test_derivatives(form):
    edge_index, vectors = _edges(3, 5)
    torch.manual_seed(0)
    conv = GauntConv(natural(2, 1), natural(1, 2), natural(2, 1), nn.Sequential(nn.Linear(2, 6), nn.Tanh()),
                     method=form).double()  # fmt: skip
    inputs = [t.requires_grad_() for t in (randn(3, 8), vectors[[0, 1, 2, 3]], randn(4, 2))]
    function = lambda x, v, a: conv(x, edge_index[:, :4], v, a)
    assert torch.autograd.gradcheck(function, inputs)
    assert torch.autograd.gradgradcheck(function, inputs)


@pytest.mark.parametrize("form", ["grid", "edge"])
def test_blocks_of_edges_change_nothing(form):
    edge_index, vectors = _edges(6, 20)
    make = lambda: GauntConv(natural(2, 2), natural(1, 2), natural(2, 2), nn.Identity(), method=form).double()
    whole, small = make(), make()
    small.form.block = 3
    x, h = randn(6, 18).requires_grad_(), randn(20, 6)
    one, two = whole(x, edge_index, vectors, h), small(x, edge_index, vectors, h)
    assert relative(one, two) < 1e-13
    gradients = [torch.autograd.grad(z.square().sum(), x)[0] for z in (one, two)]
    assert relative(*gradients) < 1e-12


def test_messages_of_variance_one():
    edges = 4000
    edge_index = torch.stack([torch.arange(edges), torch.arange(edges)])
    conv = GauntConv(natural(1, 2), natural(1, 2), natural(1, 2), nn.Identity()).double()
    z = conv(randn(edges, 9), edge_index, randn(edges, 3, seed=1), torch.ones(edges, 3).double())
    for l in range(3):
        assert abs(float(z[:, l * l : (l + 1) ** 2].detach().square().mean()) - 1) < 0.15


def test_bad_input():
    conv = GauntConv("2x0e+2x1o", "0e+1o", "2x0e", nn.Linear(3, 4))
    x, edge_index, vectors, attr = torch.zeros(2, 8), torch.tensor([[0, 1], [1, 0]]), torch.ones(2, 3), torch.ones(2, 3)
    zero = torch.tensor([[1.0, 0, 0], [0, 0, 0]])
    for inputs, error, words in [
        ((x, edge_index, zero, attr), ValueError, "edge 1 has length zero"),
        ((x, edge_index, 1e-25 * vectors, attr), ValueError, "edge 0 has length zero"),  # its square is, in float32
        ((x, edge_index - 1, vectors, attr), ValueError, "edge_index: numbers of 2 nodes, got -1 to 0"),
        ((x, edge_index + 1, vectors, attr), ValueError, "edge_index: numbers of 2 nodes, got 1 to 2"),
        ((x.double(), edge_index, vectors.double(), attr), TypeError, "the module's constants are torch.float32"),
        ((x[:, :7], edge_index, vectors, attr), ValueError, r"x: shape \(\*, 8\)"),
        ((x[None], edge_index, vectors, attr), ValueError, "x: one leading axis"),
        ((x, edge_index[:1], vectors, attr), ValueError, r"edge_index: long, shape \(2, 2\)"),
        ((x, edge_index.float(), vectors, attr), ValueError, "edge_index: long"),
        ((x, edge_index, vectors[:, :2], attr), ValueError, r"edge_vec: shape \(edges, 3\)"),
        ((x, edge_index, vectors.double(), attr), ValueError, "edge_vec: .*float64"),
        ((x, edge_index, vectors, attr[:1]), ValueError, r"radial: must return shape \(2, 4\)"),
    ]:
        with pytest.raises(error, match=words):
            conv(*inputs)
    for arguments, words in [
        (("2x0e", "2x0e", "2x0e"), r"irreps_sh\): harmonics"),
        (("2x0e", "1e", "2x0e"), r"irreps_sh\): harmonics"),
        (("2x0e", "1o", "2x1e"), r"irreps_out\): multiplicity and parities"),
        (("2x0e", "1o", "2x2e"), r"irreps_out\): degrees up to 1"),
    ]:
        with pytest.raises(ValueError, match=words):
            GauntConv(*arguments, nn.Identity())
    with pytest.raises(ValueError, match=r"method\): one of auto, grid, edge, aligned"):
        GauntConv("2x0e", "0e", "2x0e", nn.Identity(), method="dense")


@pytest.mark.parametrize("out", ["4x0e+4x1o+4x2e", "4x1o", "4x0e+4x2e"])
@pytest.mark.parametrize("sign", "eo")
def test_scalars_need_no_sphere(out, sign):
    radial = nn.Linear(3, 12).double()
    if sign == "o":
        out = out.translate(str.maketrans("eo", "oe"))
    fast, slow = (
        GauntConv(f"4x0{sign}", "1x0e+1x1o+1x2e", out, radial, method=method).double() for method in ("auto", "grid")
    )
    generator = torch.Generator().manual_seed(0)
    x, v, e = (torch.randn(*size, dtype=torch.float64, generator=generator) for size in ((5, 4), (9, 3), (9, 3)))
    edge_index = torch.randint(5, (2, 9), generator=generator)
    assert type(fast.form) is not type(slow.form)
    for inputs in ((x, edge_index, v, e), (x, edge_index[:, :0], v[:0], e[:0])):
        torch.testing.assert_close(fast(*inputs), slow(*inputs), rtol=0, atol=1e-12)
    v.requires_grad_()
    assert torch.autograd.gradgradcheck(lambda v: fast(x, edge_index, v, e), (v,))
