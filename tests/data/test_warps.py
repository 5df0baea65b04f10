"""Random maps of the plane: what is drawn lies in its ranges, and images move as functions of the plane do."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from erlangen.data.warps import INK, centred, random_affine, random_homographies, resized, warp
from erlangen.groups import Affine, Pixels


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def blobs(n, height, width, seed=0, dtype=torch.float64):
    """A smooth blob in each image, not in the middle."""
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    place = torch.rand(n, 2, generator=seeded(seed), dtype=dtype) * 0.3 + 0.35
    square = (y - place[:, :1, None] * height) ** 2 + (x - place[:, 1:, None] * width) ** 2
    return torch.exp(-square / 8)[:, None]


def test_affine_parts_lie_in_their_ranges_and_fill_them():
    maps = random_affine(blobs(2000, 12, 12), seeded())
    linear = maps[:, :2, :2]
    turn, upper = torch.linalg.qr(linear)  # rotation times upper triangle, up to signs
    signs = upper.diagonal(dim1=-2, dim2=-1).sign()
    turn, upper = turn * signs[:, None], upper * signs[..., None]
    angle = torch.atan2(turn[:, 1, 0], turn[:, 0, 0]) * 180 / math.pi
    sizes, shear = upper.diagonal(dim1=-2, dim2=-1), upper[:, 0, 1] / upper[:, 1, 1]
    for value, low, high in ((angle, -20, 20), (shear, -0.2, 0.2), (sizes, 0.8, 1.2)):
        assert low <= value.min() < low + 0.01 * (high - low) and high - 0.01 * (high - low) < value.max() <= high
    assert torch.equal(maps[:, 2], torch.tensor([0.0, 0.0, 1.0], dtype=torch.float64).expand(2000, 3))


@given(seed=st.integers(0, 50), height=st.integers(14, 24), width=st.integers(14, 24))
def test_all_ink_stays_a_pixel_inside(seed, height, width):
    images = blobs(4, height, width, seed)
    maps = random_affine(images, seeded(seed))
    half = max(height, width) / 2
    for image, M in zip(images[:, 0], maps, strict=True):
        row, column = (image > INK).nonzero().T
        places = torch.stack([(column - (width - 1) / 2) / half, ((height - 1) / 2 - row) / half, torch.ones(len(row))])
        x, y, _ = M @ places.double()
        assert bool((x.abs() * half <= width / 2 - 1.5 + 1e-5).all())
        assert bool((y.abs() * half <= height / 2 - 1.5 + 1e-5).all())


def test_translations_fill_their_range_and_large_ink_is_centred():
    dot = torch.zeros(200, 1, 21, 21)
    dot[..., 10, 10] = 1.0
    shift = random_affine(dot, seeded())[:, :2, 2] * 10.5
    assert 8.7 < shift.amax(0).min() and shift.abs().max() <= 9 + 1e-9
    full = random_affine(torch.ones(3, 1, 8, 8), seeded(), scale=(1.2, 1.2))
    torch.testing.assert_close(full[:, :2, 2], torch.zeros(3, 2, dtype=torch.float64))
    still = random_affine(dot, seeded(), translate=False)
    assert not still[:, :2, 2].any()
    assert random_affine(torch.zeros(2, 1, 8, 8), seeded()).isfinite().all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("shape", [(12, 12), (10, 13)])
def test_affine_warps_are_the_action_on_pixels(shape, dtype):
    images = torch.rand(5, 2, *shape, generator=seeded(), dtype=dtype)
    maps = random_affine(images, seeded(1), scale=(0.9, 1.4))
    expected = Pixels(Affine(2))(maps, images)
    moved = warp(images, maps)
    assert moved.dtype == dtype
    torch.testing.assert_close(moved, expected)


def test_homographies_read_each_pixel_where_it_comes_from():
    # A linear image is interpolated without error, so its warp is the function itself, wherever it is inside.
    size = 9
    axis = (torch.arange(size, dtype=torch.float64) * 2 + 1) / size - 1
    up, right = torch.meshgrid(-axis, axis, indexing="ij")
    images = (3 + right + 2 * up).expand(6, 1, size, size)
    maps = random_homographies(images, seeded(2), perspective=0.3)
    assert maps[:, 2, :2].abs().max() > 0.1
    moved = warp(images, maps)
    seen = 0
    for i in range(6):
        back = torch.linalg.inv(maps[i])
        for row in range(size):
            for column in range(size):
                x, y, w = back @ torch.tensor([axis[column], -axis[row], 1.0], dtype=torch.float64)
                if max(abs(x / w), abs(y / w)) < axis[-1]:
                    assert float(moved[i, 0, row, column]) == pytest.approx(float(3 + x / w + 2 * y / w), abs=1e-9)
                    seen += 1
    assert seen > 100


def test_maps_and_their_multiples_are_the_same_and_nothing_is_seen_beyond_the_horizon():
    images = torch.rand(2, 1, 8, 8, generator=seeded(), dtype=torch.float64) + 1
    maps = torch.eye(3, dtype=torch.float64).repeat(2, 1, 1)
    maps[:, 2, 0] = 0.2
    torch.testing.assert_close(warp(images, -3 * maps), warp(images, maps))
    maps[:, 2, 0] = 2.5  # the inverse has its horizon at x = 0.4
    right = (torch.arange(8, dtype=torch.float64) - 3.5) / 4
    moved = warp(images, maps)
    assert not moved[..., right > 0.4].any() and moved[..., 3:5, (right > 0) & (right < 0.25)].all()


def test_images_are_seen_also_where_the_frame_has_its_centre_behind_the_horizon():
    # (x, y) goes to (0.5 x + 0.6, 0.5 y) / (0.9 x + 1), which is positive on the image; the frame's origin is -1.2.
    maps = torch.tensor([[[0.5, 0.0, 0.6], [0.0, 0.5, 0.0], [0.9, 0.0, 1.0]]], dtype=torch.float64)
    axis = (torch.arange(40, dtype=torch.float64) * 2 + 1) / 40 - 1
    up, right = torch.meshgrid(-axis, axis, indexing="ij")
    x = (0.6 - right) / (0.9 * right - 0.5)
    farthest = torch.maximum(x.abs(), (up * (0.9 * x + 1) / 0.5).abs())
    for multiple in (1, -2):
        seen = warp(torch.ones(1, 1, 40, 40), multiple * maps)[0, 0] > 0.5
        assert bool(seen[farthest < 0.95].all()) and not seen[farthest > 1.05].any()
    assert (farthest < 0.95).sum() > 100


def test_perspectives_that_come_too_near_are_drawn_again():
    images = blobs(500, 12, 12)
    v = random_homographies(images, seeded(), perspective=0.45, least=0.5)[:, 2, :2].abs().sum(1)
    assert 0.45 < v.max() <= 0.5


def test_one_seed_gives_one_set_of_maps():
    images = blobs(3, 12, 12)
    for draw in (random_affine, random_homographies):
        assert torch.equal(draw(images, seeded(3)), draw(images, seeded(3)))
        assert not torch.equal(draw(images, seeded(3)), draw(images, seeded(4)))


def test_frames_and_sizes():
    image = torch.ones(1, 1, 2, 3)
    framed = centred(image, 5)
    assert framed.shape == (1, 1, 5, 5) and framed.sum() == 6 and framed[0, 0, 1:3, 1:4].all()
    assert resized(torch.arange(16.0).reshape(1, 1, 4, 4), 2).flatten().tolist() == [2.5, 4.5, 10.5, 12.5]
    assert resized(torch.ones(1, 1, 3, 3), 7).shape[-1] == 7
    with pytest.raises(ValueError, match=r"centred\(size\): at least 3, the images' size, got 2"):
        centred(image, 2)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: random_affine(x, seeded(), rotation=181.0), r"an angle from 0 to 180 degrees .* got 181.0"),
        (lambda x: random_affine(x, seeded(), shear=-1.0), "a shear from 0"),
        (lambda x: random_affine(x, seeded(), scale=(0.0, 1.0)), r"two positive numbers in order, got \(0.0, 1.0\)"),
        (lambda x: random_homographies(x, seeded(), perspective=-1.0), "got -1.0 and 0.5"),
        (lambda x: random_homographies(x, seeded(), least=1.0), "between 0 and 1, got 0.2 and 1.0"),
        (lambda x: warp(x, torch.eye(3).repeat(3, 1, 1)), r"warp\(maps\): one per image, got 3 for 2"),
        (lambda x: random_affine(x[..., :0], seeded()), "images: floating-point numbers of shape"),
    ],
)
def test_what_has_no_meaning_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call(torch.zeros(2, 1, 6, 6))


def test_no_images_are_no_images():
    images = torch.zeros(0, 1, 6, 6)
    assert warp(images, random_homographies(images, seeded())).shape == (0, 1, 6, 6)
