r"""Trajectories made here, for those who have no data set of molecules: metals at a temperature.

Langevin dynamics in the effective medium potential of ASE (EMT), whose energies take microseconds:

.. math:: m \dot v = F(x) - \gamma m v + \sqrt{2 \gamma m k_B T}\, \eta(t), \qquad \gamma = 0.02/\mathrm{fs},

in steps of 2 fs, all with random numbers of one seed. Velocities start at the temperature; 400 steps pass before the
first snapshot, ten between snapshots. EMT is no chemistry to rely on, but a many-body potential with exact forces for
all elements used here; its energies are relative to the bulk metals, so there are no isolated atoms to subtract.

Jacobsen, Stoltze, Nørskov, "A semi-empirical effective medium theory for metals and alloys", 1996; Hjorth Larsen et
al., "The atomic simulation environment: a Python library for working with atoms", 2017.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import torch

from erlangen.data.extended_xyz import make_snapshot
from erlangen.data.snapshot import Snapshot
from erlangen.extras import require

STEP = 2.0  # fs
FRICTION = 0.02  # 1/fs
BEFORE, BETWEEN = 400, 10  # steps
GOLD = (1, 4, 7, 10)


@lru_cache(maxsize=8)
def cluster_trajectory(snapshots: int = 200, temperature: float = 300.0, seed: int = 0) -> tuple[Snapshot, ...]:
    """An icosahedral cluster of nine copper and four gold atoms; kept in memory, so treat its tensors as constants.

    Nothing is periodic. Positions are relative to the centre of the atoms, which turn freely.

    Args:
        snapshots: How many.
        temperature: In K.
        seed: Of velocities and noise. Frames of one seed are a prefix of more of them.

    Raises:
        MissingExtra: If ASE is not installed.
        ValueError: If there is no snapshot, or the temperature is not positive.

    >>> trajectory = cluster_trajectory(snapshots=3)
    >>> len(trajectory), trajectory[0].position.shape, trajectory[0].cell
    (3, torch.Size([13, 3]), None)
    """
    _check("cluster_trajectory", snapshots, temperature)
    cluster = require("ase.cluster", "molecules", "molecular dynamics")
    atoms = cluster.Icosahedron("Cu", 2)
    atoms.numbers[list(GOLD)] = 79
    atoms.cell[:], atoms.pbc = 0, False
    return tuple(
        snapshot._replace(position=snapshot.position - snapshot.position.mean(0))
        for snapshot in _langevin(atoms, snapshots, temperature, seed)
    )


@lru_cache(maxsize=8)
def slab_trajectory(snapshots: int = 200, temperature: float = 300.0, seed: int = 0) -> tuple[Snapshot, ...]:
    """An oxygen atom on Cu(111); kept in memory, so treat its tensors as constants.

    Three layers of 2 x 2 atoms, periodic in the plane, of which the lowest stays where it is: positions of its atoms
    never change, but forces act on them too, and are recorded. The cell, 5.1 Å wide, is smaller than twice the usual
    cutoffs, so atoms see images of themselves. Positions are followed across the borders of the cell. The third cell
    vector is not periodic.

    Args:
        snapshots: How many.
        temperature: In K.
        seed: Of velocities and noise. Frames of one seed are a prefix of more of them.

    Raises:
        MissingExtra: If ASE is not installed.
        ValueError: If there is no snapshot, or the temperature is not positive.

    >>> snapshot = slab_trajectory(snapshots=1)[0]
    >>> snapshot.numbers.tolist(), snapshot.pbc.tolist()
    ([29, 29, 29, 29, 29, 29, 29, 29, 29, 29, 29, 29, 8], [True, True, False])
    """
    _check("slab_trajectory", snapshots, temperature)
    build = require("ase.build", "molecules", "molecular dynamics")
    constraints = require("ase.constraints", "molecules", "molecular dynamics")
    atoms = build.fcc111("Cu", size=(2, 2, 3), vacuum=8.0)
    build.add_adsorbate(atoms, "O", height=1.3, position="fcc")
    atoms.set_constraint(constraints.FixAtoms(indices=range(4)))
    return tuple(_langevin(atoms, snapshots, temperature, seed))


def _check(caller: str, snapshots: int, temperature: float) -> None:
    if snapshots < 1:
        raise ValueError(f"{caller}(snapshots): at least 1, got {snapshots}")
    if not 0 < temperature < float("inf"):
        raise ValueError(f"{caller}(temperature): positive, in K, got {temperature}")


def _langevin(atoms: Any, snapshots: int, temperature: float, seed: int) -> list[Snapshot]:
    """Lets atoms move at a temperature and records them."""
    units = require("ase.units", "molecules", "molecular dynamics")
    emt = require("ase.calculators.emt", "molecules", "molecular dynamics")
    langevin = require("ase.md.langevin", "molecules", "molecular dynamics")
    rng = np.random.default_rng(seed)
    atoms.calc = emt.EMT()
    spread = np.sqrt(atoms.get_masses() * units.kB * temperature)
    atoms.set_momenta(spread[:, None] * rng.standard_normal((len(atoms), 3)))  # zero for atoms that are held
    dynamics = langevin.Langevin(
        atoms, STEP * units.fs, temperature_K=temperature, friction=FRICTION / units.fs, fixcm=False, rng=rng
    )
    recorded = []
    for number in range(snapshots):
        dynamics.run(BETWEEN if number else BEFORE)
        forces = torch.tensor(atoms.get_forces(apply_constraint=False), dtype=torch.float64)
        recorded.append(make_snapshot(atoms, float(atoms.get_potential_energy()), forces, f"snapshot {number}"))
    return recorded
