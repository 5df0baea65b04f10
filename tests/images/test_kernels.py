"""Kernels: what they compute at single points, where they end, that they are continuous, and what they refuse."""

import math

import jaxtyping
import pytest
import torch
from tests.images.plane import DTYPES, GROUPS, coordinates_of, feature_of, kernel_value, samples_of, turn

from erlangen.groups import SL, SO, CartanCoordinates, GLPlus, GroupSamples, Trivial
from erlangen.images import AffineConv2d, BasisKernel, SIRENKernel
from erlangen.images.kernel_grid import cell_centres, convolution_grid, lifting_grid, projection_grid

KINDS = [SIRENKernel, BasisKernel]


def a_grid(group, kernel_size=5, num=3, dtype=torch.float64, weights="haar"):
    return convolution_grid(
        group, samples_of(group, num, 1, dtype, weights=weights), samples_of(group, num + 1, 2, dtype), kernel_size
    )


def test_cells_are_read_as_pixels_are():
    centres = cell_centres(3)
    assert centres.view(3, 3, 2)[0, 0].tolist() == pytest.approx([-2 / 3, 2 / 3])
    assert centres.view(3, 3, 2)[1, 2].tolist() == pytest.approx([2 / 3, 0])


@pytest.mark.parametrize("group", GROUPS, ids=repr)
def test_grids(group):
    there, here = samples_of(group, 3, 1, weights="haar"), samples_of(group, 4, 2)
    grid, p = convolution_grid(group, there, here, 3), cell_centres(3)
    w = there.log_weight.exp() / there.log_weight.exp().sum()
    assert grid.shape == (len(here), len(there), 9)
    torch.testing.assert_close(grid.points[-1, 0, 2], torch.linalg.inv(here.matrix[-1]) @ p[2])
    wanted = coordinates_of(group, torch.linalg.inv(here.matrix[-1]) @ there.matrix[0])
    torch.testing.assert_close(grid.coordinates[-1, 0], wanted)
    torch.testing.assert_close(grid.measure[0], w / torch.linalg.det(there.matrix))
    up, down = lifting_grid(group, here, 3), projection_grid(group, there, 3)
    assert up.shape == (len(here), 1, 9) and down.shape == (1, len(there), 9)
    torch.testing.assert_close(up.measure[:, 0], 1 / torch.linalg.det(here.matrix))
    torch.testing.assert_close(down.measure[0], grid.measure[0])
    torch.testing.assert_close(down.points[0, -1], p @ torch.linalg.inv(there.matrix[-1]).T)


@pytest.mark.parametrize("angle", ["periodic", "principal"])
@pytest.mark.parametrize("group", GROUPS, ids=repr)
@torch.no_grad()
def test_siren_is_what_it_says(group, angle):
    torch.manual_seed(0)
    kernel, grid = SIRENKernel(group, 2, 3, 5, width=7, angle=angle).double(), a_grid(group)
    for layer in (kernel.hidden[0], kernel.hidden[1], kernel.last):
        layer.bias.normal_()
    found = kernel(grid)
    out_samples, in_samples, taps = grid.shape
    for o in range(out_samples):
        for i in range(in_samples):
            for t in range(taps):
                wanted = kernel_value(kernel, grid.points[o, 0, t], grid.coordinates[o, i]) * grid.measure[o, i]
                torch.testing.assert_close(found[o, :, :, i, t], wanted, rtol=0, atol=1e-12)


@pytest.mark.parametrize("group", GROUPS, ids=repr)
@torch.no_grad()
def test_basis_is_what_it_says(group):
    torch.manual_seed(0)
    kernel, grid = BasisKernel(group, 2, 3, 5, max_frequency=2).double(), a_grid(group)
    found, window = kernel(grid), grid.window
    out_samples, in_samples, taps = grid.shape
    for o in range(out_samples):
        for i in range(in_samples):
            c, wanted = grid.coordinates[o, i], torch.zeros(3, 2, taps, dtype=torch.float64)
            for a, centre in enumerate(kernel.centres):
                space = (-(grid.points[o, 0] - centre).square().sum(-1) / (2 * 0.2**2)).exp()
                for b, stretch in enumerate(kernel.stretches):
                    bump = (-(c[:-1] - stretch).square().sum() / (2 * 0.3**2)).exp() if len(kernel.stretches) > 1 else 1
                    for m in range(kernel.weight.shape[1]):
                        turned = 1 if m == 0 else (c[-1] * m).cos() if m <= 2 else (c[-1] * (m - 2)).sin()
                        wanted += kernel.weight[b, m, a, :, :, None] * bump * turned * space
            torch.testing.assert_close(found[o, :, :, i], wanted * window[o, i], rtol=0, atol=1e-12)


@pytest.mark.parametrize("group", GROUPS, ids=repr)
@torch.no_grad()
def test_basis_is_linear_in_its_parameters(group):
    kernel, grid = BasisKernel(group, 2, 3, 5).double(), a_grid(group)
    assert [name for name, _ in kernel.named_parameters()] == ["weight"]
    a, b = torch.randn_like(kernel.weight), torch.randn_like(kernel.weight)
    values = []
    for weight in (a, b, 2 * a - 3 * b):
        kernel.weight.copy_(weight)
        values.append(kernel(grid))
    torch.testing.assert_close(values[2], 2 * values[0] - 3 * values[1])


@torch.no_grad()
def test_without_a_group_basis_weights_are_nearly_taps():
    """At the neutral element a tap sees its own weight most, its neighbours little, and all bumps cover the disc."""
    kernel = BasisKernel(Trivial(), 1, 1, 5)
    one = samples_of(Trivial(), dtype=torch.float32)
    taps = torch.stack([_with_weight(kernel, k)(lifting_grid(Trivial(), one, 5)).flatten() for k in range(21)])
    inside = cell_centres(5).norm(dim=-1) <= 1
    assert int(inside.sum()) == 21 and bool((taps[:, ~inside] == 0).all())
    own = taps[:, inside]
    torch.testing.assert_close(own.diagonal(), torch.ones(21))
    assert float((own - torch.eye(21)).amax()) == pytest.approx(math.exp(-2), rel=1e-5)


def _with_weight(kernel, k):
    kernel.weight.zero_().view(-1)[k] = 1
    return kernel


@pytest.mark.parametrize("group", [Trivial(), SO(2), SL(2)], ids=repr)
@pytest.mark.parametrize("kind", KINDS)
@torch.no_grad()
def test_kernels_end_at_the_unit_circle(kind, group):
    torch.manual_seed(0)
    grid = a_grid(group)
    values = kind(group, 1, 1, 5).double()(grid)[:, 0, 0]
    inside = (grid.points.norm(dim=-1) <= 1).expand(values.shape)
    assert bool((values[~inside] == 0).all()) and bool((values[inside] != 0).all()) and not bool(inside.all())


@torch.no_grad()
def test_of_scalings_kernels_end_softly():
    grid = a_grid(GLPlus(2))
    length = torch.cat([grid.points.expand(4, 3, 25, 2), grid.coordinates[:, :, None].expand(-1, -1, 25, -1)], -1).norm(
        dim=-1
    )
    wanted = grid.measure[..., None] / (1 + torch.exp(-2 * (1 - length)))
    torch.testing.assert_close(grid.window, wanted)
    up = lifting_grid(GLPlus(2), samples_of(GLPlus(2)), 5)
    wanted = up.measure[..., None] / (1 + torch.exp(-2 * (1 - up.points.norm(dim=-1))))
    torch.testing.assert_close(up.window, wanted)


# ---------------------------------------------------------------- angles


def values_at(kernel, group, angle):
    """The kernel at the relative rotation by an angle."""
    t = turn(angle)[None]
    there = GroupSamples(t, t.mT.contiguous(), t.new_zeros(1))
    one = torch.eye(2, dtype=torch.float64)[None]
    here = GroupSamples(one, one.clone(), one.new_zeros(1))
    return kernel(convolution_grid(group, there, here, 5))


@pytest.mark.parametrize("group", [SO(2), SL(2), GLPlus(2)], ids=repr)
@pytest.mark.parametrize("kind", KINDS)
@torch.no_grad()
def test_kernels_are_continuous_where_angles_jump(kind, group):
    torch.manual_seed(0)
    kernel = kind(group, 2, 2, 5).double()
    before, after = (values_at(kernel, group, math.pi + e) for e in (-1e-6, 1e-6))
    at = CartanCoordinates(group)
    assert float(at.coordinates(turn(math.pi - 1e-6))[-1] - at.coordinates(turn(math.pi + 1e-6))[-1]) > 6
    assert float((before - after).abs().max()) < 1e-4 * float(before.abs().max())
    # The published kernel jumps there, and is continuous at the neutral element.
    published = SIRENKernel(group, 2, 2, 5, angle="principal").double()
    before, after = (values_at(published, group, math.pi + e) for e in (-1e-6, 1e-6))
    assert float((before - after).abs().max()) > 1e-2 * float(before.abs().max())
    before, after = (values_at(published, group, e) for e in (-1e-6, 1e-6))
    assert float((before - after).abs().max()) < 1e-4 * float(before.abs().max())


# ---------------------------------------------------------------- weights


@pytest.mark.parametrize(
    "group, dim, angle, expected",
    [
        (Trivial(), 0, "periodic", 2),
        (SO(2), 1, "principal", 3),
        (SO(2), 1, "periodic", 4),
        (SL(2), 3, "principal", 5),
        (SL(2), 3, "periodic", 6),
        (GLPlus(2), 4, "principal", 6),
        (GLPlus(2), 4, "periodic", 7),
    ],
    ids=str,
)
def test_coordinates_that_a_siren_sees(group, dim, angle, expected):
    assert SIRENKernel(group, 1, 1, 5, angle=angle).first.in_features == expected
    assert SIRENKernel(group, 1, 1, 5, on_group=False, angle=angle).first.in_features == 2


def test_initial_weights_of_a_siren():
    torch.manual_seed(0)
    kernel = SIRENKernel(SL(2), 4, 3, 5, angle="principal")
    bounds = {kernel.first: 1 / 5, kernel.hidden[0]: math.sqrt(6 / 60) / 10, kernel.last: math.sqrt(6 / 60) / (2 * 5)}
    for layer, bound in bounds.items():
        largest = float(layer.weight.detach().abs().max())
        assert 0.95 * bound < largest <= bound
    assert not kernel.hidden[0].bias.any() and not kernel.hidden[1].bias.any() and not kernel.last.bias.any()
    assert kernel.first.bias.any()


@pytest.mark.parametrize("group", GROUPS, ids=repr)
@torch.no_grad()
def test_initial_weights_of_a_basis_keep_the_spread(group):
    """Of a lifting-like layer at one sample: unit inputs give outputs of about unit spread."""
    torch.manual_seed(0)
    found = []
    for _ in range(20):
        layer = AffineConv2d(group, 8, 8, 5, "basis")
        feature = feature_of(group, 1, 8, 12, dtype=torch.float32)
        one = torch.eye(2)[None]
        still = GroupSamples(one, one.clone(), one.new_zeros(1))
        feature = type(feature)(feature.values, still)
        found.append(layer(feature).values.square().mean())
    spread = float(torch.stack(found).mean().sqrt())
    assert 0.6 < spread * (1 / torch.sigmoid(torch.tensor(1.0)) if group == GLPlus(2) else 1.0) < 1.6, spread


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_every_parameter_learns(kind, dtype):
    torch.manual_seed(0)
    kernel = kind(SL(2), 2, 3, 5).to(dtype)
    kernel(a_grid(SL(2), dtype=dtype)).square().sum().backward()
    for name, parameter in kernel.named_parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all() and parameter.grad.any(), name


@pytest.mark.parametrize(
    "kind, options, message",
    [
        (SIRENKernel, {"width": 0}, r"SIRENKernel\(width\): an integer of at least 1, got 0"),
        (SIRENKernel, {"num_layers": -1}, r"SIRENKernel\(num_layers\): an integer of at least 0, got -1"),
        (SIRENKernel, {"omega": 0.0}, r"SIRENKernel\(omega\): a positive number, got 0.0"),
        (SIRENKernel, {"omega": math.inf}, r"SIRENKernel\(omega\)"),
        (SIRENKernel, {"angle": "raw"}, r"SIRENKernel\(angle\): one of periodic, principal, got 'raw'"),
        (BasisKernel, {"resolution": 0}, r"BasisKernel\(resolution\): an integer of at least 1, got 0"),
        (BasisKernel, {"max_frequency": -1}, r"BasisKernel\(max_frequency\): an integer of at least 0, got -1"),
        (BasisKernel, {"stretch_steps": -1}, r"BasisKernel\(stretch_steps\): an integer of at least 0, got -1"),
        (BasisKernel, {"resolution": 2.5}, r"BasisKernel\(resolution\): an integer of at least 1, got 2\.5"),
        (SIRENKernel, {"width": 2.5}, r"SIRENKernel\(width\): an integer of at least 1, got 2\.5"),
        (BasisKernel, {"stretch_width": math.nan}, r"BasisKernel\(stretch_width\): a positive number, got nan"),
    ],
)
def test_arguments_without_meaning(monkeypatch, kind, options, message):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # what users see, who have no run-time checks
    with pytest.raises(ValueError, match=message):
        kind(SL(2), 1, 1, 5, **options)
    with pytest.raises(ValueError, match=r"\(group\): SO\(2\), SL\(2\), GLPlus\(2\) or Trivial\(\), got SO\(3\)"):
        kind(SO(3), 1, 1, 5)
    with pytest.raises(ValueError, match=r"\(in_channels\): an integer of at least 1, got 0"):
        kind(SL(2), 0, 1, 5)


def test_layers_print():
    torch.manual_seed(0)
    text = repr(AffineConv2d(SL(2), 2, 3, 5, "basis")) + repr(AffineConv2d(SL(2), 2, 3, 5))
    assert "SL(2), 2, 3, kernel_size=5, padding=0" in text and "5 x 3 x 21 functions" in text
    assert "omega=10.0, angle='periodic'" in text
