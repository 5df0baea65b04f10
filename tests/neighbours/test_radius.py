"""Radius graphs, in open space and in periodic cells: against all pairs, against ase, and by hand."""

import itertools
import math
import time

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from erlangen.groups import E, O
from erlangen.neighbours import farthest_points, knn_graph, radius_graph


def all_pairs(position, cutoff, batch):
    """Edges as a set, by looking at each pair."""
    x, batch = position.double().numpy(), batch.tolist()
    return {
        (j, i)
        for i, j in itertools.permutations(range(len(x)), 2)
        if batch[i] == batch[j] and math.sqrt(((x[j] - x[i]) ** 2).sum()) <= cutoff
    }


def all_images(position, cutoff, batch, cells, pbc):
    """Edges with their whole multiples as a set, by looking at each pair and each image that can be near."""
    x, batch = position.double().numpy(), batch.tolist()
    found = set()
    for i, j in itertools.product(range(len(x)), repeat=2):
        if batch[i] != batch[j]:
            continue
        cell, periodic = cells[batch[i]].double().numpy(), pbc[batch[i]]
        span = cell[periodic]
        fraction = (x[j] - x[i]) @ np.linalg.pinv(span)
        margin = cutoff * np.linalg.norm(np.linalg.pinv(span), axis=0)
        ranges = [range(math.floor(-f - m) - 1, math.ceil(-f + m) + 2) for f, m in zip(fraction, margin, strict=True)]
        for steps in itertools.product(*ranges):
            multiple = np.zeros(len(periodic), int)
            multiple[periodic] = steps
            if (i != j or multiple.any()) and np.linalg.norm(x[j] - x[i] + multiple @ cell) <= cutoff:
                found.add((j, i, *multiple.tolist()))
    return found


def as_set(edge_index):
    edges = list(map(tuple, edge_index.T.tolist()))
    assert len(set(edges)) == len(edges)
    return set(edges)


@st.composite
def clouds(draw, most=24):
    """Points, some of them on a lattice, where many coincide and many lie just on the border, in unsorted clouds."""
    n, dim = draw(st.integers(0, most)), draw(st.integers(1, 4))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 10**6)))
    dtype = draw(st.sampled_from([torch.float32, torch.float64]))
    if draw(st.booleans()):
        position = torch.randint(-2, 3, (n, dim), generator=generator).to(dtype)
    else:
        position = 2 * torch.randn(n, dim, generator=generator, dtype=dtype)
    batch = torch.randint(0, draw(st.integers(1, 4)), (n,), generator=generator)
    return position, 3 * batch  # numbers of clouds may have gaps


@given(clouds(), st.sampled_from([0.3, 1.0, math.sqrt(2), math.sqrt(3), 2.5, 100.0]))
def test_it_finds_what_looking_at_each_pair_finds(cloud, cutoff):
    position, batch = cloud
    edge_index = radius_graph(position, cutoff, batch)
    assert edge_index.dtype == torch.long and as_set(edge_index) == all_pairs(position, cutoff, batch)
    assert as_set(radius_graph(position, cutoff)) == all_pairs(position, cutoff, torch.zeros_like(batch))
    order = edge_index[1] * len(position) + edge_index[0]
    assert bool((order.diff() > 0).all())


@st.composite
def crystals(draw):
    """A few points in and around cells of all shapes and periodicities, some much smaller than the cutoff."""
    position, batch = draw(clouds(most=5))
    n, dim = position.shape
    generator = torch.Generator().manual_seed(draw(st.integers(0, 10**6)))
    count = int(batch.max()) + 1 if n else 0
    spread = torch.randn(count, dim, dim, generator=generator, dtype=torch.float64)
    turned, sizes, back = torch.linalg.svd(spread)
    cells = (turned * (0.6 + 2 * sizes / (1 + sizes))[:, None]) @ back  # no direction thinner than 0.6
    pbc = torch.rand(count, dim, generator=generator) < 0.7
    return position, batch, cells.to(position.dtype), pbc


@given(crystals(), st.sampled_from([0.5, 1.1, 1.9]))
def test_it_finds_what_looking_at_each_image_finds(crystal, cutoff):
    position, batch, cells, pbc = crystal
    edge_index, shift = radius_graph(position, cutoff, batch, cells, pbc)
    assert shift.dtype == position.dtype and shift.shape == (edge_index.shape[1], position.shape[1])
    inverse = torch.linalg.inv(cells.double())[batch[edge_index[1]]]
    multiples = (shift.double()[:, None] @ inverse).squeeze(1)
    assert (multiples - multiples.round()).abs().max() < 1e-3 if len(shift) else True
    edges = [(*ends, *m) for ends, m in zip(edge_index.T.tolist(), multiples.round().long().tolist(), strict=True)]
    assert len(set(edges)) == len(edges)
    assert set(edges) == all_images(position, cutoff, batch, cells, pbc.numpy())
    assert {(i, j, *(-k for k in m)) for j, i, *m in edges} == set(edges)
    assert edges == sorted(edges, key=lambda edge: (edge[1], edge[0], edge[2:]))


@given(crystals())
def test_clouds_do_not_see_each_other(crystal):
    position, batch, cells, pbc = crystal
    edge_index, shift = radius_graph(position, 1.3, batch, cells, pbc)
    for number in batch.unique().tolist():
        rows = (batch == number).nonzero().flatten()
        mine = batch[edge_index[1]] == number
        alone, its_shift = radius_graph(position[rows], 1.3, cell=cells[number], pbc=pbc[number])
        assert torch.equal(rows[alone], edge_index[:, mine])
        torch.testing.assert_close(its_shift, shift[mine])


@pytest.mark.parametrize("pbc", list(itertools.product([False, True], repeat=3)))
@pytest.mark.parametrize("cutoff", [1.5, 3.0, 6.0])
def test_it_agrees_with_ase(pbc, cutoff):
    neighborlist = pytest.importorskip("ase.neighborlist")
    ase = pytest.importorskip("ase")
    draw = np.random.default_rng(int(10 * cutoff))
    cell = np.array([[4.0, 0, 0], [1.5, 3.0, 0], [-0.7, 0.4, 5.0]])
    position = draw.normal(size=(20, 3)) * 4
    atoms = ase.Atoms("H20", positions=position, cell=cell, pbc=pbc)
    theirs = neighborlist.neighbor_list("ijS", atoms, cutoff)
    i, j, multiple = theirs
    wanted = sorted(
        (a, b, *s) for a, b, s in zip(i.tolist(), j.tolist(), (multiple @ cell).round(6).tolist(), strict=True)
    )
    cells = torch.from_numpy(cell)
    edge_index, shift = radius_graph(torch.from_numpy(position), cutoff, cell=cells, pbc=atoms.pbc)
    pairs = zip(edge_index[1].tolist(), edge_index[0].tolist(), shift.tolist(), strict=True)
    ours = sorted((a, b, *s) for a, b, s in pairs)
    assert [row[:2] for row in ours] == [row[:2] for row in wanted]
    np.testing.assert_allclose(np.array(ours), np.array(wanted), atol=1e-5)


def test_a_simple_cubic_crystal_of_one_atom():
    edge_index, shift = radius_graph(torch.zeros(1, 3), 1.0, cell=torch.eye(3))
    assert edge_index.tolist() == [[0] * 6, [0] * 6]
    assert as_set(shift.long().T) == {tuple(sign * e for e in row) for row in np.eye(3, dtype=int) for sign in (1, -1)}
    for cutoff, neighbours in ((1.42, 18), (1.74, 26), (2.0, 32)):
        assert radius_graph(torch.zeros(1, 3), cutoff, cell=torch.eye(3))[1].shape == (neighbours, 3)


def test_nobody_one_and_coincident_points():
    for n in (0, 1):
        assert radius_graph(torch.zeros(n, 3), 1.0).shape == (2, 0)
        assert radius_graph(torch.zeros(n, 3), 1.0, torch.zeros(n, dtype=torch.long)).shape == (2, 0)
        edge_index, shift = radius_graph(torch.zeros(n, 3), 0.5, cell=torch.eye(3))
        assert edge_index.shape == (2, 0) and shift.shape == (0, 3)
    assert as_set(radius_graph(torch.ones(40, 2), 1e-12)) == set(itertools.permutations(range(40), 2))
    edge_index, shift = radius_graph(torch.full((3, 2), 0.999), 0.1, cell=torch.eye(2))
    assert as_set(edge_index) == set(itertools.permutations(range(3), 2)) and not shift.any()


def test_clouds_at_the_same_place_do_not_meet():
    batch = torch.tensor([1, 0, 1, 2])
    assert as_set(radius_graph(torch.ones(4, 3), 1.0, batch)) == {(0, 2), (2, 0)}
    assert as_set(radius_graph(torch.ones(4, 3), 0.5, batch, torch.eye(3))[0]) == {(0, 2), (2, 0)}


@pytest.mark.parametrize("dim", [2, 3, 5, 6, 7])
def test_the_border_belongs_to_it(dim):
    position = torch.stack([torch.zeros(dim), torch.ones(dim)])  # sqrt(3)^2 < 3 in floating point numbers
    assert radius_graph(position, math.sqrt(dim)).shape == (2, 2)
    assert radius_graph(position, math.sqrt(dim) * (1 - 1e-15)).shape == (2, 0)
    assert radius_graph(position, math.sqrt(dim), cell=9 * torch.eye(dim))[0].shape == (2, 2)


def test_directions_that_are_not_periodic_may_be_anything():
    position = torch.tensor([[0.1, 0.0, 9.0], [1.9, 0.0, -4.0], [0.1, 0.0, 9.5]])
    cell = torch.zeros(3, 3)
    cell[0, 0] = 2.0
    edge_index, shift = radius_graph(position, 0.6, cell=cell, pbc=(True, False, False))
    assert as_set(edge_index) == {(0, 2), (2, 0)} and not shift.any()
    none = radius_graph(position, 0.6, cell=torch.zeros(3, 3), pbc=False)
    assert torch.equal(none[0], edge_index) and none[1].shape == (2, 3)


def test_whole_cells_and_motions_change_no_edge():
    generator = torch.Generator().manual_seed(0)
    position = torch.rand(30, 3, generator=generator, dtype=torch.float64)
    cell = torch.tensor([[1.0, 0.0, 0.0], [0.3, 0.8, 0.0], [0.1, -0.2, 1.4]], dtype=torch.float64)
    edge_index, shift = radius_graph(position, 0.7, cell=cell)

    def vectors(x, edges, shift):
        return x[edges[0]] + shift - x[edges[1]]

    wanted = as_set(torch.cat([edge_index, (1e6 * vectors(position, edge_index, shift)).round().long().T]))
    away = position + torch.randint(-5, 6, (30, 3), generator=generator).double() @ cell
    edges, moved = radius_graph(away, 0.7, cell=cell)
    assert as_set(torch.cat([edges, (1e6 * vectors(away, edges, moved)).round().long().T])) == wanted
    turn = O(3).sample(generator=generator)
    edges, turned = radius_graph(position @ turn.mT + 3, 0.7, cell=cell @ turn.mT)
    torch.testing.assert_close(turned, shift @ turn.mT)
    assert torch.equal(edges, edge_index)
    move = E(3).pack(turn, torch.ones(3, dtype=torch.float64))
    assert torch.equal(radius_graph(position @ move[:3, :3].mT + move[:3, 3], 0.4), radius_graph(position, 0.4))


def test_gradients_reach_positions_and_cell():
    position = torch.tensor([[0.2, 0.1], [1.9, 0.4]], dtype=torch.float64, requires_grad=True)
    cell = torch.tensor([[2.0, 0.1], [0.0, 3.0]], dtype=torch.float64, requires_grad=True)

    def energy(position, cell):
        edges, shift = radius_graph(position, 1.0, cell=cell)
        assert edges.shape == (2, 2)
        return (position[edges[0]] + shift - position[edges[1]]).norm(dim=1).sum()

    assert torch.autograd.gradcheck(energy, (position, cell))
    batch = torch.tensor([0, 0])
    many = radius_graph(position, 1.0, batch, cell[None])[1]
    torch.testing.assert_close(many, radius_graph(position, 1.0, cell=cell)[1])


def test_half_precision_and_inputs_left_as_they_were():
    position = torch.randn(20, 3).half()
    before = position.clone()
    assert as_set(radius_graph(position, 1.0)) == all_pairs(position, 1.0, torch.zeros(20, dtype=torch.long))
    assert radius_graph(position, 1.0, cell=4 * torch.eye(3))[1].dtype == torch.float16
    assert torch.equal(position, before)


def test_points_far_outside_a_cell_have_the_same_neighbours():
    generator = torch.Generator().manual_seed(2)
    position = torch.rand(20, 3, generator=generator, dtype=torch.float64)
    far = position + 2.0**26 * torch.randint(-3, 4, (20, 3), generator=generator)
    near, away = (radius_graph(x, 0.9, cell=torch.eye(3))[0] for x in (position, far))
    assert torch.equal(near, away)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_results_lie_on_the_device_of_the_points():
    position, batch = torch.rand(50, 3), torch.arange(50) % 3
    cell = 2 * torch.eye(3).expand(3, 3, 3)
    here = [
        radius_graph(position, 0.6, batch),
        *radius_graph(position, 0.6, batch, cell),
        knn_graph(position, 4, batch),
    ]
    here.append(farthest_points(position, 5, batch))
    position, batch, cell = position.cuda(), batch.cuda(), cell.cuda()
    there = [
        radius_graph(position, 0.6, batch),
        *radius_graph(position, 0.6, batch, cell),
        knn_graph(position, 4, batch),
    ]
    there.append(farthest_points(position, 5, batch))
    for a, b in zip(here, there, strict=True):
        assert b.is_cuda
        torch.testing.assert_close(a, b.cpu())
    assert farthest_points(position, 5, batch, torch.Generator("cuda").manual_seed(0)).is_cuda
    assert farthest_points(position, 5, batch, torch.Generator().manual_seed(0)).is_cuda


@pytest.mark.parametrize("kind", ["open", "periodic", "clouds"])
def test_time_grows_linearly(kind):
    def seconds(n):
        generator = torch.Generator().manual_seed(0)
        side = (n / 5) ** (1 / 3)
        position = side * torch.rand(n, 3, generator=generator)
        options = {
            "open": {},
            "periodic": {"cell": side * torch.eye(3)},
            "clouds": {"batch": torch.randint(0, n // 50, (n,), generator=generator)},
        }[kind]
        times = []
        for _ in range(3):
            start = time.process_time()
            radius_graph(position, 1.0, **options)
            times.append(time.process_time() - start)
        return min(times)

    assert seconds(100_000) < 40 * seconds(10_000) + 0.5  # quadratic: a hundred times as long


@pytest.mark.parametrize("cutoff", [0.0, -1.0, math.nan, math.inf])
def test_cutoffs_that_have_no_meaning(cutoff):
    with pytest.raises(ValueError, match=rf"cutoff\): a positive, finite distance, got {cutoff}"):
        radius_graph(torch.zeros(2, 3), cutoff)


def test_cells_that_have_no_meaning():
    x = torch.zeros(2, 3)
    with pytest.raises(ValueError, match=r"pbc\): takes a cell, got pbc = True"):
        radius_graph(x, 1.0, pbc=True)
    batch = torch.tensor([0, 4])
    with pytest.raises(ValueError, match=r"cell\): shape \(3, 3\), or \(5, 3, 3\) for 5 clouds, got \(2, 3, 3\)"):
        radius_graph(x, 1.0, batch, cell=torch.eye(3).expand(2, 3, 3))
    with pytest.raises(ValueError, match=r"pbc\): a row for each of 5 clouds, got 1"):
        radius_graph(x, 1.0, batch, cell=torch.eye(3), pbc=torch.ones(1, 3).bool())
    with pytest.raises(ValueError, match=r"pbc\): 3 booleans, for all clouds or each, got \(True, False\)"):
        radius_graph(x, 1.0, cell=torch.eye(3), pbc=(True, False))
    with pytest.raises(ValueError, match="independent vectors for the periodic directions"):
        radius_graph(x, 1.0, cell=torch.ones(3, 3))
    with pytest.raises(ValueError, match="independent vectors for the periodic directions"):
        radius_graph(x, 1.0, cell=torch.zeros(3, 3), pbc=(False, False, True))
    with pytest.raises(ValueError, match="finite vectors"):
        radius_graph(x, 1.0, cell=torch.full((3, 3), torch.nan))
    with pytest.raises(ValueError, match=r"reaches at most 100000000 images, got about .*cloud 0"):
        radius_graph(x, 10.0, cell=1e-3 * torch.eye(3))
