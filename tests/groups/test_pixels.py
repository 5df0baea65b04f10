"""Images: which way they turn and move, that resampling agrees with exact turns, and what stayed inside."""

import math

import pytest
import torch
from tests.groups.catalogue import gap, seeded

from erlangen.groups import SE, SO, Affine, Cyclic, E, GLPlus, O, Pixels, QuarterTurns, SignedPermutation, Translation


def turn(k, dtype=torch.float64):
    """Counter-clockwise by k quarters, exactly."""
    c, s = [(1, 0), (0, 1), (-1, 0), (0, -1)][k % 4]
    return torch.tensor([[c, -s], [s, c]], dtype=dtype)


def shift(dx, dy):
    return torch.tensor([[1, 0, dx], [0, 1, dy], [0, 0, 1]], dtype=torch.float64)


def image(*shape, seed=0):
    return torch.rand(*shape, generator=seeded(seed), dtype=torch.float64)


def test_a_quarter_turn_is_counter_clockwise_as_seen():
    x = torch.tensor([[1.0, 2.0], [3.0, 4.0]])  # the upper right corner holds 2
    assert QuarterTurns()(torch.tensor(1), x).tolist() == [[2, 4], [1, 3]]  # and now the upper left does
    assert Pixels(SO(2))(turn(1), x).tolist() == [[2, 4], [1, 3]]


@pytest.mark.parametrize("size", [1, 2, 5, 8])
@pytest.mark.parametrize("k", range(-1, 5))
def test_resampled_quarter_turns_are_exact_on_squares(size, k):
    x = image(3, size, size)
    assert gap(Pixels(SO(2))(turn(k), x), QuarterTurns()(torch.tensor(k), x)) <= 1e-14
    assert gap(Pixels(Cyclic(4))(torch.tensor(k), x), QuarterTurns()(torch.tensor(k), x)) <= 1e-14


def test_cyclic_two_makes_half_turns():
    x = image(2, 3)
    assert torch.equal(QuarterTurns(Cyclic(2))(torch.tensor(1), x), x.flip(-2, -1))
    batch = image(4, 2, 3)
    moved = QuarterTurns(Cyclic(2))(torch.tensor([0, 1, 1, 0]), batch)
    assert torch.equal(moved, torch.stack([batch[0], batch[1].flip(-2, -1), batch[2].flip(-2, -1), batch[3]]))


def test_the_first_axis_points_right_and_the_second_up():
    x = torch.zeros(5, 5, dtype=torch.float64)
    x[2, 2] = 1
    unit = 2 / 5  # one pixel of a square of side 2
    right = Pixels(Translation(2))(shift(unit, 0), x)
    up = Pixels(SE(2))(shift(0, unit), x)
    assert right.argmax() == 2 * 5 + 3 and up.argmax() == 1 * 5 + 2
    assert float(right.max()) == pytest.approx(1) and float(up.max()) == pytest.approx(1)


def test_the_unit_is_half_the_longer_side():
    x = torch.zeros(4, 8, dtype=torch.float64)
    x[:, 1] = 1
    moved = Pixels(Translation(2))(shift(0.5, 0), x)  # a quarter of the width: two columns
    expected = torch.zeros_like(x)
    expected[:, 3] = 1
    assert gap(moved, expected) <= 1e-14
    lifted = Pixels(Translation(2))(shift(0, 0.25), image(4, 8))  # one row of what is four rows high
    assert gap(lifted[:3], image(4, 8)[1:]) <= 1e-14 and float(lifted[3].abs().max()) <= 1e-14


def test_mirrors_are_exact():
    x = image(3, 6)
    mirror = torch.diag(torch.tensor([-1.0, 1.0], dtype=torch.float64))
    assert gap(Pixels(O(2))(mirror, x), x.flip(-1)) <= 1e-14
    assert gap(Pixels(SignedPermutation(2))(-mirror, x), x.flip(-2)) <= 1e-14


@pytest.mark.parametrize("group", [SO(2), O(2), E(2), GLPlus(2), Affine(2)], ids=str)
def test_the_law_holds_on_smooth_images_where_all_stayed_inside(group):
    # f is linear, and linear functions are interpolated without error: so does the law hold, away from the border.
    height = width = 24
    half = height / 2
    column = (torch.arange(width, dtype=torch.float64) - (width - 1) / 2) / half
    x = 0.3 + column[None, :] - 2 * column[:, None]
    act = Pixels(group)
    g, h = group.sample(4, generator=seeded(0)), group.sample(4, generator=seeded(1))
    once, twice = act(group.compose(g, h), x.expand(4, -1, -1)), act(g, act(h, x.expand(4, -1, -1)))
    good = act.inside(group.compose(g, h), height, width)
    # The second step reads only what the first step wrote from inside.
    clean = act(g, act.inside(h, height, width).double()) >= 1 - 1e-9
    good = good & clean & act.inside(g, height, width)
    assert good.sum() > 50
    assert float((once - twice)[good].abs().max()) <= 1e-10


def test_the_pixel_formula():
    """(g.f)(p) = f(g^-1 p), pixel by pixel, at the nearest pixel."""
    n = 7
    x = image(n, n)
    g = SE(2).exp(torch.tensor([[0, -0.7, 0.31], [0.7, 0, -0.17], [0, 0, 0]], dtype=torch.float64))
    y = Pixels(SE(2), mode="nearest")(g, x)
    inside = Pixels(SE(2)).inside(g, n, n)
    back = torch.linalg.inv(g)
    for row in range(n):
        for column in range(n):
            p = torch.tensor([(column - 3) / 3.5, (3 - row) / 3.5, 1.0], dtype=torch.float64)
            q = back @ p
            c, r = float(q[0] * 3.5 + 3), float(3 - q[1] * 3.5)
            assert bool(inside[row, column]) == (0 <= c <= n - 1 and 0 <= r <= n - 1)
            if inside[row, column]:
                assert y[row, column] == x[round(r), round(c)]
            elif not (-0.5 <= c <= n - 0.5 and -0.5 <= r <= n - 0.5):
                assert y[row, column] == 0


def test_inside_leaves_a_margin():
    still = SO(2).identity()
    act = Pixels(SO(2))
    assert act.inside(still, 5, 6).all()
    margin = act.inside(still, 5, 6, margin=1.0)
    expected = torch.zeros(5, 6, dtype=torch.bool)
    expected[1:-1, 1:-1] = True
    assert torch.equal(margin, expected)
    assert torch.equal(Pixels(SO(2), mode="bicubic").inside(still, 5, 6), expected)
    moved = Pixels(Translation(2)).inside(shift(2 / 5, 0), 5, 5)
    assert moved[:, 1:].all() and not moved[:, 0].any()
    assert act.inside(SO(2).sample(2, 3), 5, 5).shape == (2, 3, 5, 5)


def test_elements_are_aligned_with_the_left():
    act = Pixels(E(2))
    g, x = E(2).sample(2, 3, generator=seeded(0)), image(2, 4, 6, 5)
    y = act(g, x[:, None])
    assert y.shape == (2, 3, 4, 6, 5)
    for b in range(2):
        for f in range(3):
            for s in range(4):
                assert gap(y[b, f, s], act(g[b, f], x[b, s])) <= 1e-14
    assert act(E(2).sample(0), torch.zeros(0, 3, 4, 4)).shape == (0, 3, 4, 4)
    assert act(E(2).sample(2), torch.zeros(2, 0, 4, 4)).shape == (2, 0, 4, 4)


def test_float32_images_stay_float32_and_are_sampled_in_float64():
    g, x = SO(2).sample(generator=seeded(0)), image(5, 5).float()
    y = Pixels(SO(2))(g, x)
    assert y.dtype == torch.float32
    assert torch.equal(y, Pixels(SO(2))(g, x.double()).float())


def test_only_quarter_turns_are_exact():
    assert QuarterTurns().exact and not Pixels(SO(2)).exact and not (Pixels(Cyclic(4))).exact
    eighth = SO(2).exp(torch.tensor([[0, -math.pi / 4], [math.pi / 4, 0]], dtype=torch.float64))
    x = image(9, 9)
    back = Pixels(SO(2))(eighth.mT, Pixels(SO(2))(eighth, x))
    assert float((back - x)[2, 3].abs()) > 1e-3


def test_gradients_flow():
    g, x = SE(2).sample(2, generator=seeded(1)), image(2, 3, 3)
    assert torch.autograd.gradcheck(lambda x: Pixels(SE(2))(g, x), x.requires_grad_())
