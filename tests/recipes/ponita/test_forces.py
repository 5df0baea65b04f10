"""Forces: slopes against finite differences, the loss and the errors written out, and the experiment at size smoke."""

import math

import pytest
import torch

from erlangen.data.molecular_dynamics import cluster_trajectory, slab_trajectory
from erlangen.data.sources import MissingDataError, find_source
from erlangen.groups import SO
from erlangen.points import EGNN, PONITA
from erlangen.recipes.config import ConfigError
from erlangen.recipes.ponita.clouds import joined, turned
from erlangen.recipes.ponita.forces import CLAIMS, METHODS, TURNS, Said, available, errors, load, predict, run
from erlangen.recipes.ponita.potential import Potential, Units, cloud_of, force_loss
from erlangen.recipes.ponita.settings import Config
from erlangen.report import judge_claims

pytest.importorskip("ase")
ELEMENTS = [29, 79]


def network(kind, dtype=torch.float64):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        build = {
            "ponita": lambda: PONITA(2, 8, 1, 2, num_ori=12, grid="icosahedron"),
            "pnita": lambda: PONITA(2, 8, 1, 2, num_ori=0),
            "egnn": lambda: EGNN(2, 8, 1, 2),
        }[kind]
        return Potential(build()).to(dtype)


@pytest.fixture(scope="module")
def snapshots():
    return cluster_trajectory(4, 300.0, 1)


@pytest.fixture(scope="module")
def units(snapshots):
    return Units.of(snapshots)


def clouds_of(snapshots, units, dtype=torch.float64):
    return [cloud_of(snapshot, ELEMENTS, units, dtype) for snapshot in snapshots]


def test_units_and_clouds(snapshots, units):
    batch = joined(clouds_of(snapshots, units))
    assert units.zero == pytest.approx(sum(s.energy for s in snapshots) / 4)
    assert float(batch.vector.square().mean()) == pytest.approx(1.0)
    assert float(batch.scalar.mean()) == pytest.approx(0.0, abs=1e-9)
    assert float(batch.scalar[2]) * units.scale + units.zero == pytest.approx(snapshots[2].energy)
    assert batch.x.sum(0).tolist() == [36, 16] and batch.edge_index.shape == (2, 4 * 13 * 12)
    assert batch.pos[:13].mean(0).abs().max() < 1e-12
    with pytest.raises(ValueError, match=r"Units.of\(snapshots\): snapshots with forces"):
        Units.of([snapshots[0]._replace(forces=None)])
    with pytest.raises(ValueError, match=r"cloud_of\(elements\): all elements of .*, got \[29\]"):
        cloud_of(snapshots[0], [29], units)
    with pytest.raises(ValueError, match=r"cloud_of\(snapshot\): forces, and nothing periodic"):
        cloud_of(slab_trajectory(1, 300.0, 0)[0], [8, 29], units)


@pytest.mark.parametrize("kind", ["ponita", "pnita", "egnn"])
def test_forces_are_slopes_of_the_energy_and_add_up_to_nothing(kind, snapshots, units):
    potential, batch = network(kind).eval(), joined(clouds_of(snapshots[:2], units))
    energy, forces = potential(batch)
    assert energy.shape == (2,) and not energy.requires_grad and not forces.requires_grad
    step = 1e-5
    for atom, axis in ((0, 0), (7, 1), (20, 2)):
        ends = []
        for sign in (1, -1):
            pos = batch.pos.clone()
            pos[atom, axis] += sign * step
            ends.append(float(potential(batch._replace(pos=pos))[0].sum()))
        assert float(forces[atom, axis]) == pytest.approx(-(ends[0] - ends[1]) / (2 * step), rel=1e-6, abs=1e-8)
    assert forces[:13].sum(0).abs().max() < 1e-10 * forces.abs().max() + 1e-12
    if kind != "ponita":
        torque = torch.linalg.cross(batch.pos, forces)[:13].sum(0)
        assert torque.abs().max() < 1e-8 * forces.abs().max()


@pytest.mark.parametrize(("dtype", "bound"), [(torch.float32, 1e-4), (torch.float64, 1e-10)])
@pytest.mark.parametrize("kind", ["pnita", "egnn"])
def test_forces_of_exact_networks_turn_with_the_molecule(kind, dtype, bound, snapshots, units):
    potential, batch = network(kind, dtype).eval(), joined(clouds_of(snapshots, units, dtype))
    turns = SO(3).sample(4, generator=torch.Generator().manual_seed(0))
    energy, forces = potential(batch)
    other, moved = potential(turned(batch, turns))
    want = torch.einsum("nij,nj->ni", turns[batch.batch].to(dtype), forces)
    assert (other - energy).abs().max() < bound * energy.abs().max()
    assert (moved - want).abs().max() < bound * forces.abs().max()


def test_the_loss_is_the_formula_and_teaches_all_weights(snapshots, units):
    batch = joined(clouds_of(snapshots, units))
    potential = network("pnita").eval()
    energy, forces = potential(batch)
    off = (forces - batch.vector[:, 0]).norm(dim=-1).square().mean() / 3
    want = (energy - batch.scalar[:, 0]).square().mean() / 500 + off
    assert float(force_loss(potential, batch)) == pytest.approx(float(want), rel=1e-12)
    potential.train()
    force_loss(potential, batch).backward()
    silent = [name for name, p in potential.named_parameters() if p.grad is None or not p.grad.abs().max() > 0]
    assert all(name.endswith("bias") for name in silent)  # the constant of the energy has its slope from the energy


def test_errors_by_hand(snapshots, units):
    clouds = clouds_of(snapshots, units)
    batch = joined(clouds)
    energy, forces = batch.scalar[:, 0], batch.vector[:, 0]
    every = forces[:, None] + torch.tensor([1.0, -1.0, 1.0, -1.0, 0.5]).double()[:, None]
    said = Said(energy + 2, forces - 3, energy[:, None] + torch.arange(5.0).double(), every)
    upright, averaged = errors(clouds, said, units, averaged=False), errors(clouds, said, units, averaged=True)
    unit = 1e3 * units.scale
    assert upright["energy"] == pytest.approx(2 * unit) and upright["force"] == pytest.approx(3 * unit)
    assert averaged["energy"] == pytest.approx(2 * unit) and averaged["force"] == pytest.approx(0.1 * unit)
    assert averaged["energy_upright"] == pytest.approx(2 * unit)
    assert averaged["force_upright"] == pytest.approx(3 * unit)
    assert [averaged[f"force_{n}"] / unit for n in (1, 2, 3)] == pytest.approx([1, 0, 1 / 3], abs=1e-9)
    apart = (torch.tensor([4.0, 2.0, 4.0, 2.0, 3.5]).square().mean()).sqrt()
    assert upright["disagreement"] == pytest.approx(float(apart))
    assert upright["total"] == pytest.approx(13 * 3 * math.sqrt(3) / float(forces.norm(dim=-1).mean()), rel=1e-6)


def test_predictions_are_turned_back(snapshots, units):
    clouds = clouds_of(snapshots, units)
    said = predict(network("pnita").eval(), clouds, torch.Generator().manual_seed(0), "cpu")
    assert said.energy.shape == (4, TURNS) and said.forces.shape == (52, TURNS, 3)
    assert (said.forces - said.upright[:, None]).abs().max() < 1e-10 * said.upright.abs().max() + 1e-12
    assert (said.energy - said.energy_upright[:, None]).abs().max() < 1e-9
    other = predict(network("ponita").eval(), clouds, torch.Generator().manual_seed(0), "cpu")
    assert (other.forces - other.upright[:, None]).abs().max() > 1e-4 * other.upright.abs().max()


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    out = tmp_path_factory.mktemp("forces")
    config = Config(size="smoke", seeds=1, data=tmp_path_factory.mktemp("empty"), out=out)
    return config, run(config)


def test_without_files_a_cluster_is_learnt(made):
    config, findings = made
    assert available(config) == ("cluster",)
    for kind in METHODS:
        for test in ("300K", "600K"):
            assert findings.metrics[f"cluster_{kind}_{test}_force"][0] > 0
    assert len(findings.tables[0].rows) == 2 * len(METHODS)
    assert [check for check in findings.checks if not check.passed] == [] and len(findings.checks) == 2
    assert {verdict.verdict for _, verdict in judge_claims(CLAIMS, {"forces": findings.metrics})} == {
        "not measurable here"
    }
    exact = {f"{method.title}, cluster" for method in METHODS.values() if method.exact}
    assert {a["name"] for a in findings.audits if a["verdict"] in ("exact", "float32")} == exact
    assert set(findings.figures) == {"forces.png"}
    assert 0 < (config.out / "forces.png").stat().st_size < 100_000


def test_published_files_are_used_where_they_are():
    try:
        find_source("acac"), find_source("3bpa")
    except MissingDataError as error:
        pytest.skip(str(error))
    config = Config(size="smoke", seeds=1)
    assert available(config) == ("acac", "3bpa")
    first, other = (load("acac", config, seed) for seed in (0, 1))
    assert [len(part) for part in (first.train, first.validation)] == [10, 5]
    assert {s.energy for s in other.train} != {s.energy for s in first.train}
    assert not {s.energy for s in other.train} & {s.energy for s in other.validation}
    with pytest.raises(ConfigError, match="forces_train and forces_validation are 501 together; acac has 500"):
        load("acac", Config(size="smoke", forces_train=451, forces_validation=50), 0)
    metrics = run(config).metrics
    verdicts = [verdict for _, verdict in judge_claims(CLAIMS, {"forces": metrics})]
    assert all(verdict.verdict == "undecided" and verdict.effect is not None for verdict in verdicts)  # one seed


@pytest.mark.parametrize("kind", ["ponita", "pnita", "egnn"])
def test_slopes_of_the_loss_are_its_finite_differences(kind, snapshots, units):
    """What is trained on forces needs second derivatives; a first one that is right does not make these right."""
    batch = joined(clouds_of(snapshots[:2], units))
    potential = network(kind).train()
    force_loss(potential, batch)  # the first call may rescale kernels
    loss = force_loss(potential, batch)
    weights = dict(potential.named_parameters())
    slopes = torch.autograd.grad(loss, list(weights.values()), materialize_grads=True)
    generator = torch.Generator().manual_seed(0)
    for weight, slope in zip(weights.values(), slopes, strict=True):
        direction = torch.randn(weight.shape, generator=generator, dtype=torch.float64)
        ends = []
        for step in (1e-5, -1e-5):
            with torch.no_grad():
                weight += step * direction
            ends.append(float(force_loss(potential, batch).detach()))
            with torch.no_grad():
                weight -= step * direction
        want = (ends[0] - ends[1]) / 2e-5
        assert float((slope * direction).sum()) == pytest.approx(want, rel=1e-5, abs=1e-7)
