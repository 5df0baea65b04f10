"""The aggregation inside PyTorch Geometric, and against its own."""

import copy

import jaxtyping
import pytest
import torch
from torch_geometric.nn import LCMAggregation as Peer
from torch_geometric.nn import MessagePassing, SAGEConv
from torch_geometric.utils import to_undirected

from erlangen.graphs import (
    CommutativeOperator,
    LCMAggregation,
    PlanCache,
    SegmentTreePlan,
    SymmetricMLP,
    segment_tree_reduce,
)

COUNTS = [0, 1, 2, 3, 7, 0, 8, 16, 13]


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def filled(counts=COUNTS, channels=6, seed=0, dtype=torch.float64):
    index = torch.arange(len(counts)).repeat_interleave(torch.tensor(counts))
    return torch.randn(len(index), channels, generator=seeded(seed), dtype=dtype), index


def made(*arguments, **options):
    torch.manual_seed(0)
    return LCMAggregation(*(arguments or (6, 4)), **options).double()


# ---------------------------------------------------------------- against the peer
@pytest.mark.parametrize("count", [1, 2, 5, 8])
@pytest.mark.parametrize("project", [True, False])
def test_where_all_sets_are_as_large_the_peer_says_the_same(count, project):
    x, index = filled([count] * 6, 5)
    peer = Peer(5, 5, project=project).double()
    ours = made(5, 5, project=project, order="given")
    ours.operator.cell.load_state_dict(peer.gru_cell.state_dict())
    if project:
        ours.lin.load_state_dict(peer.lin.state_dict())
    assert (ours(x, index) - peer(x, index)).abs().max() < 1e-15


def test_unlike_the_peer_a_set_does_not_see_the_padding_of_another():
    x, index = filled([3, 9], 5)
    peer, ours = Peer(5, 5).double(), made(5, 5, order="given")
    assert (ours(x, index)[0] - ours(x[:3], index[:3])[0]).abs().max() < 1e-14
    assert (peer(x, index)[0] - peer(x[:3], index[:3])[0]).abs().max() > 1e-3


# ---------------------------------------------------------------- inputs
def test_indices_borders_and_plans_agree():
    x, index = filled()
    aggregation = made(order="given").eval()
    expected = aggregation(x, index, dim_size=len(COUNTS))
    ptr = torch.tensor([0, *COUNTS]).cumsum(0)
    assert torch.equal(aggregation(x, ptr=ptr), expected)
    assert torch.equal(aggregation(x, index, ptr=ptr), expected)
    assert torch.equal(aggregation(x, index.int(), dim_size=len(COUNTS)), expected)
    plan = SegmentTreePlan.from_index(index, len(COUNTS))
    assert torch.equal(aggregation(x, index, dim_size=len(COUNTS), plan=plan), expected)
    assert torch.equal(aggregation(x, plan=plan), expected)  # instead of both
    assert torch.equal(aggregation.forward(x, plan=plan), expected)
    assert torch.equal(aggregation(x, index, dim=0, max_num_elements=16), expected)
    assert expected[0].abs().sum() == expected[5].abs().sum() == 0
    # PyTorch Geometric takes elements without an index for one set.
    assert aggregation(x).shape == (1, 4)


def test_sets_at_the_end_are_empty_and_the_identity_learns():
    x, index = filled([2, 1])
    aggregation = made(identity="learned")
    with torch.no_grad():
        aggregation.identity.fill_(3.0)
    found = aggregation(x, index, dim_size=5)
    assert torch.equal(found[2:], torch.full((3, 4), 3.0).double())
    found.sum().backward()
    assert aggregation.identity.grad.tolist() == [3.0] * 4
    aggregation.reset_parameters()
    assert not aggregation.identity.any()


@pytest.mark.parametrize("sets", [0, 4])
def test_no_messages(sets):
    aggregation = made().train()
    found = aggregation(torch.zeros(0, 6).double(), torch.zeros(0, dtype=torch.long), dim_size=sets)
    assert found.shape == (sets, 4) and not found.any()


@pytest.mark.parametrize("order", ["given", "random", "sorted"])
def test_gradients(order):
    x, index = filled([0, 1, 2, 5], 4)
    # ReLU has a corner; none of these numbers is near it.
    aggregation = made(4, 4, order=order).eval()
    assert aggregation.lin(x).abs().min() > 1e-4
    inputs = [t.detach().clone().requires_grad_() for t in (x, *aggregation.parameters())]
    names = [name for name, _ in aggregation.named_parameters()]

    def run(x, *weights):
        return torch.func.functional_call(aggregation, dict(zip(names, weights, strict=True)), (x, index))

    assert torch.autograd.gradcheck(run, inputs)


# ---------------------------------------------------------------- the order
def test_sorted_does_not_mind_the_order_bit_by_bit():
    x, index = filled()
    x[9] = x[8]  # equal elements may change places unseen
    aggregation = made(order="sorted")
    expected = aggregation(x, index)
    for seed in range(5):
        mixed = torch.randperm(len(index), generator=seeded(seed))
        assert torch.equal(aggregation(x[mixed], index[mixed]), expected)
    plain = made(order="given")
    assert (plain(x[mixed], index[mixed]) - plain(x, index)).abs().max() > 1e-4


def test_random_shuffles_while_training_alone():
    x, index = filled()
    aggregation = made(generator=seeded(7)).train()
    first, second = aggregation(x, index), aggregation(x, index)
    assert (first - second).abs().max() > 1e-4
    assert torch.equal(first[1], second[1])  # of one element
    aggregation.generator.manual_seed(7)
    assert torch.equal(aggregation(x, index), first)
    assert torch.equal(aggregation.eval()(x, index), aggregation(x, index))
    copy.deepcopy(aggregation)


def test_exact_operators_do_not_mind_any_order():
    class Sum(CommutativeOperator):
        def forward(self, pairs):
            return pairs.sum(1)

    x, index = filled()
    for order in ("given", "random", "sorted"):
        found = made(6, 6, Sum(), project=False, order=order).train()(x, index)
        torch.testing.assert_close(found, torch.zeros(9, 6).double().index_add(0, index, x), rtol=0, atol=1e-12)


# ---------------------------------------------------------------- message passing
class Convolution(MessagePassing):
    def __init__(self, **options):
        super().__init__(aggr=made(6, 4, **options))

    def forward(self, x, edge_index):
        return self.propagate(edge_index, x=x, size=None)

    def message(self, x_j):
        return x_j


def graph(nodes=12, edges=40, seed=0):
    """Directed, with self-loops, multi-edges and nodes without edges."""
    edge_index = torch.randint(nodes - 2, (2, edges), generator=seeded(seed))
    edge_index = torch.cat([edge_index, edge_index[:, :5], torch.tensor([[3, 4], [3, 4]])], 1)
    return torch.randn(nodes, 6, generator=seeded(seed + 1), dtype=torch.float64), edge_index


@pytest.mark.parametrize("options", [{}, {"operator": "mlp"}, {"operator": SymmetricMLP(4, 9).double()}])
def test_message_passing_hears_the_messages_of_each_node(options):
    x, edge_index = graph()
    conv = Convolution(order="given", **options)
    found, aggregation = conv(x, edge_index), conv.aggr_module
    for node in range(len(x)):
        heard = x[edge_index[0, edge_index[1] == node]]
        alone = segment_tree_reduce(
            aggregation.lin(heard).relu(),
            SegmentTreePlan.from_ptr(torch.tensor([0, len(heard)])),
            aggregation.operator,
        )
        assert (found[node] - alone[0]).abs().max() < 1e-14
    assert not found[-2:].any()


def test_renumbering_nodes_renumbers_the_result():
    x, edge_index = graph()
    conv = Convolution(order="sorted")
    expected = conv(x, edge_index)
    move = torch.randperm(len(x), generator=seeded(5))
    mixed = torch.randperm(edge_index.shape[1], generator=seeded(6))
    moved = torch.empty_like(x)
    moved[move] = x
    assert (conv(moved, move[edge_index][:, mixed])[move] - expected).abs().max() < 1e-14


def test_layers_share_plans():
    x, edge_index = graph()
    cache = PlanCache()
    convs = [SAGEConv(6, 6, aggr=made(6, 6, cache=cache)).double() for _ in range(2)]
    for conv in convs:
        x = conv(x, edge_index)
    assert len(cache.plans) == 1


def test_a_hub_learns():
    leaves = 3000
    edge_index = to_undirected(torch.stack([torch.arange(1, leaves + 1), torch.zeros(leaves, dtype=torch.long)]))
    x = torch.randn(leaves + 1, 6, generator=seeded(), dtype=torch.float64, requires_grad=True)
    Convolution()(x, edge_index).sum().backward()
    assert x.grad.isfinite().all()


def test_weights_are_kept_and_drawn_anew():
    aggregation, other = made(), LCMAggregation(6, 4).double()
    other.load_state_dict(aggregation.state_dict())
    x, index = filled()
    assert torch.equal(aggregation.eval()(x, index), other.eval()(x, index))
    other.reset_parameters()
    assert not torch.equal(aggregation(x, index), other(x, index))
    assert repr(other) == "LCMAggregation(6, 4, order='random')"


X, INDEX = torch.zeros(3, 6).double(), torch.tensor([0, 1, 1])
PLAN = SegmentTreePlan.from_index(torch.tensor([0, 0, 1]))


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: made(6, 4, project=False), ValueError, "6, as in_channels, without project, got 4"),
        (lambda: made(0, 4), ValueError, "in_channels"),
        (lambda: made(6, 4, operator="lstm"), ValueError, "gru, mlp or a CommutativeOperator, got 'lstm'"),
        (lambda: made(6, 4, operator=torch.nn.Linear(2, 2)), TypeError, "got Linear"),
        (lambda: made(6, 4, order="any"), ValueError, "order.*got 'any'"),
        (lambda: made(6, 4, identity="ones"), ValueError, "identity.*got 'ones'"),
        (lambda: made()(X[:, :5], INDEX), ValueError, r"shape \(elements, 6\), got \(3, 5\)"),
        (lambda: made()(X[None], INDEX), ValueError, r"got \(1, 3, 6\)"),
        (lambda: made()(X.long(), INDEX), TypeError, "floating point numbers, got torch.int64"),
        (lambda: made()(X, INDEX, dim=1), ValueError, "first axis, 0 or -2, got 1"),
        (lambda: made()(X, -INDEX), ValueError, "start at 0, got -1"),
        (lambda: made()(X, INDEX, dim_size=1), ValueError, "at least 2.*got 1"),
        (lambda: made()(X, INDEX[:2]), ValueError, "3 elements, got 2"),
        (lambda: made()(X, INDEX.double()), TypeError, "integers"),
        (lambda: made().forward(X), ValueError, "got none of them"),
        (lambda: made()(X, ptr=torch.tensor([0, 2])), ValueError, "number of elements, 3, got 2"),
        (lambda: made()(X, ptr=torch.tensor([0, 2, 1, 3])), ValueError, "ascending"),
        (lambda: made()(X, INDEX, plan=PLAN), ValueError, "made for others"),
        (lambda: made().forward(X, plan=PLAN, dim_size=3), ValueError, "dim_size: 2 sets, got 3"),
        (lambda: made().forward(X[:2], plan=PLAN), ValueError, "made for 3 elements, got 2"),
        (lambda: made()(X, INDEX, max_num_elements=1), ValueError, "at least 2"),
        (lambda: made(order="sorted")(X * torch.nan, INDEX), ValueError, "NaN"),
    ],
)  # fmt: skip
def test_refuses(make, error, message, monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # what users see, who have no run-time checks
    with pytest.raises(error, match=message):
        make()
