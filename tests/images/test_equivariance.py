"""Properties 8, 9 and 10: how features move when images do, on the plane to rounding, on pixels for quarter turns."""

import pytest
import torch
from tests.images.plane import CURVED, DTYPES, AnalyticKernel, gen, pixel_positions, samples_of, turn

from erlangen.groups import SL, SO, GLPlus, GroupSamples, LogNormal, Trivial
from erlangen.images import (
    AffineConv2d,
    AffineLifting2d,
    AffineProjection2d,
    AffineResNet,
    GlobalPool,
    GroupFeature,
    GroupPool,
)
from erlangen.images.resnet import PUBLISHED

SIZE = 41  # pixels of the wide, fine grid, which covers [-1, 1]: signals and kernels are Gaussians well inside
UNIT = SIZE / 2


def signal(p):
    """On the plane, two channels: (..., 2) -> (2, ...)."""
    a = (-40 * (p - torch.tensor([0.03, -0.02])).square().sum(-1)).exp()
    b = (-30 * (p + torch.tensor([0.02, 0.05])).square().sum(-1)).exp() * (1 + p[..., 0] - 2 * p[..., 1])
    return torch.stack([a, b])


def feature(p, t):
    """On the plane and the group, two channels, for points (..., 2) and one matrix t."""
    return signal(p) * torch.stack([1 + 0.3 * t[0, 0] - t[0, 1], t[1, 1] + 0.5 * t[1, 0]]).reshape(
        2, *[1] * (p.ndim - 1)
    )


def moves(group, count=3):
    """Linear parts not far from rotations, so that all stays on the grid, and translations."""
    proposal = samples_of(group, count, seed=3)
    shifts = 0.1 * torch.randn(count, 2, generator=gen(4), dtype=torch.float64)
    return list(zip(proposal.matrix, shifts, strict=True))


def at_the_middle(layer, *arguments):
    """Output of a layer whose kernel is as large as the image: at one pixel, the origin."""
    out = layer(*arguments)
    return out.values[0, ..., 0, 0] if isinstance(out, GroupFeature) else out[0, :, 0, 0]


@pytest.mark.parametrize("group", CURVED, ids=repr)
def test_lifting_on_the_plane(group):
    lift = AffineLifting2d(group, 2, 3, SIZE, AnalyticKernel)
    samples, p = samples_of(group, 4), pixel_positions(SIZE, UNIT)
    for A, shift in moves(group):
        back = torch.linalg.inv(A)
        moved = signal((p - shift) @ back.T)
        # F'(0, A h) = F(A^{-1} (0 - shift), h): the same signal, seen from there.
        seen = signal(p - back @ shift)
        here = at_the_middle(lift, moved[None], samples.move(A))
        there = at_the_middle(lift, seen[None], samples)
        assert float((here - there).abs().max()) < 1e-10 * float(there.abs().max())
        assert float((here - at_the_middle(lift, moved[None], samples)).abs().max()) > 1e-2 * float(here.abs().max())


@pytest.mark.parametrize("weights", ["proposal", "haar"])
@pytest.mark.parametrize("group", CURVED, ids=repr)
def test_convolution_and_projection_on_the_plane(group, weights):
    conv = AffineConv2d(group, 2, 3, SIZE, AnalyticKernel)
    project = AffineProjection2d(group, 2, 3, SIZE, AnalyticKernel)
    samples, out, p = samples_of(group, 4, weights=weights), samples_of(group, 3, seed=9), pixel_positions(SIZE, UNIT)

    def taken(points, of, frame):
        """The feature at samples `of`, moved by the frame: F(frame^-1 x, frame^-1 t), for points of the moved plane."""
        return GroupFeature(torch.stack([feature(points, frame @ t) for t in of.matrix], 1)[None], of)

    one = torch.eye(2, dtype=torch.float64)
    for A, shift in moves(group):
        back = torch.linalg.inv(A)
        here = taken((p - shift) @ back.T, samples.move(A), back)
        there = taken(p - back @ shift, samples, one)
        for layer, more_here, more_there in ((conv, [out.move(A)], [out]), (project, [], [])):
            a, b = at_the_middle(layer, here, *more_here), at_the_middle(layer, there, *more_there)
            assert float((a - b).abs().max()) < 1e-10 * float(b.abs().max())
        staying = at_the_middle(conv, here, out)
        assert float((staying - at_the_middle(conv, there, out)).abs().max()) > 1e-2 * float(staying.abs().max())


def test_without_the_determinant_features_are_wrong_by_just_that():
    """A lifted image of a scaled image: |det A| times as large if the factor of the measure is taken away."""
    lift = AffineLifting2d(GLPlus(2), 2, 3, SIZE, AnalyticKernel)
    samples, p = samples_of(GLPlus(2), 4), pixel_positions(SIZE, UNIT)
    A = torch.tensor([[1.2, 0.1], [-0.2, 0.9]], dtype=torch.float64)
    moved = signal(p @ torch.linalg.inv(A).T)

    def without(x, at):
        return at_the_middle(lift, x[None], at) * torch.linalg.det(at.matrix)

    ratio = without(moved, samples.move(A)) / without(signal(p), samples)
    torch.testing.assert_close(ratio, torch.linalg.det(A).expand_as(ratio), rtol=1e-8, atol=0)


def test_the_determinant_enters_convolution_and_projection():
    """A feature that is the same at all samples but two, which differ in scale alone."""
    one = torch.eye(2, dtype=torch.float64)[None]
    small, large = (GroupSamples(one * s, one / s, one.new_zeros(1)) for s in (1.0, 2.0))
    values = torch.ones(1, 1, 1, 5, 5, dtype=torch.float64)

    class Flat(AnalyticKernel):
        def at(self, points, coordinates):
            return points.new_ones(*points.shape[:-1], 1, 1)

    for layer, more in (
        (AffineConv2d(GLPlus(2), 1, 1, 5, Flat), [small]),
        (AffineProjection2d(GLPlus(2), 1, 1, 5, Flat), []),
    ):
        a, b = (at_the_middle(layer, GroupFeature(values, s), *more) for s in (small, large))
        torch.testing.assert_close(a, 4 * b)


# ---------------------------------------------------------------- quarter turns, on pixels, exactly


def quarter_turns(dtype):
    matrix = torch.stack([turn(k * torch.pi / 2) for k in range(4)]).to(dtype)
    # With the rounding of cos and sin left in: +pi and -pi must not be told apart by it.
    return GroupSamples(matrix, matrix.mT.contiguous(), matrix.new_zeros(4))


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("kernel", ["siren", "principal", "basis"])
@pytest.mark.parametrize("group", [SO(2), SL(2), GLPlus(2)], ids=repr)
def test_quarter_turns_permute_features(group, kernel, dtype):
    torch.manual_seed(0)
    kernel = PUBLISHED if kernel == "principal" else kernel
    samples = quarter_turns(dtype)
    x = torch.randn(2, 1, 9, 9, generator=gen(), dtype=dtype)
    lift = AffineLifting2d(group, 1, 3, 5, kernel, padding=2).to(dtype)
    conv = AffineConv2d(group, 3, 3, 3, kernel, padding=1).to(dtype)
    project = AffineProjection2d(group, 3, 2, 3, kernel, padding=1).to(dtype)
    with torch.no_grad():
        features, turned = ([f := lift(image, samples), conv(f)] for image in (x, x.rot90(1, (-2, -1))))
        tolerance = 1e-12 if dtype == torch.float64 else 2e-5
        for a, b in zip(features, turned, strict=True):
            # Samples are turned forward: F'(x, h) = F(A^{-1} x, A^{-1} h).
            wanted = a.values.rot90(1, (-2, -1)).roll(1, 2)
            assert float((b.values - wanted).abs().max()) < tolerance * float(wanted.abs().max())
            assert float((b.values - a.values.rot90(1, (-2, -1))).abs().max()) > 1e-2 * float(wanted.abs().max())
        flat, turned_flat = project(features[1]), project(turned[1])
        scale = float(flat.abs().max())
        assert float((turned_flat - flat.rot90(1, (-2, -1))).abs().max()) < tolerance * scale
        pooled, turned_pooled = GroupPool("mean")(features[1]), GroupPool("mean")(turned[1])
        assert float((turned_pooled - pooled.rot90(1, (-2, -1))).abs().max()) < tolerance * scale * 10
        for reduction in ("max", "mean"):
            pool = GlobalPool(reduction)
            assert float((pool(features[1]) - pool(turned[1])).abs().max()) < tolerance * scale * 10


@pytest.mark.parametrize("group", [SO(2), SL(2)], ids=repr)
def test_a_network_at_quarter_turns_is_invariant(group):
    torch.manual_seed(0)
    net = AffineResNet(group, 3, num_samples=4, width=4, kernel_size=3, hidden=8).double().eval()
    x = torch.randn(2, 1, 12, 12, generator=gen(), dtype=torch.float64)
    samples = quarter_turns(torch.float64)
    with torch.no_grad():
        gap = net(x, samples) - net(x.rot90(1, (-2, -1)), samples)
        assert float(gap.abs().max()) < 1e-10
        assert float((net(x, samples) - net(x.mT, samples)).abs().max()) > 1e-4


@pytest.mark.parametrize("group", [Trivial(), SO(2), SL(2), GLPlus(2)], ids=repr)
def test_shifts_by_pixels_are_exact(group):
    torch.manual_seed(0)
    samples = samples_of(group, 3, dtype=torch.float64)
    lift = AffineLifting2d(group, 1, 2, 3).double()
    conv = AffineConv2d(group, 2, 2, 3).double()
    x = torch.randn(1, 1, 10, 10, generator=gen(), dtype=torch.float64)
    a, b = (conv(lift(image, samples)).values for image in (x, x.roll(1, 3)))
    torch.testing.assert_close(b[..., 1:], a[..., :-1], rtol=0, atol=1e-12)


@pytest.mark.parametrize("weights", ["proposal", "haar"])
def test_more_samples_err_less(weights):
    """Property 11: a fixed kernel, an analytic signal, the mean over the group; the error falls as one over root N."""
    size, draws, nums = 15, 12, (4, 16, 64, 256)
    lift = AffineLifting2d(SL(2), 1, 1, size, AnalyticKernel)
    x, pool = signal(pixel_positions(size, size / 2))[None, 1:], GroupPool("mean")

    def output(num, seed):
        samples = samples_of(SL(2), num, seed, weights=weights, proposal=LogNormal(0.1, 0.3))
        return float(pool(lift(x, samples)))

    limit = output(2048, 99)
    errors = [sum((output(num, seed) - limit) ** 2 for seed in range(draws)) ** 0.5 for num in nums]
    logs = torch.tensor([nums, errors], dtype=torch.float64).log()
    logs = logs - logs.mean(1, keepdim=True)
    slope = float((logs[0] * logs[1]).sum() / logs[0].square().sum())
    assert -0.75 < slope < -0.3, (errors, slope)
