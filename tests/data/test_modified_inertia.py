"""Bodies of point masses: their tensors by hand, and which groups the modified ones keep."""

import pytest
import torch

from erlangen.data.modified_inertia import AXES, bodies, inertia, modified_inertia
from erlangen.groups import O, parse_group


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def moved_error(made, g, strength, axis):
    """How far turning first and computing is from computing first and turning, against the size of the target."""
    here = modified_inertia(made.mass, made.position @ g.mT, strength, axis)
    there = g @ modified_inertia(made.mass, made.position, strength, axis) @ g.mT
    return float((here - there).abs().max() / there.abs().max())


def test_the_inertia_of_one_mass_is_that_of_its_cross_product():
    """J w = m r x (w x r), the angular momentum of a mass that turns with angular velocity w."""
    r, w = torch.randn(2, 3, generator=seeded()).double()
    momentum = 2.5 * torch.linalg.cross(r, torch.linalg.cross(w, r))
    torch.testing.assert_close(inertia(torch.tensor([2.5]).double(), r[None]) @ w, momentum)


def test_masses_add_up():
    made = bodies(7, seeded(), dtype=torch.float64)
    parts = sum(inertia(made.mass[:, i : i + 1], made.position[:, i : i + 1]) for i in range(5))
    torch.testing.assert_close(inertia(made.mass, made.position), parts)


@pytest.mark.parametrize("axis", AXES)
@pytest.mark.parametrize("strength", [-1.0, 0.3])
def test_the_term_keeps_what_leaves_its_axis_alone_and_nothing_else(axis, strength):
    made = bodies(20, seeded(), dtype=torch.float64)
    kept = {"x": "yz", "y": "xz", "z": "xy", "mixed": None}[axis]
    for plane in ("xy", "yz", "xz"):
        hom = parse_group(f"O(2)@{plane}")
        errors = [moved_error(made, hom(g), strength, axis) for g in hom.source.sample(10, generator=seeded(1))]
        if plane == kept:
            assert max(errors) < 1e-12
        else:
            assert max(errors) > 0.05


@pytest.mark.parametrize("axis", AXES)
def test_without_strength_all_rotations_and_reflections_are_kept(axis):
    made = bodies(20, seeded(), dtype=torch.float64)
    assert max(moved_error(made, g, 0.0, axis) for g in O(3).sample(10, generator=seeded(1))) < 1e-12


@pytest.mark.parametrize("axis", AXES)
def test_the_term_as_it_is_written(axis):
    made = bodies(5, seeded(), strength=0.3, axis=axis, dtype=torch.float64)
    plain = inertia(made.mass, made.position)
    x, y, z = torch.eye(3).double()
    terms = {e: torch.einsum("nij,j,k->nik", plain, vector, vector) for e, vector in zip("xyz", (x, y, z), strict=True)}
    terms["mixed"] = terms["y"] - terms["x"]
    torch.testing.assert_close(made.target, plain + 0.3 * terms[axis])


def test_draws_depend_on_the_generator_alone_and_dtype_is_a_cast():
    one, same, other = bodies(3, seeded()), bodies(3, seeded(), dtype=torch.float64), bodies(3, seeded(1))
    assert torch.equal(one.target, same.target.float()) and not torch.equal(one.target, other.target)
    many = bodies(20000, seeded())
    assert (many.mass > 0).all() and abs(float(many.mass.mean()) - 0.806) < 0.01
    assert abs(float(many.position.std()) - 1) < 0.01


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"samples": 0}, "whole numbers from 1, got 0 and 5"),
        ({"particles": 0}, "got 3 and 0"),
        ({"axis": "w"}, r"axis\): one of x, y, z, mixed, got 'w'"),
        ({"strength": float("nan")}, r"strength\): a finite number, got nan"),
    ],
)
def test_errors_name_what_they_got(arguments, message):
    with pytest.raises(ValueError, match=message):
        bodies(**({"samples": 3, "generator": seeded()} | arguments))
