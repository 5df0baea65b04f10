"""Centred clouds: the projection against its matrix, and the law of the noise."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from erlangen.generative import remove_mean, zero_mean_noise

BATCHES = st.lists(st.integers(1, 5), min_size=1, max_size=5).map(
    lambda sizes: torch.arange(len(sizes)).repeat_interleave(torch.tensor(sizes))
)


def projector(batch):
    same = (batch[:, None] == batch).double()
    return torch.eye(len(batch), dtype=torch.float64) - same / same.sum(1, keepdim=True)


@given(BATCHES, st.integers(1, 4))
def test_projection(batch, dim):
    x = torch.randn(len(batch), dim, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    centred = remove_mean(x, batch)
    assert torch.allclose(centred, projector(batch) @ x, atol=1e-14)
    assert torch.allclose(remove_mean(centred, batch), centred, atol=1e-14)
    assert torch.allclose(remove_mean(x + torch.ones(dim).double(), batch), centred, atol=1e-14)


def test_covariance_of_the_noise():
    """Over many draws: the projector between points, one between coordinates."""
    batch, draws = torch.tensor([0, 0, 0, 1, 1, 2]), 20000
    many = torch.cat([batch + 3 * i for i in range(draws)])
    generator = torch.Generator().manual_seed(0)
    noise = zero_mean_noise(many, 2, dtype=torch.float64, generator=generator).unflatten(0, (draws, 6))
    found = torch.einsum("kia,kjb->iajb", noise, noise) / draws
    expected = torch.einsum("ij,ab->iajb", projector(batch), torch.eye(2).double())
    assert (found - expected).abs().max() < 6 / draws**0.5
    assert noise.mean(0).abs().max() < 5 / draws**0.5


def test_zero_mean_in_float32():
    batch = torch.arange(4).repeat_interleave(torch.tensor([1, 30, 2, 500]))
    noise = zero_mean_noise(batch, generator=torch.Generator().manual_seed(0))
    assert noise.dtype == torch.float32
    mean = torch.zeros(4, 3).index_add(0, batch, noise) / torch.bincount(batch)[:, None]
    assert mean.abs().max() < 1e-6
    assert noise[0].tolist() == [0.0, 0.0, 0.0]


def test_seeds_clouds_without_points_and_none_at_all():
    batch = torch.tensor([0, 0, 2])
    draw = lambda seed: zero_mean_noise(batch, num_graphs=4, generator=torch.Generator().manual_seed(seed))
    assert torch.equal(draw(1), draw(1)) and not torch.equal(draw(1), draw(2))
    assert bool(draw(0).isfinite().all())
    empty = torch.zeros(0, dtype=torch.long)
    assert zero_mean_noise(empty).shape == (0, 3) and remove_mean(torch.zeros(0, 3), empty).shape == (0, 3)


def test_gradients():
    batch = torch.tensor([0, 0, 1, 1, 1])
    x = torch.randn(5, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: remove_mean(x, batch), x)
