"""The recipe at size smoke: what each experiment measures, and its parts against the formulas written out."""

import itertools

import pytest
import torch

from erlangen.data.sources import MissingDataError, find_source
from erlangen.groups import Irreps, O
from erlangen.o3 import gaunt_product
from erlangen.recipes import ConfigError
from erlangen.recipes.gaunt_tensor_product import Config, run
from erlangen.recipes.gaunt_tensor_product.accuracy import METHODS as COUPLINGS
from erlangen.recipes.gaunt_tensor_product.accuracy import available, build, load, loss, measure
from erlangen.recipes.gaunt_tensor_product.contraction import SymmetricContraction
from erlangen.recipes.gaunt_tensor_product.limits import METHODS
from erlangen.recipes.gaunt_tensor_product.peers import e3nn_product, functions
from erlangen.recipes.gaunt_tensor_product.systems import joined, prepare
from erlangen.recipes.gaunt_tensor_product.tetris import PIECES, pieces
from erlangen.report import Result


@pytest.fixture(scope="module", params=["same-function", "speed", "limits"])
def ran(request, tmp_path_factory):
    out = tmp_path_factory.mktemp("gaunt")
    return request.param, out, run(Config(size="smoke", experiment=request.param, out=out))


def test_experiments_measure_what_their_claims_need(ran):
    name, out, result = ran
    claims = [(claim, verdict) for claim, verdict in result.claims if claim.experiment == name]
    assert (not claims) == (name == "same-function")
    measured = [claim for claim, verdict in claims if verdict.verdict != "not measurable here"]
    wanted = [c for c, _ in claims if name != "speed" or c.name[-1] in "12"]  # smoke ends at degree two
    assert measured == wanted
    assert [check for check in result.checks if not check.passed] == []
    path = result.save(out / "result.json")
    assert Result.load(path).to_dict() == result.to_dict()
    assert {file.name for file in out.iterdir()} == {"result.json", *result.figures}


def test_mirror_images_are_one_to_products_of_even_sum(ran):
    name, _, result = ran
    if name == "limits":
        apart = {method: max(result.metrics[name][f"{method}_apart"]) for method in METHODS}
        assert apart["gaunt"] < 1e-4 < min(apart["poisson"], apart["cg"])


def test_pieces_are_eight_and_two_are_mirror_images():
    places = pieces(torch.float64)
    apart = [torch.cdist(p, p).flatten().sort().values for p in places]
    alike = [(i, j) for i, j in itertools.combinations(range(len(PIECES)), 2) if torch.allclose(apart[i], apart[j])]
    assert alike == [(0, 1)]
    volume = [float(torch.linalg.det(p[1:] - p[:1])) for p in places]
    assert volume[0] != 0 and sum(v != 0 for v in volume) >= 2


@pytest.mark.parametrize("lmax", [1, 2, 3])
def test_the_peer_computes_the_same_function(lmax):
    product = e3nn_product(2, lmax, 2 * lmax)
    x, y = torch.randn(2, 5, 2, (lmax + 1) ** 2, generator=torch.Generator().manual_seed(0))

    def flat(z, top):
        return torch.cat([z[..., l * l : (l + 1) ** 2].flatten(1) for l in range(top + 1)], -1)

    want = flat(gaunt_product(x, y, lmax, lmax), 2 * lmax)
    torch.testing.assert_close(product(flat(x, lmax), flat(y, lmax)), want, rtol=1e-5, atol=1e-5)
    assert functions(2, 1) == "2x0e+2x1o"


def test_a_contraction_has_all_invariants_of_three_factors():
    """As many as there are invariants in the symmetric powers, counted by characters."""
    layer = SymmetricContraction("2x0e+2x1o+2x2e", "2x0e", 3, 2)
    assert [len(way) for way in layer.ways].count(1) == 1 and [len(way) for way in layer.ways].count(2) == 3
    # A symmetric cube with parity: the mean of its character over O(3), by elements drawn on a fine grid of angles.
    angle = (torch.arange(4000, dtype=torch.float64) + 0.5) * torch.pi / 4000
    haar = (1 - angle.cos()) / 4000

    def character(n, sign):
        return sum(sign**l * sum((m * n * angle).cos() for m in range(-l, l + 1)) for l in range(3))

    cube = [
        (character(1, s) ** 3 + 3 * character(1, s) * character(2, s * s) + 2 * character(3, s**3)) / 6 for s in (1, -1)
    ]
    count = float(sum((haar * c).sum() for c in cube) / 2)
    assert [len(way) for way in layer.ways].count(3) == round(count)


def test_a_contraction_by_hand():
    layer = SymmetricContraction("1x0e+1x1o", "1x0e", 2, 1).double()
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[[2.0, 3.0, 5.0]]]))
    x = torch.tensor([[1.5, 1.0, 2.0, 2.0]], dtype=torch.float64)
    want = 2 * 1.5 + 3 * 1.5**2 + 5 * 9 / 3**0.5
    assert float(layer(x, torch.ones(1, 1).double()).detach()) == pytest.approx(want)
    rep = Irreps("1x0e+1x1o", O(3))
    g = O(3).sample(generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(layer(rep(g, x), torch.ones(1, 1).double()), layer(x, torch.ones(1, 1).double()))


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    out = tmp_path_factory.mktemp("accuracy")
    config = Config(size="smoke", experiment="accuracy", seeds=1, data=tmp_path_factory.mktemp("empty"), out=out)
    return config, run(config)


def test_without_files_trajectories_are_made_here(made):
    config, result = made
    assert available(config) == ("cluster", "slab")
    for name in ("cluster", "slab"):
        for kind in COUPLINGS:
            for test in ("300K", "600K"):
                assert result.metrics["accuracy"][f"{name}_{kind}_{test}_force"][0] > 0
    verdicts = [verdict.verdict for claim, verdict in result.claims if claim.experiment == "accuracy"]
    assert set(verdicts) == {"not measurable here"}
    assert [check for check in result.checks if not check.passed] == []
    assert set(result.figures) == {"gaunt-parity.png", "gaunt-temperature.png"}


def test_published_files_are_used_where_they_are():
    try:
        find_source("acac")
    except MissingDataError as error:
        pytest.skip(str(error))
    config = Config(size="smoke", experiment="accuracy", seeds=1)
    result = run(config)
    assert available(config) == ("acac", "3bpa")
    verdicts = [verdict for claim, verdict in result.claims if claim.experiment == "accuracy"]
    assert all(verdict.verdict == "undecided" and verdict.effect is not None for verdict in verdicts)  # one seed


def test_batches_are_their_systems(made):
    config, _ = made
    data = load("slab", config, 0)
    systems = [prepare(s, 4.0, data.atoms, torch.float64) for s in data.train[:3]]
    potential = build(COUPLINGS["gaunt"], systems, config).double().eval()
    together, true, predicted = measure(potential, systems, "cpu")
    alone = [measure(potential, [s], "cpu")[0] for s in systems]
    for what in ("energy", "force"):
        mean = sum(one[what] ** 2 for one in alone) / 3
        assert together[what] == pytest.approx(mean**0.5, rel=1e-9)
    s = joined(systems)
    error = (predicted - true).square().mean()
    energy = potential(s.position, s.numbers, s.batch, s.edge_index, s.shift)[0]
    per_atom = ((energy - s.energy) / 13).square().mean()
    assert float(loss(potential, s)) == pytest.approx(float(per_atom + 100 * error), rel=1e-9)


def test_what_has_no_meaning_is_refused():
    with pytest.raises(ConfigError, match="speed_rounds is 0; it takes a whole number from 1"):
        Config(speed_rounds=0)
