r"""Small organic molecules made here: up to nine atoms of C, N, O and F, their hydrogen atoms, and where they all are.

A stand-in for enumerations such as QM9 where there is no network. A molecule begins as one atom and grows: an atom is
bonded to it, a ring of three to six is closed, or a bond is strengthened, all at random and as valences allow. Those
that a chemist would not believe in are given up (peroxides, chains of heteroatoms, cumulated double bonds, triple bonds
in rings, double bonds in rings of three or where rings meet, unless aromatic), and so are those that came before. There
are no ions and no radicals. Then rdkit finds one conformer (ETKDG) and lets it relax in the MMFF94 force field.

The numbers of heavy atoms are mostly the largest that is allowed, as in an enumeration, whose size grows exponentially.

Riniker, Landrum, "Better Informed Distance Geometry: Using What We Know To Improve Conformation Generation", 2015;
Halgren, "Merck molecular force field. I.", 1996; Ramakrishnan, Dral, Rupp, von Lilienfeld, "Quantum chemistry
structures and properties of 134 kilo molecules", 2014 (QM9).
"""

from __future__ import annotations

import io
import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy.sparse.csgraph import shortest_path
from torch import Tensor

from erlangen.atomic import write_atomic
from erlangen.data.bonds import VALENCE
from erlangen.data.cache import cache_folder
from erlangen.data.molecule_quality import graph_of
from erlangen.extras import require

LARGEST = 9  # heavy atoms
_ELEMENTS, _CHANCES = (6, 7, 8, 9), (0.73, 0.12, 0.13, 0.02)
_SMALLER = 0.35  # chance of each heavy atom less
_CLOSE, _STRENGTHEN = 0.2, 0.2  # chances to close a ring, to strengthen a bond; else an atom is added
_RINGS = {3: 0.15, 4: 0.15, 5: 0.4, 6: 0.3}  # chances of their sizes
_RELAXATION = 1000  # steps at most
_TRIES = 1000  # growths without a new molecule, after which there seem to be no more
_WRITE_EVERY = 500  # molecules
_FORMAT = 2


class Molecule(NamedTuple):
    """One conformer of a molecule.

    Attributes:
        numbers: Atomic numbers, heavy atoms in the order of ``smiles``, then hydrogen atoms as rdkit adds them.
        position: In Å, float64, relative to the centre of the atoms.
        smiles: Canonical, without hydrogen atoms and stereochemistry.
    """

    numbers: Int[Tensor, " atoms"]
    position: Float[Tensor, "atoms 3"]
    smiles: str


def small_molecules(
    count: int,
    seed: int = 0,
    heavy: int = LARGEST,
    *,
    cache: Path | None = None,
    progress: Callable[[], object] | None = None,
) -> list[Molecule]:
    """Different molecules of a seed, from the cache as far as it has them; a thousand new ones take about a minute.

    The first molecules of a seed are the same however many are asked for. New ones are added to the cache as they come,
    so what an interruption costs is seconds. Another version of rdkit has a cache of its own, because it may find other
    conformers. A damaged file in the cache is made anew.

    Args:
        count: How many.
        seed: Their randomness.
        heavy: Most atoms besides hydrogen, 1 to 9.
        cache: Folder to keep them in; by default ``molecules`` in `erlangen.data.cache.cache_folder`.
        progress: Called once for each molecule.

    Raises:
        MissingExtra: If rdkit is not installed.
        ValueError: If ``count`` or ``heavy`` has no meaning, or if there seem to be no more molecules of that size.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     first, second = small_molecules(2, heavy=3, cache=Path(folder))
    >>> len(first.numbers) == len(first.position), first.smiles != second.smiles
    (True, True)
    """
    if count < 1:
        raise ValueError(f"small_molecules(count): a whole number from 1, got {count}")
    _check("small_molecules", seed, heavy)
    version = require("rdkit", "molecules", "making molecules").__version__
    folder = cache_folder("molecules") if cache is None else cache
    file = folder / f"grown-{heavy}-seed-{seed}-rdkit-{version}-{_FORMAT}.npz"
    molecules, growth = _read(file)
    tick = progress or (lambda: None)
    for _ in molecules[:count]:
        tick()
    if len(molecules) >= count:
        return molecules[:count]
    written = len(molecules)
    try:
        for after, molecule in _grown(seed, heavy, growth, {molecule.smiles for molecule in molecules}):
            molecules.append(molecule)
            growth = after
            tick()
            if len(molecules) == count:
                break
            if len(molecules) - written >= _WRITE_EVERY:
                _write(file, molecules, growth)
                written = len(molecules)
    finally:
        if len(molecules) > written:
            _write(file, molecules, growth)
    if len(molecules) < count:
        raise ValueError(
            f"small_molecules(count): {count} molecules of at most {heavy} heavy atoms, found {len(molecules)} "
            f"and no new one in {_TRIES} tries"
        )
    return molecules


def grow_molecules(seed: int = 0, heavy: int = LARGEST) -> Iterator[Molecule]:
    """Different molecules, one after another, nothing kept; ends where there seem to be no more.

    Args:
        seed: Their randomness.
        heavy: Most atoms besides hydrogen, 1 to 9.

    Raises:
        MissingExtra: If rdkit is not installed.
        ValueError: If ``seed`` or ``heavy`` has no meaning.

    >>> sorted(molecule.smiles for molecule in grow_molecules(heavy=1))  # MMFF94 does not know hydrogen fluoride
    ['C', 'N', 'O']
    """
    _check("grow_molecules", seed, heavy)
    for _, molecule in _grown(seed, heavy, 0, set()):
        yield molecule


def _check(caller: str, seed: int, heavy: int) -> None:
    if seed < 0:
        raise ValueError(f"{caller}(seed): a whole number from 0, got {seed}")
    if not 1 <= heavy <= LARGEST:
        raise ValueError(f"{caller}(heavy): a whole number from 1 to {LARGEST}, got {heavy}")


def _grown(seed: int, heavy: int, first: int, before: set[str]) -> Iterator[tuple[int, Molecule]]:
    """New molecules from growth number ``first`` on, each with the number of the growth that follows it."""
    last = first
    for growth in itertools.count(first):
        if growth - last >= _TRIES:
            return
        smiles = _smiles(*_skeleton(np.random.default_rng([seed, growth]), heavy))
        if smiles is None or smiles in before:
            continue
        before.add(smiles)
        molecule = embed(smiles)
        # rdkit may write a molecule that it has read in another way than one that was built.
        if molecule is not None and (molecule.smiles == smiles or molecule.smiles not in before):
            before.add(molecule.smiles)
            last = growth
            yield growth + 1, molecule


# ------------------------------------------------------------------ growing
def _skeleton(rng: np.random.Generator, heavy: int) -> tuple[list[int], np.ndarray]:
    """Heavy atoms and the orders of their bonds."""
    size = max(1, heavy - int(rng.geometric(1 - _SMALLER)) + 1)
    numbers = [_ELEMENTS[rng.choice(len(_ELEMENTS), p=_CHANCES)]]
    orders = np.zeros((size, size), dtype=int)
    stuck = 0
    while stuck < 20:
        n = len(numbers)
        free = np.array([VALENCE[number] for number in numbers]) - orders[:n].sum(1)
        kind = rng.random()
        if kind < _CLOSE:
            changed = _close_ring(rng, numbers, orders, free)
        elif kind < _CLOSE + _STRENGTHEN:
            changed = _strengthen(rng, numbers, orders, free)
        elif n < size:
            changed = _add_atom(rng, numbers, orders, free)
        else:
            break
        stuck = 0 if changed else stuck + 1
    return numbers, orders[: len(numbers), : len(numbers)]


def _add_atom(rng: np.random.Generator, numbers: list[int], orders: np.ndarray, free: np.ndarray) -> bool:
    new = _ELEMENTS[rng.choice(len(_ELEMENTS), p=_CHANCES)]
    places = [i for i, number in enumerate(numbers) if free[i] and _may_meet(rng, number, new)]
    if not places:
        return False
    place = places[rng.integers(len(places))]
    orders[place, len(numbers)] = orders[len(numbers), place] = 1
    numbers.append(new)
    return True


def _close_ring(rng: np.random.Generator, numbers: list[int], orders: np.ndarray, free: np.ndarray) -> bool:
    steps = _steps_apart(orders[: len(numbers), : len(numbers)])
    size = list(_RINGS)[rng.choice(len(_RINGS), p=list(_RINGS.values()))]
    pairs = [
        (i, j)
        for i, j in zip(*np.nonzero(np.triu(steps == size - 1)), strict=True)
        if free[i] and free[j] and _may_meet(rng, numbers[i], numbers[j])
    ]
    if not pairs:
        return False
    i, j = pairs[rng.integers(len(pairs))]
    orders[i, j] = orders[j, i] = 1
    return True


def _strengthen(rng: np.random.Generator, numbers: list[int], orders: np.ndarray, free: np.ndarray) -> bool:
    bonds = [
        (i, j)
        for i, j in zip(*np.nonzero(np.triu(orders)), strict=True)
        if free[i] and free[j] and orders[i, j] < 3 and _may_meet(rng, numbers[i], numbers[j])
    ]
    if not bonds:
        return False
    i, j = bonds[rng.integers(len(bonds))]
    orders[i, j] = orders[j, i] = orders[i, j] + 1
    return True


def _may_meet(rng: np.random.Generator, first: int, second: int) -> bool:
    """Carbon meets everything; nitrogen now and then itself or oxygen; nothing else is bonded."""
    if 6 in (first, second):
        return True
    return 7 in (first, second) and 9 not in (first, second) and rng.random() < 0.15


def _steps_apart(orders: np.ndarray) -> np.ndarray:
    """Fewest bonds between each pair of atoms."""
    return shortest_path(orders > 0, unweighted=True, directed=False)


def _smiles(numbers: list[int], orders: np.ndarray) -> str | None:
    """Canonical SMILES; None where a chemist would not believe in it."""
    double = (orders == 2).sum(1)
    if (double > 1).any():
        return None
    hetero = np.array(numbers) != 6
    if ((orders[:, hetero] > 0).sum(1)[hetero] > 1).any():  # a heteroatom between two others
        return None
    chem = require("rdkit.Chem", "molecules", "making molecules")
    molecule = graph_of(numbers, orders.tolist()).GetMol()
    chem.SanitizeMol(molecule)
    rings = molecule.GetRingInfo()
    for ring in rings.AtomRings():
        within = orders[np.ix_(ring, ring)]
        if (within == 3).any() or (len(ring) == 3 and (within > 1).any()):
            return None
        for i, j in zip(*np.nonzero(within == 2), strict=True):
            shared = max(rings.NumAtomRings(ring[i]), rings.NumAtomRings(ring[j])) > 1
            if shared and not molecule.GetAtomWithIdx(ring[i]).GetIsAromatic():
                return None
    return chem.MolToSmiles(molecule)


# ------------------------------------------------------------------ embedding
def embed(smiles: str, seed: int = 0) -> Molecule | None:
    """One relaxed conformer, or None where rdkit finds none: where rings are too strained, most of the time.

    Args:
        smiles: Of C, N, O, F and other elements that MMFF94 knows, in one fragment. Its stereochemistry is passed over.
        seed: Of the first guess; the same gives the same conformer.

    Raises:
        MissingExtra: If rdkit is not installed.
        ValueError: If it is no SMILES.

    >>> embed("O").numbers
    tensor([8, 1, 1])
    """
    chem = require("rdkit.Chem", "molecules", "making molecules")
    fields = require("rdkit.Chem.rdForceFieldHelpers", "molecules", "making molecules")
    distance_geometry = require("rdkit.Chem.rdDistGeom", "molecules", "making molecules")
    with require("rdkit.rdBase", "molecules", "making molecules").BlockLogs():
        read = chem.MolFromSmiles(smiles)
        if read is None:
            raise ValueError(f"embed(smiles): a SMILES string, got {smiles!r}")
        canonical = chem.MolToSmiles(read, isomericSmiles=False)
        molecule = chem.AddHs(chem.MolFromSmiles(canonical))
        settings: Any = distance_geometry.ETKDGv3()
        settings.randomSeed, settings.maxIterations = seed, 10
        if distance_geometry.EmbedMolecule(molecule, settings) < 0:
            return None
        if not fields.MMFFHasAllMoleculeParams(molecule):
            return None
        if fields.MMFFOptimizeMolecule(molecule, maxIters=_RELAXATION):
            return None
    numbers = torch.tensor([atom.GetAtomicNum() for atom in molecule.GetAtoms()])
    position = torch.from_numpy(molecule.GetConformer().GetPositions())
    return Molecule(numbers, position - position.mean(0), canonical)


# ------------------------------------------------------------------ keeping
def _write(file: Path, molecules: list[Molecule], growth: int) -> None:
    buffer = io.BytesIO()
    np.savez_compressed(
        buffer,
        growth=growth,
        atoms=np.array([len(molecule.numbers) for molecule in molecules]),
        numbers=torch.cat([molecule.numbers for molecule in molecules]).numpy().astype(np.uint8),
        position=torch.cat([molecule.position for molecule in molecules]).numpy(),
        smiles=np.array([molecule.smiles for molecule in molecules]),
    )
    file.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(file, buffer.getvalue())


def _read(file: Path) -> tuple[list[Molecule], int]:
    """What the cache holds, and the number of the next growth."""
    try:
        with np.load(file, allow_pickle=False) as stored:
            atoms = stored["atoms"].tolist()
            numbers = torch.from_numpy(stored["numbers"].astype(np.int64)).split(atoms)
            position = torch.from_numpy(stored["position"]).split(atoms)
            smiles, growth = stored["smiles"].tolist(), int(stored["growth"])
        return [Molecule(*parts) for parts in zip(numbers, position, smiles, strict=True)], growth
    except FileNotFoundError:
        return [], 0
    except Exception:  # whatever zip, numpy and torch make of half a file: it is made anew
        return [], 0
