"""A potential for a chemist's own trajectory: trained on a file, kept in a folder, run as molecular dynamics."""

from __future__ import annotations

import json
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import torch

from erlangen.atomic import write_atomic
from erlangen.data.atom_energies import fit_atom_energies
from erlangen.data.extended_xyz import read_trajectory
from erlangen.data.snapshot import Snapshot
from erlangen.extras import require
from erlangen.o3 import GauntPotential
from erlangen.recipes.gaunt_tensor_product.accuracy import loss, measure
from erlangen.recipes.gaunt_tensor_product.systems import joined, prepare
from erlangen.train import fit, load_weights

SETTINGS, WEIGHTS = "potential.json", "best.safetensors"


def train_potential(
    file: Path,
    out: Path,
    cutoff: float = 5.0,
    channels: int = 16,
    lmax: int = 2,
    num_layers: int = 1,
    epochs: int = 100,
    batch_size: int = 10,
    validation: float = 0.1,
    seed: int = 0,
    energy_key: str = "energy",
    forces_key: str = "forces",
    device: str = "cpu",
    resume: bool = False,
) -> dict[str, float]:
    """Trains a potential on an extended xyz file, and keeps it in a folder.

    Energies of single atoms are those of frames with one atom, if the file has them, and else fitted. A part of the
    frames, drawn at random, chooses the epoch.

    Args:
        file: energies in eV, forces in eV/Angstrom.
        out: the folder: settings, weights, history.
        cutoff: radius of the neighbourhood in Angstrom.
        channels: of each irrep.
        lmax: largest degree.
        num_layers: rounds of messages.
        epochs: passes through the frames.
        batch_size: frames per step.
        validation: share of the frames that choose the epoch.
        seed: of the split, the first weights and the order of batches.
        energy_key: the file's name for energies.
        forces_key: the file's name for forces.
        device: where to compute.
        resume: whether to go on with an interrupted training in the folder.

    Returns:
        Root mean square errors on the frames that chose the epoch: ``energy`` in meV, ``force`` in meV/Angstrom.

    Raises:
        ValueError: if the file cannot be read as such, or has too few frames.
        CheckpointError: if the folder holds another training.
    """
    if not file.is_file():
        raise ValueError(f"no file {file}")
    if not 0 < validation < 1:
        raise ValueError(f"validation: a share between 0 and 1, got {validation}")
    every = read_trajectory(file, energy_key, forces_key)
    snapshots = [s for s in every if not _is_alone(s)]
    held = max(1, round(validation * len(snapshots)))
    if len(snapshots) - held < 1:
        raise ValueError(f"{file}: at least two frames of more than one atom, got {len(snapshots)}")
    atoms = _atoms(file, snapshots, [s for s in every if _is_alone(s)])
    everything = [prepare(s, cutoff, atoms, torch.float32) for s in snapshots]
    order = torch.randperm(len(snapshots), generator=torch.Generator().manual_seed(seed)).tolist()
    chosen, train = [everything[i] for i in order[:held]], [everything[i] for i in order[held:]]
    batch = joined(train)
    shift = float(batch.energy.sum() / len(batch.numbers))
    settings: dict[str, Any] = {
        "elements": sorted(atoms),
        "cutoff": cutoff,
        "channels": channels,
        "lmax": lmax,
        "num_layers": num_layers,
        "neighbours": max(1e-3, batch.edge_index.shape[1] / len(batch.numbers)),
        "scale": max(1e-6, float(batch.forces.square().mean().sqrt())),
    }
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        potential = GauntPotential(**settings, references=dict.fromkeys(atoms, shift)).to(device)
    # Learned relative to single atoms, kept in total energies.
    settings["references"] = {str(z): energy + shift for z, energy in atoms.items()}
    _keep(settings, out, resume)
    fit(
        potential,
        train,
        loss,
        val_data=chosen,
        epochs=epochs,
        batch_size=batch_size,
        lr=5e-3,
        schedule="cosine",
        clip=10.0,
        seed=seed,
        collate=joined,
        out=out,
        resume=resume,
    )
    return measure(potential, chosen, device)[0]


def load_potential(folder: Path) -> GauntPotential:
    """The potential that `train_potential` has kept.

    Raises:
        ValueError: if the folder holds none.
        CheckpointError: if its weights are damaged, or another potential's.
    """
    try:
        settings = json.loads((folder / SETTINGS).read_text())
        references = {int(z): float(energy) for z, energy in settings.pop("references").items()}
        potential = GauntPotential(**settings, references=references)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{folder}: no whole potential of `erlangen potential train` ({error})") from None
    kept = potential.get_buffer("references").clone()
    load_weights(potential, folder / WEIGHTS)
    potential.get_buffer("references").copy_(kept)
    return potential.eval()


def molecular_dynamics(
    potential: GauntPotential,
    start: Path,
    out: Path,
    temperature: float,
    steps: int,
    step: float = 0.5,
    friction: float = 0.01,
    every: int = 10,
    seed: int = 0,
    tick: Callable[[], object] = lambda: None,
) -> list[float]:
    """Langevin dynamics in a potential, from the last frame of a file; the frames go to another file.

    Args:
        potential: the potential.
        start: any file that ASE reads.
        out: an extended xyz file, written whole at the end, also where somebody stops it before.
        temperature: in K.
        steps: how many.
        step: in fs.
        friction: in 1/fs; zero keeps the energy instead of the temperature.
        every: steps between frames.
        seed: of velocities and noise.
        tick: called after each frame.

    Returns:
        The temperature of every frame, in K.

    Raises:
        ValueError: for an element the potential does not know; or where atoms fly apart, naming the step.
    """
    import numpy as np

    io = require("ase.io", "molecules", "molecular dynamics")
    units = require("ase.units", "molecules", "molecular dynamics")
    langevin = require("ase.md.langevin", "molecules", "molecular dynamics")
    if not out.parent.is_dir() or out.is_dir() or out.resolve() == start.resolve():
        raise ValueError(f"out: a file in a folder that is there, and not the file to start from, got {out}")
    rng = np.random.default_rng(seed)
    try:
        atoms = io.read(start, do_not_split_by_at_sign=True)
    except Exception as error:  # each of ASE's readers has its own
        raise ValueError(f"{start}: ASE cannot read it ({type(error).__name__}: {error})") from error
    potential.kinds(torch.tensor(atoms.numbers))
    atoms.calc = potential.double().calculator()
    spread = np.sqrt(atoms.get_masses() * units.kB * temperature)
    atoms.set_momenta(spread[:, None] * rng.standard_normal((len(atoms), 3)))
    motion = langevin.Langevin(
        atoms, step * units.fs, temperature_K=temperature, friction=friction / units.fs, fixcm=False, rng=rng
    )
    frames, found = [], []
    try:
        for done in range(0, steps, every):
            motion.run(min(every, steps - done))
            if not np.isfinite(atoms.get_positions()).all() or atoms.get_temperature() > 1e5:
                raise ValueError(f"atoms fly apart before step {done + every}: the potential does not know such places")
            frames.append(atoms.copy())
            found.append(float(atoms.get_temperature()))
            tick()
    finally:  # also what there is when somebody stops it
        if frames:
            text = _text(io, frames)
            write_atomic(out, text)
    return found


def _text(io: Any, frames: list[Any]) -> str:
    """Frames as an extended xyz file."""
    text = StringIO()
    io.write(text, frames, format="extxyz")
    return text.getvalue()


def _is_alone(snapshot: Snapshot) -> bool:
    """Whether it is an isolated atom, whose energy is a reference: one atom, and no crystal of it."""
    return len(snapshot.numbers) == 1 and snapshot.cell is None


def _atoms(file: Path, snapshots: list[Snapshot], alone: list[Snapshot]) -> dict[int, float]:
    """Energies of single atoms for every element of the frames: the file's own, if it has any, or fitted."""
    present, known = torch.cat([s.numbers for s in snapshots]).unique().tolist(), {}
    for snapshot in alone:
        number = int(snapshot.numbers[0])
        if known.setdefault(number, snapshot.energy) != snapshot.energy:
            raise ValueError(f"{file}: two energies of isolated atoms of number {number}")
    if not known:
        return fit_atom_energies(snapshots)
    if missing := sorted(set(present) - set(known)):
        raise ValueError(f"{file}: isolated atoms of numbers {sorted(known)}, but none of {missing}")
    return {z: known[z] for z in sorted(present)}


def _keep(settings: dict[str, Any], out: Path, resume: bool) -> None:
    """Writes the settings before the training; an interrupted one goes on with its own settings only."""
    path = out / SETTINGS
    if resume and path.exists():
        try:
            kept = json.loads(path.read_text())
        except ValueError:
            raise ValueError(f"{path}: is damaged") from None
        different = [name for name in settings if kept.get(name) != settings[name]]
        if different:
            name = different[0]
            raise ValueError(f"{out}: holds a potential whose {name} is {kept.get(name)}, got {settings[name]}")
    elif not (out / "last.safetensors").exists():  # else the training itself refuses to begin anew
        out.mkdir(parents=True, exist_ok=True)
        write_atomic(path, json.dumps(settings, indent=1) + "\n")
