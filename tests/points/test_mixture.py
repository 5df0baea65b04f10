"""Mixtures: likelihood that never falls, motions, limits, merging one by one, and how fits follow their points."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.mixture import GaussianMixture

from erlangen.groups import E
from erlangen.points import GaussianPartition, Partition, voronoi_partition
from erlangen.points.information import follow, observed_information, score
from erlangen.points.mixture import (
    Mixture,
    em_step,
    log_joint,
    merged,
    negative_log_likelihood,
    padded,
    repulsion,
    responsibilities,
)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def votes(seed=0, sizes=(30, 20), dim=3, spread=1.0):
    """Votes of clouds of different sizes, scattered about three centres each."""
    rng = seeded(seed)
    batch = torch.arange(len(sizes)).repeat_interleave(torch.tensor(sizes))
    centers = spread * torch.randn(len(sizes), 3, dim, generator=rng, dtype=torch.float64)
    label = torch.randint(3, batch.shape, generator=rng)
    noise = 0.3 * torch.randn(len(batch), dim, generator=rng, dtype=torch.float64)
    return centers[batch, label] + noise, batch


def started(seed=0, parts=4, **options):
    """Padded votes, and a mixture of random centres, some of which are not there."""
    y, batch = votes(seed, **options)
    points = padded(y, batch, int(batch.max()) + 1)
    rng = seeded(seed)
    centers = torch.randn(len(points.values), parts, y.shape[1], generator=rng, dtype=torch.float64)
    weights = torch.rand(len(points.values), parts, generator=rng, dtype=torch.float64) + 0.1
    weights[1, 2] = 0
    return points, Mixture(centers, weights / weights.sum(1, keepdim=True))


@settings(max_examples=15)
@given(st.integers(0, 10_000), st.floats(0.05, 3.0))
def test_the_likelihood_never_falls(seed, sigma):
    points, mixture = started(seed)
    before = negative_log_likelihood(points, mixture, sigma)
    for _ in range(10):
        mixture = em_step(points, mixture, sigma)
        after = negative_log_likelihood(points, mixture, sigma)
        assert (after <= before + 1e-9 * before.abs()).all()
        before = after
    assert mixture.weights[1, 2] == 0 and torch.allclose(mixture.weights.sum(1), torch.ones(2).double())


def test_the_likelihood_by_hand():
    points, mixture = started()
    for cloud, size in enumerate((30, 20)):
        density = 0.0
        for j in range(4):
            normal = torch.distributions.MultivariateNormal(mixture.centers[cloud, j], 0.49 * torch.eye(3).double())
            density = density + mixture.weights[cloud, j] * normal.log_prob(points.values[cloud, :size]).exp()
        expected = -density.log().sum()
        torch.testing.assert_close(negative_log_likelihood(points, mixture, 0.7)[cloud], expected)


def test_against_scikit_learn():
    """Of scikit-learn's steps the widths are its own, so they are reset to ours after each."""
    sigma, (y, _) = 0.6, votes(sizes=(80,))
    start = voronoi_partition(y, 4)
    centers = torch.stack([y[start.index == j].mean(0) for j in range(4)]).numpy()
    peer = GaussianMixture(4, covariance_type="spherical", max_iter=1, warm_start=True)
    peer.means_, peer.weights_ = centers, (start.sizes / 80).numpy()
    for _ in range(15):
        peer.covariances_ = np.full(4, sigma**2)
        peer.precisions_cholesky_ = np.full(4, 1 / sigma)
        _, log_share = peer._e_step(y.numpy())
        peer._m_step(y.numpy(), log_share)
    ours = GaussianPartition(sigma, merge_radius=0)(y, start)
    order = np.lexsort(peer.means_.T)
    mine = ours.centers[0].numpy()
    mine = mine[np.lexsort(mine.T)]
    np.testing.assert_allclose(mine, peer.means_[order], atol=1e-9)


@given(st.integers(0, 10_000), st.floats(0.1, 2.0), st.sampled_from([0.0, 0.5]))
def test_votes_move_and_change_their_order(seed, sigma, tau):
    y, batch = votes(seed)
    part = voronoi_partition(y, 6, batch)
    fit = GaussianPartition(sigma, tau)
    found = fit(y, part)
    g = E(3).sample(2, generator=seeded(seed))
    turn, shift = E(3).matrix(g), E(3).translation(g)
    moved = fit((turn[batch] @ y[..., None])[..., 0] + shift[batch], part)
    assert moved.partition.index.equal(found.partition.index)
    torch.testing.assert_close(moved.soft, found.soft, atol=1e-9, rtol=0)
    expected = found.centers @ turn.mT + shift[:, None]
    there = found.weights > 0
    torch.testing.assert_close(moved.centers[there], expected[there], atol=1e-9, rtol=0)
    order = torch.cat([torch.randperm(30, generator=seeded(seed)), torch.arange(30, 50).flip(0)])
    other = fit(y[order], Partition.of(part.index[order], batch))
    assert other.partition.index.equal(found.partition.index[order])
    torch.testing.assert_close(other.soft, found.soft[order], atol=1e-9, rtol=0)


def test_narrow_mixtures_are_k_means():
    y, _ = votes(sizes=(60,))
    part = voronoi_partition(y, 5)
    label = part.index
    for _ in range(15):
        centers = torch.stack([y[label == j].mean(0) for j in range(5)])
        label = torch.cdist(y, centers).argmin(1)
    found = GaussianPartition(1e-3, merge_radius=0)(y, part)
    assert found.partition.index.equal(label) and found.soft.eq(0).logical_or(found.soft.eq(1)).all()
    torch.testing.assert_close(found.centers[0], torch.stack([y[label == j].mean(0) for j in range(5)]))


def test_uncertainty_falls_with_the_width():
    """For equal weights: otherwise a point near a light centre wavers on the way."""
    points, mixture = started()
    mixture = mixture._replace(weights=mixture.there / mixture.there.sum(1, keepdim=True).double())
    most = []
    for sigma in (2, 1, 0.5, 0.2, 0.05, 1e-3):
        likely = responsibilities(points, mixture, sigma).amax(-1)[points.valid]
        assert not most or (likely >= most[-1] - 1e-12).all()
        most.append(likely)
    assert most[-1].min() > 1 - 1e-9 > most[0].max()


def one_by_one(mixture, radius, least):
    """Greedy merging as one writes it down."""
    kept = torch.zeros_like(mixture.weights, dtype=torch.bool)
    for b, (centers, weights) in enumerate(zip(*mixture, strict=True)):
        for j in weights.argsort(descending=True, stable=True).tolist():
            near = any((centers[j] - centers[i]).norm() < radius for i in kept[b].nonzero().flatten().tolist())
            kept[b, j] = bool(weights[j] >= least) and bool(weights[j] > 0) and not near
    return kept


@given(st.integers(0, 10_000), st.floats(0.01, 4.0), st.sampled_from([0.0, 1e-4, 0.1]))
def test_rounds_of_merging_are_merging_one_by_one(seed, radius, least):
    _, mixture = started(seed, parts=12)
    after = merged(mixture, radius, least)
    kept = one_by_one(mixture, radius, least)
    assert after.there.equal(kept)
    torch.testing.assert_close(after.weights.sum(1), kept.any(1).double())


def objective(alpha, points, cloud, parts, there, sigma, tau):
    """Log-likelihood plus repulsion of one cloud as a function of centres and logits, written out."""
    dim = points.values.shape[-1]
    centers = alpha[: parts * dim].view(parts, dim)
    weights = torch.where(there, alpha[parts * dim :], -torch.inf).softmax(0)
    mixture = Mixture(centers[None], weights[None])
    y = points.values[cloud][points.valid[cloud]]
    distance = (y[:, None] - centers).square().sum(-1)
    logs = torch.where(there, weights, 1.0).log() - distance / (2 * sigma**2)
    value = torch.where(there, logs, -torch.inf).logsumexp(1).sum()
    return value + tau * repulsion(*mixture, sigma)[0]


@pytest.mark.parametrize("tau", [0.0, 0.7])
@pytest.mark.parametrize("dim", [1, 3])
def test_score_and_observed_information_are_derivatives(tau, dim):
    points, mixture = started(dim=dim)
    parts, sigma = 4, 0.8
    information = observed_information(points, mixture, sigma, tau)
    gradient = score(points, mixture, responsibilities(points, mixture, sigma), sigma)
    for cloud, size in enumerate((30, 20)):
        there = mixture.there[cloud]
        alpha = torch.cat([mixture.centers[cloud].flatten(), torch.where(there, mixture.weights[cloud], 1.0).log()])
        keep = torch.cat([there.repeat_interleave(dim), there])
        value = lambda a, cloud=cloud, there=there, tau=tau: objective(a, points, cloud, parts, there, sigma, tau)
        hessian = -torch.autograd.functional.hessian(value, alpha)
        logits = torch.cat([torch.zeros(parts * dim), there]).double()
        expected = hessian + size / there.sum() * logits[:, None] * logits
        torch.testing.assert_close(information[cloud][keep][:, keep], expected[keep][:, keep])
        alone = torch.autograd.functional.jacobian(lambda a, v=value: v(a, tau=0.0), alpha)
        torch.testing.assert_close(gradient[cloud][keep], alone[keep])


def converged(y, part, sigma, tau=0.0):
    return GaussianPartition(sigma, tau, iters=500, merge_radius=0)(y, part)


@pytest.mark.parametrize(("apart", "tau"), [(3.0, 0.0), (6.0, 0.0), (3.0, 0.3)])
def test_fits_follow_their_points(apart, tau):
    """Against finite differences of fits that have converged; clusters three sigma apart overlap."""
    rng, sigma = seeded(1), 0.5
    centers = sigma * apart * torch.tensor([[0.0, 0], [1, 0], [0.5, 3**0.5 / 2]], dtype=torch.float64)
    part = Partition.of(torch.arange(3).repeat_interleave(15))
    y = centers[part.index] + sigma * torch.randn(45, 2, generator=rng, dtype=torch.float64)
    weights = [torch.randn(shape, generator=rng, dtype=torch.float64) for shape in ((1, 3, 2), (1, 3), (45, 3))]

    def value(y):
        found = converged(y, part, sigma, tau)
        return sum((w * v).sum() for w, v in zip(weights, (found.centers, found.weights, found.soft), strict=True))

    y.requires_grad_()
    (gradient,) = torch.autograd.grad(value(y), y)
    direction, step = torch.randn(y.shape, generator=rng, dtype=torch.float64), 1e-5
    with torch.no_grad():
        slope = (value(y + step * direction) - value(y - step * direction)) / (2 * step)
    torch.testing.assert_close((gradient * direction).sum(), slope, rtol=1e-4, atol=0)


def test_one_cluster_follows_its_mean():
    y = torch.randn(7, 3, generator=seeded(), dtype=torch.float64, requires_grad=True)
    centers = GaussianPartition(0.4)(y, Partition.of(torch.zeros(7, dtype=torch.long))).centers[0, 0]
    for axis in range(3):
        (gradient,) = torch.autograd.grad(centers[axis], y, retain_graph=True)
        torch.testing.assert_close(gradient, torch.eye(3).double()[axis].expand(7, 3) / 7)


def test_following_changes_no_value_and_survives_an_unfinished_fit():
    y, batch = votes()
    part = voronoi_partition(y, 8, batch)
    fit = GaussianPartition(0.3, iters=1)
    held, followed = fit(y, part), fit(y.clone().requires_grad_(), part)
    for before, after in zip((held.soft, held.centers), (followed.soft, followed.centers), strict=True):
        torch.testing.assert_close(before, after.detach(), atol=1e-12, rtol=0)
    points, mixture = started()
    points = points._replace(values=points.values.requires_grad_())
    out = follow(points, mixture, 0.1)  # far from any maximum
    out.centers[out.there].sum().backward()
    assert points.values.grad is not None and points.values.grad.isfinite().all()


def test_constants_where_they_are_asked_for():
    y = votes()[0].requires_grad_()
    part = voronoi_partition(y.detach(), 3)
    found = GaussianPartition(0.5, implicit_grad=False)(y, part)
    assert not found.centers.requires_grad and not found.weights.requires_grad and found.soft.requires_grad


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_columns_are_parts(dtype):
    y, batch = votes(spread=3.0)
    part = voronoi_partition(y, 10, batch)
    found = GaussianPartition(0.5)(y.to(dtype), part)
    assert found.soft.dtype == found.centers.dtype == dtype
    assert found.soft.argmax(1).equal(found.partition.index)
    torch.testing.assert_close(found.soft.sum(1), torch.ones(50, dtype=dtype))
    apart = torch.cdist(found.centers.double(), found.centers.double())
    both = (found.weights[:, :, None] > 0) & (found.weights[:, None] > 0) & ~torch.eye(apart.shape[1], dtype=torch.bool)
    assert apart[both].min() >= 0.5 and found.partition.num_parts.max() <= 4
    again = log_joint(padded(y, batch, 2).values, Mixture(found.centers.double(), found.weights.double()), 0.5)
    torch.testing.assert_close(again.softmax(-1)[0, :30].to(dtype), found.soft[:30], atol=1e-4, rtol=1e-3)


def test_the_heaviest_of_very_many_parts_is_not_too_light(monkeypatch):
    monkeypatch.setattr(GaussianPartition, "LEAST", 0.3)
    found = GaussianPartition(0.1)(10 * torch.eye(5), Partition.of(torch.arange(5)))
    assert found.partition.num_parts.tolist() == [5]
    torch.testing.assert_close(found.weights, torch.full((1, 5), 0.2))


def test_exact_votes_and_far_away_ones():
    center = torch.tensor([[0.0, 0, 0], [5, 0, 0], [0, 1e6, 0]]).double()
    label = torch.arange(30) % 3
    found = GaussianPartition(0.5)(center[label], Partition.of(torch.arange(30)))
    assert found.partition.num_parts.tolist() == [3] and found.partition.refines(Partition.of(label)).all()
    torch.testing.assert_close(found.centers[0][found.partition.index], center[label])
    nothing = GaussianPartition(0.5)(torch.zeros(0, 3), Partition.of(torch.zeros(0, dtype=torch.long)))
    assert nothing.soft.shape == (0, 0) and nothing.partition.num_cells == 0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: GaussianPartition(0.0), r"sigma\): a finite number above 0, got 0.0"),
        (lambda: GaussianPartition(1.0, tau=-1.0), r"tau\): a finite number from 0, got -1.0"),
        (lambda: GaussianPartition(1.0, merge_radius=math.nan), "merge_radius"),
        (lambda: GaussianPartition(1.0, iters=0), r"iters\): a whole number from 1, got 0"),
        (
            lambda: GaussianPartition(1.0)(torch.zeros(2, 3), Partition.of(torch.zeros(3, dtype=torch.long))),
            "the 3 points",
        ),
        (lambda: GaussianPartition(1.0)(torch.full((1, 3), torch.nan), Partition.of(torch.tensor([0]))), "at point 0"),
    ],
)
def test_errors_name_what_they_got(call, message):
    with pytest.raises(ValueError, match=message):
        call()
