"""Samples of a group: inverses, angles, the proposal they are drawn from, and weights for the invariant measure."""

import math

import jaxtyping
import pytest
import torch
from scipy.stats import chi2, kstest
from tests.groups.catalogue import seeded

from erlangen.groups import GL, SL, SO, SPD, CartanCoordinates, GLPlus, GroupSamples, LogNormal, sample_group

GROUPS = [family(n) for family in (SO, SL, GLPlus) for n in (1, 2, 3, 4)]
every_group = pytest.mark.parametrize("group", GROUPS, ids=str)
PRECISE = {torch.float32: 5e-6, torch.float64: 1e-12}


@every_group
@pytest.mark.parametrize("dtype", PRECISE)
def test_elements_and_their_inverses(group, dtype):
    samples = sample_group(group, 20, weights="haar", generator=seeded(0), dtype=dtype)
    assert len(samples) == 20 and samples.matrix.dtype == samples.inverse.dtype == samples.log_weight.dtype == dtype
    assert group.contains(samples.matrix, 1e-5).all()
    one = torch.eye(group.n, dtype=dtype)
    assert (samples.matrix @ samples.inverse - one).abs().max() < PRECISE[dtype]
    assert (samples.inverse @ samples.matrix - one).abs().max() < PRECISE[dtype]
    assert samples.log_weight.isfinite().all()


@every_group
def test_the_generator_decides(group):
    first, again, other = (sample_group(group, 5, weights="haar", generator=seeded(s)) for s in (1, 1, 2))
    assert torch.equal(first.matrix, again.matrix) and torch.equal(first.log_weight, again.log_weight)
    assert torch.equal(first.matrix, other.matrix) == (group == SO(2) or not group.algebra_basis())


@pytest.mark.parametrize("group", [SO(2), SL(2), GLPlus(2)], ids=str)
@pytest.mark.parametrize("num", [1, 2, 3, 4, 5, 6, 7, 10, 16])
def test_angles_are_equidistant_and_distinct(group, num):
    angle = CartanCoordinates(group).coordinates(sample_group(group, num, generator=seeded(0)).matrix)[:, -1]
    ordered = angle.sort().values
    gaps = torch.cat([ordered.diff(), ordered[:1] + 2 * math.pi - ordered[-1:]])
    torch.testing.assert_close(gaps, torch.full_like(gaps, 2 * math.pi / num), rtol=0, atol=1e-12)
    assert abs(float(angle[0])) <= 1e-15 and (angle > -math.pi).all()


def test_quarter_turns_are_exact():
    for num in (4, 8, 12):
        quarters = sample_group(SO(2), num).matrix[:: num // 4]
        expected = torch.tensor([[[1, 0], [0, 1]], [[0, -1], [1, 0]], [[-1, 0], [0, -1]], [[0, 1], [-1, 0]]])
        assert torch.equal(quarters, expected.double())


@pytest.mark.parametrize("group", [SL(2), GLPlus(2), SL(3), GLPlus(3)], ids=str)
def test_factors_are_those_of_the_proposal(group):
    samples = sample_group(group, 4000, generator=seeded(1))
    at = CartanCoordinates(group)
    y = at.coordinates(samples.matrix)[:, : at.symmetric_dim]
    # Y = X / 2 has the variance 0.1 / 4 in each coordinate, alike in all directions.
    square = y.square().sum(-1) / (0.1 / 4)
    assert kstest(square.numpy(), chi2(at.symmetric_dim).cdf).pvalue > 1e-4
    covariance = y.mT @ y / len(y) / (0.1 / 4)
    assert (covariance - torch.eye(at.symmetric_dim)).abs().max() < 5 * math.sqrt(2 / len(y))


@pytest.mark.parametrize("n", [3, 4])
def test_rotations_in_space_are_uniform(n):
    R = sample_group(SO(n), 20_000, generator=seeded(2)).matrix
    assert R.mean(0).abs().max() <= 5 * math.sqrt(1 / n / len(R))
    spread = 3 / (n * (n + 2)) - 1 / n**2
    assert (R.square().mean(0) - 1 / n).abs().max() <= 5 * math.sqrt(spread / len(R))


# ---------------------------------------------------------------- weights
@pytest.mark.parametrize("group", [SL(2), GLPlus(2), SL(3), GLPlus(3)], ids=str)
@pytest.mark.parametrize("proposal", [LogNormal(), LogNormal(0.5, bound=0.7)], ids=str)
def test_weights_are_the_measure_over_the_proposal(group, proposal):
    samples = sample_group(group, 50, proposal, "haar", seeded(3))
    at = CartanCoordinates(group)
    c = at.coordinates(samples.matrix)
    Y = at.hat(torch.cat([c[:, : at.symmetric_dim], torch.zeros_like(c[:, at.symmetric_dim :])], -1))
    # The proposal in the coordinates of Y, times the uniform measure of rotations.
    drawn = proposal.log_density(2 * Y, isinstance(group, SL)) + at.symmetric_dim * math.log(2)
    rotation = CartanCoordinates(SO(group.n)).log_density(c[:, at.symmetric_dim :])
    torch.testing.assert_close(samples.log_weight, at.log_density(c) - rotation - drawn, rtol=0, atol=1e-9)


def test_weights_of_the_proposal_are_even():
    samples = sample_group(GLPlus(2), 8, generator=seeded(0))
    haar = sample_group(GLPlus(2), 8, weights="haar", generator=seeded(0))
    assert torch.equal(samples.matrix, haar.matrix) and not samples.log_weight.any()
    torch.testing.assert_close(samples.normalised_weights(), torch.full((8,), 1 / 8, dtype=torch.float64))
    torch.testing.assert_close(haar.normalised_weights(), haar.log_weight.exp() / haar.log_weight.exp().sum())
    assert haar.normalised_weights().std() > 0.01


# ---------------------------------------------------------------- the proposal
@pytest.mark.parametrize("n, traceless", [(2, False), (2, True), (3, False)])
@pytest.mark.parametrize("bound", [0.05, 0.4, 2.0])
def test_bounded_proposals(n, traceless, bound):
    proposal = LogNormal(0.3, bound)
    X = proposal.sample(n, 4000, traceless=traceless, generator=seeded(4))
    free = LogNormal(0.3).sample(n, 4000, traceless=traceless, generator=seeded(4))
    length, before = X.norm(dim=(-2, -1)), free.norm(dim=(-2, -1))
    assert length.max() <= 2 * bound * (1 + 1e-9)
    torch.testing.assert_close(X / length[:, None, None], free / before[:, None, None])  # directions stay
    dim = n * (n + 1) // 2 - traceless
    law = chi2(dim)
    inside = law.cdf((2 * bound) ** 2 / 0.3)
    assert kstest((length.square() / 0.3).numpy(), lambda q: law.cdf(q).clip(max=inside) / inside).pvalue > 1e-4
    # The density is the free one over the mass within, and nothing outside.
    gap = proposal.log_density(X, traceless) - LogNormal(0.3).log_density(X, traceless)
    torch.testing.assert_close(gap, torch.full_like(gap, -math.log(inside)), rtol=0, atol=1e-9)
    assert proposal.log_density(torch.diag(torch.tensor([5.0] + [0.0] * (n - 1)))) == -math.inf


def test_density_of_the_proposal_integrates_to_one():
    # Weighted by the density of a wide proposal over that of a narrow one, wide samples have the mean weight one.
    wide, narrow = LogNormal(1.0), LogNormal(0.4, bound=1.0)
    for traceless in (False, True):
        X = wide.sample(2, 40_000, traceless=traceless, generator=seeded(5))
        weight = (narrow.log_density(X, traceless) - wide.log_density(X, traceless)).exp()
        assert abs(float(weight.mean()) - 1) <= 5 * float(weight.std()) / math.sqrt(len(X))


def test_groups_share_the_proposal():
    # `Group.sample` draws from the same law, wider: S of standard deviation 0.3 is a variance of 0.36 of 2 S.
    for group in (GLPlus(3), SL(3)):
        at = CartanCoordinates(group)
        y = at.coordinates(group.sample(4000, generator=seeded(6)))[:, : at.symmetric_dim]
        assert kstest((y.square().sum(-1) / 0.09).numpy(), chi2(at.symmetric_dim).cdf).pvalue > 1e-4
    assert SPD(3).sample(2, generator=seeded(0)).shape == (2, 3, 3)


# ---------------------------------------------------------------- moving along
def test_moved_samples():
    samples = sample_group(GLPlus(2), 6, weights="haar", generator=seeded(7))
    A, B = GLPlus(2).sample(2, generator=seeded(8))
    moved = samples.move(A)
    torch.testing.assert_close(moved.matrix, A @ samples.matrix)
    torch.testing.assert_close(moved.matrix @ moved.inverse, torch.eye(2).double().expand(6, 2, 2))
    assert torch.equal(moved.log_weight, samples.log_weight)
    torch.testing.assert_close(moved.move(B).matrix, samples.move(B @ A).matrix)
    single = samples.to(torch.float32)
    assert single.matrix.dtype == single.move(A).matrix.dtype == torch.float32 and len(single) == 6


# ---------------------------------------------------------------- refusals
def test_errors(monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # what users see, who have no run-time checks
    with pytest.raises(ValueError, match=r"sample_group\(group\): SO\(n\), SL\(n\) or GLPlus\(n\), got GL\(2\)"):
        sample_group(GL(2), 3)  # type: ignore[arg-type]
    for num in (0, -1, 2.0, True):
        with pytest.raises(ValueError, match=rf"sample_group\(num\): a whole number from 1, got {num}"):
            sample_group(SO(2), num)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"sample_group\(weights\): 'proposal' or 'haar', got 'even'"):
        sample_group(SO(2), 3, weights="even")
    for variance in (0.0, -1.0, math.inf, math.nan):
        with pytest.raises(ValueError, match=r"LogNormal\(variance\): a positive number, got"):
            LogNormal(variance)
        with pytest.raises(ValueError, match=r"LogNormal\(bound\): a positive number, or None, got"):
            LogNormal(0.1, variance)
    one = torch.eye(2).repeat(3, 1, 1)
    with pytest.raises(ValueError, match=r"GroupSamples\(matrix\): shape \(N, n, n\), N from 1, got \(0, 2, 2\)"):
        GroupSamples(one[:0], one[:0], torch.zeros(0))
    with pytest.raises(ValueError, match=r"GroupSamples\(inverse\): torch.float32 of shape \(3, 2, 2\) .* \(2, 2, 2\)"):
        GroupSamples(one, one[:2], torch.zeros(3))
    with pytest.raises(ValueError, match=r"GroupSamples\(log_weight\): .* got torch.float64 of shape \(3,\)"):
        GroupSamples(one, one, torch.zeros(3, dtype=torch.float64))
    with pytest.raises(TypeError, match=r"GroupSamples\(matrix\): matrices of float32 or float64, got torch.int64"):
        GroupSamples(one.long(), one.long(), torch.zeros(3).long())
    with pytest.raises(ValueError, match=r"move\(A\): one matrix of shape \(2, 2\), got \(3, 2, 2\)"):
        GroupSamples(one, one, torch.zeros(3)).move(one)
    for entry in (0.0, math.nan, math.inf):
        with pytest.raises(ValueError, match=r"move\(A\): an invertible matrix, got"):
            GroupSamples(one, one, torch.zeros(3)).move(torch.full((2, 2), entry))
