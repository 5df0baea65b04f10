"""The experiment on charged particles at size smoke, and its parts against formulas written out."""

import pytest
import torch

from erlangen.data.nbody import charged_particles
from erlangen.groups import SO
from erlangen.points import EGNN, PointOutput, orientation_grid
from erlangen.recipes import ConfigError
from erlangen.recipes.ponita import Config, run
from erlangen.recipes.ponita.clouds import cloud, joined, turned
from erlangen.recipes.ponita.nbody import ANGLES, CLAIMS, GRIDS, METHODS
from erlangen.recipes.ponita.particles import clouds_of, grid_rotations, loss, on_turned
from erlangen.report import Result


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("nbody")


@pytest.fixture(scope="module")
def result(folder):
    return run(Config(size="smoke", experiment="nbody", out=folder))


def test_it_measures_what_it_claims_and_its_checks_pass(result):
    verdicts = [verdict for claim, verdict in result.claims if claim.experiment == "nbody"]
    assert len(verdicts) == len(CLAIMS) and {verdict.verdict for verdict in verdicts} == {"undecided"}  # two seeds
    assert all(verdict.effect is not None for verdict in verdicts)
    assert len(result.checks) == 3 and [check for check in result.checks if not check.passed] == []


def test_the_audit_finds_what_each_network_promises(result):
    verdicts = {report["name"]: report["verdict"] for report in result.audits}
    assert verdicts == {"PONITA, 12 orientations": "approximate", "EGNN": "exact", "GNN": "exact"}


def test_turning_changes_what_is_not_exact_and_nothing_else(result):
    metrics = result.metrics["nbody"]
    for name, method in METHODS.items():
        if method.times == 1:
            changes = [metrics[f"{name}_disagreement_{angle:03d}"][0] for angle in ANGLES]
            assert (max(changes) < 1e-5) == method.exact == (metrics[f"{name}_disagreement"][0] < 1e-5)
    assert metrics["grid_icosahedron_12_disagreement"][0] > 10 * metrics["ponita_own_rotations"][0]


def test_its_files_are_whole(result, folder):
    path = result.save(folder / "result.json")
    assert Result.load(path).to_dict() == result.to_dict()
    files = {file.name for file in folder.iterdir() if file.is_file()}
    assert files == {"nbody-paths.png", "nbody-rotation.png", "result.json"} == {"result.json", *result.figures}


def test_the_same_seed_gives_the_same_numbers(result):
    again = run(Config(size="smoke", seeds=1, seed=1, experiment="nbody")).metrics["nbody"]
    for name, values in result.metrics["nbody"].items():
        assert name.endswith("_seconds") or again[name] == values[1:]


def test_clouds_say_what_the_simulations_say():
    particles = charged_particles(3, seed=0)
    batch = joined(clouds_of(particles))
    assert torch.equal(
        batch.pos + batch.vector[:, 0], (particles.position + (particles.target - particles.position)).flatten(0, 1)
    )
    assert torch.equal(batch.x[:, 0], particles.charge.flatten()) and batch.edge_index.shape == (2, 3 * 20)


@pytest.mark.parametrize(("kind", "number", "order"), [("tetrahedron", 4, 12), ("octahedron", 6, 24), ("cube", 8, 24),
                                                        ("icosahedron", 12, 60), ("dodecahedron", 20, 60)])  # fmt: skip
def test_rotations_of_a_solid_are_a_group_of_its_order(kind, number, order):
    found = grid_rotations(orientation_grid(number, kind=kind))
    assert found.shape == (order, 3, 3)
    eye = torch.eye(3, dtype=torch.float64)
    torch.testing.assert_close(found @ found.mT, eye.expand(order, 3, 3))
    torch.testing.assert_close(torch.linalg.det(found), torch.ones(order, dtype=torch.float64))
    products = (found[:, None] @ found).flatten(0, 1).flatten(1)
    assert (torch.cdist(products, found.flatten(1)).amin(1) < 1e-6).all()
    assert (torch.pdist(found.flatten(1)) > 1e-3).all()  # no two are the same


def test_a_spiral_has_one_half_turn_and_a_grid_at_random_nothing():
    eye = torch.eye(3, dtype=torch.float64)
    found = grid_rotations(orientation_grid(12))
    assert found.shape == (2, 3, 3)
    torch.testing.assert_close(found @ found, eye.expand(2, 3, 3))
    directions = torch.randn(12, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    alone = grid_rotations(torch.nn.functional.normalize(directions, dim=-1))
    torch.testing.assert_close(alone, eye[None])


def test_disagreement_is_measured_against_how_far_particles_move():
    """A network that always says the same vector disagrees with its turned self by how far that vector turns."""

    class Same(torch.nn.Module):
        def forward(self, x, pos, edge_index, batch):
            return PointOutput(pos[:, :0], torch.tensor([1.0, 0.0, 0.0]).expand(len(pos), 1, 3))

    half = torch.diag(torch.tensor([-1.0, -1.0, 1.0]))
    one = cloud(torch.randn(2, 3), vector=torch.tensor([[[0.0, 0.0, 3.0]], [[4.0, 0.0, 0.0]]]))
    error, change = on_turned(Same(), one, half)
    assert change == pytest.approx((2 * 2**2) ** 0.5 / 5)
    assert error == pytest.approx(((1 + 9) + 5**2) / 6)  # targets turned: (0, 0, 3) and (-4, 0, 0)


def test_an_egnn_reads_products_of_charges():
    torch.manual_seed(0)
    network = EGNN(1, 8, 0, 2, 1, 1, in_edge=1, task="node").double()
    batch = joined(clouds_of(charged_particles(4, seed=0, dtype=torch.float64)))
    turns = SO(3).sample(4, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(loss(network, turned(batch, turns)), loss(network, batch))
    with torch.no_grad():
        network.embed.weight[:, 0] = 0  # charges are seen through products alone, which a change of all signs keeps
        before = loss(network, batch)
        torch.testing.assert_close(loss(network, batch._replace(x=-batch.x)), before)
        flipped = batch.x.clone()
        flipped[::5] *= -1
        assert (loss(network, batch._replace(x=flipped)) - before).abs() > 1e-9


def test_grids_that_are_tried_are_named_once():
    assert len(set(GRIDS)) == len(GRIDS)


def test_what_has_no_meaning_is_refused():
    with pytest.raises(ConfigError, match="nbody_epochs is 0; it takes a whole number from 1"):
        Config(nbody_epochs=0)
