"""Figures with joints: points on surfaces of limbs, limbs that hang on their joints, angles in their range."""

import math

import pytest
import torch

from erlangen.data.figures import JOINT, LIMBS, REST, figures, measures


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def test_points_lie_on_ellipsoids_about_their_centres():
    """Half axes come back as the principal moments: of points spread over directions, a third of their squares."""
    half = measures(2, seeded())
    made = figures(half, 2, 6 * 3000, (0, 90), seeded(1), torch.float64)
    for f in range(2):
        for limb in range(6):
            rows = made.points[f, made.limb[f] == limb]
            offset = rows - made.center[f, made.limb[f] == limb]
            found = (3 * torch.linalg.eigvalsh(offset.mT @ offset / len(rows))).sqrt()
            torch.testing.assert_close(found, half[f, limb].sort().values, atol=0.03, rtol=0.05)


def test_angles_are_in_their_range_and_limbs_stay_on_their_joints():
    half = measures(1, seeded())
    for angles in ((0, 40), (60, 100), (30, 30)):
        made = figures(half, 50, 6, angles, seeded(), torch.float64)
        joint = torch.tensor(JOINT).double() * half[0, 0]
        rest = torch.tensor(REST).double() * half[0]
        along = made.center - joint
        torch.testing.assert_close(along.norm(dim=-1), rest.norm(dim=-1).expand(50, 6))
        cosine = (along[:, 1:] * rest[1:]).sum(-1) / rest[1:].square().sum(-1)
        # A turn about a slanted axis swings a limb by no more than its angle.
        assert cosine.min() > math.cos(math.radians(angles[1])) - 1e-9
        assert cosine.min() < math.cos(math.radians(0.8 * angles[1]))
        assert along[:, 0].abs().max() == 0


def test_subjects_take_turns_and_are_alike_left_and_right():
    half = measures(3, seeded())
    assert half[:, 2].equal(half[:, 3]) and half[:, 4].equal(half[:, 5]) and len(LIMBS) == half.shape[1]
    made = figures(half, 7, 13, (0, 0), seeded())
    assert made.subject.tolist() == [0, 1, 2, 0, 1, 2, 0] and made.points.dtype == torch.float32
    assert sorted(made.limb[0].bincount().tolist()) == [2, 2, 2, 2, 2, 3]
    assert (half / half.mean(0) - 1).abs().max() < 0.67


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((1, 6, (40, 20)), r"angles\): two angles from 0 to 180, ascending, got \(40, 20\)"),
        ((1, 5, (0, 20)), "at least one figure of 6 points, got 1 of 5"),
        ((0, 6, (0, 20)), "got 0 of 6"),
    ],
)
def test_errors_name_what_they_got(arguments, message):
    with pytest.raises(ValueError, match=message):
        figures(measures(1, seeded()), *arguments, seeded())
