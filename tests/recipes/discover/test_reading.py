"""What is read of a user's samples and candidates, how it is said to move, and each wrong input with its line."""

import re

import numpy as np
import pytest
import torch

from erlangen.groups import GL, Scalar, Vector
from erlangen.recipes.discover.candidates import read_candidates, space_of, split_list, usual_candidates
from erlangen.recipes.discover.moves import draw_elements, sizes
from erlangen.recipes.discover.samples import describe, in_words, read_raw
from erlangen.recipes.discover.training import Split

RNG = np.random.default_rng(0)
S, V = Scalar(GL(3)), Vector(GL(3))


def normal(*shape):
    return RNG.normal(size=shape)


def read(folder, inputs=None, output=None, target=None, dim=3, **arrays):
    np.savez(folder / "my.npz", **arrays)
    return describe(read_raw(folder / "my.npz", target), dim, inputs, output)


@pytest.mark.parametrize(
    ("x", "y", "rep_in", "rep_out"),
    [
        ((30, 4, 3), (30,), 4 * V, S),
        ((30, 3), (30, 1), V, S),
        ((30, 6), (30, 3), 2 * V, V),
        ((30, 3, 3), (30, 3, 3), 3 * V, V * V),
        ((30, 2, 5, 3), (30, 6, 3), 10 * V, 6 * V),
        ((30, 2, 3), (30, 2, 3, 3), 2 * V, 2 * (V * V)),
    ],
)
def test_shapes_speak_and_it_is_said(tmp_path, x, y, rep_in, rep_out):
    x, y = normal(*x), normal(*y)
    found = read(tmp_path, x=x, y=y)
    assert (found.rep_in, found.rep_out) == (rep_in, rep_out)
    np.testing.assert_array_equal(found.x.numpy(), x.reshape(30, -1))
    np.testing.assert_array_equal(found.y.numpy(), y.reshape(30, -1))
    assert len(found.said) == 2 and in_words(rep_in) in found.said[0] and "--output says otherwise" in found.said[1]


def test_words_win(tmp_path):
    found = read(tmp_path, "2*scalar+3*vector", "vector*vector", x=normal(30, 11), y=normal(30, 9))
    assert found.rep_in == 2 * S + 3 * V and found.rep_out == V * V and found.said == ()
    assert str(found) == "30 samples of my.npz: 2*scalar+3*vector -> vector*vector"
    assert read(tmp_path, output="9*scalar", x=normal(30, 3), y=normal(30, 3, 3)).rep_out == 9 * S


def test_another_target_and_what_is_not_used(tmp_path):
    found = read(tmp_path, target="force", x=normal(30, 2, 3), y=normal(30), force=normal(30, 3))
    assert found.rep_out == V and found.said[0] == "Not used: y."


def test_tensors_and_functions_are_read_alike(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    x, y = torch.randn(30, 2, 3), torch.randint(5, (30,))
    torch.save({"x": x, "y": y}, "my.pt")
    torch.save({"x": x, "y": y}, "other.pt")
    (tmp_path / "my_samples_file.py").write_text(
        "import torch\ndef make():\n    return tuple(torch.load('my.pt').values())\n"
    )
    one, other = (describe(read_raw(p, None), 3, None, None) for p in (tmp_path / "my.pt", tmp_path / "other.pt"))
    made = describe(read_raw(type(tmp_path)("my_samples_file:make"), None), 3, None, None)
    assert torch.equal(one.x, other.x) and torch.equal(one.y, made.y) and one.y.dtype == torch.float64


def test_clouds_are_centred_rows(tmp_path):
    pos, x, vec = normal(30, 4, 3), normal(30, 4, 2), normal(30, 4, 3)
    found = read(tmp_path, pos=pos, x=x, vec=vec, vectors=normal(30, 3))
    assert found.rep_in == 8 * S + 8 * V and found.rep_out == V and "Points are told apart" in found.said[1]
    centred = (pos - pos.mean(1, keepdims=True)).reshape(30, -1)
    np.testing.assert_allclose(
        found.x.numpy(), np.concatenate([x.reshape(30, -1), centred, vec.reshape(30, -1)], 1), 1e-6
    )


@pytest.mark.parametrize(
    ("arrays", "options", "message"),
    [
        ({"y": normal(30)}, {}, "my.npz: inputs under 'x'; it has y"),
        ({"x": normal(30, 3)}, {}, "my.npz: what is to be learned under 'y'; it has x"),
        ({"x": normal(30, 3), "z": normal(30)}, {"target": "w"}, "under 'w'; it has x, z"),
        ({"x": normal(30, 3), "y": normal(29)}, {}, "as many rows in 'x' as in 'y', got 30 and 29"),
        ({"x": normal(5, 3), "y": normal(5)}, {}, "at least 20 samples, .* got 5"),
        ({"x": normal(1, 3), "y": normal(1)}, {}, "at least 20 samples, .* got 1"),
        ({"x": normal(0, 3), "y": normal(0)}, {}, "at least 20 samples, .* got 0"),
        ({"x": np.where(np.arange(90).reshape(30, 3) == 7, np.nan, 1.0), "y": normal(30)}, {}, "'x', got NaN .* row 2"),
        ({"x": normal(30, 3), "y": np.full(30, np.inf)}, {}, "finite numbers in 'y'"),
        ({"x": normal(30, 3), "y": np.full(30, 2.0)}, {}, "something to learn, got the same answer everywhere"),
        ({"x": normal(30, 3), "y": normal(30) * 1j}, {}, "an array of numbers in 'y', got complex128"),
        ({"x": normal(30, 3), "y": normal(30).astype(str)}, {}, "an array of numbers in 'y'"),
        ({"x": normal(30), "y": normal(30)}, {}, r"a row for each sample in 'x', got shape \(30,\)"),
        ({"x": normal(30, 7), "y": normal(30)}, {}, r"--inputs: x has the shape \(samples, 7\), which does not say"),
        ({"x": normal(30, 6), "y": normal(30, 6)}, {}, r"--output: y has the shape \(samples, 6\)"),
        ({"x": normal(30, 6), "y": normal(30)}, {"inputs": "vector"}, "--inputs: vector are 3 numbers, but .* has 6"),
        (
            {"x": normal(30, 6), "y": normal(30)},
            {"inputs": "vektor"},
            "--inputs: unknown action 'vektor'",
        ),
        (
            {"x": normal(30, 6), "y": normal(30)},
            {"inputs": "vector vector"},
            "--inputs is 'vector vector'",
        ),
        ({"x": normal(30, 6), "y": normal(30)}, {"inputs": "6*scalar"}, "--inputs: 6.scalar, which no group moves"),
        ({"x": normal(30, 3), "y": normal(30)}, {"output": "points"}, "--output is 'points'; it takes one"),
        ({"pos": normal(30, 4, 3), "y": RNG.integers(2, size=30)}, {}, "numbers or vectors in 'y', got classes"),
        (
            {"pos": normal(30, 4, 3), "mask": np.tri(30, 4, 2) > 0, "y": normal(30)},
            {},
            "equally many points",
        ),
        ({"pos": normal(30, 4, 2), "y": normal(30)}, {}, "--groups act on 3 dimensions, the clouds have 2"),
    ],
)
def test_wrong_samples(tmp_path, arrays, options, message):
    with pytest.raises(ValueError, match=message):
        read(tmp_path, **options, **arrays)


def test_files_of_no_arrays(tmp_path):
    (tmp_path / "my.npz").write_text("no zip")
    (tmp_path / "my.pt").write_text("no tensors")
    for name, message in (("my.npz", "not an npz file"), ("my.pt", "tensors alone"), ("none.npz", "no file")):
        with pytest.raises(ValueError, match=message):
            read_raw(tmp_path / name, None)


# ---------------------------------------------------------------- candidates


def test_candidates_stand_in_the_linear_maps_of_space():
    words = split_list(usual_candidates(3))
    assert space_of(words) == 3 and space_of(["Scaling"]) is None
    for candidate in read_candidates([*words, "SO(3)*Scaling", "GL(3)"], 3):
        g = candidate.hom.source.sample(5, generator=torch.Generator().manual_seed(0))
        assert candidate.hom.target == GL(3) and V.along(candidate.hom).rho(g).shape == (5, 3, 3)
    for dim in (2, 4):
        assert space_of(split_list(usual_candidates(dim))) == dim


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "--groups: groups joined by commas"),
        ("SO(3),, O(3)", "--groups: groups joined by commas"),
        ("SO(3), SO(3)", "--groups names SO(3) twice"),
        ("SO(3), SO(2)", "all on one space, but SO(3) has 3 dimensions and SO(2) has 2"),
        ("SO(3), XO(3)", "--groups: unknown group 'XO'"),
        ("E(3)", "take its linear part, O(3)"),
    ],
)
def test_wrong_candidates(text, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        words = split_list(text)
        read_candidates(words, space_of(words) or 3)


# ---------------------------------------------------------------- units and moves


def test_units_leave_what_groups_do_alone(tmp_path):
    x = np.concatenate([100 + 7 * normal(200, 2), 0.01 * normal(200, 9)], 1)
    samples = read(tmp_path, "2*scalar+3*vector", "scalar+vector", x=x, y=normal(200, 4) + np.array([50.0, 1, 2, 3]))
    split = Split(samples, 0, 0.15, 0.25)
    assert [len(part[0]) for part in (split.train, split.validation, split.test)] == [120, 30, 50]
    inputs, answers = split.train
    assert inputs[:, :2].mean(0).abs().max() < 1e-5 and inputs[:, :2].std(0).sub(1).abs().max() < 0.02
    assert float(inputs[:, 2:].square().mean()) == pytest.approx(1, rel=1e-5)
    assert float((answers - answers.mean(0)).square().mean()) == pytest.approx(1, rel=1e-4)
    assert not torch.equal(Split(samples, 1, 0.15, 0.25).test[0], split.test[0])
    # Vectors keep their directions: one factor for all.
    ratio = inputs[:, 2:] / samples.x[_matching(inputs, samples.x), 2:].float()
    assert float(ratio.std() / ratio.mean()) < 1e-4


def _matching(inputs, x):
    """The rows of x that inputs are of, by their directions."""
    unit = lambda v: torch.nn.functional.normalize(v.double(), dim=1)
    return (unit(inputs[:, 2:]) @ unit(x[:, 2:]).T).argmax(1)


def test_too_little_to_learn_from(tmp_path):
    samples = read(tmp_path, x=normal(20, 3), y=normal(20))
    with pytest.raises(ValueError, match="20 samples, of which 12 to test and 8 to choose the epoch leave 0"):
        Split(samples, 0, 0.4, 0.6)


def test_stretched_samples_are_of_the_sizes_of_samples():
    x = torch.randn(50, 7, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    rep = S + 2 * V
    assert torch.allclose(sizes(2 * x, rep), 2 * sizes(x, rep))
    assert torch.allclose(sizes(2 * x[:, :9], V + S + V), 2 * sizes(x[:, :9], V + S + V))
    x[3, 1:] = 0
    (candidate,) = read_candidates(["Scaling"], 3)
    for g in draw_elements(candidate.hom.source, x, rep, 3, seed=0):
        moved = sizes(rep.along(candidate.hom)(g, x), rep)
        others = moved[moved > 0]
        assert g.shape == (50, 1, 1) and g[3] == 1
        assert all(float((sizes(x, rep) - one).abs().min()) < 1e-12 for one in others)
    both = read_candidates(["SO(3)*Scaling"], 3)[0].hom.source
    turn, stretch = draw_elements(both, x, rep, 1, seed=0)[0]
    assert turn.shape == (50, 3, 3) and stretch.shape == (50, 1, 1)


def test_sizes_of_matrices_grow_with_the_root():
    x = torch.randn(5, 9, dtype=torch.float64)
    assert torch.allclose(sizes(4 * x, V * V), 2 * sizes(x, V * V))


def test_the_row_that_holds_no_number_is_named(tmp_path):
    x, y = np.ones((30, 2, 3)), np.arange(30.0)
    y[7] = np.nan
    np.savez(tmp_path / "my.npz", x=x, y=y)
    with pytest.raises(ValueError, match="in 'y', got NaN or infinity in row 7"):
        read_raw(tmp_path / "my.npz", None)
