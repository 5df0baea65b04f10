"""The diffusion model: against Gaussian data, for which all is known; and its symmetries."""

import itertools

import jaxtyping
import pytest
import torch
from torch import nn

from erlangen.generative import EquivariantDiffusion, Noise, SamplingDiverged, polynomial_schedule, remove_mean
from erlangen.groups import O


@pytest.fixture
def as_users_have_it(monkeypatch):
    """Without the run-time checks of types that only tests have, which would refuse wrong types earlier."""
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)


class Pairs(nn.Module):
    """A small equivariant network whose weights are random."""

    def __init__(self, features, dim=3):
        super().__init__()
        self.message = nn.Sequential(nn.Linear(2 * features + 3, 8), nn.Tanh(), nn.Linear(8, features + 1))
        self.dim = dim

    def forward(self, x, pos, edge_index=None, batch=None, vec=None):
        i, j = (batch[:, None] == batch).nonzero().T
        apart = pos[i] - pos[j]
        inside = torch.cat([x[i], x[j], apart.square().sum(1, keepdim=True).sqrt()], 1)
        m = self.message(inside)
        scalar = torch.zeros_like(x[:, :-1]).index_add(0, i, m[:, 1:])
        return scalar, torch.zeros_like(pos).index_add(0, i, m[:, :1] * apart)[:, None]


class Known(nn.Module):
    """The best guess for independent points: features normal with a mean and variances, positions of one variance."""

    def __init__(self, schedule, mean, variance, spread):
        super().__init__()
        self.schedule, self.mean, self.variance, self.spread = schedule, mean, variance, spread
        self.weight = nn.Parameter(torch.zeros((), dtype=torch.float64))  # tells the dtype

    def forward(self, x, pos, edge_index=None, batch=None, vec=None):
        step = (x[:, -1:] * self.schedule.num_steps).round().long()
        alpha, sigma = self.schedule.alpha(step), self.schedule.sigma(step)

        def noise(z, mean, variance):
            return sigma * (z - alpha * mean) / (alpha**2 * variance + sigma**2)

        return noise(x[:, :-1], self.mean, self.variance), noise(pos, 0.0, self.spread)[:, None]


def sampled_variance(schedule, variance, num_steps):
    """What the sampler makes of one normal number of a variance, exactly."""

    def gain(t):
        return schedule.sigma(t) / (schedule.alpha(t) ** 2 * variance + schedule.sigma(t) ** 2)

    path = torch.linspace(schedule.num_steps, 0, num_steps + 1, dtype=torch.float64).round().long()
    now = torch.ones((), dtype=torch.float64)
    for t, s in itertools.pairwise(path):
        back = schedule.back(t, s)
        now = (back.scale - back.noise * gain(t)) ** 2 * now + back.deviation**2
    last = (1 - schedule.sigma(path[-1]) * gain(path[-1])) / schedule.alpha(path[-1])
    return float(last**2 * now)


def turned(matrix, pos):
    return pos @ matrix.mT


SIZES = torch.tensor([4, 1, 6, 3])
BATCH = torch.arange(4).repeat_interleave(SIZES)


@pytest.fixture
def model():
    torch.manual_seed(0)
    return EquivariantDiffusion(Pairs(2), 2, schedule=polynomial_schedule(20)).double()


@pytest.fixture
def cloud():
    generator = torch.Generator().manual_seed(1)
    draw = lambda *shape: torch.randn(*shape, dtype=torch.float64, generator=generator)
    return draw(14, 2), draw(14, 3), Noise(draw(14, 2), remove_mean(draw(14, 3), BATCH)), torch.tensor([0, 7, 13, 20])


@pytest.mark.parametrize("num_steps", [100, 30])
def test_gaussian_data_are_sampled_with_their_mean_and_covariance(num_steps):
    schedule = polynomial_schedule(100)
    mean, variance = torch.tensor([0.5, -1.0]).double(), torch.tensor([0.09, 2.0]).double()
    model = EquivariantDiffusion(Known(schedule, mean, variance, 0.5), 2, dim=2, schedule=schedule)
    clouds, n = 4000, 3
    found = model.sample([n] * clouds, num_steps=num_steps, generator=torch.Generator().manual_seed(0))
    x, pos = found.x, found.pos.unflatten(0, (clouds, n))
    error = 5 / (n * clouds) ** 0.5
    assert ((x.mean(0) - mean) / variance.sqrt()).abs().max() < error
    covariance = torch.cov(x.T)
    expected = torch.tensor([sampled_variance(schedule, v, num_steps) for v in variance]).double()
    assert (covariance.diag() / expected - 1).abs().max() < 1.5 * error
    assert abs(covariance[0, 1]) / expected.prod().sqrt() < error
    # Positions: variance times the projector onto centred clouds, for each coordinate apart.
    expected = sampled_variance(schedule, 0.5, num_steps)
    found = torch.einsum("kia,kjb->iajb", pos, pos) / clouds / expected
    projector = torch.eye(n).double() - 1 / n
    assert (found - torch.einsum("ij,ab->iajb", projector, torch.eye(2).double())).abs().max() < 6 / clouds**0.5


@pytest.mark.parametrize("variance", [0.01, 0.25, 1.0, 4.0])
def test_with_many_steps_the_variance_is_that_of_the_data(variance):
    schedule = polynomial_schedule(400)
    whole, halves = (1 - sampled_variance(schedule, variance, steps) / variance for steps in (400, 200))
    assert 0 < whole < 0.07 and 1.7 < halves / whole < 2.1  # of first order in the length of a step


def test_loss_of_the_best_guess():
    """The error that cannot be avoided: for each number, mean over steps of the posterior variance of the noise."""
    schedule = polynomial_schedule(30)
    variance = torch.tensor([0.3, 2.0]).double()
    model = EquivariantDiffusion(Known(schedule, torch.zeros(2).double(), variance, 0.5), 2, schedule=schedule)
    generator = torch.Generator().manual_seed(0)
    draw = lambda *shape: torch.randn(*shape, dtype=torch.float64, generator=generator)
    clouds, n = 20000, 2
    batch = torch.arange(clouds).repeat_interleave(n)
    x, pos = draw(n * clouds, 2) * variance.sqrt(), draw(n * clouds, 3) * 0.5**0.5
    t = torch.arange(31)
    left = lambda v: float((schedule.alpha(t) ** 2 * v / (schedule.alpha(t) ** 2 * v + schedule.sigma(t) ** 2)).mean())
    expected = (left(0.3) + left(2.0) + 3 * (n - 1) / n * left(0.5)) / 5
    assert float(model.loss(x, pos, batch, generator=generator)) == pytest.approx(expected, rel=0.02)


def test_loss_by_hand(model, cloud):
    """From the definition, cloud by cloud."""
    x, pos, noise, step = cloud
    total = 0.0
    for g, t in enumerate(step.tolist()):
        mine = g == BATCH
        centred = pos[mine] - pos[mine].mean(0)
        alpha, sigma = model.schedule.alpha(step[g]), model.schedule.sigma(step[g])
        level = torch.full((int(mine.sum()), 1), t / 20, dtype=torch.float64)
        features = torch.cat([alpha * x[mine] + sigma * noise.x[mine], level], 1)
        alone = torch.zeros(int(mine.sum()), dtype=torch.long)
        found = model.denoiser(features, alpha * centred + sigma * noise.pos[mine], None, alone)
        guess = found[1][:, 0] - found[1][:, 0].mean(0)
        total += ((found[0] - noise.x[mine]) ** 2).mean(0).sum() + ((guess - noise.pos[mine]) ** 2).mean(0).sum()
    assert torch.allclose(model.loss(x, pos, BATCH, step=step, noise=noise), total / 4 / 5, rtol=1e-12)


def test_loss_does_not_see_motions(model, cloud):
    """The loss of moved clouds with moved noise is the same; the noise itself is distributed alike from all sides."""
    x, pos, noise, step = cloud
    expected = model.loss(x, pos, BATCH, step=step, noise=noise)
    for seed in range(20):
        generator = torch.Generator().manual_seed(seed)
        matrix = O(3).sample(generator=generator)
        shift = 5 * torch.randn(4, 3, generator=generator, dtype=torch.float64)[BATCH]
        order = (BATCH + torch.rand(14, generator=generator)).argsort()
        moved = Noise(noise.x[order], turned(matrix, noise.pos)[order])
        found = model.loss(x[order], (turned(matrix, pos) + shift)[order], BATCH, step=step, noise=moved)
        assert torch.allclose(found, expected, rtol=1e-12)


def test_a_network_that_breaks_rotations_is_found_out(cloud):
    """What the tests of motions would not miss."""

    class Crooked(Pairs):
        def forward(self, x, pos, edge_index=None, batch=None, vec=None):
            scalar, vector = super().forward(x, pos, edge_index, batch)
            return scalar, vector + torch.tensor([1.0, 0.0, 0.0]) * pos[:, None, :1] ** 2

    torch.manual_seed(0)
    model = EquivariantDiffusion(Crooked(2), 2, schedule=polynomial_schedule(20)).double()
    x, pos, noise, step = cloud
    matrix = O(3).sample(generator=torch.Generator().manual_seed(0))
    moved = Noise(noise.x, turned(matrix, noise.pos))
    first = model.loss(x, pos, BATCH, step=step, noise=noise)
    assert abs(model.loss(x, turned(matrix, pos), BATCH, step=step, noise=moved) - first) > 1e-3 * first
    assert torch.allclose(model.loss(x, pos + 3.0, BATCH, step=step, noise=noise), first, rtol=1e-12)  # shifts it keeps


def test_samples_turn_with_the_noise(model):
    """Each draw turned, the sample is turned: the distribution is the same from all sides."""
    matrix = O(3).sample(generator=torch.Generator().manual_seed(3))
    plain = model.sample(SIZES, generator=torch.Generator().manual_seed(0))
    draw = model.noise
    model.noise = lambda *arguments: Noise((noise := draw(*arguments)).x, turned(matrix, noise.pos))
    other = model.sample(SIZES, generator=torch.Generator().manual_seed(0))
    assert plain.pos.abs().max() > 0.1
    assert torch.allclose(other.pos, turned(matrix, plain.pos), atol=1e-10)
    assert torch.allclose(other.x, plain.x, atol=1e-10)


def test_prediction_is_equivariant_and_centred(model, cloud):
    x, pos, _, step = cloud
    plain = model(x, pos, step, BATCH)
    matrix = O(3).sample(generator=torch.Generator().manual_seed(5))
    other = model(x, turned(matrix, pos) + 7.0, step, BATCH)
    assert torch.allclose(other.pos, turned(matrix, plain.pos), atol=1e-12)
    assert torch.allclose(other.x, plain.x, atol=1e-12)
    assert torch.zeros(4, 3).double().index_add(0, BATCH, plain.pos).abs().max() < 1e-13


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_everything_stays_centred(dtype):
    torch.manual_seed(0)
    model = EquivariantDiffusion(Pairs(1), 1, schedule=polynomial_schedule(100)).to(dtype)
    found = model.sample(SIZES, generator=torch.Generator().manual_seed(0))
    mean = torch.zeros(4, 3, dtype=dtype).index_add(0, found.batch, found.pos) / SIZES[:, None]
    assert found.pos.dtype == found.x.dtype == dtype and torch.equal(found.batch, BATCH)
    assert mean.abs().max() < 1e-6 * max(1.0, float(found.pos.abs().max()))
    assert found.pos[4].abs().max() < 1e-6  # one point alone is at its centre


def test_clouds_do_not_see_each_other(model, cloud):
    x, pos, noise, step = cloud
    whole = model(x, pos, step, BATCH)
    losses = []
    for g in range(4):
        mine = g == BATCH
        alone = model(x[mine], pos[mine], step[g : g + 1], torch.zeros_like(BATCH[mine]))
        assert torch.allclose(alone.pos, whole.pos[mine], atol=1e-12)
        assert torch.allclose(alone.x, whole.x[mine], atol=1e-12)
        own = Noise(noise.x[mine], noise.pos[mine])
        losses.append(model.loss(x[mine], pos[mine], step=step[g : g + 1], noise=own))
    assert torch.allclose(torch.stack(losses).mean(), model.loss(x, pos, BATCH, step=step, noise=noise), rtol=1e-12)


def test_positions_alone():
    torch.manual_seed(0)
    model = EquivariantDiffusion(Pairs(0, 2), 0, dim=2, schedule=polynomial_schedule(5))
    assert model.loss(torch.zeros(5, 0), torch.randn(5, 2)).item() > 0
    found = model.sample([5, 2])
    assert found.x.shape == (7, 0) and found.pos.shape == (7, 2)


def test_seeds_steps_and_gradients(model, cloud):
    x, pos, noise, step = cloud
    draw = lambda seed: model.loss(x, pos, BATCH, generator=torch.Generator().manual_seed(seed))
    assert torch.equal(draw(0), draw(0)) and not torch.equal(draw(0), draw(1))
    few = lambda: model.sample([3], num_steps=4, generator=torch.Generator().manual_seed(0))
    assert torch.equal(few().pos, few().pos)
    assert not few().pos.requires_grad
    weight = model.denoiser.message[0].weight
    (slope,) = torch.autograd.grad(model.loss(x, pos, BATCH, step=step, noise=noise), weight)
    for index in ((0, 0), (3, 2), (7, 6)):
        values = []
        for sign in (1, -1):
            with torch.no_grad():
                weight[index] += sign * 1e-6
                values.append(model.loss(x, pos, BATCH, step=step, noise=noise))
                weight[index] -= sign * 1e-6
        assert float(values[0] - values[1]) / 2e-6 == pytest.approx(float(slope[index]), rel=1e-5, abs=1e-9)


def test_strides_visit_both_ends():
    seen = []

    class Watching(Pairs):
        def forward(self, x, pos, edge_index=None, batch=None, vec=None):
            seen.append(round(float(x[0, -1]) * 100))
            return super().forward(x, pos, edge_index, batch)

    model = EquivariantDiffusion(Watching(1), 1, schedule=polynomial_schedule(100))
    model.sample([2], num_steps=4)
    assert seen == [100, 75, 50, 25, 0]
    seen.clear()
    model.sample([2])
    assert seen == list(range(100, -1, -1))


def test_a_sampler_that_runs_away_says_where():
    class Growing(nn.Module):
        def forward(self, x, pos, edge_index=None, batch=None, vec=None):
            return x[:, :-1], -1e30 * pos[:, None]

    model = EquivariantDiffusion(Growing(), 1, schedule=polynomial_schedule(50))
    with pytest.raises(SamplingDiverged, match="the state at step 48 of 50 is not finite"):
        model.sample([4])


def test_state_dict(model):
    torch.manual_seed(1)
    other = EquivariantDiffusion(Pairs(2), 2, schedule=polynomial_schedule(20, power=1.0)).double()
    other.load_state_dict(model.state_dict())
    pair = [m.sample([4], generator=torch.Generator().manual_seed(0)).pos for m in (model, other)]
    assert torch.equal(*pair)


class Wrong(nn.Module):
    def __init__(self, *out):
        super().__init__()
        self.out = out

    def forward(self, x, pos, edge_index=None, batch=None, vec=None):
        return self.out


def make(denoiser=None, features=2):
    return EquivariantDiffusion(denoiser or Pairs(2), features, schedule=polynomial_schedule(10))


ONE = torch.zeros(1, dtype=torch.long)
TWO = torch.zeros(2, 2), torch.zeros(2, 3)


@pytest.mark.parametrize(
    ("act", "error", "message"),
    [
        (lambda: make(features=-1), ValueError, r"in_scalar\): a whole number from 0, got -1"),
        (lambda: EquivariantDiffusion(Pairs(1), 1, dim=0), ValueError, r"dim\): a whole number from 1"),
        (lambda: make().loss(torch.zeros(2, 3), TWO[1]), ValueError, r"x: shape \(2, 2\)"),
        (lambda: make().loss(TWO[0].double(), TWO[1]), ValueError, "float32, got .* of torch.float64"),
        (lambda: make().loss(TWO[0], torch.zeros(2, 2)), ValueError, r"shape \(nodes, 3\), got torch.float32 \(2, 2\)"),
        (lambda: make().loss(TWO[0].long(), TWO[1].long()), ValueError, r"pos: floating point, .*got torch.int64"),
        (lambda: make().loss(*TWO, noise=Noise(TWO[0], TWO[1][:, :1])), ValueError, r"noise: .*and \(2, 1\)"),
        (lambda: make().loss(TWO[0], TWO[1] * float("nan")), ValueError, "pos: finite numbers, got nan"),
        (lambda: make().loss(TWO[0] + float("inf"), TWO[1]), ValueError, "x: finite numbers, got inf"),
        (lambda: make().loss(*TWO, torch.tensor([1, 0])), ValueError, "batch: ascending"),
        (lambda: make().loss(*TWO, torch.tensor([0, 2])), ValueError, "clouds of one point or more"),
        (lambda: make().loss(TWO[0][:0], TWO[1][:0]), ValueError, "clouds of one point or more"),
        (lambda: make().loss(*TWO, ONE), ValueError, r"batch: torch.int64, shape \(2,\)"),
        (lambda: make().loss(*TWO, step=torch.tensor([11])), ValueError, "step: from 0 to 10, got 11"),
        (
            lambda: make().loss(*TWO, torch.tensor([0, 1]), step=ONE),
            ValueError,
            "step: one whole number for each",
        ),
        (lambda: make().loss(*TWO, step=torch.zeros(1)), ValueError, "got torch.float32 of shape"),
        (lambda: make().sample([3.7]), ValueError, r"num_nodes\): whole numbers from 1, got \[3.7"),
        (lambda: make().sample(torch.tensor(3)), ValueError, "num_nodes"),
        (lambda: make().sample([3, 0]), ValueError, r"num_nodes\): whole numbers from 1, got \[3, 0\]"),
        (lambda: make().sample([]), ValueError, "num_nodes"),
        (lambda: make().sample([3], num_steps=11), ValueError, r"num_steps\): from 1 to 10, got 11"),
        (lambda: make(Wrong(TWO[0], None)).loss(*TWO), TypeError, r"returns \(2, 2\) and \(2, 1, 3\), got .*None"),
        (lambda: make(Wrong(TWO[0], TWO[1])).loss(*TWO), TypeError, r"got \(\(2, 2\), \(2, 3\)\)"),
        (lambda: make(Wrong(TWO[1], TWO[1][:, None])).loss(*TWO), TypeError, "denoiser"),
    ],
)
def test_errors(act, error, message, as_users_have_it):
    with pytest.raises(error, match=message):
        act()
