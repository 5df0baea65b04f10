"""Superpixels: what k-means of places and brightness must keep, whatever the image."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from erlangen.data.superpixels import superpixels


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_flat_images_keep_the_grid(dtype):
    places, brightness = superpixels(torch.full((2, 1, 6, 6), 0.5, dtype=dtype), side=3)
    grid = torch.tensor([0.5, 2.5, 4.5], dtype=dtype)
    torch.testing.assert_close(places, torch.cartesian_prod(grid, grid).expand(2, 9, 2))
    torch.testing.assert_close(brightness, torch.full((2, 9), 0.5, dtype=dtype))


@given(seed=st.integers(0, 100), side=st.integers(1, 5), height=st.integers(5, 9), width=st.integers(5, 9))
def test_after_the_last_round_centres_are_means_of_pixels(seed, side, height, width):
    image = torch.rand(1, 1, height, width, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    places, brightness = superpixels(image, side=side, rounds=30)  # by then nothing changes any more
    spacing = (height * width) ** 0.5 / side
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    points = torch.stack([rows.flatten() / spacing, columns.flatten() / spacing, image.flatten() / 0.5], -1)
    centres = torch.cat([places[0] / spacing, brightness[0, :, None] / 0.5], -1)
    choice = ((points[:, None] - centres) ** 2).sum(-1).argmin(1)
    for k in choice.unique().tolist():
        torch.testing.assert_close(points[choice == k].mean(0), centres[k])


def test_a_square_of_ink_has_bright_superpixels_inside_it_alone():
    image = torch.zeros(1, 1, 12, 12)
    image[..., 3:9, 3:9] = 1.0
    places, brightness = superpixels(image, side=4, compactness=0.1)
    inside = ((places > 2.5) & (places < 8.5)).all(-1)
    assert (brightness[inside] == 1).all() and (brightness[~inside] == 0).all() and inside.any()


def test_images_do_not_mind_each_other_and_none_are_none():
    images = torch.rand(70, 1, 7, 7, generator=torch.Generator().manual_seed(0))
    places, brightness = superpixels(images, side=3)
    alone = superpixels(images[66:67], side=3)
    torch.testing.assert_close(places[66:67], alone[0])
    torch.testing.assert_close(brightness[66:67], alone[1])
    assert [t.shape for t in superpixels(images[:0], side=3)] == [(0, 9, 2), (0, 9)]


def test_what_has_no_meaning_is_refused():
    image = torch.zeros(1, 1, 4, 6)
    with pytest.raises(ValueError, match=r"superpixels\(side\): from 1 to 4 along a side of the images, got 5"):
        superpixels(image, side=5)
    with pytest.raises(ValueError, match=r"above zero, got 0\.0 and 5"):
        superpixels(image, side=2, compactness=0.0)
