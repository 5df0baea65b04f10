"""Continuity at size smoke; its measures on cases done by hand."""

import math

import pytest
import torch
from torch import nn

from erlangen.recipes.experiment import by_metric
from erlangen.recipes.frame_averaging import CLAIMS, EXPERIMENTS, Config, run
from erlangen.recipes.frame_averaging.continuity import averaged, largest_step, path, random_network
from erlangen.report import Result


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("continuity")


@pytest.fixture(scope="module")
def result(folder):
    return run(Config(size="smoke", experiment="continuity", out=folder))


def test_it_measures_what_it_claims_and_its_checks_pass(result):
    ours = [verdict for claim, verdict in result.claims if claim.experiment == "continuity"]
    assert len(ours) == 12 and {verdict.verdict for verdict in ours} == {"undecided"}  # two seeds of five
    assert all(verdict.effect is not None for verdict in ours)
    assert [check for check in result.checks if not check.passed] == [] and len(result.checks) == 4
    assert result.status == "partial" and len(result.claims) == len(CLAIMS)


def test_its_files_are_whole(result, folder):
    path = result.save(folder / "result.json")
    assert Result.load(path).to_dict() == result.to_dict()
    assert (folder / "continuity.png").read_bytes().startswith(b"\x89PNG")


def test_the_same_seed_gives_the_same_numbers(result):
    again = run(Config(size="smoke", seeds=1, seed=1, experiment="continuity"))
    assert again.metrics["continuity"] == {k: v[1:] for k, v in result.metrics["continuity"].items()}
    assert again.figures == {}


def test_every_experiment_is_listed():
    assert tuple(EXPERIMENTS) == Config.experiments


def test_the_path_crosses_once_in_the_middle_of_a_step():
    for d in (2, 3):
        clouds = path(d, 400)
        assert clouds.shape == (401, 2 * d, d) and clouds.mean(1).abs().max() < 1e-15
        t = clouds[:, 0, 0] - 1
        torch.testing.assert_close(t.diff(), torch.full((400,), 1 / 400, dtype=torch.float64))
        values = torch.linalg.eigvalsh(clouds.mT @ clouds)
        assert float(values.diff().min()) > 0  # never degenerate
        crossed = ((clouds[..., 0].square().sum(1) - clouds[..., 1].square().sum(1)) > 0).long().diff()
        assert crossed.nonzero().flatten().tolist() == [199]


def test_an_average_over_principal_axes_jumps_by_hand():
    """The average of the square of the first point's first coordinate, over the axes and their opposites."""

    class FirstSquared(nn.Module):
        def forward(self, x):
            return x[:, 0, :1].square()

    clouds = path(2, 400)
    averages = averaged(FirstSquared(), 2, seed=0)
    values = averages["pca"](clouds)[:, 0]
    t = clouds[:, 0, 0] - 1
    # Ascending variances: for t < 0 the first axis is the point's own, for t > 0 the other one, on which it is zero.
    torch.testing.assert_close(values, torch.where(t < 0, (1 + t).square(), 0.0))
    # The weighted frame: its own direction and the opposite (weight 1 + t each), the others (weight 1 each).
    torch.testing.assert_close(averages["weighted"](clouds)[:, 0], (1 + t).square() * (1 + t) / (2 + t))
    assert largest_step(values) == pytest.approx((1 - 1 / 800) ** 2)


def test_one_axis_at_random_is_an_element_of_the_frame():
    clouds, network = path(2, 20), random_network(8, 0)
    averages = averaged(network, 2, seed=1)
    one, opposite = averages["sample"](clouds), averages["pca"](clouds) * 2
    both = opposite - one
    again = torch.stack([averages["sample"](clouds) for _ in range(20)])
    near = torch.minimum((again - one).abs(), (again - both).abs())
    assert near.max() < 1e-12 and (again - one).abs().max() > 1e-3


def test_random_networks_spread_by_about_one():
    values = random_network(8, 0)(torch.randn(1000, 4, 2, dtype=torch.float64))
    assert 0.4 < float(values.std()) < 1.5 and math.isfinite(float(values.mean()))


def test_numbers_are_gathered_by_metric():
    assert by_metric([{"a": 1.0, "b": 2.0}, {"a": 3.0, "b": 4.0}]) == {"a": [1.0, 3.0], "b": [2.0, 4.0]}
