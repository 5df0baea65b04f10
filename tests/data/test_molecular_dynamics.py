"""Trajectories made by ASE: against its potential, its temperature, and energy and force against each other."""

import sys

import numpy as np
import pytest
import torch

from erlangen.data.molecular_dynamics import cluster_trajectory, slab_trajectory
from erlangen.extras import MissingExtra

ase = pytest.importorskip("ase")
emt = pytest.importorskip("ase.calculators.emt")

both = pytest.mark.parametrize("trajectory", [cluster_trajectory, slab_trajectory])


def atoms_of(snapshot):
    cell = None if snapshot.cell is None else snapshot.cell.numpy()
    atoms = ase.Atoms(snapshot.numbers.numpy(), snapshot.position.numpy(), cell=cell, pbc=snapshot.pbc.numpy())
    atoms.calc = emt.EMT()
    return atoms


@both
def test_energies_and_forces_are_those_of_the_positions(trajectory):
    for snapshot in trajectory(20)[::5]:
        atoms = atoms_of(snapshot)
        assert snapshot.energy == pytest.approx(atoms.get_potential_energy(), abs=1e-9)
        np.testing.assert_allclose(snapshot.forces.numpy(), atoms.get_forces(), atol=1e-9)
        assert snapshot.forces.sum(0).abs().max() < 1e-9
        step = 1e-4
        for i, k in ((0, 0), (5, 1), (-1, 2)):  # forces on held atoms, too, are slopes of the energy
            slope = []
            for sign in (1, -1):
                moved = atoms.copy()
                moved.positions[i, k] += sign * step
                moved.calc = emt.EMT()
                slope.append(moved.get_potential_energy())
            assert float(snapshot.forces[i, k]) == pytest.approx((slope[1] - slope[0]) / (2 * step), abs=1e-4)


@both
def test_a_seed_gives_the_same_again_and_more_of_the_same(trajectory):
    few, many = trajectory.__wrapped__(3, 300.0, 5), trajectory.__wrapped__(6, 300.0, 5)
    for a, b in zip(few, many, strict=False):
        assert torch.equal(a.position, b.position) and torch.equal(a.forces, b.forces) and a.energy == b.energy
    other = trajectory.__wrapped__(1, 300.0, 6)
    assert not torch.equal(few[0].position, other[0].position)
    assert trajectory(3, 300.0, 5) is trajectory(3, 300.0, 5)


@both
def test_hotter_is_higher_and_wilder(trajectory):
    cold, hot = trajectory(60, 300.0), trajectory(60, 800.0)
    energy, force = [], []
    for snapshots in (cold, hot):
        assert len(snapshots) == 60
        energy.append(np.mean([snapshot.energy for snapshot in snapshots]))
        force.append(torch.stack([snapshot.forces for snapshot in snapshots]).square().mean().sqrt())
    # Were it harmonic, 3/2 k_B per atom that moves would go into the potential: 0.84 eV for 13, 0.58 eV for nine.
    assert 0.35 < energy[1] - energy[0] < 1.3
    assert 1.3 < force[1] / force[0] < 2.2
    assert not torch.equal(cold[0].position, hot[0].position)


def test_the_cluster_stays_in_one_piece_about_its_centre():
    for snapshot in cluster_trajectory(60, 800.0):
        assert snapshot.numbers.bincount()[[29, 79]].tolist() == [9, 4]
        assert snapshot.cell is None and not snapshot.pbc.any()
        assert snapshot.position.mean(0).abs().max() < 1e-9 and snapshot.position.norm(dim=1).max() < 5


def test_the_slab_is_held_below_and_keeps_its_oxygen():
    snapshots = slab_trajectory(60, 800.0)
    for snapshot in snapshots:
        assert torch.equal(snapshot.position[:4], snapshots[0].position[:4])
        top = snapshot.position[8:12, 2].mean()
        assert -1 < snapshot.position[12, 2] - top < 2 and snapshot.cell[2, 2] > 15
    assert (snapshots[0].position[4:] - snapshots[-1].position[4:]).norm(dim=1).min() > 0


@both
def test_what_has_no_meaning_is_refused(trajectory):
    with pytest.raises(ValueError, match=r"_trajectory\(snapshots\): at least 1, got 0"):
        trajectory(0)
    for temperature in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(ValueError, match=r"_trajectory\(temperature\): positive, in K, got"):
            trajectory(1, temperature)


@both
def test_without_ase_the_line_that_installs_it_is_named(trajectory, monkeypatch):
    for name in [name for name in sys.modules if name.partition(".")[0] == "ase"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "meta_path", [_NoAse(), *sys.meta_path])
    with pytest.raises(MissingExtra, match=r"molecular dynamics needs ase.*erlangen\[molecules\]"):
        trajectory(2, 123.0)


class _NoAse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "ase":
            raise ModuleNotFoundError(f"no {name}", name="ase")
