"""The fast form against all maps written out, against the numerical basis of groups, and against counting."""

import itertools

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from erlangen.graphs import PermutationEquivariantLinear
from erlangen.groups import Scalar, Symmetric, Vector, equivariant_basis

DOUBLE = torch.float64
Linear = PermutationEquivariantLinear


def bell(points, blocks):
    """Partitions of points into at most so many blocks, one by one."""
    found = {tuple(labels) for labels in itertools.product(range(blocks), repeat=points)}
    return len({tuple(labels.index(label) for label in labels) for labels in found})


def representation(order, m):
    group = Symmetric(m)
    return Scalar(group) if order == 0 else Vector(group) ** order


def dense_maps(order_in, order_out, m):
    """Every map of a layer with one channel as a matrix: one weight is one, all others are zero."""
    orders = {order_in} | ({1} if order_in == 0 else set())  # node features tell the number of nodes
    linear = PermutationEquivariantLinear(dict.fromkeys(orders, 1), {order_out: 1}).to(DOUBLE)
    columns = m**order_in
    x = {order: torch.zeros(columns, *[m] * order, 1, dtype=DOUBLE) for order in orders}
    x[order_in] = torch.eye(columns, dtype=DOUBLE).reshape(columns, *[m] * order_in, 1)
    for p in linear.parameters():
        torch.nn.init.zeros_(p)
    found = []
    with torch.no_grad():
        for p in (p for name, p in linear.named_parameters() if name != "bias"):
            for i in range(p.numel()):
                p.view(-1)[i] = 1
                found.append(linear(x)[order_out].reshape(columns, m**order_out).T.clone())
                p.view(-1)[i] = 0
    maps = torch.stack(found)
    return maps[maps.abs().sum((1, 2)) > 0]


@pytest.mark.parametrize("m", [1, 2, 3, 4, 5])
@pytest.mark.parametrize(("order_in", "order_out"), list(itertools.product((0, 1, 2), repeat=2)))
def test_its_maps_span_what_the_numerical_basis_spans(order_in, order_out, m):
    maps = dense_maps(order_in, order_out, m)
    basis = equivariant_basis(representation(order_in, m), representation(order_out, m))
    assert len(maps) == bell(order_in + order_out, 4)
    assert int(torch.linalg.matrix_rank(maps.flatten(1))) == basis.dim == bell(order_in + order_out, m)
    for one in maps:
        torch.testing.assert_close(basis.project(one), one, rtol=0, atol=1e-12)
    both = torch.cat([maps.flatten(1), basis.dense().flatten(1)])  # and so the other way round
    assert int(torch.linalg.matrix_rank(both)) == basis.dim


def test_the_ranks_of_the_fifteen_maps():
    assert [int(torch.linalg.matrix_rank(dense_maps(2, 2, m).flatten(1))) for m in range(1, 6)] == [1, 8, 14, 15, 15]


def written_out(linear, x):
    """The layer as a sum over maps, each applied by itself; channels are the last axis."""
    (a, b, c), (p, q, r) = linear.in_channels.values(), linear.out_channels.values()  # of orders 2, 1, 0
    x2, x1, x0 = x[2], x[1], x[0]
    m = x1.shape[-2]
    eye, ones = torch.eye(m, dtype=x1.dtype)[:, :, None], torch.ones(m, m, 1, dtype=x1.dtype)
    d = torch.einsum("...iic->...ic", x2)
    node = {"d": d, "r": x2.sum(-2) / m, "c": x2.sum(-3) / m, "v": x1}
    whole = {"t": d.sum(-2) / m, "a": x2.sum((-3, -2)) / m**2, "s": x1.sum(-2) / m, "z": x0}
    y2 = x2 @ linear.pair_weight[:p].T + x2.transpose(-3, -2) @ linear.pair_weight[p:].T
    y1, y0 = x1.new_zeros(*x1.shape[:-1], q), x0 @ x0.new_zeros(c, r)
    column = 0
    for name, width in (("d", a), ("r", a), ("c", a), ("v", b)):
        rows, columns, diagonal, vector = (
            node[name] @ block.T for block in linear.node_weight[:, column : column + width].split([p, p, p, q])
        )
        y2 = y2 + rows[..., :, None, :] * ones + columns[..., None, :, :] * ones + diagonal[..., None, :] * eye
        y1 = y1 + vector
        column += width
    column = 0
    biases = linear.bias.split([p, p, q, r])
    for name, width in (("t", a), ("a", a), ("s", b), ("z", c)):
        blocks = linear.graph_weight[:, column : column + width].split([p, p, q, r])
        e, i, s, z = (whole[name] @ block.T for block in blocks)
        y2 = y2 + e[..., None, None, :] * ones + i[..., None, None, :] * eye
        y1, y0 = y1 + s[..., None, :], y0 + z
        column += width
    return {2: y2 + biases[0] * ones + biases[1] * eye, 1: y1 + biases[2], 0: y0 + biases[3]}


@given(m=st.integers(1, 6), batch=st.lists(st.integers(1, 3), max_size=2), seed=st.integers(0, 99))
def test_the_fast_form_is_the_sum_over_all_maps(m, batch, seed):
    torch.manual_seed(seed)
    linear = PermutationEquivariantLinear({0: 2, 1: 3, 2: 4}, {0: 3, 1: 2, 2: 5}).to(DOUBLE)
    torch.nn.init.normal_(linear.bias)
    x = {k: torch.randn(*batch, *[m] * k, c, dtype=DOUBLE) for k, c in linear.in_channels.items()}
    with torch.no_grad():
        found, wanted = linear(x), written_out(linear, x)
    for order in (0, 1, 2):
        assert found[order].shape == wanted[order].shape
        assert float((found[order] - wanted[order]).norm()) <= 1e-12 * float(wanted[order].norm())


@pytest.mark.parametrize("out", [{0: 2}, {1: 2}, {2: 2}, {0: 1, 1: 2, 2: 3}])
@pytest.mark.parametrize("orders", [(1,), (2,), (1, 2), (0, 1), (0, 1, 2)])
def test_relabelled_nodes_relabel_what_comes_out(orders, out):
    torch.manual_seed(0)
    linear = PermutationEquivariantLinear(dict.fromkeys(orders, 3), out).to(DOUBLE)
    x = {k: torch.randn(5, *[7] * k, 3, dtype=DOUBLE) for k in orders}
    y = linear(x)
    for _ in range(20):
        g = torch.randperm(7)
        moved = {k: v if k == 0 else v[:, g] if k == 1 else v[:, g][:, :, g] for k, v in x.items()}
        again = linear(moved)
        for k, v in y.items():
            wanted = v if k == 0 else v[:, g] if k == 1 else v[:, g][:, :, g]
            torch.testing.assert_close(again[k], wanted, rtol=0, atol=1e-12)


def test_gradients_and_weights_there_and_back():
    torch.manual_seed(0)
    linear = PermutationEquivariantLinear({1: 2, 2: 2}, {0: 1, 1: 1, 2: 2}).to(DOUBLE)
    x1, x2 = (torch.randn(2, *[3] * k, 2, dtype=DOUBLE, requires_grad=True) for k in (1, 2))
    parameters = tuple(linear.parameters())

    def call(a, b, *values):
        named = dict(zip((name for name, _ in linear.named_parameters()), values, strict=True))
        return tuple(torch.func.functional_call(linear, named, ({1: a, 2: b},)).values())

    assert torch.autograd.gradcheck(call, (x1, x2, *parameters))
    other = PermutationEquivariantLinear({1: 2, 2: 2}, {0: 1, 1: 1, 2: 2}).to(DOUBLE)
    other.load_state_dict(linear.state_dict())
    assert all(
        torch.equal(a, b) for a, b in zip(other({1: x1, 2: x2}).values(), linear({1: x1, 2: x2}).values(), strict=True)
    )


def test_it_begins_with_the_stated_variances_and_no_bias():
    torch.manual_seed(0)
    linear = PermutationEquivariantLinear({1: 30, 2: 90}, {1: 70, 2: 110})
    assert not bool(linear.bias.any())
    for block, fan in (
        (linear.pair_weight, 200),
        (linear.node_weight[:330, 270:], 140),
        (linear.node_weight[330:, :90], 160),
    ):
        assert float(block.detach().var()) == pytest.approx(2 / fan, rel=0.06)
    before = linear.pair_weight.clone()
    linear.reset_parameters()
    assert not torch.equal(before, linear.pair_weight)


def test_only_the_input_is_kept_of_the_squares():
    m, channels = 50, 8
    linear = PermutationEquivariantLinear({2: channels}, {1: channels, 2: channels})
    kept = {}

    def pack(tensor):
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    x = torch.randn(1, m, m, channels)
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        linear({2: x})
    assert sum(kept.values()) < 1.3 * 4 * m * m * channels


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Linear({3: 1}, {1: 1}), r"in_channels\): channels by order, which are 0, 1 and 2"),
        (lambda: Linear({}, {1: 1}), r"got \{\}"),
        (lambda: Linear({1: 1}, {2: 0}), r"out_channels\): at least one channel"),
        (lambda: Linear({1: 2}, {1: 1})({2: torch.ones(3, 3, 2)}), r"orders \[1\], got \[2\]"),
        (lambda: Linear({1: 2}, {1: 1})({1: torch.ones(3, 3)}), r"\[1\]: shape \(\*batch, nodes, 2\)"),
        (lambda: Linear({2: 2}, {1: 1})({2: torch.ones(3, 4, 2)}), "same batch and number of nodes"),
        (lambda: Linear({1: 2, 2: 2}, {1: 1})({1: torch.ones(4, 2), 2: torch.ones(3, 3, 2)}), "same"),
        (lambda: Linear({1: 2}, {1: 1})({1: torch.ones(0, 2)}), "at least one node"),
        (lambda: Linear({0: 2}, {1: 1})({0: torch.ones(2)}), "do not tell how many nodes"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_another_dtype_is_named():
    with pytest.raises(TypeError, match=r"float32, as the weights are, got torch\.float64"):
        Linear({1: 1}, {1: 1})({1: torch.ones(2, 1, dtype=DOUBLE)})
