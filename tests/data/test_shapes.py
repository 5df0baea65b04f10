"""Solids: exact normals, points on the surface, spread evenly; each checked without the formulas that made them."""

import math

import pytest
import torch

from erlangen.data.shapes import (
    KINDS,
    Clouds,
    boxes,
    cylinders,
    solids,
    stretched,
    superquadric_level,
    superquadrics,
    thinned,
    tori,
    turned,
)
from erlangen.groups import SO

SCALE = torch.tensor([0.5, 1.0, 1.7], dtype=torch.float64)
ROUNDNESS = torch.tensor([[[0.6, 1.3]]], dtype=torch.float64)
TUBE = torch.tensor([[0.4]], dtype=torch.float64)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def level_torus(x):
    return (x[..., :2].norm(dim=-1) - 1).square() + x[..., 2].square() - TUBE.squeeze() ** 2


LEVELS = {  # zero on each surface in standard size
    "superquadric": lambda x: superquadric_level(x, ROUNDNESS[0, 0]) - 1,
    "box": lambda x: x.abs().amax(-1) - 1,
    "cylinder": lambda x: torch.maximum(x[..., :2].norm(dim=-1), x[..., 2].abs()) - 1,
    "torus": level_torus,
}


def surface(kind, count, scale=SCALE):
    made = {
        "superquadric": lambda: superquadrics(1, count, seeded(), ROUNDNESS),
        "box": lambda: boxes(1, count, seeded()),
        "cylinder": lambda: cylinders(1, count, seeded()),
        "torus": lambda: tori(1, count, seeded(), TUBE),
    }[kind]()
    return stretched(made, scale.reshape(1, 1, 3))


@pytest.mark.parametrize("kind", KINDS)
def test_points_lie_on_the_stretched_surface(kind):
    points, _, weight = surface(kind, 500)
    assert LEVELS[kind](points / SCALE).abs().max() < 1e-10
    assert weight.min() > 0 and weight.isfinite().all()


@pytest.mark.parametrize("kind", KINDS)
def test_normals_are_unit_and_point_where_the_level_grows_fastest(kind):
    points, normals, _ = surface(kind, 500)
    torch.testing.assert_close(normals.norm(dim=-1), torch.ones(1, 500).double())
    step = 1e-6
    shifts = step * torch.eye(3, dtype=torch.float64)
    level = LEVELS[kind]
    gradient = torch.stack([level((points + s) / SCALE) - level((points - s) / SCALE) for s in shifts], -1)
    smooth = (points / SCALE).abs().amin(-1) > 1e-3  # powers below two bend sharply where a coordinate vanishes
    gradient = torch.nn.functional.normalize(gradient, dim=-1)
    assert smooth.double().mean() > 0.9
    assert (gradient - normals)[smooth].norm(dim=-1).quantile(0.99) < 1e-4  # but on edges, where differences are wrong


@pytest.mark.parametrize("kind", KINDS)
def test_normals_are_orthogonal_to_near_neighbours_on_the_surface(kind):
    points, normals, _ = surface(kind, 20000)
    points, normals = points[0], normals[0]
    few = torch.arange(0, 20000, 100)
    near = torch.cdist(points[few], points).topk(4, largest=False).indices[:, 1:]
    chord = torch.nn.functional.normalize(points[near] - points[few][:, None], dim=-1)
    assert (chord * normals[few][:, None]).sum(-1).abs().median() < 0.03


def area(kind):
    """Elements of area of a solid stretched by `SCALE`, and where they are: by a fine mesh and differences."""
    count = 1500
    u, v = torch.meshgrid(*[(torch.arange(count).double() + 0.5) / count] * 2, indexing="ij")
    a, h = 2 * math.pi * u, 2 * v - 1

    def direction(u, h):
        flat = (1 - h**2).sqrt()
        return torch.stack([flat * u.cos(), flat * u.sin(), h], -1)

    def ball(u, h):
        along = direction(u, h)
        return along * superquadric_level(along, ROUNDNESS[0, 0])[..., None] ** (-ROUNDNESS[0, 0, 0] / 2)

    def torus(u, h):
        ring = 1 + TUBE.squeeze() * (math.pi * h).cos()
        return torch.stack([ring * u.cos(), ring * u.sin(), TUBE.squeeze() * (math.pi * h).sin()], -1)

    patch = {"superquadric": ball, "torus": torus}[kind]
    step = 1e-5
    du = (patch(a + step, h) - patch(a - step, h)) * SCALE / (2 * step)
    dv = (patch(a, h + step) - patch(a, h - step)) * SCALE / (2 * step)
    element = torch.linalg.cross(du, dv).norm(dim=-1)
    return element, patch(a, h) * SCALE


@pytest.mark.parametrize("kind", ["superquadric", "torus"])
def test_weights_make_the_sampling_uniform_in_area(kind):
    element, mesh = area(kind)
    element = torch.where(element.isfinite(), element, 0.0)
    points, _, weight = surface(kind, 200000)
    for axis in range(3):
        for height in (-0.2, 0.1, 0.4):
            expected = element[mesh[..., axis] > height].sum() / element.sum()
            got = weight[points[..., axis] > height].sum() / weight.sum()
            assert float(got) == pytest.approx(float(expected), abs=0.006)


def test_faces_of_a_box_and_lids_of_a_cylinder_get_their_share():
    x, y, z = SCALE
    _, normals, weight = surface("box", 200000)
    faces = torch.stack([y * z, x * z, x * y])
    share = (normals.abs() * weight[..., None]).sum((0, 1)) / weight.sum()
    torch.testing.assert_close(share, faces / faces.sum(), atol=0.005, rtol=0)

    _, normals, weight = surface("cylinder", 200000, torch.tensor([2.0, 2.0, 3.0]).double())
    lids = weight[normals[..., 2].abs() == 1].sum() / weight.sum()
    assert float(lids) == pytest.approx(8 / (8 + 2 * 2 * 6), abs=0.005)  # 2 pi r^2 against 2 pi r (2 h)


def test_points_are_kept_in_proportion_to_their_weights_and_once():
    weight = torch.rand(1, 4000, generator=seeded()).double()
    points = torch.arange(4000.0).double()[None, :, None].expand(-1, -1, 3)
    kept, _ = thinned((points, points, weight), 200, seeded(1))
    assert kept[0, :, 0].unique().numel() == 200
    chosen = weight[0, kept[0, :, 0].long()]
    assert float(chosen.mean()) == pytest.approx(2 / 3, abs=0.06)  # the mean of w under the density 2 w


def test_a_superquadric_of_roundness_one_is_a_ball():
    points, normals, weight = superquadrics(1, 100, seeded(), torch.ones(1, 1, 2).double())
    torch.testing.assert_close(points.norm(dim=-1), torch.ones(1, 100).double())
    torch.testing.assert_close(points, normals)
    torch.testing.assert_close(weight, torch.ones(1, 100).double())


def test_the_data_set():
    clouds = solids(10, 128, seeded())
    assert clouds.kind.tolist() == [0, 1, 2, 3, 0, 1, 2, 3, 0, 1]
    assert clouds.points.dtype == clouds.normals.dtype == torch.float32
    torch.testing.assert_close(clouds.points.square().mean((1, 2)), torch.ones(10))
    torch.testing.assert_close(clouds.normals.norm(dim=-1), torch.ones(10, 128))
    again, other = solids(10, 128, seeded()), solids(10, 128, seeded(1))
    assert torch.equal(clouds.points, again.points) and not torch.equal(clouds.points, other.points)
    assert solids(3, 30, seeded(), kinds=("torus",)).kind.tolist() == [3, 3, 3]
    outward = (clouds.points * clouds.normals).sum(-1)[clouds.kind != 3]
    assert outward.min() > 0  # all but tori are seen whole from their centre


def test_turned_clouds_keep_their_shape_and_normals_turn_along():
    clouds = solids(4, 64, seeded(), dtype=torch.float64)
    rotation = SO(3).sample(4, generator=seeded())
    moved = turned(clouds, rotation)
    torch.testing.assert_close(moved.points[2, 5], rotation[2] @ clouds.points[2, 5])
    for first, second in ((0, 0), (0, 1), (1, 1)):  # all products of points and normals
        torch.testing.assert_close(moved[first] @ moved[second].mT, clouds[first] @ clouds[second].mT)
    assert isinstance(moved, Clouds) and torch.equal(moved.kind, clouds.kind)


def test_what_has_no_meaning_is_refused():
    with pytest.raises(ValueError, match="some of superquadric, box, cylinder, torus, got ball"):
        solids(3, 30, seeded(), kinds=("ball",))
    with pytest.raises(ValueError, match="whole numbers from 1, got 0 and 30"):
        solids(0, 30, seeded())
