"""Invariant coordinates: what they keep, what they forget, and what they do where mathematics leaves them open."""

import itertools
import math

import jaxtyping
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from erlangen.groups import SO, O
from erlangen.groups.matrix import haar_orthogonal
from erlangen.symmetrize import MDSCanonicalizer, from_canonical, mds_coordinates, to_canonical
from erlangen.symmetrize.principal import small_eigh
from erlangen.symmetrize.signs import POWERS

SIGNS = ("moment", "moment-so")


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def skewed(*shape, seed=0, dtype=torch.float64):
    """Anisotropic clouds with large odd moments."""
    x = torch.randn(*shape, generator=seeded(seed), dtype=torch.float64)
    return ((x + 0.3 * x**2) * torch.arange(shape[-1], 0, -1)).to(dtype)


def similar(x, seed, proper=False, spread=10.0):
    """A similarity of every cloud ``(B, n, d)``: factors from 0.1 to 10, shifts of that spread."""
    rng = seeded(seed)
    q = (SO if proper else O)(x.shape[-1]).sample(len(x), generator=rng)
    s = 10 ** (2 * torch.rand(len(x), 1, 1, generator=rng, dtype=torch.float64) - 1)
    b = spread * torch.randn(len(x), 1, x.shape[-1], generator=rng, dtype=torch.float64)
    return (s * x.double() @ q.mT + b).to(x.dtype), (s, q, b)


# ---------------------------------------------------------------- what the coordinates promise
@pytest.mark.parametrize("sign", SIGNS)
@pytest.mark.parametrize("scale", ["rms", "max"])
def test_similarities_change_nothing(sign, scale):
    x = skewed(50, 3)[None].expand(20, 50, 3)
    moved, (_, _, b) = similar(x, 1, proper=sign == "moment-so", spread=10.0)
    a, c = (mds_coordinates(y, sign=sign, scale=scale).coords for y in (x, moved))
    assert ((a - c).abs().amax((1, 2)) <= 1e-9 * (1 + b.norm(dim=-1)[:, 0])).all()


@settings(max_examples=20)
@given(batch=st.integers(1, 4), n=st.integers(7, 30), d=st.integers(1, 4), seed=st.integers(0, 10_000))
def test_similarities_change_nothing_in_any_dimension(batch, n, d, seed):
    x = skewed(batch, n, d, seed=seed)
    placed, again = mds_coordinates(x), mds_coordinates(similar(x, seed)[0])
    clear = (placed.gap > 1e-3) & (placed.moment.amin(1) > 1e-3)
    for i in clear.nonzero().flatten().tolist():
        torch.testing.assert_close(again.coords[i], placed.coords[i], rtol=0, atol=1e-8)


def test_in_float32_as_well_as_it_holds_the_coordinates():
    x = skewed(10, 40, 3, dtype=torch.float32)
    moved, _ = similar(x, 3, spread=1.0)
    a, b = mds_coordinates(x).coords, mds_coordinates(moved).coords
    assert a.dtype == torch.float32 and (a - b).abs().max() < 1e-4
    far = (x + 4096.0).float()  # what float32 keeps of it, exactly
    torch.testing.assert_close(
        mds_coordinates(far).coords.double(), mds_coordinates(far.double()).coords, rtol=0, atol=1e-6
    )


@pytest.mark.parametrize("sign", [*SIGNS, "none", "random"])
def test_distances_and_inner_products_are_kept(sign):
    x = skewed(50, 3)
    placed = mds_coordinates(x, sign=sign, generator=seeded())
    z, rms = placed.coords, float(placed.scale)
    assert rms == pytest.approx(float((x - x.mean(0)).square().sum(1).mean().sqrt()), rel=1e-14)

    def apart(p):
        return (p[:, None] - p).norm(dim=-1)

    assert (apart(z) * rms - apart(x)).abs().max() < 1e-10
    J = torch.eye(50, dtype=torch.float64) - 1 / 50
    gram = -0.5 * J @ apart(x).square() @ J
    assert ((z @ z.T) * rms**2 - gram).abs().max() < 1e-12 * gram.abs().max()
    square = z.T @ z
    torch.testing.assert_close(square, (placed.spectrum[0] / rms**2).diag(), rtol=0, atol=1e-11)
    assert float(square.trace()) == pytest.approx(50, rel=1e-12)
    assert (placed.spectrum.diff(dim=1) < 0).all()


def test_points_change_places_with_their_coordinates():
    x, order = skewed(3, 30, 3), torch.randperm(30, generator=seeded())
    torch.testing.assert_close(
        mds_coordinates(x[:, order]).coords, mds_coordinates(x).coords[:, order], rtol=0, atol=1e-10
    )


def test_mirror_images_are_one_or_two_as_the_signs_say():
    x = skewed(4, 30, 3)
    mirrored = x * torch.tensor([1.0, 1.0, -1.0])
    torch.testing.assert_close(mds_coordinates(mirrored).coords, mds_coordinates(x).coords, rtol=0, atol=1e-10)
    kept, other = (mds_coordinates(y, sign="moment-so") for y in (x, mirrored))
    assert ((kept.coords - other.coords).abs().amax((1, 2)) > 1e-2).all()
    torch.testing.assert_close(torch.linalg.det(kept.rotation), torch.ones(4, dtype=torch.float64))


def test_moments_decide_the_signs():
    """By definition: odd moments along the axes are positive, the first of the list where it does not vanish."""
    x = skewed(6, 40, 3)
    placed = mds_coordinates(x)
    cubes = placed.coords.pow(3)
    assert (cubes.sum(1) > 0).all()
    torch.testing.assert_close(placed.moment, cubes.sum(1) / cubes.abs().sum(1))


def test_where_the_third_moment_vanishes_another_decides():
    roots = np.roots([1.0, 0, -5, 0, 4, -1]).real  # the sums of t and of t^3 are zero, as Newton's identities say
    cloud = torch.tensor(roots)[:, None]
    assert abs(float(cloud.sum())) < 1e-12 and abs(float(cloud.pow(3).sum())) < 1e-10
    placed = mds_coordinates(cloud)
    z = placed.coords
    assert float((z * z.abs().sqrt()).sum()) > 1e-3 and float(placed.moment) > 1e-3
    torch.testing.assert_close(mds_coordinates(-7 * cloud + 3).coords, z)


@pytest.mark.parametrize("sign", SIGNS)
def test_symmetric_clouds_follow_their_first_point(sign):
    """A box has no odd moments: its coordinates are still the same after any similarity, point by point."""
    corners = torch.tensor(list(itertools.product((-3.0, 3.0), (-2.0, 2.0), (-1.0, 1.0)))).double()
    placed = mds_coordinates(corners, sign=sign)
    assert not placed.moment.any() and float(placed.gap) > 0.1
    moved, _ = similar(corners[None], 5, proper=sign == "moment-so")
    torch.testing.assert_close(mds_coordinates(moved, sign=sign).coords[0], placed.coords, rtol=0, atol=1e-9)
    # The other order of its points may give other coordinates, but they are those of the same box.
    again = mds_coordinates(corners.flip(0), sign=sign).coords
    assert {tuple(row) for row in again.round(decimals=6).tolist()} == {
        tuple(row) for row in placed.coords.round(decimals=6).tolist()
    }


def test_average_lists_all_signs():
    x = skewed(2, 20, 3)
    placed, one = mds_coordinates(x, sign="average"), mds_coordinates(x)
    assert placed.coords.shape == (8, 2, 20, 3) and placed.rotation.shape == (8, 2, 3, 3)
    patterns = placed.patterns()
    assert len(patterns) == 8 and one.patterns() == [one]
    seen = {tuple((p.coords[0, 0] / one.coords[0, 0]).round().tolist()) for p in patterns}
    assert seen == set(itertools.product((1.0, -1.0), repeat=3))
    for pattern in patterns:
        torch.testing.assert_close(from_canonical(pattern.coords, pattern), x)


def test_random_signs_come_from_the_generator_and_rest_in_eval_mode():
    x = skewed(64, 20, 3)
    a, b = (mds_coordinates(x, sign="random", generator=seeded(7)).coords for _ in range(2))
    assert torch.equal(a, b)
    signs = (a / mds_coordinates(x).coords).mean(1)
    torch.testing.assert_close(signs.abs(), torch.ones_like(signs))
    assert (signs > 0).double().mean(0).sub(0.5).abs().max() < 0.25
    module = MDSCanonicalizer(sign="random", generator=seeded(1))
    assert not torch.equal(module(x).coords, module(x).coords)
    assert torch.equal(module.eval()(x).coords, mds_coordinates(x).coords)


def test_no_rule_means_no_invariance():
    x = skewed(64, 20, 3)
    a, b = (mds_coordinates(y, sign="none").coords for y in (x, similar(x, 2)[0]))
    assert (a - b).abs().max() > 0.1
    torch.testing.assert_close(a.abs(), b.abs(), rtol=0, atol=1e-8)


# ---------------------------------------------------------------- layouts: masks, flat clouds, weights, parts
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_padding_changes_nothing(dtype):
    x, v = skewed(3, 12, 3, dtype=dtype), skewed(3, 12, 2, 3, seed=1, dtype=dtype)
    mask = torch.arange(12) < torch.tensor([[7], [12], [9]])
    placed = mds_coordinates(x, mask=mask, vectors=v)
    other = x.masked_fill(~mask[..., None], math.nan), v.masked_fill(~mask[..., None, None], 1e9)
    again = mds_coordinates(other[0], mask=mask, vectors=other[1])
    for name in ("coords", "rotation", "center", "scale", "spectrum", "gap", "moment", "vectors"):
        assert torch.equal(getattr(placed, name), getattr(again, name)), name
    assert not placed.coords[~mask].any() and placed.vectors is not None and not placed.vectors[~mask].any()
    for i, n in enumerate(mask.sum(1).tolist()):
        alone = mds_coordinates(x[i, :n])
        torch.testing.assert_close(
            placed.coords[i, :n], alone.coords, rtol=0, atol=1e-6 if dtype is torch.float32 else 1e-12
        )


def test_padding_of_all_patterns_of_signs_is_zero():
    x, mask = skewed(3, 9, 3), torch.arange(9) < torch.tensor([[7], [9], [8]])
    placed = mds_coordinates(x, mask=mask, vectors=x, sign="average")
    one = mds_coordinates(x, mask=mask)
    assert not placed.coords[:, ~mask].any() and not placed.vectors[:, ~mask].any()
    torch.testing.assert_close(placed.coords[0], one.coords)
    torch.testing.assert_close(placed.coords.abs(), one.coords.abs().expand(8, 3, 9, 3))


def test_flat_clouds_are_the_clouds_one_by_one():
    clouds = [skewed(n, 3, seed=n) for n in (9, 30, 14)]
    batch = torch.arange(3).repeat_interleave(torch.tensor([9, 30, 14]))
    shuffle = torch.randperm(53, generator=seeded())
    for scale, sign in itertools.product(("rms", "max", None), SIGNS):
        together = mds_coordinates(torch.cat(clouds)[shuffle], batch[shuffle], scale=scale, sign=sign)
        for i, cloud in enumerate(clouds):
            alone = mds_coordinates(cloud, scale=scale, sign=sign)
            mine = batch[shuffle] == i
            torch.testing.assert_close(
                together.coords[mine], alone.coords[(shuffle - sum(map(len, clouds[:i])))[mine]], rtol=0, atol=1e-12
            )
            torch.testing.assert_close(together.rotation[i], alone.rotation[0], rtol=0, atol=1e-11)


def test_symmetric_flat_clouds_follow_their_first_point_too():
    corners = torch.tensor(list(itertools.product((-3.0, 3.0), (-2.0, 2.0)))).double()
    flat = mds_coordinates(torch.cat([corners, corners + 5]), torch.arange(2).repeat_interleave(4))
    dense = mds_coordinates(torch.stack([corners, corners + 5]))
    torch.testing.assert_close(flat.coords, dense.coords.flatten(0, 1))


def test_weights_count_as_repetitions():
    x, times = skewed(10, 3), torch.tensor([1, 3, 1, 2, 1, 1, 4, 1, 1, 2])
    once = mds_coordinates(x, weight=times.double())
    many = mds_coordinates(x.repeat_interleave(times, 0))
    torch.testing.assert_close(once.coords.repeat_interleave(times, 0), many.coords, rtol=0, atol=1e-12)
    mask = times < 4
    left_out = mds_coordinates(x[None], mask=mask[None], weight=times.double()[None])
    torch.testing.assert_close(left_out.coords[0, mask], mds_coordinates(x[mask], weight=times[mask].double()).coords)


def test_large_batches_in_parts_are_what_they_are_whole(monkeypatch):
    x, mask = skewed(11, 20, 3), torch.rand(11, 20, generator=seeded()) < 0.8
    for options in ({}, {"sign": "average"}, {"mask": mask}, {"mask": mask, "sign": "average"}):
        whole = mds_coordinates(x, **options)
        with monkeypatch.context() as patched:
            patched.setattr("erlangen.symmetrize.coordinates.CACHED", 200)
            parts = mds_coordinates(x, **options)
        for name in ("coords", "rotation", "center", "scale", "spectrum", "gap", "moment"):
            torch.testing.assert_close(getattr(parts, name), getattr(whole, name))


# ---------------------------------------------------------------- there and back
@pytest.mark.parametrize("sizes", [(9, 30, 14, 11), (12, 12, 12), (4, 5, 40)], ids=["some", "equal", "uneven"])
@pytest.mark.parametrize("options", [{}, {"sign": "average"}, {"scale": "max", "sign": "moment-so"}])
def test_sorted_flat_clouds_are_what_they_are_unsorted(sizes, options, monkeypatch):
    batch = torch.arange(len(sizes)).repeat_interleave(torch.tensor(sizes))
    x = torch.cat([skewed(n, 3, seed=n + i) for i, n in enumerate(sizes)]).requires_grad_()
    weight = torch.rand(len(x), generator=seeded(), dtype=torch.float64) + 0.5
    shuffle = torch.randperm(len(x), generator=seeded(1))
    for w in (None, weight):
        shuffled = mds_coordinates(x[shuffle], batch[shuffle], weight=None if w is None else w[shuffle], **options)
        for numbers in (2**17, 60):
            monkeypatch.setattr("erlangen.symmetrize.coordinates.CACHED", numbers)
            placed = mds_coordinates(x, batch, weight=w, **options)
            torch.testing.assert_close(placed.coords[..., shuffle, :], shuffled.coords, rtol=0, atol=1e-12)
            torch.testing.assert_close(placed.rotation, shuffled.rotation, rtol=0, atol=1e-12)
            torch.testing.assert_close(placed.scale, shuffled.scale)
        slopes = [
            torch.autograd.grad(p.coords[..., 0].pow(3).sum(), x, retain_graph=True)[0] for p in (placed, shuffled)
        ]
        torch.testing.assert_close(*slopes)


@pytest.mark.parametrize("flat", [False, True])
@pytest.mark.parametrize("scale", ["rms", "max", None])
def test_there_and_back(flat, scale):
    x, v = skewed(3, 10, 3), skewed(3, 10, 2, 3, seed=4)
    batch = torch.arange(3).repeat_interleave(10) if flat else None
    x, v = (x.flatten(0, 1), v.flatten(0, 1)) if flat else (x, v)
    placed = mds_coordinates(x, batch, vectors=v, directions=v, scale=scale)
    torch.testing.assert_close(from_canonical(placed.coords, placed, "position"), x)
    torch.testing.assert_close(to_canonical(x, placed, "position"), placed.coords)
    torch.testing.assert_close(from_canonical(placed.vectors, placed, "vector"), v)
    torch.testing.assert_close(from_canonical(placed.directions, placed, "direction"), v)
    whole = torch.randn(3, 2, 3, generator=seeded(), dtype=torch.float64)  # a row for every cloud
    torch.testing.assert_close(to_canonical(from_canonical(whole, placed), placed), whole)


def test_attached_vectors_turn_and_grow_with_the_cloud():
    x, v = skewed(5, 20, 3), skewed(5, 20, 3, seed=3)
    moved, (s, q, _) = similar(x, 9)
    a, b = (
        mds_coordinates(x, vectors=v, directions=v),
        mds_coordinates(moved, vectors=s * v @ q.mT, directions=v @ q.mT),
    )
    torch.testing.assert_close(a.vectors, b.vectors, rtol=0, atol=1e-9)
    torch.testing.assert_close(a.directions, b.directions, rtol=0, atol=1e-9)
    assert (a.vectors - v).abs().max() > 1e-2


@pytest.mark.parametrize(
    ("translation", "rotation", "scale"),
    [(True, False, None), (True, False, "rms"), (False, True, "rms"), (False, True, None)],
)
def test_invariances_one_by_one(translation, rotation, scale):
    x = skewed(4, 20, 3)
    settings = {"translation": translation, "rotation": rotation, "scale": scale}
    z = mds_coordinates(x, **settings).coords
    q = haar_orthogonal(3, 4, generator=seeded()).mT
    same = {"shift": mds_coordinates(x + 5, **settings).coords, "turn": mds_coordinates(x @ q, **settings).coords}
    same["grow"] = mds_coordinates(3 * x, **settings).coords
    for name, kept in (("shift", translation), ("turn", rotation), ("grow", scale is not None)):
        assert ((same[name] - z).abs().max() < 1e-9) == kept, name


# ---------------------------------------------------------------- where the mathematics is open
CUBE = torch.tensor(list(itertools.product((-1.0, 1.0), repeat=3))).double()
AMBIGUOUS = {
    "one point": torch.full((1, 3), 2.0),
    "two points": torch.tensor([[0.0, 0, 1], [1, 2, 3]]),
    "points at one place": torch.full((5, 3), 0.1),
    "collinear": torch.arange(5.0)[:, None].pow(2) * torch.tensor([1.0, 2.0, 3.0]),
    "cube": CUBE,
}


@pytest.mark.parametrize("name", AMBIGUOUS)
def test_ambiguous_axes_follow_the_policy(name):
    bad = AMBIGUOUS[name].double()
    x = torch.stack([skewed(len(bad) + 3, 3)[: len(bad)], bad]) if len(bad) > 3 else bad[None]
    with pytest.raises(ValueError, match=rf"axes of 1 of {len(x)} samples are ambiguous \(first: sample {len(x) - 1},"):
        mds_coordinates(x, degenerate="raise")
    with pytest.warns(UserWarning, match="does not hold there"):
        mds_coordinates(x)
    for policy in ("keep", "perturb"):
        placed = mds_coordinates(x, degenerate=policy)
        assert placed.coords.isfinite().all() and placed.gap[-1] <= 1e-6
        torch.testing.assert_close(from_canonical(placed.coords, placed), x, rtol=0, atol=1e-9)


def test_one_place_gives_zeros_never_nan():
    x = torch.full((2, 6, 3), 1e8 / 3, dtype=torch.float64).requires_grad_()
    for scale in ("rms", "max", None):
        placed = mds_coordinates(x, scale=scale, degenerate="keep")
        assert not placed.coords.any() and (placed.scale == 1).all()
        (slope,) = torch.autograd.grad(placed.coords.sum(), x)
        assert slope.isfinite().all()
    with pytest.raises(ValueError, match="the points of sample 0 are all at one place"):
        mds_coordinates(x[..., :1], degenerate="raise")


def test_collinear_clouds_have_clear_coordinates_all_the_same():
    line = AMBIGUOUS["collinear"].double()[None]
    moved, _ = similar(line, 4)
    a, b = (mds_coordinates(y, degenerate="keep").coords for y in (line, moved))
    torch.testing.assert_close(a, b, rtol=0, atol=1e-9)
    assert a[..., 1:].abs().max() < 1e-7


def test_planar_clouds_are_clear():
    flat = skewed(4, 20, 3) * torch.tensor([1.0, 1.0, 0.0])
    moved, _ = similar(flat, 4)
    placed = mds_coordinates(moved, degenerate="raise")
    torch.testing.assert_close(placed.coords, mds_coordinates(flat).coords, rtol=0, atol=1e-9)
    assert placed.coords[..., 2].abs().max() < 1e-9
    # The third axis is the one that makes the determinant one, so vectors off the plane turn with rotations.
    turned, (_, q, _) = similar(flat, 4, proper=True)
    up = torch.tensor([0.0, 0.0, 1.0]).double().expand(4, 1, 3)
    for sign in SIGNS:
        a, b = mds_coordinates(flat, sign=sign), mds_coordinates(turned, sign=sign)
        torch.testing.assert_close(from_canonical(up, b, "direction"), from_canonical(up, a, "direction") @ q.mT)


@settings(max_examples=15)
@given(n=st.integers(1, 3), d=st.integers(1, 4), seed=st.integers(0, 1000))
def test_tiny_clouds(n, d, seed):
    x = torch.randn(2, n, d, generator=seeded(seed), dtype=torch.float64)
    placed = mds_coordinates(x, degenerate="keep")
    assert placed.coords.isfinite().all()
    torch.testing.assert_close(from_canonical(placed.coords, placed), x)


def test_no_clouds_at_all():
    assert mds_coordinates(torch.zeros(0, 5, 3)).coords.shape == (0, 5, 3)
    assert mds_coordinates(torch.zeros(0, 5, 3), vectors=torch.zeros(0, 5, 2, 3)).vectors.shape == (0, 5, 2, 3)
    assert mds_coordinates(torch.zeros(0, 3), torch.zeros(0, dtype=torch.long)).coords.shape == (0, 3)


def test_a_hundred_thousand_points():
    x = skewed(100_000, 3)
    z = mds_coordinates(x).coords
    torch.testing.assert_close(mds_coordinates(similar(x[None], 1)[0][0]).coords, z, rtol=0, atol=1e-8)


# ---------------------------------------------------------------- gradients
@pytest.mark.parametrize("d", [2, 3])
@pytest.mark.parametrize("scale", ["rms", "max", None])
def test_gradients_are_those_of_finite_differences(d, scale):
    x = skewed(2, 6, d, seed=3).requires_grad_()
    assert torch.autograd.gradcheck(lambda y: mds_coordinates(y, scale=scale, grad="full").coords, (x,), atol=1e-6)


def test_detached_axes_have_no_gradient_and_centre_and_scale_have():
    x = skewed(1, 8, 3).requires_grad_()
    placed = mds_coordinates(x)
    axes, weight = placed.rotation.detach(), skewed(1, 8, 3, seed=2)
    assert not placed.rotation.requires_grad
    centred = x - x.mean(1, keepdim=True)
    by_hand = centred @ axes / centred.square().sum(-1).mean(1).sqrt()
    (found,), (want,) = (torch.autograd.grad((z * weight).sum(), x) for z in (placed.coords, by_hand))
    torch.testing.assert_close(found, want)


@pytest.mark.parametrize("d", [2, 3])
def test_ambiguous_clouds_have_no_gradient_of_axes_and_no_nan(d):
    corners = torch.tensor(list(itertools.product((-1.0, 1.0), repeat=d))).double()
    x = torch.stack([corners, skewed(2**d, d)]).requires_grad_()
    z = mds_coordinates(x, grad="full", degenerate="keep").coords
    (slope,) = torch.autograd.grad((z * skewed(2, 2**d, d, seed=1)).sum(), x)
    assert slope.isfinite().all()


# ---------------------------------------------------------------- the closed form of the plane
@given(angle=st.floats(-10, 10), large=st.floats(0, 1e3), part=st.floats(0, 1), dtype=st.sampled_from([torch.float64]))
def test_axes_of_the_plane_in_closed_form(angle, large, part, dtype):
    u = torch.tensor([math.cos(angle), math.sin(angle)], dtype=dtype)
    w = torch.tensor([-math.sin(angle), math.cos(angle)], dtype=dtype)
    matrix = (large * torch.outer(u, u) + part * large * torch.outer(w, w))[None]
    values, axes = small_eigh(matrix)
    want = torch.linalg.eigvalsh(matrix)
    torch.testing.assert_close(values, want, rtol=0, atol=1e-12 * (1 + large))
    torch.testing.assert_close(axes @ torch.diag_embed(values) @ axes.mT, matrix, rtol=0, atol=1e-12 * (1 + large))
    torch.testing.assert_close(axes.mT @ axes, torch.eye(2, dtype=dtype)[None], rtol=0, atol=1e-14)
    assert axes[0, 0, 1] >= 0


# ---------------------------------------------------------------- refusals
@pytest.mark.parametrize(
    ("call", "problem"),
    [
        (lambda x: mds_coordinates(x, scale="mean"), r"scale\): rms, max or None, got 'mean'"),
        (lambda x: mds_coordinates(x, sign="plus"), r"sign\): one of moment, moment-so"),
        (lambda x: mds_coordinates(x, degenerate="panic"), r"degenerate\): one of raise, warn, perturb"),
        (lambda x: mds_coordinates(x, grad="half"), r"grad\): 'detach' or 'full'"),
        (lambda x: mds_coordinates(x, tol=-1.0), r"tol\): from 0 to 1"),
        (lambda x: mds_coordinates(x, sign="random", rotation=False), "needs rotation=True"),
        (lambda x: mds_coordinates(x * math.nan), r"x\): holds NaN or infinity, first at index \(0, 0, 0\)"),
        (lambda x: mds_coordinates(x.masked_fill(x > 0, math.inf)), "holds NaN or infinity"),
        (lambda x: mds_coordinates(x[:, :0]), "a cloud has no points"),
        (lambda x: mds_coordinates(x[0, :0]), "at least one point"),
        (lambda x: mds_coordinates(x, mask=torch.ones(2, 7, dtype=torch.bool)), r"mask\): torch.bool \(2, 8\), got"),
        (lambda x: mds_coordinates(x, mask=torch.arange(8).expand(2, 8) < torch.tensor([[3], [0]])), "sample 1 has no"),
        (lambda x: mds_coordinates(x, weight=-torch.ones(2, 8)), "finite and not negative"),
        (lambda x: mds_coordinates(x, weight=torch.ones(2, 7)), r"weight\): floating point, shape \(2, 8\)"),
        (lambda x: mds_coordinates(x[0], torch.tensor([0, 0, 0, 0, 2, 2, 2, 2])), "graph 1 has no nodes"),
        (lambda x: mds_coordinates(x[0], torch.full((8,), -1)), "numbered from 0, got -1"),
        (lambda x: mds_coordinates(x, torch.zeros(8, dtype=torch.long)), r"only with x of \(nodes, d\)"),
        (lambda x: mds_coordinates(x, vectors=x[:, :7]), r"vectors\): shape \(2, 8, ..., 3\), got \(2, 7, 3\)"),
        (lambda x: mds_coordinates(x, directions=x[..., :2]), r"directions\): shape \(2, 8, ..., 3\)"),
        (lambda x: MDSCanonicalizer(dim=2)(x), r"dim\): 2, but x has shape \(2, 8, 3\)"),
        (lambda x: MDSCanonicalizer(dim=0), "a whole number from 1, got 0"),
        (lambda x: from_canonical(x, mds_coordinates(x), "force"), "one of position, vector, direction, got 'force'"),
        (lambda x: from_canonical(x[:1], mds_coordinates(x)), r"2 rows, and a last axis of 3, got shape \(1, 8, 3\)"),
        (lambda x: from_canonical(x, mds_coordinates(x, sign="average")), "canonical.patterns"),
    ],
)
def test_what_has_no_meaning_is_refused(call, problem, monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # a user's own calls are not checked by it
    with pytest.raises(ValueError, match=problem):
        call(skewed(2, 8, 3))


@pytest.mark.parametrize(
    "call",
    [
        lambda x: mds_coordinates(x, vectors=x.long()),
        lambda x: mds_coordinates(x[0], torch.zeros(8)),
        lambda x: mds_coordinates(x.long()),
    ],
)
def test_wrong_dtypes_are_refused(call):
    with pytest.raises(Exception, match=r"floating-point|torch.int64|violates|type"):
        call(skewed(2, 8, 3))


def test_the_module_says_what_it_is_and_has_no_weights():
    module = MDSCanonicalizer(dim=2, scale="max", sign="moment-so")
    assert repr(module) == "MDSCanonicalizer(dim=2, scale='max', sign='moment-so')"
    assert not list(module.parameters()) and isinstance(module, nn.Module)
    assert POWERS == (2.0, 0.5, 4.0)
