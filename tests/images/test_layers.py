"""The layers: each number as its definition says, kernels kept in evaluation, and what they refuse."""

import copy
import io

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tests.images.plane import DTYPES, GROUPS, by_loops, coordinates_of, feature_of, samples_of
from torch import nn

from erlangen.groups import SL, SO, E, GLPlus, GroupSamples
from erlangen.images import (
    AffineConv2d,
    AffineLifting2d,
    AffineProjection2d,
    BasisKernel,
    FeatureNorm,
    GlobalPool,
    GroupFeature,
    GroupPool,
    SIRENKernel,
    SpatialPool,
)
from erlangen.images.kernel_grid import cell_centres

KERNELS = ["siren", "basis"]


def close(a, b, dtype=torch.float64):
    tolerance = 1e-12 if dtype == torch.float64 else 1e-5
    assert float((a - b).abs().max()) < tolerance * max(1.0, float(b.abs().max()))


# ---------------------------------------------------------------- property 12: the definition, as loops


@pytest.mark.parametrize("group", GROUPS, ids=repr)
def test_convolution_is_its_triple_loop(group):
    torch.manual_seed(0)
    feature, out = feature_of(group, 3, 2, 6, weights="haar"), samples_of(group, 2, seed=7)
    layer = AffineConv2d(group, 2, 2, 3, lambda *a, **k: SIRENKernel(*a, **k, width=5), padding=1).double()
    t, w = feature.samples, feature.samples.normalised_weights()
    points = [[cell_centres(3) @ h.T] * len(t) for h in out.inverse]
    coordinates = [[coordinates_of(group, torch.linalg.solve(h, s)) for s in t.matrix] for h in out.matrix]
    measure = [[w[i] / torch.linalg.det(s) for i, s in enumerate(t.matrix)] for _ in out.matrix]
    with torch.no_grad():
        wanted = by_loops(layer.kernel, feature.values[0], 1, points, coordinates, measure)
        close(layer(feature, out).values[0], wanted)


@pytest.mark.parametrize("group", GROUPS, ids=repr)
def test_lifting_and_projection_are_their_loops(group):
    torch.manual_seed(0)
    feature = feature_of(group, 3, 2, 6, weights="haar")
    t, w = feature.samples, feature.samples.normalised_weights()
    nothing = torch.zeros(0, dtype=torch.float64)
    small = lambda *a, **k: SIRENKernel(*a, **k, width=5)
    lift, project = AffineLifting2d(group, 2, 2, 3, small).double(), AffineProjection2d(group, 2, 2, 3, small).double()
    points = [cell_centres(3) @ torch.linalg.inv(s).T for s in t.matrix]
    determinant = [torch.linalg.det(s) for s in t.matrix]
    n = len(t)
    with torch.no_grad():
        wanted = by_loops(
            lift.kernel,
            feature.values[0, :, :1],
            0,
            [[p] for p in points],
            [[nothing]] * n,
            [[1 / d] for d in determinant],
        )
        close(lift(feature.values[:, :, 0], t).values[0], wanted)
        measure = [[w[i] / d for i, d in enumerate(determinant)]]
        wanted = by_loops(project.kernel, feature.values[0], 0, [points], [[nothing] * n], measure)[:, 0]
        close(project(feature)[0], wanted)


@given(
    st.sampled_from(GROUPS),
    st.sampled_from(KERNELS),
    st.integers(1, 3),
    st.integers(1, 3),
    st.integers(1, 3),
    st.integers(1, 4),
    st.integers(0, 2),
    st.integers(0, 2),
    st.integers(4, 7),
)
def test_shapes(group, kernel, channels_in, channels_out, num, kernel_size, padding, batch, size):
    feature = feature_of(group, num, channels_in, size, batch=batch, dtype=torch.float32)
    options = {"kernel": kernel, "padding": padding}
    n, side = len(feature.samples), (size + 2 * padding - kernel_size + 1, size + 2 - kernel_size + 2 * padding)
    values = nn.functional.pad(feature.values, (0, 1))
    wide = GroupFeature(values, feature.samples)
    out = AffineConv2d(group, channels_in, channels_out, kernel_size, **options)(wide)
    assert out.values.shape == (batch, channels_out, n, *side) and out.samples is wide.samples
    lifted = AffineLifting2d(group, channels_in, channels_out, kernel_size, **options)(values[:, :, 0], wide.samples)
    assert lifted.values.shape == (batch, channels_out, n, *side)
    flat = AffineProjection2d(group, channels_in, channels_out, kernel_size, **options)(wide)
    assert flat.shape == (batch, channels_out, *side)
    assert GroupPool("mean")(out).shape == (batch, channels_out, *side)
    assert GlobalPool()(out).shape == (batch, channels_out)


# ---------------------------------------------------------------- gradients, copies, precision


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("group", [SO(2), SL(2), GLPlus(2)], ids=repr)
def test_gradients(group, kernel):
    torch.manual_seed(0)
    layer = AffineConv2d(group, 1, 2, 3, kernel).double()
    feature = feature_of(group, 2, 1, 4, batch=1)
    parameters = [p.detach().requires_grad_() for p in layer.parameters()]
    names = [name for name, _ in layer.named_parameters()]

    def run(values, *given):
        state = dict(zip(names, given, strict=True))
        out = torch.func.functional_call(layer, state, (GroupFeature(values, feature.samples),))
        return out.values.sum((-2, -1))

    inputs = (feature.values.requires_grad_(), *parameters)
    assert torch.autograd.gradcheck(run, inputs, fast_mode=True)


@pytest.mark.parametrize("kernel", KERNELS)
def test_gradients_reach_samples_also_at_the_identity(kernel):
    torch.manual_seed(0)
    layer = AffineConv2d(GLPlus(2), 1, 1, 3, kernel).double()
    values = feature_of(GLPlus(2), 2, 1, 4, batch=1).values
    shear = torch.tensor([[1.1, 0.2], [0.0, 1.0]], dtype=torch.float64)
    matrix = torch.stack([torch.eye(2, dtype=torch.float64), shear]).requires_grad_()

    def run(matrix):
        samples = GroupSamples(matrix, torch.linalg.inv(matrix), matrix.new_zeros(2))
        return layer(GroupFeature(values, samples)).values.sum((-2, -1))

    assert torch.autograd.gradcheck(run, (matrix,))


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("group", GROUPS, ids=repr)
def test_single_precision_is_close_to_double(group, kernel):
    torch.manual_seed(0)
    feature = feature_of(group, 3, 2, 6)
    layer = AffineConv2d(group, 2, 2, 3, kernel)
    layer.requires_grad_(False)
    single = layer(GroupFeature(feature.values.float(), feature.samples))
    assert single.values.dtype == torch.float32
    close(single.values.double(), layer.double()(feature).values, torch.float32)


@pytest.mark.parametrize("kernel", KERNELS)
def test_state_goes_there_and_back(kernel):
    torch.manual_seed(0)
    first, second = (AffineConv2d(SL(2), 2, 3, 5, kernel, padding=2) for _ in range(2))
    feature = feature_of(SL(2), dtype=torch.float32)
    with torch.no_grad():
        assert not torch.equal(first(feature).values, second(feature).values)
        second.load_state_dict(first.state_dict())
        assert torch.equal(first(feature).values, second(feature).values)


# ---------------------------------------------------------------- kernels kept in evaluation


class Counting(SIRENKernel):
    """Tells how often it was evaluated."""

    calls, made = 0, None

    def forward(self, grid):
        type(self).calls += 1
        values = super().forward(grid)
        type(self).made = values.dtype
        return values


@pytest.fixture
def counted():
    torch.manual_seed(0)
    Counting.calls = 0
    return AffineConv2d(SL(2), 2, 2, 3, Counting).eval(), feature_of(SL(2), dtype=torch.float32)


def made_by(action):
    """How many kernels an action evaluates."""
    before = Counting.calls
    action()
    return Counting.calls - before


def fresh(layer, feature):
    with torch.no_grad():
        return copy.deepcopy(layer)(feature).values


@torch.no_grad()
def test_evaluation_keeps_the_kernel(counted):
    layer, feature = counted
    first = layer(feature).values
    assert made_by(lambda: layer(feature)) == 0
    # Other values at the same samples need no other kernel.
    assert made_by(lambda: layer(feature.map(torch.cos))) == 0
    assert torch.equal(layer(feature).values, first) and torch.equal(first, fresh(layer, feature))


@pytest.mark.parametrize(
    "change",
    [
        lambda layer, feature: layer.train().eval(),
        lambda layer, feature: layer.load_state_dict({k: v + 1 for k, v in layer.state_dict().items()}),
        lambda layer, feature: layer.load_state_dict({k: v + 1 for k, v in layer.state_dict().items()}, assign=True),
        lambda layer, feature: layer.kernel.first.weight.mul_(2),
        lambda layer, feature: torch.optim.SGD(layer.parameters(), 0.1).step(),
        lambda layer, feature: feature.samples.matrix.mul_(1.00001),
        lambda layer, feature: setattr(layer.kernel.last, "bias", nn.Parameter(torch.ones(4))),
    ],
    ids=["train", "load", "assign", "write", "step", "samples", "parameter"],
)
def test_what_changes_makes_another_kernel(counted, change):
    layer, feature = counted
    layer(feature).values.sum().backward()
    with torch.no_grad():
        layer(feature)
        change(layer, feature)
        assert made_by(lambda: layer(feature)) == 1
        assert made_by(lambda: layer(feature)) == 0
        assert torch.equal(layer(feature).values, fresh(layer, feature))


def test_other_samples_make_another_kernel(counted):
    layer, feature = counted
    other = samples_of(SL(2), 3, seed=5, dtype=torch.float32)
    with torch.no_grad():
        layer(feature)
        assert made_by(lambda: layer(feature, other)) == 1
        assert not torch.equal(layer(feature, other).values, layer(feature).values)


def test_training_and_gradients_make_the_kernel_anew(counted):
    layer, feature = counted
    for _ in range(2):
        assert made_by(lambda: layer(feature).values.sum().backward()) == 1
    layer.train()
    with torch.no_grad():
        assert made_by(lambda: [layer(feature), layer(feature)]) == 2
    layer.eval().requires_grad_(False)
    with torch.no_grad():
        layer(feature)
    values = feature.values.clone().requires_grad_()
    # Frozen weights: the kernel is a constant, also where gradients of the input are taken.
    assert made_by(lambda: layer(GroupFeature(values, feature.samples)).values.sum().backward()) == 0
    assert values.grad is not None and float(values.grad.abs().sum()) > 0


def test_inference_mode_leaves_nothing_behind(counted):
    layer, feature = counted
    with torch.inference_mode():
        layer(feature)
        assert made_by(lambda: layer(feature)) == 0
        born = GroupFeature(feature.values, samples_of(SL(2), 3, dtype=torch.float32, seed=4))
        assert made_by(lambda: [layer(born), layer(born)]) == 1
        born.samples.matrix.mul_(1.00001)
        assert made_by(lambda: [layer(born), layer(born)]) == 1
        layer(feature)
    layer(feature).values.sum().backward()
    layer.requires_grad_(False)
    with torch.inference_mode():
        layer(feature)
    layer(GroupFeature(feature.values.requires_grad_(), feature.samples)).values.sum().backward()


def test_in_half_precision_the_kernel_is_made_in_full(counted):
    layer, feature = counted
    full = layer(feature).values.detach()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        half = layer(feature.map(torch.Tensor.bfloat16)).values
        half.sum().backward()
    assert half.dtype == torch.bfloat16 and Counting.made == torch.float32
    torch.testing.assert_close(half.float(), full, rtol=0.05, atol=0.05 * float(full.abs().max()))


@torch.no_grad()
def test_many_kernels_at_once(counted):
    layer, feature = counted
    other = copy.deepcopy(layer).requires_grad_(False)
    other.kernel.first.weight.mul_(2)
    state = {k: torch.stack([v, other.state_dict()[k]]) for k, v in layer.state_dict().items()}
    run = torch.func.vmap(lambda s: torch.func.functional_call(layer, s, (feature,)).values)
    torch.testing.assert_close(run(state), torch.stack([layer(feature).values, other(feature).values]))


@torch.no_grad()
def test_precision_and_copies(counted):
    layer, feature = counted
    size = len(_pickle(layer))
    layer(feature)
    assert len(_pickle(layer)) == size
    wide = GroupFeature(feature.values.double(), feature.samples)
    close(layer.double()(wide).values, feature_double := fresh(layer, wide))
    assert feature_double.dtype == torch.float64


def _pickle(layer):
    stream = io.BytesIO()
    torch.save(layer, stream)
    return stream.getvalue()


def test_one_seed_gives_one_output():
    outputs = []
    for _ in range(2):
        torch.manual_seed(3)
        layer = AffineConv2d(SL(2), 2, 2, 3)
        outputs.append(layer(feature_of(SL(2), dtype=torch.float32, seed=4)).values)
    assert torch.equal(*outputs)


# ---------------------------------------------------------------- pooling


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_pooling(dtype):
    feature = feature_of(SL(2), 4, 3, 5, dtype=dtype, weights="haar")
    weight = (feature.samples.log_weight.exp() / feature.samples.log_weight.exp().sum()).to(dtype)
    mean = sum(w * feature.values[:, :, n] for n, w in enumerate(weight))
    close(GroupPool("mean")(feature), mean, dtype)
    close(GlobalPool("mean")(feature), mean.mean((-2, -1)), dtype)
    assert torch.equal(GroupPool()(feature), feature.values.max(2).values)
    assert torch.equal(GlobalPool()(feature), feature.values.flatten(2).max(2).values)
    pooled = SpatialPool(2)(feature)
    assert pooled.samples is feature.samples and pooled.values.shape[-2:] == (2, 2)
    assert torch.equal(pooled.values[..., 1, 0], feature.values[..., 2:4, :2].amax((-2, -1)))
    close(SpatialPool(2, "mean")(feature).values[..., 1, 0], feature.values[..., 2:4, :2].mean((-2, -1)), dtype)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_norm(dtype):
    feature = feature_of(SL(2), 4, 3, 5, dtype=dtype).map(lambda x: 2 * x + 3 * x[:, :1] + 1)
    normal = FeatureNorm()(feature).values
    for x, y in zip(feature.values, normal, strict=True):
        close(y, (x - x.mean()) / (x.var(correction=0) + 1e-5).sqrt(), dtype)


# ---------------------------------------------------------------- what is refused


@pytest.mark.parametrize("layer", [AffineLifting2d, AffineConv2d, AffineProjection2d])
@pytest.mark.parametrize(
    "arguments, message",
    [
        ((SL(3), 1, 1, 3), r"\(group\): SO\(2\), SL\(2\), GLPlus\(2\) or Trivial\(\), got SL\(3\)"),
        ((E(2), 1, 1, 3), r"\(group\)"),
        ((SL(2), 0, 1, 3), r"\(in_channels\): an integer of at least 1, got 0"),
        ((SL(2), 1, -1, 3), r"\(out_channels\)"),
        ((SL(2), 1, 1, 0), r"\(kernel_size\)"),
        ((SL(2), 1, 1, 2.0), r"\(kernel_size\)"),
        ((SL(2), 1, 1, 3, "spline"), r"\(kernel\): 'siren', 'basis' or a factory, got 'spline'"),
        ((SL(2), 1, 1, 3, "siren", -1), r"\(padding\): an integer of at least 0, got -1"),
    ],
)
def test_arguments_without_meaning(layer, arguments, message):
    with pytest.raises((ValueError, TypeError), match=message if arguments[3] != 2.0 else ""):
        layer(*arguments)


def test_inputs_that_do_not_fit():
    samples = samples_of(SL(2), 3)
    x = torch.zeros(1, 2, 6, 6)
    with pytest.raises(ValueError, match=r"AffineLifting2d\(x\): 1 channels, got 2"):
        AffineLifting2d(SL(2), 1, 1, 3)(x, samples)
    with pytest.raises(ValueError, match=r"images of at least 5 pixels along each side.*got .4, 6"):
        AffineLifting2d(SL(2), 2, 1, 7, padding=1)(x[..., :4, :], samples)
    with pytest.raises(TypeError, match=r"values of torch\.float32, as the kernel has, got torch\.float64"):
        AffineLifting2d(SL(2), 2, 1, 3)(x.double(), samples)
    with pytest.raises(TypeError):
        AffineLifting2d(SL(2), 2, 1, 3)(x.long(), samples)
    feature = feature_of(SL(2), 3, 2, 6, dtype=torch.float32)
    with pytest.raises(TypeError):
        GroupFeature(feature.values.long(), feature.samples)
    with pytest.raises(ValueError, match=r"AffineConv2d\(feature\): 3 channels, got 2"):
        AffineConv2d(SL(2), 3, 1, 3)(feature)
    with pytest.raises(ValueError, match=r"AffineProjection2d\(feature\): 3 channels, got 2"):
        AffineProjection2d(SL(2), 3, 1, 3)(feature)
    with pytest.raises(ValueError, match=r"with as many samples as `samples` has, 4, got \(2, 2, 3, 6, 6\)"):
        GroupFeature(feature.values, samples_of(SL(2), 4))
    with pytest.raises(ValueError, match="SpatialPool: features of at least 7 pixels, got 6 by 6"):
        SpatialPool(7)(feature)
    for pool in (GroupPool, GlobalPool, lambda r: SpatialPool(2, r)):
        with pytest.raises(ValueError, match=r"\(reduction\): one of 'max', 'mean', got 'sum'"):
            pool("sum")
    with pytest.raises(ValueError, match=r"SpatialPool\(kernel_size\): an integer of at least 1, got 0"):
        SpatialPool(0)


def test_samples_outside_the_group_are_refused():
    one = torch.eye(2, dtype=torch.float64)[None]
    scaled = GroupSamples(one * 1.1, one / 1.1, one.new_zeros(1))
    mirror = torch.diag(torch.tensor([1.0, -1.0], dtype=torch.float64))[None]
    flipped = GroupSamples(mirror, mirror, one.new_zeros(1))
    still = GroupSamples(one, one, one.new_zeros(1))
    values = torch.zeros(1, 1, 1, 4, 4, dtype=torch.float64)
    with pytest.raises(ValueError, match=r"sample 0 is not an element.*determinant 1.21"):
        AffineConv2d(SL(2), 1, 1, 3).double()(GroupFeature(values, scaled), still)
    with pytest.raises(ValueError, match="sample 0 is not an element"):
        AffineConv2d(GLPlus(2), 1, 1, 3).double()(GroupFeature(values, flipped), still)
    for layer in (AffineLifting2d(GLPlus(2), 1, 1, 3), AffineLifting2d(SL(2), 1, 1, 3)):
        with pytest.raises(ValueError, match="determinant"):
            layer.double()(values[:, :, 0], flipped)
    space = torch.eye(3, dtype=torch.float64)[None]
    with pytest.raises(ValueError, match=r"matrices of two by two, got .3, 3"):
        AffineLifting2d(SL(2), 1, 1, 3).double()(values[:, :, 0], GroupSamples(space, space, one.new_zeros(1)))


def test_samples_that_are_not_finite_are_refused():
    feature = feature_of(GLPlus(2), 2, 1, 4)
    feature.samples.matrix[1, 0, 0] = torch.nan
    with pytest.raises(ValueError, match=r"samples of GLPlus\(2\): sample 1 is not an element"):
        AffineConv2d(GLPlus(2), 1, 1, 3).double()(feature)


def test_images_that_are_not_finite_show():
    feature = feature_of(SL(2), 2, 1, 5, batch=2)
    feature.values[0, 0, 0, 2, 2] = torch.nan
    with torch.no_grad():
        out = FeatureNorm()(AffineConv2d(SL(2), 1, 1, 3).double()(feature)).values
    assert out[0].isnan().all() and out[1].isfinite().all()


@pytest.mark.parametrize("scale", [3.5, 1 / 3.5])
def test_samples_that_a_kernel_cannot_resolve_are_warned_of(scale):
    one = torch.eye(2, dtype=torch.float64)[None]
    far = GroupSamples(scale * one, one / scale, one.new_zeros(1))
    lift, x = AffineLifting2d(GLPlus(2), 1, 1, 5).double(), torch.zeros(1, 1, 6, 6, dtype=torch.float64)
    with pytest.warns(UserWarning, match=r"stretches or shrinks by up to 3\.5, .*LogNormal\(bound"):
        lift(x, far)


def test_a_factory_that_returns_another_shape():
    class Odd(BasisKernel):
        def forward(self, grid):
            return super().forward(grid)[..., :-1]

    with pytest.raises(ValueError, match=r"AffineConv2d\(kernel\): a module that returns values of shape"):
        AffineConv2d(SL(2), 2, 2, 3, Odd)(feature_of(SL(2), dtype=torch.float32))
