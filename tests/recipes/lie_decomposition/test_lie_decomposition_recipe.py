"""The recipe at size smoke, and its parts against definitions."""

import math
from dataclasses import replace

import pytest
import torch

from erlangen.groups import SL, SO, GLPlus, LogNormal, Trivial
from erlangen.images import draw_samples
from erlangen.recipes import ConfigError
from erlangen.recipes.lie_decomposition import Config, run
from erlangen.recipes.lie_decomposition.digits import MOVES, load, moved, prepared
from erlangen.recipes.lie_decomposition.equivariance_error import (
    SMOOTH,
    Invariant,
    determinant_errors,
    random_map,
    slope,
)
from erlangen.recipes.lie_decomposition.networks import GroupNetwork, PlainNetwork
from erlangen.recipes.lie_decomposition.random_kernels import random_features
from erlangen.recipes.lie_decomposition.reading import METHODS, TurnKernel, answers
from erlangen.report import Result

SMOKE = Config(size="smoke")


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def network(group: SO | SL | GLPlus = SL(2), **options):
    torch.manual_seed(0)
    settings = {"num_samples": 3, "variance": 0.1, "resample": False, "generator": seeded()} | options
    return GroupNetwork(group, 2, 3, TurnKernel, **settings).eval()


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    out = tmp_path_factory.mktemp("lie-decomposition")
    # No data root: digits are scikit-learn's.
    return out, run(Config(size="smoke", seeds=1, out=out, data=tmp_path_factory.mktemp("empty")))


def test_experiments_measure_what_their_claims_need(ran):
    out, result = ran
    missing = [claim.name for claim, verdict in result.claims if verdict.verdict == "not measurable here"]
    assert missing == ["affine-digits-published"]
    assert [check for check in result.checks if not check.passed] == []
    path = result.save(out / "result.json")
    assert Result.load(path).to_dict() == result.to_dict()
    assert {file.name for file in out.iterdir() if file.is_file()} == {"result.json", *result.figures}
    assert all((out / figure).stat().st_size < 100_000 for figure in result.figures)
    assert "scikit-learn" in str([table.note for table in result.tables])


def test_weights_are_judged_by_what_they_do_on_the_same_samples(ran):
    errors = ran[1].metrics["equivariance-error"]
    for name in ("sl", "gl"):
        (weighted,), (even,), (other,) = (errors[f"{name}_moved_{kind}"] for kind in ("haar", "unweighted", "proposal"))
        # Within the bound weights hardly differ, so that they change the error, but by little.
        assert weighted != even and abs(math.log(weighted / even)) < 0.2
        assert weighted != other


def test_both_experiments_test_the_same_networks(ran):
    _, result = ran
    first, second = result.metrics["affine-digits"], result.metrics["homographies"]
    for name in METHODS:
        for what in ("centred", "seconds"):  # seconds, too: it was trained once
            assert first[f"{name}_{what}"] == second[f"{name}_{what}"]


def test_a_run_that_is_done_is_not_trained_again(ran, monkeypatch):
    out, result = ran
    monkeypatch.setattr("torch.optim.AdamW.step", lambda *_: pytest.fail("it trains"))
    again = run(Config(size="smoke", seeds=1, experiment="homographies", out=out, resume=True, data=out))
    assert again.metrics["homographies"] == result.metrics["homographies"]


def test_without_the_published_files_it_is_said_where_they_are_from(tmp_path):
    config = Config(size="smoke", seeds=1, experiment="affine-digits", digits_published=True, data=tmp_path)
    result = run(config)
    assert {verdict.verdict for _, verdict in result.claims} == {"not measurable here"}
    assert "cs.toronto.edu" in str(result.tables[0].rows)


@pytest.mark.parametrize(
    "wrong",
    [{"random_train": 0}, {"error_power": 3}, {"digits_lr": 0.0}, {"digits_size": 7}, {"error_bound": math.inf}],
)
def test_settings_without_meaning_are_refused(wrong):
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        Config(**wrong)


# ---------------------------------------------------------------- digits
def test_nothing_is_tested_that_was_learned_from(tmp_path):
    config = replace(SMOKE, data=tmp_path)
    # 1438 of 1797 digits are drawn from, the others tested on only where those do not suffice.
    found = {(train, seed): load(config, train, 359, seed) for train in (1000, 1438) for seed in (0, 1)}
    for (train, _), digits in found.items():
        assert len(digits.train) == train and len(digits.test) == 359
        learned = {tuple(image.flatten().tolist()) for image in digits.train}
        # Of scikit-learn's digits no two are alike.
        assert not any(tuple(image.flatten().tolist()) in learned for image in digits.test)
    assert torch.equal(found[1438, 0].test, found[1438, 1].test)
    assert not torch.equal(found[1000, 0].test, found[1000, 1].test)
    assert not torch.equal(found[1438, 0].train, found[1438, 1].train)
    assert torch.equal(found[1000, 0].train, found[1438, 0].train[:1000])


def test_tests_are_the_same_digits_moved(tmp_path):
    digits = load(replace(SMOKE, data=tmp_path), 2, 30, 0)
    assert torch.equal(moved(digits, "centred", 20), prepared(digits.test, 20))
    for how in MOVES:
        images = moved(digits, how, 20)
        assert images.shape == (30, 1, 20, 20) and torch.equal(images, moved(digits, how, 20))
        assert images.min() == -1 and 0 < images.max() <= 1
    turned = moved(digits, "turned", 20) + 1
    torch.testing.assert_close(turned.sum((1, 2, 3)), (prepared(digits.test, 20) + 1).sum((1, 2, 3)), rtol=0.02, atol=0)


# ---------------------------------------------------------------- networks
@pytest.mark.parametrize("group", [SO(2), SL(2), GLPlus(2)], ids=str)
def test_quarter_turns_permute_samples_and_change_nothing(group):
    net = network(SO(2), num_samples=4) if group == SO(2) else network(group)
    samples = net.samples()
    if group != SO(2):  # four samples of which each is the one before, turned by a quarter
        one = samples.move(torch.eye(2))
        quarter = torch.tensor([[0.0, -1.0], [1.0, 0.0]])
        parts = [one]
        for _ in range(3):
            parts.append(parts[-1].move(quarter))
        samples = type(one)(*(torch.cat([getattr(p, n) for p in parts]) for n in ("matrix", "inverse", "log_weight")))
    images = torch.rand(3, 1, 12, 12, generator=seeded())
    torch.testing.assert_close(net(images.rot90(1, (2, 3)), samples), net(images, samples), rtol=1e-4, atol=1e-5)


def test_learning_with_new_samples_draws_them_from_torchs_own_generator():
    images = torch.rand(2, 1, 12, 12, generator=seeded())
    net = network(resample=True).train()
    found = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        found.append(net(images))
    assert torch.equal(found[0], found[1]) and not torch.allclose(found[0], found[2])
    kept = network().train()
    assert torch.equal(kept(images), kept(images))


def test_networks_are_of_about_one_size_and_background_stays_background():
    config = Config()
    sizes = {
        name: sum(p.numel() for p in method.build(config, seeded()).parameters()) for name, method in METHODS.items()
    }
    assert all(15_000 < size < 27_000 for name, size in sizes.items() if name not in ("wide", "siren")), sizes
    # A frame of more background is the same to a network as a smaller one with the digit in it, but for its border.
    net = PlainNetwork(3, 4).eval()
    flat = net.layers[0](torch.nn.functional.pad(torch.full((1, 1, 8, 8), -1.0), (2, 2, 2, 2), value=-1.0))
    torch.testing.assert_close(flat.amax((2, 3)), flat.amin((2, 3)))


def test_answers_are_those_of_the_mean_of_logits():
    net, images = network(), torch.rand(300, 1, 8, 8, generator=seeded())
    assert torch.equal(answers(net, images), net(images).argmax(-1))
    generator = seeded(3)
    total = net(images, net.draw(generator)) + net(images, net.draw(generator))
    assert torch.equal(answers(net, images, draws=2, seed=3), total.argmax(-1))


# ---------------------------------------------------------------- features of random kernels, errors
def test_random_features_are_the_maximum_and_the_mean():
    config = replace(SMOKE, random_channels=3)
    images = torch.rand(150, 1, 20, 20, generator=seeded())
    found = random_features(images, SL(2), config, seed=1)
    assert found.shape == (150, 6) and bool((found[:, :3] >= found[:, 3:]).all()) and bool((found >= 0).all())
    torch.testing.assert_close(random_features(images[100:], SL(2), config, seed=1), found[100:])
    assert not torch.allclose(random_features(images, Trivial(), config, seed=1), found)


@pytest.mark.parametrize("group", [SL(2), GLPlus(2)], ids=str)
def test_outputs_do_not_change_when_pixels_and_samples_turn_by_a_quarter(group):
    torch.manual_seed(0)
    net = Invariant(group, 2).double().eval()
    samples = draw_samples(group, 3, LogNormal(0.1), "haar", seeded())
    images = torch.rand(2, 1, 9, 9, generator=seeded(), dtype=torch.float64)
    quarter = torch.tensor([[0.0, -1.0], [1.0, 0.0]], dtype=torch.float64)
    with torch.no_grad():
        torch.testing.assert_close(net(images.rot90(1, (2, 3)), samples.move(quarter)), net(images, samples))


def test_kernels_are_smooth_enough_for_their_taps():
    kernel = SMOOTH(GLPlus(2), 1, 1, 7)
    assert kernel.cell / 2 >= 2 / 7  # the width of bumps, and the distance of taps


def test_lifted_blobs_move_along_with_the_determinant_alone():
    y, x = torch.meshgrid(torch.arange(40) - 18.0, torch.arange(40) - 21.0, indexing="ij")
    blob = torch.exp(-(x**2 + 2 * y**2) / 50).expand(1, 1, 40, 40)
    with torch.no_grad():
        found = determinant_errors(blob, replace(SMOKE, error_draws=10), seed=0)
    assert found["with_determinant"] < 0.05 and found["without_determinant"] > 0.1


def test_random_maps_have_the_stretch_that_is_asked_for():
    for group in (SL(2), GLPlus(2)):
        A = random_map(group, seeded(1), 0.4)
        assert float(torch.linalg.svdvals(A).log().square().sum().sqrt()) == pytest.approx(0.4)
        assert bool(group.contains(A))


def test_the_slope_is_that_of_a_line_through_logarithms():
    assert slope([4, 8, 16, 32], [3 * n**-0.5 for n in (4, 8, 16, 32)]) == pytest.approx(-0.5)
