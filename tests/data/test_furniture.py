"""Scenes of furniture: what lies where, and that scans of one arrangement differ by motions of the pieces alone."""

import pytest
import torch

from erlangen.data.furniture import PIECES, Arrangement, arrangements, furniture


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def at_rest(points=4000):
    """Each piece where it was made."""
    still = Arrangement(torch.eye(3).expand(1, 4, 3, 3), torch.zeros(1, 4, 3))
    scenes = furniture(still, points, seeded(), torch.float64)
    return {name: scenes.points[0, scenes.piece[0] == i] for i, name in enumerate(PIECES)}, scenes


def test_pieces_have_their_measures():
    pieces, scenes = at_rest()
    chair, table, box, ball = (pieces[name] for name in PIECES)
    assert abs(float(chair[:, 2].max()) - 1) < 0.06 and abs(float(chair[:, 2].min()) + 0.8) < 0.06
    low = chair[chair[:, 2] < -0.1]
    torch.testing.assert_close(low[:, :2].abs(), torch.full_like(low[:, :2], 0.45), atol=0.06, rtol=0)
    assert abs(len(low) / len(chair) - 4 / 6 * 7 / 8) < 0.04
    legs, count = low[:, :2].sign().unique(dim=0, return_counts=True)
    assert len(legs) == 4 and (count / len(low) - 1 / 4).abs().max() < 0.03
    top = table[:, 2].abs() < 0.05
    assert table[top, :2].norm(dim=1).max() < 0.86 and abs(float(top.double().mean()) - 0.715) < 0.04
    torch.testing.assert_close(
        table[~top, :2].norm(dim=1), torch.full((int((~top).sum()),), 0.12).double(), atol=0.06, rtol=0
    )
    half = torch.tensor([0.35, 0.5, 0.7]).double()
    assert ((box / half).abs().amax(1) - 1).abs().max() < 0.15
    on = ((box / half).abs() - 1).abs() < 0.1
    assert abs(float(on[:, 0].double().mean()) - 0.44) < 0.12
    sphere = ball / torch.tensor([0.55, 0.55, 0.33]).double()
    assert (sphere.norm(dim=1) - 1).abs().max() < 0.2
    for i in range(4):
        mine = scenes.piece[0] == i
        torch.testing.assert_close(scenes.points[0, mine].mean(0), scenes.center[0, mine][0], atol=2e-3, rtol=0)


def test_pieces_stand_in_different_cells():
    position = arrangements(200, seeded()).position
    cell = (position / 2.3).round()
    apart = (position[:, :, None] - position[:, None]).norm(dim=-1) + 9 * torch.eye(4)
    assert apart.min() > 0.9 and cell[..., :2].abs().max() <= 1.0 and position[..., 2].std() < 0.3


def test_equal_generators_move_equal_points():
    first, second = arrangements(3, seeded(1)), arrangements(3, seeded(2))
    a, b = (furniture(where, 16, seeded(5), torch.float64) for where in (first, second))
    turn = (second.rotation @ first.rotation.mT).repeat_interleave(16, 1)
    shift = [where.position.repeat_interleave(16, 1) for where in (first, second)]
    for x, y in ((a.points, b.points), (a.center, b.center)):
        torch.testing.assert_close((turn @ (x - shift[0])[..., None])[..., 0] + shift[1], y)
    assert a.points.dtype == torch.float64 and furniture(first, 2, seeded()).points.dtype == torch.float32


def test_no_points():
    with pytest.raises(ValueError, match=r"points\): a whole number from 1, got 0"):
        furniture(arrangements(1, seeded()), 0, seeded())
