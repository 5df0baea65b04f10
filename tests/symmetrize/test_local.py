"""Local frames, new frames between layers, and padded clouds."""

import pytest
import torch
from torch import nn

from erlangen.audit import audit
from erlangen.groups import SE, SO, E, Fixed, O, Points, Scalar, Symmetry, Vector
from erlangen.symmetrize import LocalFrames, PCAFrame, ZeroPadding, symmetrize, symmetrize_points
from erlangen.symmetrize.local import nearest_neighbours


def mlp(n, d, out=None, seed=0):
    torch.manual_seed(seed)
    tail = [] if out else [nn.Unflatten(1, (n, d))]
    return nn.Sequential(nn.Flatten(), nn.Linear(n * d, 16), nn.SiLU(), nn.Linear(16, out or n * d), *tail)


@pytest.mark.parametrize("group", [SE(3), E(3), SE(2)], ids=str)
@pytest.mark.parametrize("output", ["vector", "scalar", "points"])
def test_local_frames_keep_their_promise(group, output):
    d = group.matrix_dim
    net = mlp(5, d, 4) if output == "scalar" else nn.Sequential(mlp(5, d, 2 * d), nn.Unflatten(1, (2, d)))
    layer = LocalFrames(net, group, k=5, output=output)
    x = torch.randn(3, 9, d)
    assert layer(x).shape == ((3, 9, 4) if output == "scalar" else (3, 9, 2, d))
    assert audit(layer, x).verdict == "exact"


@pytest.mark.parametrize("offset", [0.0, 300.0, 1e4])
def test_neighbours_far_from_the_origin(offset):
    x = torch.randn(2, 40, 3, generator=torch.Generator().manual_seed(0)) + offset
    x[1, 7] = x[1, 3]
    apart = (x.double()[:, :, None] - x.double()[:, None]).norm(dim=-1)
    near = nearest_neighbours(x, 6)
    assert torch.equal(near[..., 0], torch.arange(40).expand(2, 40))
    torch.testing.assert_close(apart.gather(2, near).sort(-1).values, apart.sort(-1).values[..., :6])


@pytest.mark.parametrize("x", [torch.randn(5, 3), torch.zeros(2, 5, 3, dtype=torch.long)])
def test_neighbours_of_what_is_no_cloud(x):
    with pytest.raises(ValueError, match=r"nearest_neighbours\(x\): real coordinates of shape \(B, n, d\), got"):
        nearest_neighbours(x, 2)


def test_a_local_frame_is_the_frame_of_its_patch():
    net = mlp(4, 3, 3)
    layer = LocalFrames(net, SE(3), k=4, output="vector").double()
    x = torch.randn(1, 8, 3, dtype=torch.float64)
    near = nearest_neighbours(x, 4)
    assert torch.equal(near[0, :, 0], torch.arange(8))
    alone = symmetrize_points(net, SE(3), "vector")
    for i in range(8):
        torch.testing.assert_close(layer(x)[0, i], alone(x[:, near[0, i]])[0])


def test_new_frames_between_layers_keep_the_promise():
    # Features are read as vectors, (n, channels, 3): every layer's frame comes from its own input.
    def layer(cin, cout, seed):
        torch.manual_seed(seed)
        net = nn.Sequential(
            nn.Flatten(2), nn.Linear(3 * cin, 24), nn.SiLU(), nn.Linear(24, 3 * cout), nn.Unflatten(2, (cout, 3))
        )
        return symmetrize(net, Symmetry(O(3), Vector(O(3)), Vector(O(3))), PCAFrame(O(3)))

    model = nn.Sequential(layer(2, 4, 0), layer(4, 4, 1), layer(4, 1, 2))
    promise = Symmetry(O(3), Points(O(3)), Vector(O(3)))
    report = audit(model, torch.randn(3, 6, 2, 3), symmetry=promise, per_layer=True)
    assert report.verdict == "exact"
    assert [x.verdict for x in report.layers if x.kind == "Symmetrized"] == ["exact"] * 3


class Summing(nn.Module):
    """Reads every row, padding too."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.inner = nn.Linear(3, 8)

    def forward(self, x, mask):
        return torch.tanh(self.inner(x)).square().sum(1)


def padded():
    x = torch.randn(4, 7, 3)
    mask = torch.arange(7) < torch.tensor([7, 5, 4, 6])[:, None]
    return x * mask[..., None], mask


PROMISE = Symmetry(E(3), (Points(E(3)), Fixed()), Scalar(E(3)))


def test_padding_counts_for_nothing():
    x, mask = padded()
    frame = PCAFrame(E(3), mask=1)
    model = symmetrize(ZeroPadding(Summing()), PROMISE, frame)
    assert audit(model, x, mask).verdict == "exact"
    other = torch.where(mask[..., None], x, 1e3 * torch.randn_like(x))
    torch.testing.assert_close(model(other, mask), model(x, mask))
    for i, count in enumerate(mask.sum(1).tolist()):
        alone, _ = PCAFrame(E(3))(x[i : i + 1, :count])
        together, _ = frame(x, mask)
        gaps = (alone[:, :, None] - together[i : i + 1, None]).flatten(3).abs().amax(-1)
        assert gaps.amin(1).max() < 1e-9


def test_without_the_wrapper_what_stands_in_the_padding_is_felt():
    x, mask = padded()
    other = torch.where(mask[..., None], x, torch.randn_like(x))
    model = symmetrize(Summing(), PROMISE, PCAFrame(E(3), mask=1))
    assert not torch.allclose(model(other, mask), model(x, mask))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: PCAFrame(E(3), mask=1)(torch.randn(2, 4, 3), torch.ones(2, 4)),
            "torch.bool .2, 4., got",
        ),
        (lambda: PCAFrame(E(3), mask=1)(torch.randn(2, 4, 3), torch.zeros(2, 4).bool()), "sample 0 has no valid point"),
        (lambda: LocalFrames(nn.Identity(), SO(3), k=9)(torch.randn(1, 4, 3)), "between 1 and the 4 points"),
        (lambda: LocalFrames(nn.Identity(), SO(3), k=3, output="tensor"), "'scalar', 'vector', 'points' or an Action"),
    ],
)
def test_refusals(make, message):
    with pytest.raises(ValueError, match=message):
        make()
