"""Classical scaling against its definition, and the measure of how well distances are kept."""

import math

import networkx as nx
import numpy as np
import pytest
import torch
from sklearn.manifold import ClassicalMDS

from erlangen.symmetrize import classical_mds, mds_coordinates, stress


def distances(x):
    return (x[..., :, None, :] - x[..., None, :, :]).norm(dim=-1)


def tree(n, seed):
    graph = nx.random_labeled_tree(n, seed=seed)
    rng = np.random.default_rng(seed)
    for a, b in graph.edges:
        graph.edges[a, b]["weight"] = rng.uniform(0.5, 2)
    return torch.tensor(nx.floyd_warshall_numpy(graph, nodelist=range(n)))


def skewed(*shape, seed=0):
    x = torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return (x + 0.3 * x**2) * torch.arange(shape[-1], 0, -1)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_points_come_back_up_to_their_place(dtype):
    x = skewed(4, 25, 3).to(dtype)
    z, values = classical_mds(distances(x), 3)
    assert z.dtype == values.dtype == dtype and values.shape == (4, 25)
    atol = 1e-11 if dtype is torch.float64 else 1e-4
    torch.testing.assert_close(distances(z), distances(x), rtol=0, atol=atol)
    torch.testing.assert_close(z.sum(1), torch.zeros(4, 3, dtype=dtype), rtol=0, atol=100 * atol)


def test_narrow_clouds_of_many_points_keep_their_width_in_float32():
    x = skewed(1000, 2) * torch.tensor([1, 0.01])
    z, _ = classical_mds(distances(x).float(), 2)
    torch.testing.assert_close(distances(z.double()), distances(x), rtol=0, atol=1e-4)
    dist = distances(skewed(400, 2)).float()
    classical_mds(dist, 2, clip=False)  # rounding is not taken for distances that are not Euclidean
    with pytest.warns(UserWarning, match="2 positive eigenvalues"):  # nor for a third dimension
        classical_mds(dist, 3)


def test_the_long_way_and_the_short_way_meet():
    """n by n scaling of distances, signs fixed afterwards, is what the d by d route gives."""
    x = skewed(6, 50, 3)
    z, values = classical_mds(distances(x), 3)
    short = mds_coordinates(x, scale=None)
    cubes = z.pow(3).sum(1, keepdim=True)
    assert (z * cubes.sign() - short.coords).abs().max() < 1e-10
    torch.testing.assert_close(values[:, :3], short.spectrum, rtol=1e-11, atol=0)
    assert values[:, 3:].abs().max() < 1e-9
    # Handing its coordinates on fixes signs and scale.
    torch.testing.assert_close(mds_coordinates(z).coords, mds_coordinates(x).coords, rtol=0, atol=1e-10)


@pytest.mark.parametrize(
    "make", [lambda: tree(20, 1), lambda: torch.tensor(nx.floyd_warshall_numpy(nx.cycle_graph(5)))]
)
def test_metrics_that_are_not_euclidean(make):
    dist = make()
    n = len(dist)
    J = np.eye(n) - 1 / n
    own = np.linalg.eigvalsh(-0.5 * J @ dist.numpy() ** 2 @ J)[::-1]
    z, values = classical_mds(dist, 2)
    np.testing.assert_allclose(values, own, atol=1e-9)
    assert values.min() < -1e-3  # they are told, not dropped
    theirs = ClassicalMDS(n_components=2, metric="precomputed").fit_transform(dist.numpy())
    assert abs(float(stress(z, dist)) - float(stress(torch.tensor(theirs), dist))) < 1e-9
    with pytest.raises(ValueError, match="Euclidean distances where clip=False, got an eigenvalue of -"):
        classical_mds(dist, 2, clip=False)


def test_euclidean_distances_pass_without_clipping():
    x = skewed(10, 3)
    a, b = classical_mds(distances(x), 3), classical_mds(distances(x), 3, clip=False)
    assert torch.equal(a[0], b[0]) and torch.equal(a[1], b[1])


def test_more_coordinates_than_there_are():
    with pytest.warns(UserWarning, match="5 coordinates of distances with 2 positive eigenvalues"):
        z, _ = classical_mds(distances(skewed(6, 2)), 5)
    assert z.shape == (6, 5) and not z[:, 2:].any()
    with pytest.warns(UserWarning, match="2 coordinates of distances with 0 positive"):
        z, _ = classical_mds(torch.zeros(3, 3), 2)
    assert not z.any()
    with pytest.warns(UserWarning, match="3 coordinates"):
        assert classical_mds(torch.zeros(1, 1), 3)[0].shape == (1, 3)


@pytest.mark.parametrize(
    ("dist", "dim", "problem"),
    [
        (torch.zeros(3, 3), 0, r"dim\): a whole number from 1, got 0"),
        (torch.tensor([[0.0, 1], [2, 0]]), 1, "symmetric, got entries that differ by 1"),
        (torch.tensor([[0.0, -1], [-1, 0]]), 1, "not negative, got -1"),
        (torch.tensor([[0.5, 1], [1, 0]]), 1, "zeros on the diagonal, got 0.5"),
        (torch.tensor([[0.0, math.nan], [1, 0]]), 1, "holds NaN or infinity"),
        (torch.zeros(0, 0), 1, "n from 1"),
    ],
)
def test_what_are_no_distances_is_refused(dist, dim, problem):
    with pytest.raises(ValueError, match=problem):
        classical_mds(dist, dim)


def test_stress_by_hand():
    z, dist = torch.tensor([[0.0], [3.0]]), torch.tensor([[0.0, 2.0], [2.0, 0.0]])
    assert float(stress(z, dist)) == pytest.approx(0.5)
    assert float(stress(z, dist, best_scale=True)) == pytest.approx(0, abs=1e-7)
    dist = distances(skewed(8, 2))
    noisy = skewed(8, 2) + 0.1 * skewed(8, 2, seed=4)
    factors = torch.linspace(0.5, 2, 3001)
    best = min(float(stress(f * noisy, dist)) for f in factors)
    assert float(stress(noisy, dist, best_scale=True)) == pytest.approx(best, rel=1e-5)


def test_gradients_reach_the_distances():
    x = skewed(6, 2).requires_grad_()
    apart = (x[:, None] - x + torch.eye(6)[..., None].double()).norm(dim=-1) * (1 - torch.eye(6).double())
    z, _ = classical_mds(apart, 2)
    (slope,) = torch.autograd.grad(stress(z[:, :1], apart.detach()), x)
    assert slope.isfinite().all() and slope.abs().max() > 0
